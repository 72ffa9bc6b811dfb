# SPDX-License-Identifier: Apache-2.0
"""Published files as values, and how rows become one."""

from __future__ import annotations

import hashlib
import io
import tempfile
import uuid
from collections.abc import Iterable
from dataclasses import KW_ONLY, dataclass
from datetime import date, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from airflow_provider_zdirect.publish.place import Place
from airflow_provider_zdirect.storage.layout import PublishedName
from airflow_provider_zdirect.storage.object_store import ObjectStore
from airflow_provider_zdirect.storage.row_files import BATCH_ROWS, open_writer, sha256
from airflow_provider_zdirect.storage.scratch import scratch_folder
from airflow_provider_zdirect.windows import Window


@dataclass(frozen=True)
class PublishedFile:
    """A file of published data.

    :param path: relative to the base path.
    :param rows: how many rows of it are the window's.
    """

    path: str
    rows: int
    bytes: int
    sha256: str


@dataclass(frozen=True)
class PublishedState:
    """How a state was published.

    :param files: those that hold it; none if there is nothing to hold.
    :param stored: whether it was written; otherwise it was there.
    :param changes: records that were ``added``, ``changed`` and ``removed``; of a snapshot that was there with other
        records: how they differ.
    :param held_by: path of the file of a history in which nothing is later; another run may have replaced it since.
    """

    files: list[PublishedFile]
    stored: bool
    changes: dict[str, int]
    held_by: str | None = None


@dataclass
class FileBuilder:
    """Rows of one file to be, on the local disk until it is published.

    :param span: of the file's name; None: from the first to the last time in the column ``time_field``.
    :param fetched: goes into the name, see :class:`PublishedName`.
    :param part: likewise; None: a new one.
    :param group_rows: as that of :class:`~.ParquetWriter`.
    """

    schema: pa.Schema
    folder: str
    suffix: str
    scratch: str
    _: KW_ONLY
    span: Window | None = None
    time_field: str = ""
    fetched: datetime | None = None
    part: str | None = None
    group_rows: int = BATCH_ROWS

    def __post_init__(self) -> None:
        self.rows = 0
        self._times: list[datetime] = []
        with tempfile.NamedTemporaryFile(dir=self.scratch, delete=False, suffix=f".{self.suffix}") as file:
            self._local = Path(file.name)
        self._writer = open_writer(self._local, self.schema, suffix=self.suffix, group_rows=self.group_rows)

    def write(self, table: pa.Table) -> None:
        if self.span is None:
            self._times += pc.min_max(table.column(self.time_field)).as_py().values()
        self.rows += table.num_rows
        self._writer.write(table)

    def publish(self, store: ObjectStore) -> list[PublishedFile]:
        self._writer.close()
        span = self.span or Window(min(self._times), max(self._times) + timedelta(microseconds=1))
        name = PublishedName(span, self.part or new_part(), self.fetched).file_name(self.suffix)
        published = publish_file(store, self._local, f"{self.folder}/{name}", self.rows)
        self._local.unlink()
        return [published]


def new_part() -> str:
    """The part of a name that makes it one that was never given before."""
    return uuid.uuid4().hex[:16]


def publish_file(store: ObjectStore, local: Path, path: str, rows: int) -> PublishedFile:
    """Publish a file on the local disk under a name."""
    published = PublishedFile(path, rows, local.stat().st_size, sha256(local))
    store.upload(local, path)
    return published


def publish_tables(
    place: Place,
    dataset: str,
    day: date,
    schema: pa.Schema,
    tables: Iterable[pa.Table],
    span: Window,
    fetched: datetime | None = None,
    part: str | None = None,
) -> PublishedFile:
    """Publish tables that follow one another as one file of the day, one of them in memory at a time.

    ``span``, ``fetched`` and ``part`` are as in :class:`FileBuilder`.
    """
    folder = place.layout(dataset).published(day)
    with scratch_folder() as scratch:
        builder = FileBuilder(schema, folder, place.suffix, scratch, span=span, fetched=fetched, part=part)
        for table in tables:
            builder.write(table)
        (published,) = builder.publish(place.store)
        return published


def measure(store: ObjectStore, path: str, rows: int) -> PublishedFile:
    """A file that was published before, with its present size and checksum."""
    with store.open(path) as file:
        digest = hashlib.file_digest(file, "sha256")  # type: ignore[arg-type]
        return PublishedFile(path, rows, file.seek(0, io.SEEK_END), digest.hexdigest())
