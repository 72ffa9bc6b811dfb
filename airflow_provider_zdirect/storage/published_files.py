"""Published files as values, and how rows become one."""

from __future__ import annotations

import hashlib
import tempfile
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

import pyarrow as pa

from airflow_provider_zdirect.storage.layout import PublishedName
from airflow_provider_zdirect.storage.object_store import ObjectStore
from airflow_provider_zdirect.storage.row_files import open_writer, sha256
from airflow_provider_zdirect.windows import Window

DIGEST_CHARACTERS = 16


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


class FileBuilder:
    """Rows of one file to be, on the local disk until it is published under the digest of its bytes."""

    def __init__(self, schema: pa.Schema, folder: str, name: PublishedName, suffix: str, scratch: str) -> None:
        self.name = name
        self.rows = 0
        self._folder = folder
        self._suffix = suffix
        with tempfile.NamedTemporaryFile(dir=scratch, delete=False, suffix=f".{suffix}") as file:
            self._local = Path(file.name)
        self._writer = open_writer(self._local, schema, suffix=suffix)

    @classmethod
    def for_span(
        cls, schema: pa.Schema, folder: str, span: Window, suffix: str, scratch: str, fetched: datetime | None = None
    ) -> FileBuilder:
        return cls(schema, folder, PublishedName(span, digest="", fetched=fetched), suffix, scratch)

    def write(self, table: pa.Table) -> None:
        self._writer.write(table)
        self.rows += table.num_rows

    def publish(self, store: ObjectStore) -> PublishedFile:
        self._writer.close()
        digest = sha256(self._local)
        name = replace(self.name, digest=digest[:DIGEST_CHARACTERS])
        path = f"{self._folder}/{name.file_name(self._suffix)}"
        size = self._local.stat().st_size
        store.upload(self._local, path)
        self._local.unlink()
        return PublishedFile(path, self.rows, size, digest)

    def discard(self) -> None:
        self._writer.close()
        self._local.unlink()


def measure(store: ObjectStore, path: str, rows: int) -> PublishedFile:
    """A file that was published before, with its present size and checksum."""
    with store.open(path) as file:
        digest, size = hashlib.sha256(), 0
        while block := file.read(1024 * 1024):
            digest.update(block)
            size += len(block)
    return PublishedFile(path, rows, size, digest.hexdigest())
