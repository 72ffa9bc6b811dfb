"""Published files as values, and how rows become one."""

from __future__ import annotations

import hashlib
import tempfile
import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path

import pyarrow as pa

from airflow_provider_zdirect.publish.place import Place
from airflow_provider_zdirect.storage.layout import PublishedName
from airflow_provider_zdirect.storage.object_store import ObjectStore
from airflow_provider_zdirect.storage.row_files import open_writer, sha256
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


class FileBuilder:
    """Rows of one file to be, on the local disk until it is published.

    :param span: of the file's name; None: from the first to the last time given to :meth:`cover`.
    :param fetched: goes into the name, see :class:`PublishedName`.
    :param part: likewise; None: a new one.
    """

    def __init__(
        self,
        schema: pa.Schema,
        folder: str,
        suffix: str,
        scratch: str,
        *,
        span: Window | None = None,
        fetched: datetime | None = None,
        part: str | None = None,
    ) -> None:
        self.rows = 0
        self._part = part or uuid.uuid4().hex[:16]
        self._folder = folder
        self._suffix = suffix
        self._span = span
        self._fetched = fetched
        with tempfile.NamedTemporaryFile(dir=scratch, delete=False, suffix=f".{suffix}") as file:
            self._local = Path(file.name)
        self._writer = open_writer(self._local, schema, suffix=suffix)

    def cover(self, first: datetime, last: datetime) -> None:
        """Widen the span to hold both times."""
        covered = Window(first, last + timedelta(microseconds=1))
        if self._span is not None:
            covered = Window(min(self._span.start, covered.start), max(self._span.end, covered.end))
        self._span = covered

    def write(self, table: pa.Table) -> None:
        self._writer.write(table)
        self.rows += table.num_rows

    def publish(self, store: ObjectStore) -> PublishedFile:
        assert self._span is not None, "no span was given, and no time"
        self._writer.close()
        name = PublishedName(self._span, self._part, self._fetched)
        path = f"{self._folder}/{name.file_name(self._suffix)}"
        published = PublishedFile(path, self.rows, self._local.stat().st_size, sha256(self._local))
        store.upload(self._local, path)
        self._local.unlink()
        return published


def publish_table(
    place: Place,
    dataset: str,
    day: date,
    rows: pa.Table,
    span: Window,
    fetched: datetime | None = None,
    part: str | None = None,
) -> PublishedFile:
    """Publish rows as one file of the day; ``span``, ``fetched`` and ``part`` as in :class:`FileBuilder`."""
    return publish_tables(place, dataset, day, rows.schema, [rows], span, fetched, part)


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
    """As :func:`publish_table`, of tables that follow one another, one of them in memory at a time."""
    folder = place.layout(dataset).published(day)
    with tempfile.TemporaryDirectory(prefix="zdirect-") as scratch:
        builder = FileBuilder(schema, folder, place.suffix, scratch, span=span, fetched=fetched, part=part)
        for table in tables:
            builder.write(table)
        return builder.publish(place.store)


def measure(store: ObjectStore, path: str, rows: int) -> PublishedFile:
    """A file that was published before, with its present size and checksum."""
    with store.open(path) as file:
        digest, size = hashlib.sha256(), 0
        while block := file.read(1024 * 1024):
            digest.update(block)
            size += len(block)
    return PublishedFile(path, rows, size, digest.hexdigest())
