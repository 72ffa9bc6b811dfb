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
        rejected: list[Rejected] = []
        batch = [bytes(source) for source in sources[start : start + BATCH]]
        yield _rows(model, batch, lineage, rejected), rejected


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


def _rows(model: type[Record], batch: list[bytes], lineage: Lineage, rejected: list[Rejected]) -> pa.Table:
    """The rows of a batch; where it fails, each record is looked at alone, and those that fail are ``rejected``."""
    try:
        return to_table(model, _adapter(model).validate_json(b"[" + b",".join(batch) + b"]"), batch, lineage)
    except _NO_ROW:
        pass
    records, accepted = [], []
    for source in batch:
        try:
            records.append(model.model_validate_json(source))
            accepted.append(source)
        except ValidationError as error:
            rejected.append(Rejected(source, reason_of(error)))
    return _storable(model, records, accepted, lineage, rejected)


def _storable(
    model: type[Record], records: list[Record], sources: list[bytes], lineage: Lineage, rejected: list[Rejected]
) -> pa.Table:
    """The rows of valid records; what fails is halved until the records are found that do, which are ``rejected``."""
    try:
        return to_table(model, records, sources, lineage)
    except _NO_ROW as error:
        if len(records) == 1:
            unsaid = f"record: it holds a value that cannot be stored ({type(error).__name__})"
            rejected.append(Rejected(sources[0], unsaid))
            return to_table(model, [], [], lineage)
    middle = len(records) // 2
    halves = (slice(None, middle), slice(middle, None))
    tables = [_storable(model, records[half], sources[half], lineage, rejected) for half in halves]
    return pa.concat_tables(tables).combine_chunks()


@cache
def _adapter(model: type[Record]) -> TypeAdapter[list[Record]]:
    return TypeAdapter(list[model])  # type: ignore[valid-type]
