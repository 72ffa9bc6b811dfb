# SPDX-License-Identifier: Apache-2.0
"""What fsspec's filesystems do each in its own way: listing, deleting many, and folders that others delete meanwhile.

Names are those of the filesystem, with the base path.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from inspect import signature
from typing import Any

from fsspec import AbstractFileSystem

from airflow_provider_zdirect.words import counted

WHOLE_OBJECT_STORES = frozenset({"s3", "s3a", "gs", "gcs", "abfs", "abfss", "az", "adl", "oss", "r2", "memory"})

MAX_LOOKS = 10

MOST_AT_ONCE = 1000
"""Objects that S3 deletes with one request (AWS S3 docs, DeleteObjects)."""

_TIMES = ("LastModified", "mtime", "last_modified", "updated", "created")
"""When an object was written last, in a listing's details: S3, local disk, Azure, GCS, memory."""

_VERSION = ("size", "ETag", "etag", "ino", *_TIMES)
"""What differs in a listing's details when an object was written again."""

Details = Mapping[str, Any]
"""What a listing says of an object or a folder."""


def writes_whole_objects(fs: AbstractFileSystem) -> bool:
    """Whether an object appears whole or not at all by itself, and folders are only parts of names."""
    return bool(WHOLE_OBJECT_STORES & _protocols(fs))


def is_s3(fs: AbstractFileSystem) -> bool:
    return "s3" in _protocols(fs)


def read_options(fs: AbstractFileSystem) -> dict[str, int]:
    """What reading a whole object needs."""
    # One request, so that the bytes are of one version; newer s3fs would ask for the size, and then for pieces.
    in_pieces = is_s3(fs) and "max_concurrency" in signature(fs._cat_file).parameters
    return {"max_concurrency": 1} if in_pieces else {}


def entries(fs: AbstractFileSystem, folder: str, *, detail: bool = True) -> list[Any]:
    """The entries of a folder, never from a cache; empty if the folder does not exist.

    :param detail: Details; False: only names, for which a disk has to look at fewer places.
    """
    for look in range(MAX_LOOKS):
        try:
            found: list[Any] = fs.ls(folder, detail=detail, refresh=True)
            return found
        except FileNotFoundError:
            if writes_whole_objects(fs) or not fs.isdir(folder):
                break
            # An object in it was deleted while it was listed.
            if look == MAX_LOOKS - 1:
                raise
    return []


def tree(fs: AbstractFileSystem, folder: str) -> Iterator[Details]:
    """All that is in a folder, folders after what is in them.

    ``find`` of fsspec leaves out folders that cannot be listed, whatever the reason.
    """
    for details in entries(fs, folder):
        if details["type"] == "directory":
            yield from tree(fs, details["name"])
        yield details


def find(fs: AbstractFileSystem, folder: str) -> dict[str, Details]:
    """By name: all objects below a folder, as the storage has them now."""
    fs.invalidate_cache()
    try:
        if is_s3(fs):
            # Asked so, s3fs lists once; asked for the folder, it asks twice more if there is nothing.
            parent, _, name = folder.rpartition("/")
            found: dict[str, Details] = fs.find(parent, prefix=f"{name}/", detail=True)
        elif writes_whole_objects(fs):
            found = fs.find(folder, detail=True)
        else:
            found = {each["name"]: each for each in tree(fs, folder) if each["type"] != "directory"}
    except FileNotFoundError:
        return {}
    return found


def written(fs: AbstractFileSystem, name: str, details: Details) -> datetime:
    """When an object was written last, by the storage's clock."""
    time = next((details[key] for key in _TIMES if details.get(key) is not None), None)
    if isinstance(time, int | float):
        return datetime.fromtimestamp(time, UTC)
    if isinstance(time, str):
        time = datetime.fromisoformat(time)
    time = time or fs.modified(name)
    return time if time.tzinfo else time.replace(tzinfo=UTC)


def version(details: Details) -> str:
    """A text that is another one once the object has other content."""
    known = [str(details[name]) for name in _VERSION if details.get(name) is not None]
    # A size alone, which is all that some listings have, proves nothing: to be safe, it is another version each time.
    return " ".join(known) if len(known) > 1 else uuid.uuid4().hex


def delete_at_once(fs: AbstractFileSystem, names: Sequence[str]) -> None:
    """On S3. Not s3fs's ``rm``, which takes names for patterns and does not report what could not be deleted."""
    for start in range(0, len(names), MOST_AT_ONCE):
        parts = [fs.split_path(name) for name in names[start : start + MOST_AT_ONCE]]
        answer = fs.call_s3(
            "delete_objects",
            Bucket=parts[0][0],
            Delete={"Objects": [{"Key": key} for _, key, _ in parts], "Quiet": True},
        )
        fs.invalidate_cache()
        if errors := answer.get("Errors"):
            raise OSError(
                f"{counted(len(errors), 'object')} could not be deleted, the first of them {errors[0].get('Key')}: "
                f"{errors[0].get('Code')} {errors[0].get('Message')}"
            )


def make_folder_of(fs: AbstractFileSystem, name: str) -> None:
    # Another task deletes it, or one above it, at this moment; not if a file has its name.
    _try_again(lambda: fs.makedirs(name.rpartition("/")[0], exist_ok=True))


def rename(fs: AbstractFileSystem, name: str, new_name: str) -> None:
    """Rename a file of a disk, in one step, also into a folder that is not there."""

    def once() -> None:
        make_folder_of(fs, new_name)
        fs.mv(name, new_name)

    # A task that was believed dead deletes the folder; not if the file itself is gone.
    _try_again(once)


def _try_again(change: Callable[[], None]) -> None:
    """Repeat a change of a folder that another task may delete at this moment."""
    for _ in range(MAX_LOOKS - 1):
        with suppress(FileExistsError, FileNotFoundError):
            return change()
    return change()


def _protocols(fs: AbstractFileSystem) -> set[str]:
    return {fs.protocol} if isinstance(fs.protocol, str) else set(fs.protocol)
