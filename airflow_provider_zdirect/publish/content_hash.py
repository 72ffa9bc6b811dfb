"""A hash of what a row says, wherever it came from and whenever. It is kept in files, so its definition stays."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from typing import Any

import pyarrow as pa

from airflow_provider_zdirect.datasets.arrow import UNKNOWN_FIELDS, field_of
from airflow_provider_zdirect.storage.row_files import BATCH_ROWS, as_json_value


def content_hashes(table: pa.Table) -> Iterator[int]:
    """Of every row, in order: 64 bits of the blake2b of its fields as JSON, without lineage and without nulls.

    Without nulls, so that a field that the models learn of, and no record has, changes no hash.
    """
    names = [name for name in table.column_names if not name.startswith("_") or name == UNKNOWN_FIELDS]
    for batch in table.select(names).to_batches(max_chunksize=BATCH_ROWS):
        for row in batch.to_pylist():
            said = _said({field_of(name): value for name, value in row.items()})
            text = json.dumps(said, default=as_json_value, sort_keys=True)
            digest = hashlib.blake2b(text.encode(), digest_size=8).digest()
            yield int.from_bytes(digest, "big", signed=True)


def _said(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _said(item) for name, item in value.items() if item is not None}
    return value
