"""A disk that fails from some write on."""

from __future__ import annotations

import errno
import math
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fsspec.implementations.local import LocalFileSystem

from airflow_provider_zdirect.publish.files import FileBuilder
from airflow_provider_zdirect.storage.row_files import ParquetWriter


class Disk:
    """Every write to the base path, and to the temporary directory, is counted; from some on all fail.

    :param room: for so many writes.
    :param times: how many fail then.
    """

    def __init__(
        self,
        patched: pytest.MonkeyPatch,
        room: int,
        number: int = errno.ENOSPC,
        *,
        only_base_path: bool = False,
        times: float = math.inf,
    ) -> None:
        self.room, self.number, self._times = room, number, times
        self.failed_in: set[str] = set()
        for name in ("pipe_file", "put_file"):
            self._limit(patched, LocalFileSystem, name, "the base path", self._half_written)
        for name in ("makedirs", "mv"):
            self._limit(patched, LocalFileSystem, name, "the base path")
        if only_base_path:
            return
        for kind, name in ((ParquetWriter, "write"), (ParquetWriter, "close"), (FileBuilder, "__post_init__")):
            self._limit(patched, kind, name, "the temporary directory")

    def _limit(
        self,
        patched: pytest.MonkeyPatch,
        kind: type,
        name: str,
        where: str,
        before_failure: Callable[..., None] = lambda *arguments: None,
    ) -> None:
        write = getattr(kind, name)

        def limited(this: Any, *arguments: Any, **options: Any) -> Any:
            self.room -= 1
            if -self._times <= self.room < 0:
                self.failed_in.add(where)
                before_failure(*arguments)
                raise OSError(self.number, os.strerror(self.number))
            return write(this, *arguments, **options)

        patched.setattr(kind, name, limited)

    @staticmethod
    def _half_written(source: Any, target: Any) -> None:
        # Written as pipe_file(path, data) and put_file(local, path).
        path, data = (source, target) if isinstance(target, bytes) else (target, Path(source).read_bytes())
        Path(path).write_bytes(data[: len(data) // 2])
