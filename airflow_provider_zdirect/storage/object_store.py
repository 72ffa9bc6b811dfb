# SPDX-License-Identifier: Apache-2.0
"""Reading and writing whole objects under a base path, on any fsspec filesystem.

What the rest of the package relies on: an object appears whole or not at all, a listing is never stale, and an object
that is gone already can be deleted. S3, GCS and Azure give the first two by themselves; on a local disk (and anything
else that is not an object store) an object is written beside and renamed.

Names are literal: a base path may hold blanks, ``[``, ``?`` and ``*``. So nothing here calls ``cat``, ``mv``, ``rm``,
``copy``, ``get`` or ``put`` of fsspec, which take such names for patterns, but those that take one file each.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property, wraps
from pathlib import Path
from typing import IO, Any, TypeVar

import msgspec
from fsspec import AbstractFileSystem

from airflow_provider_zdirect.exceptions import StorageUnavailableError, ZDirectConfigurationError, ZDirectError
from airflow_provider_zdirect.storage.damaged import naming_damaged
from airflow_provider_zdirect.storage.disk_errors import RETRY_SECONDS, base_path
from airflow_provider_zdirect.storage.filesystems import (
    Details,
    delete_at_once,
    entries,
    find,
    is_s3,
    make_folder_of,
    read_options,
    rename,
    tree,
    version,
    writes_whole_objects,
    written,
)

CHUNK = 8 * 1024 * 1024
"""Bytes of an object in memory at the same time; s3fs would take 50 MB, and ten times as many to upload."""

F = TypeVar("F", bound=Callable[..., Any])


def _naming_disk(method: F) -> F:
    """Let a method raise errors about the disk as those of this package."""

    @wraps(method)
    def call(store: ObjectStore, *arguments: Any, **options: Any) -> Any:
        with store.disk_errors():
            return method(store, *arguments, **options)

    return call  # type: ignore[return-value]


@dataclass(frozen=True)
class ObjectStore:
    """The base path and its filesystem; paths are relative to the base path.

    :param root: the base path as ``fs`` names it.
    :param copies: files of this machine, by the path of an object: opened in its place, whether it is there or not.
    """

    fs: AbstractFileSystem
    root: str
    copies: dict[str, Path] = field(default_factory=dict, compare=False, repr=False)

    @property
    def writes_whole_objects(self) -> bool:
        return writes_whole_objects(self.fs)

    def disk_errors(self, needed: int | None = None) -> AbstractContextManager[None]:
        """Turns errors about the disk into those of this package, as :meth:`.Directory.errors`."""
        return nullcontext() if self.writes_whole_objects else base_path(self.root).errors(needed)

    def full(self, path: str) -> str:
        return f"{self.root.rstrip('/')}/{path}"

    def check_writable(self, base_uri: str, storage: str = "") -> None:
        """Write and delete a small object; parameters and errors as in :func:`naming_base_path`."""
        probe = f"_staging/_tmp/{uuid.uuid4().hex}"
        with naming_base_path(base_uri, storage):
            self.write(probe, b"")
            self.delete(probe)

    @_naming_disk
    def files(self, folder: str) -> list[str]:
        """Paths of the objects in a folder that holds nothing else, sorted; empty if there is no such folder."""
        self.fs.invalidate_cache()
        names = entries(self.fs, self.full(folder), detail=False)
        return sorted(f"{folder}/{base}" for name in names if (base := name.rpartition("/")[2]))

    def files_below(self, folder: str) -> list[str]:
        """Paths of all objects in a folder and the folders in it, sorted; empty if there is no such folder."""
        return sorted(self._find(folder))

    def sizes_below(self, folder: str) -> dict[str, int]:
        """As :meth:`files_below`, with the size of each object in bytes."""
        return {path: details["size"] for path, details in self._find(folder).items()}

    def written_below(self, folder: str) -> dict[str, datetime]:
        """As :meth:`files_below`, with the time when each object was written last, by the storage's clock."""
        return {path: written(self.fs, self.full(path), details) for path, details in self._find(folder).items()}

    def versions_below(self, folder: str) -> dict[str, str]:
        """As :meth:`files_below`, with a text for each object that is another one once it has other content."""
        return {path: version(details) for path, details in self._find(folder).items()}

    @_naming_disk
    def open(self, path: str) -> IO[bytes]:
        if path in self.copies:
            return self.copies[path].open("rb")
        file: IO[bytes] = self.fs.open(self.full(path), "rb", block_size=CHUNK)
        return file

    @_naming_disk
    def read(self, path: str) -> bytes | None:
        """The object's bytes, or None if there is none."""
        self.fs.invalidate_cache()
        try:
            data: bytes = self.fs.cat_file(self.full(path), **self._read_options)
        except FileNotFoundError:
            return None
        return data

    @_naming_disk
    def read_many(self, paths: list[str]) -> list[bytes]:
        """The bytes of several objects, read at once where the filesystem can; those that are gone are left out."""
        full = [self.full(path) for path in paths]
        found = self.fs.cat_ranges(full, None, None, on_error="return", **self._read_options) if full else []
        there = [data for data in found if not isinstance(data, FileNotFoundError)]
        for data in there:
            if isinstance(data, BaseException):
                raise data
        return there

    def read_json(self, path: str, shape: Any = dict[str, Any]) -> Any:
        """The JSON object in an object, or None if there is none.

        :param shape: a type that msgspec knows, such as a TypedDict; times stay texts, and other members are kept.
        :raises ZDirectConfigurationError: if it holds anything else; names it.
        """
        data = self.read(path)
        if data is None:
            return None
        with naming_damaged(self.full(path)):
            # Not json: it lets texts pass that cannot be written again.
            content = msgspec.json.decode(data)
            msgspec.convert(content, shape, dec_hook=lambda kind, value: kind(value))
            return content

    def write(self, path: str, data: bytes) -> None:
        """Write the object whole, over a former one."""
        self._put(path, len(data), lambda full: self.fs.pipe_file(full, data))

    @_naming_disk
    def write_if_absent(self, path: str, data: bytes) -> bytes:
        """Write a small object if there is none; what is there then, whoever wrote it.

        Where the storage cannot do this in one step (see the conditional writes of S3, GCS and Azure), the later of two
        that write at the same moment may win.
        """
        try:
            if self.writes_whole_objects:
                self.fs.pipe_file(self.full(path), data, mode="create")
            else:
                self._link(path, data)
        except Exception as error:  # each storage has an error of its own for "it is there"
            if (found := self.read(path)) is not None:
                return found
            if isinstance(error, OSError) and self.writes_whole_objects and "not impl" not in str(error).lower():
                raise
            # The storage has no conditional writes, or the disk no links.
            self.write(path, data)
        found = self.read(path)
        return data if found is None else found

    def write_json(self, path: str, value: Any) -> None:
        self.write(path, json.dumps(value, indent=2, ensure_ascii=False).encode() + b"\n")

    def upload(self, local: Path, path: str) -> None:
        """Write the object whole from a local file."""
        options = {"chunksize": CHUNK, "max_concurrency": 2} if is_s3(self.fs) else {}
        self._put(path, local.stat().st_size, lambda full: self.fs.put_file(str(local), full, **options))

    @_naming_disk
    def move(self, path: str, new_path: str) -> None:
        """Rename, unless ``path`` is gone already."""
        self.fs.invalidate_cache()
        try:
            if self.writes_whole_objects:
                self.fs.cp_file(self.full(path), self.full(new_path))
                self.delete(path)
            else:
                rename(self.fs, self.full(path), self.full(new_path))
        except FileNotFoundError:
            if self.fs.exists(self.full(path)):
                raise

    @_naming_disk
    def delete(self, path: str) -> None:
        """Delete it, unless it is gone already."""
        with suppress(FileNotFoundError):
            self.fs.rm_file(self.full(path))

    @_naming_disk
    def delete_all(self, paths: Sequence[str]) -> None:
        """Delete several; some may be gone already."""
        if is_s3(self.fs):
            delete_at_once(self.fs, [self.full(path) for path in paths])
            return
        for path in paths:
            self.delete(path)
        if not self.writes_whole_objects:
            for folder in {self.full(path).rpartition("/")[0] for path in paths}:
                # It is not empty, or another task has deleted it.
                with suppress(OSError):
                    self.fs.rmdir(folder)

    @_naming_disk
    def delete_folder(self, folder: str) -> None:
        """Delete it with all that is in it, unless it is gone already."""
        if self.writes_whole_objects:
            self.delete_all(self.files_below(folder))
        else:
            for details in [*tree(self.fs, self.full(folder)), {"name": self.full(folder), "type": "directory"}]:
                if details["type"] == "directory":
                    # Another task may delete it, or put something there.
                    with suppress(OSError):
                        self.fs.rmdir(details["name"])
                else:
                    with suppress(FileNotFoundError):
                        self.fs.rm_file(details["name"])

    @_naming_disk
    def _find(self, folder: str) -> dict[str, Details]:
        """By path: all objects below a folder."""
        start = len(self.full(""))
        return {name[start:]: details for name, details in find(self.fs, self.full(folder)).items()}

    @cached_property
    def _read_options(self) -> dict[str, int]:
        return read_options(self.fs)

    def _put(self, path: str, size: int, put: Callable[[str], object]) -> None:
        """Let an object appear whole that ``put`` writes under the name that it is given."""
        if self.writes_whole_objects:
            put(self.full(path))
            return
        with self.disk_errors(size):
            beside = self._beside(path)
            try:
                put(beside)
                rename(self.fs, beside, self.full(path))
            except BaseException:
                # It takes room, which the disk may not have.
                with suppress(OSError):
                    self.fs.rm_file(beside)
                raise

    def _link(self, path: str, data: bytes) -> None:
        """Let the object appear whole, and only if there is none."""
        beside = self._beside(path)
        try:
            self.fs.pipe_file(beside, data)
            make_folder_of(self.fs, self.full(path))
            self.fs.link(beside, self.full(path))
        finally:
            with suppress(FileNotFoundError):
                self.fs.rm_file(beside)

    def _beside(self, path: str) -> str:
        temporary = self.full(f"_staging/_tmp/{uuid.uuid4().hex}-{path.rpartition('/')[2]}")
        make_folder_of(self.fs, temporary)
        return temporary


@contextmanager
def naming_base_path(base_uri: str, storage: str = "") -> Iterator[None]:
    """Turn the errors of a storage library into those of this package; others of this package pass.

    :param base_uri: the base path as people name it.
    :param storage: which connection and address it is reached by, in words.
    :raises ZDirectConfigurationError: if the base path is not there or may not be written to.
    :raises StorageUnavailableError: if the storage does not answer, which may pass.
    """
    try:
        yield
    except ZDirectError:
        raise
    except Exception as error:  # storage libraries have errors of their own, botocore's are not even OSError
        by = f" (by {storage})" if storage else ""
        said = f"base_path={base_uri!r}{by} cannot be written to: {type(error).__name__}: {error}"
        if _may_pass(error):
            raise StorageUnavailableError(
                said,
                remedy="Check that the storage runs and that its endpoint is right, if it persists.",
                retry_after=RETRY_SECONDS,
            ) from error
        raise ZDirectConfigurationError(
            said,
            remedy="Create the bucket or folder, and let the storage connection (storage_conn_id) write to it and "
            "delete from it; check its credentials and endpoint.",
        ) from error


def _may_pass(error: Exception) -> bool:
    """Whether the same may work later: the storage is out of reach or busy, and nothing is wrong with the path."""
    wrong_path = (PermissionError, FileNotFoundError, FileExistsError, NotADirectoryError, IsADirectoryError)
    if isinstance(error, OSError):
        return not isinstance(error, wrong_path)
    # botocore is not a requirement, so its errors are known by name: EndpointConnectionError, ReadTimeoutError, ...
    return any(word in type(error).__name__ for word in ("ConnectionError", "ConnectionClosed", "Timeout"))
