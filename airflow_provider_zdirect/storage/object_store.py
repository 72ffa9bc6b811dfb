"""Reading and writing whole objects under a base path, on any fsspec filesystem.

What the rest of the package relies on: an object appears whole or not at all, a listing is never stale, and
deleting what is gone already is no error. S3, GCS and Azure give the first two by themselves; on a local disk
(and anything else that is no object store) an object is written beside and renamed.
"""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from fsspec import AbstractFileSystem

from airflow_provider_zdirect.exceptions import StorageUnavailableError, ZDirectConfigurationError

WHOLE_OBJECT_STORES = frozenset({"s3", "s3a", "gs", "gcs", "abfs", "abfss", "az", "adl", "oss", "r2", "memory"})

RETRY_SECONDS = 120.0

MAX_LOOKS = 10

CHUNK = 8 * 1024 * 1024
"""Bytes of an object in memory at the same time; s3fs would take 50 MB, and ten times as many to upload."""


@dataclass(frozen=True)
class ObjectStore:
    """The base path and its filesystem; paths are relative to the base path.

    :param root: the base path as ``fs`` names it.
    """

    fs: AbstractFileSystem
    root: str

    @property
    def writes_whole_objects(self) -> bool:
        return not WHOLE_OBJECT_STORES.isdisjoint(self._protocols)

    def full(self, path: str) -> str:
        return f"{self.root.rstrip('/')}/{path}"

    def check_writable(self, base_uri: str) -> None:
        """Write and delete a small object.

        :param base_uri: the base path as people name it.
        :raises ZDirectConfigurationError: if the base path is not there or may not be written to.
        :raises StorageUnavailableError: if the storage does not answer, which may pass.
        """
        probe = f"_staging/_tmp/{uuid.uuid4().hex}"
        try:
            self.write(probe, b"")
        except Exception as error:  # storage libraries have errors of their own, botocore's are not even OSError
            said = f"base_path={base_uri!r} cannot be written to: {type(error).__name__}: {error}"
            if _may_pass(error):
                raise StorageUnavailableError(
                    said, remedy="Check the storage's endpoint, if it stays.", retry_after=RETRY_SECONDS
                ) from error
            raise ZDirectConfigurationError(
                said,
                remedy="Create the bucket or folder, and let the storage connection (storage_conn_id) write to it; "
                "check its credentials and endpoint.",
            ) from error
        self.delete(probe)

    def files(self, folder: str) -> list[str]:
        """Paths of the objects in a folder that holds nothing else, sorted; empty if there is no such folder."""
        self.fs.invalidate_cache()
        try:
            # Without details: they are asked for one by one on some filesystems, and an object may go meanwhile.
            names = self.fs.ls(self.full(folder), detail=False, refresh=True)
        except FileNotFoundError:
            return []
        return sorted(f"{folder}/{base}" for name in names if (base := name.rpartition("/")[2]))

    def files_below(self, folder: str) -> list[str]:
        """Paths of all objects in a folder and the folders in it, sorted; empty if there is no such folder."""
        self.fs.invalidate_cache()
        try:
            names = self.fs.find(self.full(folder))
        except FileNotFoundError:
            return []
        start = len(self.full(""))
        return sorted(name[start:] for name in names)

    def open(self, path: str) -> IO[bytes]:
        return self.fs.open(self.full(path), "rb", block_size=CHUNK)

    def read(self, path: str) -> bytes | None:
        """The object's bytes, or None if there is none."""
        self.fs.invalidate_cache()
        try:
            return self.fs.cat_file(self.full(path))
        except FileNotFoundError:
            return None

    def read_many(self, paths: list[str]) -> list[bytes]:
        """The bytes of several objects, read at once where the filesystem can; those that are gone are left out."""
        # Not "omit", which would leave out whatever could not be read, too.
        found = self.fs.cat([self.full(path) for path in paths], on_error="return") if paths else {}
        there = [data for data in found.values() if not isinstance(data, FileNotFoundError)]
        for data in there:
            if isinstance(data, BaseException):
                raise data
        return there

    def read_json(self, path: str) -> Any:
        """The object parsed, or None if there is none."""
        data = self.read(path)
        return None if data is None else json.loads(data)

    def write(self, path: str, data: bytes) -> None:
        """Write the object whole, over a former one."""
        if self.writes_whole_objects:
            self.fs.pipe_file(self.full(path), data)
        else:
            beside = self._beside(path)
            self.fs.pipe_file(beside, data)
            self._rename(beside, path)

    def write_json(self, path: str, value: Any) -> None:
        self.write(path, json.dumps(value, indent=2, ensure_ascii=False).encode() + b"\n")

    def upload(self, local: Path, path: str) -> None:
        """Write the object whole from a local file."""
        if self.writes_whole_objects:
            self.fs.put_file(str(local), self.full(path), **self._upload_options)
        else:
            beside = self._beside(path)
            self.fs.put_file(str(local), beside)
            self._rename(beside, path)

    def move(self, path: str, new_path: str) -> None:
        """Rename; no error if ``path`` is gone already."""
        try:
            if self.writes_whole_objects:
                self.fs.mv(self.full(path), self.full(new_path))
            else:
                self._rename(self.full(path), new_path)
        except FileNotFoundError:
            return

    def delete(self, path: str) -> None:
        """Delete; no error if it is gone already."""
        try:
            self.fs.rm_file(self.full(path))
        except FileNotFoundError:
            return

    def delete_folder(self, folder: str) -> None:
        """Delete with all that is in it; no error if it is gone already."""
        try:
            self.fs.invalidate_cache()
            self.fs.rm(self.full(folder), recursive=True)
        except FileNotFoundError:
            return

    @property
    def _protocols(self) -> tuple[str, ...]:
        protocol = self.fs.protocol
        return (protocol,) if isinstance(protocol, str) else tuple(protocol)

    @property
    def _upload_options(self) -> dict[str, int]:
        return {"chunksize": CHUNK, "max_concurrency": 2} if "s3" in self._protocols else {}

    def _beside(self, path: str) -> str:
        temporary = self.full(f"_staging/_tmp/{uuid.uuid4().hex}-{path.rpartition('/')[2]}")
        self.fs.makedirs(temporary.rpartition("/")[0], exist_ok=True)
        return temporary

    def _rename(self, beside: str, path: str) -> None:
        final = self.full(path)
        for look in range(MAX_LOOKS):
            self.fs.makedirs(final.rpartition("/")[0], exist_ok=True)
            try:
                self.fs.mv(beside, final)
            except FileNotFoundError:
                # Somebody deletes the folder (a task that was believed dead clears up); not if the file itself is gone.
                if look == MAX_LOOKS - 1 or not self.fs.exists(beside):
                    raise
            else:
                return


def _may_pass(error: Exception) -> bool:
    """Whether the same may work later: the storage is out of reach or busy, and nothing is wrong with the path."""
    wrong_path = (PermissionError, FileNotFoundError, FileExistsError, NotADirectoryError, IsADirectoryError)
    if isinstance(error, OSError):
        return not isinstance(error, wrong_path)
    # botocore is no requirement, so its errors are known by name: EndpointConnectionError, ReadTimeoutError, ...
    return any(word in type(error).__name__ for word in ("ConnectionError", "ConnectionClosed", "Timeout"))
