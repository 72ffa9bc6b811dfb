# SPDX-License-Identifier: Apache-2.0
"""From the JSON of a page to rows: validated, with what fails kept beside and never dropped.

Records that are plainly right are read in columns (:mod:`.plain_records`); the model looks at each of the others.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from itertools import islice
from typing import Any

import numpy as np
import pyarrow as pa
from pydantic import TypeAdapter, ValidationError

from airflow_provider_zdirect.datasets.arrow import Lineage, arrow_schema, to_table, with_lineage
from airflow_provider_zdirect.datasets.page import Rejected, reason_of
from airflow_provider_zdirect.datasets.plain_records import plain_rows
from airflow_provider_zdirect.datasets.record import Record

_NO_ROW = (ValueError, OverflowError, RecursionError, pa.ArrowException)
"""A valid record may still have what Arrow, or JSON for the unknown fields, cannot say."""

BATCH = 4_096
"""Records that are decoded at the same time; the rest of a page stays JSON text."""

MODEL_BATCH = 2_000
"""Records that are objects of their model at the same time."""


def take_valid(
    model: type[Record], sources: Sequence[Any], lineage: Lineage, take: Callable[[pa.Table], object]
) -> list[Rejected]:
    """Give the rows of a page, in batches and in order, to ``take``; the rejected records.

    :param sources: one JSON text (anything bytes-like) per record.
    """
    rejected: list[Rejected] = []
    for start in range(0, len(sources), BATCH):
        table = _rows(model, sources[start : start + BATCH], lineage, rejected)
        if table.num_rows:
            take(table)
        # Only one at a time.
        del table
    return rejected


def _rows(model: type[Record], batch: Sequence[Any], lineage: Lineage, rejected: list[Rejected]) -> pa.Table:
    """The rows of a batch."""
    tables = [arrow_schema(model).empty_table()]
    numbers: list[Any] = [np.array([], np.intp)]
    try:
        plain = plain_rows(model, batch)
    except _NO_ROW:
        plain = None
    if plain is not None and len(plain.numbers) == len(batch):
        return with_lineage(model, plain.columns, plain.unknown, batch, lineage)
    others = dict(enumerate(batch))
    if plain is not None:
        numbers.append(plain.numbers)
        sources = [others.pop(number) for number in plain.numbers.tolist()]
        tables.append(with_lineage(model, plain.columns, plain.unknown, sources, lineage))
    looked_at = iter(others.items())
    while some := dict(islice(looked_at, MODEL_BATCH)):
        for table, found in _by_model(model, {number: bytes(each) for number, each in some.items()}, lineage, rejected):
            tables.append(table)
            numbers.append(found)
    order = np.argsort(np.concatenate(numbers))
    return pa.concat_tables(tables).combine_chunks().take(order)


def _by_model(
    model: type[Record], sources: Mapping[int, bytes], lineage: Lineage, rejected: list[Rejected]
) -> Iterator[tuple[pa.Table, list[int]]]:
    """The rows of the records that the model accepts, and their numbers; the others are ``rejected``.

    :param sources: the records, by number.
    """
    try:
        records = _adapter(model).validate_json(b"[" + b",".join(sources.values()) + b"]")
        found = list(zip(sources, sources.values(), records, strict=True))
    except _NO_ROW:
        found = []
        for number, source in sources.items():
            try:
                found.append((number, source, model.model_validate_json(source)))
            except ValidationError as error:
                rejected.append(Rejected(source, reason_of(error)))
    if found:
        yield from _storable(model, found, lineage, rejected)


def _storable(
    model: type[Record], found: Sequence[tuple[int, bytes, Record]], lineage: Lineage, rejected: list[Rejected]
) -> Iterator[tuple[pa.Table, list[int]]]:
    """The rows of valid records; what fails is halved until the records are found that do, which are ``rejected``."""
    try:
        table = to_table(model, [record for *_, record in found], [source for _, source, _ in found], lineage)
    except _NO_ROW as error:
        if len(found) == 1:
            unsaid = f"record: it holds a value that cannot be stored ({type(error).__name__})"
            rejected.append(Rejected(found[0][1], unsaid))
            return
    else:
        yield table, [number for number, *_ in found]
        return
    middle = len(found) // 2
    for half in (found[:middle], found[middle:]):
        yield from _storable(model, half, lineage, rejected)


@cache
def _adapter(model: type[Record]) -> TypeAdapter[list[Record]]:
    return TypeAdapter(list[model])  # type: ignore[valid-type]
