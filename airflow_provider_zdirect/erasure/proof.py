# SPDX-License-Identifier: Apache-2.0
"""Proving an erasure: no file about orders holds personal data of the ledger's orders any more.

Every column (of JSON, every field) that may hold personal data is empty in every row of these orders, also in files
that this package did not write. No rejected record of theirs holds more than ids. They have no shipping documents.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from airflow_provider_zdirect.datasets.personal_data import KEPT
from airflow_provider_zdirect.erasure.copies import documents_of, lines_of
from airflow_provider_zdirect.erasure.ledger import ErasedPeople
from airflow_provider_zdirect.erasure.rows import PERSONAL, is_theirs, line_without_erased
from airflow_provider_zdirect.erasure.tables import read_columns
from airflow_provider_zdirect.storage.object_store import ObjectStore

ABOUT_ORDERS = ("orders", "order_", "announced_returns")
"""How the names of tables about orders begin."""


@dataclass
class Proof:
    """What was checked, and found.

    :param checked: files, of which none changes.
    :param found: how often, by file.
    """

    checked: set[str] = field(default_factory=set)
    rows: int = 0
    found: Counter[str] = field(default_factory=Counter)


def prove(store: ObjectStore, people: ErasedPeople, proof: Proof) -> Proof:
    """Look at every file about the merchant's orders.

    :param proof: what was checked before, which is added to.
    :raises FileNotFoundError: if one was replaced meanwhile, so that there is a new one.
    """
    for path in _files(store, people.merchant_id):
        if path in proof.checked:
            continue
        if path.endswith(".parquet"):
            for rows in read_columns(store, path):
                proof.rows += rows.num_rows
                theirs = rows.filter(is_theirs(rows, people)).to_pylist()
                proof.found[path] += sum(map(_has_personal_data, theirs))
        elif path.endswith(".jsonl.gz"):
            is_rejected = path.startswith(("_rejected/", "_staging/"))
            for line in lines_of(store, path):
                proof.rows += 1
                if is_rejected:
                    proof.found[path] += line_without_erased(line, people) != line
                elif people.has_record(line):
                    proof.found[path] += _has_personal_data(msgspec.json.decode(line))
        else:
            continue
        proof.checked.add(path)
    for paths in documents_of(store, people):
        proof.found.update(paths)
    proof.found = +proof.found
    return proof


def _files(store: ObjectStore, merchant_id: str) -> Iterator[str]:
    for top in (path.strip("/") for path in store.files("")):
        for place in store.files(top) if top.startswith("_") else [top]:
            if place.rpartition("/")[2].startswith(ABOUT_ORDERS):
                yield from store.files_below(f"{place}/merchant_id={merchant_id}")


def _has_personal_data(row: Mapping[str, Any]) -> bool:
    return any(_holds(row.get(name)) for name in PERSONAL)


def _holds(value: Any) -> bool:
    if isinstance(value, Mapping):
        return any(_holds(inner) for name, inner in value.items() if name not in KEPT)
    return value is not None
