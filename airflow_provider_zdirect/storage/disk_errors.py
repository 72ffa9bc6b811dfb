# SPDX-License-Identifier: Apache-2.0
"""What the system says of a disk, as errors of this package: which directory, and what to do."""

from __future__ import annotations

import errno
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from airflow_provider_zdirect.exceptions import (
    DiskFullError,
    StorageUnavailableError,
    ZDirectConfigurationError,
    ZDirectError,
)

RETRY_SECONDS = 120.0

MB = 1_000_000

_FORBIDDEN = (errno.EACCES, errno.EPERM)


@dataclass(frozen=True)
class Directory:
    """A directory on a disk.

    :param name: what it is, in words.
    :param path: where it is.
    :param instead: how to choose another one.
    """

    name: str
    path: str
    instead: str

    @contextmanager
    def errors(self, needed: int | None = None, *, all_are_its: bool = True) -> Iterator[None]:
        """Turn errors about the disk into those of this package; others pass.

        :param needed: bytes that are to be written, if known.
        :param all_are_its: False: permissions, names and failures may be those of another place, and such errors pass.
        :raises DiskFullError: if there is no room.
        :raises StorageUnavailableError: if too many files are open, or the disk does not work.
        :raises ZDirectConfigurationError: if this user cannot write to it.
        """
        try:
            yield
        except OSError as error:
            named = self._named(error, needed, all_are_its=all_are_its)
            if named is None:
                raise
            raise named from error

    def _named(self, error: OSError, needed: int | None, *, all_are_its: bool) -> ZDirectError | None:
        where = f"{self.name} {self.path}"
        match error.errno:
            case errno.ENOSPC | errno.EDQUOT:
                return self._full(where, needed, is_quota=error.errno == errno.EDQUOT)
            case errno.EMFILE | errno.ENFILE:
                return StorageUnavailableError(
                    f"A file in {where} cannot be opened: too many files are open.",
                    remedy="Raise the limit of open files on the worker (ulimit -n), or run fewer tasks at once; the "
                    "task retries.",
                    retry_after=RETRY_SECONDS,
                )
            # Clients of object storages raise these, too.
            case errno.EIO | errno.ESTALE | errno.ETIMEDOUT | errno.EBUSY if all_are_its:
                return StorageUnavailableError(
                    f"{where} cannot be used at the moment: {error.strerror}. Nothing incomplete was published.",
                    remedy="No action needed if the retry succeeds; otherwise look at the disk.",
                    retry_after=RETRY_SECONDS,
                )
            case errno.EROFS:
                what, remedy = "it is read-only", f"Make it writable, or {self.instead}."
            case errno.EFBIG:
                what = "a file there would be larger than this user's files may be"
                remedy = "Raise the limit of file sizes on the worker (ulimit -f)."
            case errno.ENAMETOOLONG if all_are_its:
                what, remedy = "the name of a file there would be too long", f"For a shorter one, {self.instead}."
            case errno.EACCES | errno.EPERM if all_are_its:
                what = f"this user may not ({error.strerror}: {error.filename or self.path})"
                remedy = f"Let the worker's user read and write all that is in it, or {self.instead}."
            case _:
                return None
        verb = "used" if error.errno in _FORBIDDEN else "written to"
        return ZDirectConfigurationError(f"{where} cannot be {verb}: {what}.", remedy=remedy)

    def _full(self, where: str, needed: int | None, *, is_quota: bool) -> DiskFullError:
        facts = [f"{needed / MB:,.1f} MB were to be written"] if needed else []
        with suppress(OSError):
            facts += [] if is_quota else [f"{shutil.disk_usage(self.path).free / MB:,.1f} MB are free"]
        what = "The quota of this user is used up" if is_quota else "There is no room left"
        return DiskFullError(
            f"{what} in {where}{': ' if facts else ''}{', '.join(facts)}. Nothing incomplete was published.",
            remedy=f"Free space there, or {self.instead}. The task retries, and goes on with what it has saved.",
            retry_after=RETRY_SECONDS,
        )


def base_path(root: str) -> Directory:
    """The base path, if it is on a disk."""
    return Directory("the base path", root, "choose another base_path")


def temporary_directory(path: str) -> Directory:
    """The one of this machine."""
    return Directory("the temporary directory", path, "let TMPDIR name another directory for the worker")
