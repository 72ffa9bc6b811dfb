"""From the JSON of a page to rows: validated, with what fails kept beside and never dropped."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import cache
from typing import Any

import pyarrow as pa
from pydantic import TypeAdapter, ValidationError

from airflow_provider_zdirect.datasets.arrow import Lineage, to_table
from airflow_provider_zdirect.datasets.page import Rejected, reason_of
from airflow_provider_zdirect.datasets.record import Record

_NO_ROW = (ValueError, OverflowError, RecursionError, pa.ArrowException)
"""A valid record may still have what Arrow, or JSON for the unknown fields, cannot say."""

BATCH = 2_000
"""Records that are Python objects at the same time; the rest of a page stays JSON text."""


def validate(
    model: type[Record], sources: Sequence[Any], lineage: Lineage
) -> Iterator[tuple[pa.Table, list[Rejected]]]:
    """Rows and rejected records of a page, in batches.

    :param sources: one JSON text (anything bytes-like) per record.
    """
    for start in range(0, len(sources), BATCH):
        batch = [bytes(source) for source in sources[start : start + BATCH]]
        records, accepted, rejected = _validate_batch(model, batch)
        try:
            table = to_table(model, records, accepted, lineage)
        except _NO_ROW:
            table, more = _each_to_table(model, records, accepted, lineage)
            rejected += more
        yield table, rejected


def take_valid(
    model: type[Record], sources: Sequence[Any], lineage: Lineage, take: Callable[[pa.Table], object]
) -> list[Rejected]:
    """Give the rows of a page, in batches, to ``take``; the rejected records."""
    rejected: list[Rejected] = []
    for table, bad in validate(model, sources, lineage):
        rejected += bad
        if table.num_rows:
            take(table)
    return rejected


def _validate_batch(model: type[Record], batch: list[bytes]) -> tuple[list[Record], list[bytes], list[Rejected]]:
    try:
        return _adapter(model).validate_json(b"[" + b",".join(batch) + b"]"), batch, []
    except ValidationError:
        return _validate_each(model, batch)


def _validate_each(model: type[Record], batch: list[bytes]) -> tuple[list[Record], list[bytes], list[Rejected]]:
    records, accepted, rejected = [], [], []
    for source in batch:
        try:
            records.append(model.model_validate_json(source))
            accepted.append(source)
        except ValidationError as error:
            rejected.append(Rejected(source, reason_of(error)))
    return records, accepted, rejected


def _each_to_table(
    model: type[Record], records: list[Record], accepted: list[bytes], lineage: Lineage
) -> tuple[pa.Table, list[Rejected]]:
    tables, rejected = [to_table(model, [], [], lineage)], []
    for record, source in zip(records, accepted, strict=True):
        try:
            tables.append(to_table(model, [record], [source], lineage))
        except _NO_ROW as error:
            rejected.append(
                Rejected(source, f"record: it holds a value that cannot be stored ({type(error).__name__})")
            )
    return pa.concat_tables(tables).combine_chunks(), rejected


@cache
def _adapter(model: type[Record]) -> TypeAdapter[list[Record]]:
    return TypeAdapter(list[model])  # type: ignore[valid-type]
