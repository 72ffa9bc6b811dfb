"""Where a test's base path lies: in a folder of the local disk, or in a bucket, with that folder as its mirror.

A test looks at the folder and changes files in it, wherever the base path lies. From a bucket, every object that a
request changed is read back into the folder, whoever sent the request; and before each request, what the test has
changed in the folder is written to the bucket.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import fsspec
import fsspec.asyn
import s3fs
from fsspec import AbstractFileSystem
from s3_server import CREDENTIALS

BUCKET = "zdirect"
PREFIX = "Ümläut [a] 100% b/zfs"
CHANGES = ("put_object", "copy_object", "complete_multipart_upload", "delete_object", "delete_objects")

Send = Callable[..., Awaitable[Any]]


class OnDisk:
    changes: tuple[str, ...] = ("mv", "rm_file")
    """What of a filesystem changes published names."""

    def filesystem(self) -> AbstractFileSystem:
        """One that nobody else uses."""
        return fsspec.filesystem("file", skip_instance_cache=True)

    def open(self, root: Path) -> tuple[AbstractFileSystem, str]:
        """A filesystem, and the base path as it names it."""
        return self.filesystem(), str(root)

    def for_another_process(self, root: Path) -> tuple[str, dict[str, Any], str]:
        """Protocol and options of a filesystem, and the base path as it names it."""
        return "file", {}, str(root)

    def refresh(self) -> None:
        """See what other processes have written."""


class InBucket(OnDisk):
    """:param scratch: a folder on the same disk as the mirrors."""

    changes = ("pipe_file", "put_file", "cp_file", "rm_file", "call_s3")

    def __init__(self, endpoint: str, scratch: Path) -> None:
        self.options = {"endpoint_url": endpoint, **CREDENTIALS}
        self.scratch = scratch
        self.roots: set[Path] = set()
        self.known: dict[Path, tuple[int, int]] = {}
        self.lock = asyncio.Lock()
        self.fs = self.filesystem()
        # Without asking first, as mkdir() does: a server that had just started said once that it had the bucket.
        with suppress(FileExistsError):
            self.fs.call_s3("create_bucket", Bucket=BUCKET)

    def forget(self) -> None:
        """Leave the folders of former tests alone."""
        self.roots.clear()
        self.known.clear()

    def filesystem(self) -> AbstractFileSystem:
        return MirroredS3(self)

    def open(self, root: Path) -> tuple[AbstractFileSystem, str]:
        self.roots.add(root)
        return self.fs, f"{BUCKET}/{PREFIX}{root}"

    def for_another_process(self, root: Path) -> tuple[str, dict[str, Any], str]:
        """As all that others do, it is not seen here before :meth:`refresh`."""
        return "s3", self.options, self.open(root)[1]

    def refresh(self) -> None:
        fs = s3fs.S3FileSystem(skip_instance_cache=True, **self.options)
        names = {name.removeprefix(f"{BUCKET}/") for root in self.roots for name in fs.find(f"{BUCKET}/{PREFIX}{root}")}
        for key in names | {self._key(path) for path in self.known}:
            fsspec.asyn.sync(fs.loop, self.pull, fs._call_s3, key)

    async def push(self, send: Send) -> None:
        """Let the bucket have what the test has changed in the folder."""
        found = {path: _stamp(path) for root in self.roots for path in root.rglob("*") if path.is_file()}
        for path in found.keys() | self.known.keys():
            if path not in found:
                await send("delete_object", Bucket=BUCKET, Key=self._key(path))
            elif found[path] != self.known.get(path):
                await send("put_object", Bucket=BUCKET, Key=self._key(path), Body=path.read_bytes())
        self.known = found

    async def pull(self, send: Send, key: str) -> None:
        """Let the folder have what the bucket has by that name."""
        path = Path(key.removeprefix(PREFIX))
        try:
            answer = await send("get_object", Bucket=BUCKET, Key=key)
        except FileNotFoundError:
            path.unlink(missing_ok=True)
            self.known.pop(path, None)
            for folder in path.parents:
                if folder in self.roots:
                    break
                with suppress(OSError):
                    folder.rmdir()
        else:
            async with answer["Body"] as body:
                data = await body.read()
            (self.scratch / "object").write_bytes(data)
            path.parent.mkdir(parents=True, exist_ok=True)
            os.replace(self.scratch / "object", path)
            self.known[path] = _stamp(path)

    def _key(self, path: Path) -> str:
        return f"{PREFIX}{path}"


class MirroredS3(s3fs.S3FileSystem):
    cachable = False

    def __init__(self, bucket: InBucket) -> None:
        super().__init__(**bucket.options)
        self.bucket = bucket

    async def _call_s3(self, method: str, *named: dict[str, Any], **options: Any) -> Any:
        send = super()._call_s3
        async with self.bucket.lock:
            await self.bucket.push(send)
        answer = await send(method, *named, **options)
        if method in CHANGES:
            keys = [each["Key"] for each in options["Delete"]["Objects"]] if "Delete" in options else [options["Key"]]
            async with self.bucket.lock:
                for key in keys:
                    await self.bucket.pull(send, key)
        return answer

    call_s3 = fsspec.asyn.sync_wrapper(_call_s3)


storage = OnDisk()


def _stamp(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_mtime_ns, status.st_size
