# SPDX-License-Identifier: Apache-2.0
"""Folders on this machine for the time of a task, and what killed tasks have left of them.

A folder is locked while its task lives, however long that is. Of a task that is killed, the system frees the lock, so a
later task can tell what nobody needs any more.
"""

from __future__ import annotations

import fcntl
import logging
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta

from airflow_provider_zdirect.clock import SystemClock
from airflow_provider_zdirect.exceptions import StorageUnavailableError
from airflow_provider_zdirect.storage.disk_errors import RETRY_SECONDS, temporary_directory

log = logging.getLogger(__name__)

PREFIX = "zdirect-task-"

LEFT_FOR = timedelta(days=1)
"""A folder that is younger may be one that is not locked yet."""


@contextmanager
def scratch_folder() -> Iterator[str]:
    """A folder in the temporary directory that nobody else can look into; removed at the end.

    :raises DiskFullError: also if what is written to it inside the ``with`` finds no room.
    """
    parent = _parent()
    _remove_left_behind(parent)
    directory = temporary_directory(parent)
    with directory.errors():
        folder = tempfile.mkdtemp(prefix=PREFIX, dir=parent)
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        # Where there are no locks (NFS), nobody can lock it to remove it either.
        with suppress(OSError):
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        with directory.errors(all_are_its=False):
            yield folder
    finally:
        # What cannot be deleted is left to a later task: this one may have done its work.
        shutil.rmtree(folder, ignore_errors=True)
        os.close(handle)


def _parent() -> str:
    try:
        return tempfile.gettempdir()
    except OSError as error:
        failure = str(error.strerror)
    raise StorageUnavailableError(
        f"This machine has no temporary directory that can be written to: {failure}.",
        remedy="Free space in it, or let TMPDIR name another directory for the worker.",
        retry_after=RETRY_SECONDS,
    )


def _remove_left_behind(parent: str) -> None:
    """Remove the folders of this user's tasks that were killed a day ago or more."""
    longest_ago = (SystemClock().now() - LEFT_FOR).timestamp()
    with suppress(OSError), os.scandir(parent) as entries:
        for entry in entries:
            if entry.name.startswith(PREFIX):
                # It is locked, another user's or not a folder, or another task has just removed it.
                with suppress(OSError):
                    _remove_if_left(entry.path, longest_ago)


def _remove_if_left(folder: str, longest_ago: float) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        state = os.fstat(handle)
        if state.st_uid == os.getuid() and state.st_mtime < longest_ago:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(folder)
            log.info("Removed what a killed task had left: %s.", folder)
    finally:
        os.close(handle)
