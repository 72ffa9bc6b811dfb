# SPDX-License-Identifier: Apache-2.0
"""One process of this host at a time: an advisory lock on a small file."""

from __future__ import annotations

import asyncio
import fcntl
import os
import stat
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path


@asynccontextmanager
async def host_lock(path: Path, *, patience: float, poll: float = 0.05) -> AsyncIterator[int]:
    """Hold ``path`` locked against every other task, thread and process of this host.

    The file is created if needed, readable by its owner only, and left behind. If the holder dies, the system
    frees the lock. The waiting is real time, not the injected clock's: it is for another process, not for zDirect.

    :param patience: seconds to wait for the lock.
    :param poll: seconds until the second look; later ones are up to a twentieth of a second apart. Looking does not
        block, so cancelling leaves nothing behind.
    :returns: the descriptor of the open file.
    :raises TimeoutError: if the lock was not free in time.
    """
    file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        deadline = time.monotonic() + patience
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() >= deadline:
                    raise TimeoutError(f"{path.name} was locked for more than {patience:g} s") from None
            await asyncio.sleep(poll)
            poll = min(1.5 * poll, 0.05)
        yield file
    finally:
        os.close(file)


def private_directory(name: str) -> Path:
    """A directory below the host's temporary one that only this user can look into.

    :raises OSError: if it cannot be made, or somebody else made it first.
    """
    path = Path(tempfile.gettempdir()) / f"{name}-{os.getuid()}"
    path.mkdir(mode=0o700, exist_ok=True)
    state = path.lstat()
    if not stat.S_ISDIR(state.st_mode) or state.st_uid != os.getuid() or stat.S_IMODE(state.st_mode) & 0o077:
        raise PermissionError(f"{path} is not a private directory of this user")
    return path
