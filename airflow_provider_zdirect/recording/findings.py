# SPDX-License-Identifier: Apache-2.0
"""What an answer says about the assumptions of :mod:`~airflow_provider_zdirect.datasets.assumptions`.

Not every assumption can be tried by reading: those about writing, and about further pages, stay open.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from airflow_provider_zdirect.datasets.assumptions import Assumptions
from airflow_provider_zdirect.datasets.selection import Expected
from airflow_provider_zdirect.recording.records import Records

CONFIRMED, CONTRADICTED, OPEN = "confirmed", "contradicted", "open"


@dataclass(frozen=True)
class Seen:
    """An answer.

    :param status: HTTP status.
    :param body: as text, decoded.
    :param records: of the dataset; None if there was no page.
    :param expected: where the records lie, if the dataset has windows.
    """

    status: int
    body: str
    records: Records | None
    expected: Expected | None


def _last_date(seen: Seen, assumed: str) -> str:
    if not (seen.records and seen.records.valid and seen.expected):
        return OPEN
    # Asked for one day: its rows come only if the last date is understood as it is assumed.
    return CONTRADICTED if seen.records.outside(seen.expected) else CONFIRMED


def _changed_since(seen: Seen, assumed: str) -> str:
    return CONTRADICTED if seen.status == 400 else OPEN


def _page_parameters(seen: Seen, assumed: str) -> str:
    # Not the link to the page itself, which repeats the request.
    named = re.findall(r'"(?:first|last|next|prev)"\s*:\s*"[^"]*?page(\[|%5B|_)number', seen.body)
    if not named:
        return OPEN
    return CONFIRMED if ("_" in named) == ("_" in assumed) else CONTRADICTED


def _unknown_live(seen: Seen, assumed: str) -> str:
    if seen.records is None or not seen.records.valid:
        return OPEN
    return "not needed: every channel has live" if "live" not in seen.records.missing else OPEN


def _empty_snapshot(seen: Seen, assumed: str) -> str:
    if seen.records is None:
        return OPEN
    return "met: the snapshot is empty" if not seen.records.valid else "not met: the snapshot has records"


_FINDINGS: Mapping[str, Mapping[str, Callable[[Seen, str], str]]] = {
    "liquidated_items": {"liquidation_last_date": _last_date},
    "item_quantities": {"changed_since_parameter": _changed_since},
    "item_quantity_snapshots": {"empty_snapshot": _empty_snapshot},
    "orders": {"orders_page_parameters": _page_parameters},
    "sales_channels": {"unknown_live": _unknown_live},
}


def findings(dataset: str, seen: Seen, assumptions: Assumptions) -> dict[str, str]:
    """By name of an assumption that a read of the dataset can try: what the answer says about it."""
    return {name: find(seen, str(getattr(assumptions, name))) for name, find in _FINDINGS.get(dataset, {}).items()}
