"""How many pieces of which EAN came with which advice: counted once per date, and again only if its files changed.

A published file never changes and its name is never given twice, so the names of a date's files say what is in them.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import pyarrow as pa
import pyarrow.compute as pc

from airflow_provider_zdirect.datasets.arrow import INSTANT, arrow_schema
from airflow_provider_zdirect.datasets.table import get_dataset
from airflow_provider_zdirect.exceptions import ConcurrentRunError
from airflow_provider_zdirect.inbound.reconciliation import Key, Received
from airflow_provider_zdirect.storage.layout import PublishedName
from airflow_provider_zdirect.storage.object_store import ObjectStore
from airflow_provider_zdirect.storage.row_files import parquet_bytes, parquet_table, read_batches

MAX_LOOKS = 10
COLUMNS = ("zalando_advice_id", "ean", "quality_label", "received_timestamp")
COUNTS = pa.schema(
    [
        ("files", pa.string()),
        ("zalando_advice_id", pa.string()),
        ("ean", pa.string()),
        ("pieces", pa.int64()),
        ("first", INSTANT),
        ("last", INSTANT),
    ]
)
"""``files`` is the digest of the names of the date's files."""


@dataclass(frozen=True)
class ReceivedCounts:
    """The published received items of one merchant, counted."""

    store: ObjectStore
    merchant_id: str

    def count(self) -> tuple[dict[Key, Received], int]:
        """Pieces by advice id and EAN over all published dates, and how many dates these are.

        :raises ConcurrentRunError: if other runs keep replacing the files.
        """
        remembered = self._remembered()
        counts = {}
        for files in self._dates():
            digest = _digest(files)
            counts[digest] = remembered[digest] if digest in remembered else self._counted(files, digest)
        if counts.keys() != remembered.keys():
            table = pa.concat_tables([COUNTS.empty_table(), *counts.values()])
            self.store.write(self._memory, parquet_bytes(table))
        return _added_up(counts.values()), len(counts)

    @property
    def _memory(self) -> str:
        return f"_states/received_counts/merchant_id={self.merchant_id}.parquet"

    def _remembered(self) -> dict[str, pa.Table]:
        data = self.store.read(self._memory)
        if data is None:
            return {}
        try:
            table = parquet_table(data).select(COUNTS.names).cast(COUNTS)
        except (pa.ArrowException, KeyError):
            # It only saves time.
            return {}
        return {
            digest: table.filter(pc.equal(table.column("files"), digest))
            for digest in table.column("files").unique().to_pylist()
        }

    def _dates(self) -> Iterator[list[str]]:
        """The files of each date."""
        by_folder: dict[str, list[str]] = defaultdict(list)
        for path in self.store.files_below(f"received_items/merchant_id={self.merchant_id}"):
            if PublishedName.parse(path):
                by_folder[path.rpartition("/")[0]].append(path)
        yield from by_folder.values()

    def _counted(self, files: list[str], digest: str) -> pa.Table:
        schema = arrow_schema(get_dataset("received_items").model)
        wanted = pa.schema([schema.field(name) for name in COLUMNS])
        folder = files[0].rpartition("/")[0]
        for _ in range(MAX_LOOKS):
            with contextlib.suppress(FileNotFoundError):
                tables = [table for path in files for table in read_batches(self.store, path, schema, COLUMNS)]
                return _counted(pa.concat_tables([wanted.empty_table(), *tables]), digest)
            # Another run has replaced a file of that date; what it wrote instead has another name.
            files = [path for path in self.store.files(folder) if PublishedName.parse(path)]
        raise ConcurrentRunError(
            f"received_items of merchant {self.merchant_id}: other runs keep replacing files of {folder}.",
            remedy="Nothing, if the task retries.",
            retry_after=60.0,
        )


def _counted(rows: pa.Table, digest: str) -> pa.Table:
    # A record may be there twice for a moment, while other runs replace files.
    once = rows.group_by(list(COLUMNS)).aggregate([])
    counted = once.group_by(["zalando_advice_id", "ean"]).aggregate(
        [("quality_label", "count"), ("received_timestamp", "min"), ("received_timestamp", "max")]
    )
    columns = [
        pa.repeat(pa.scalar(digest, pa.string()), counted.num_rows),
        *(
            counted.column(name)
            for name in (
                "zalando_advice_id",
                "ean",
                "quality_label_count",
                "received_timestamp_min",
                "received_timestamp_max",
            )
        ),
    ]
    return pa.Table.from_arrays(columns, schema=COUNTS)


def _added_up(tables: Iterable[pa.Table]) -> dict[Key, Received]:
    total: dict[Key, Received] = {}
    for table in tables:
        for row in table.to_pylist():
            key = (row["zalando_advice_id"], row["ean"])
            came = Received(row["pieces"], row["first"], row["last"])
            if (before := total.get(key)) is not None:
                came = replace(
                    came,
                    pieces=before.pieces + came.pieces,
                    first=min(before.first, came.first),
                    last=max(before.last, came.last),
                )
            total[key] = came
    return total


def _digest(files: list[str]) -> str:
    return hashlib.sha256("\n".join(sorted(files)).encode()).hexdigest()[:32]
