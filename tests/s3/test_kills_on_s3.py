"""A process that is killed between any two requests to the bucket, and run again."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

import pytest
import s3fs
from bucket import S3Extraction
from exhaustive import exhaustive
from extraction import whole
from fsspec.asyn import sync_wrapper
from test_extract_to_s3 import HOURS

MOST = 200


class DeadlyS3(s3fs.S3FileSystem):
    """After so many requests no other one reaches the bucket, whatever the process still does."""

    cachable = False

    def __init__(self, requests: int, **options: Any) -> None:
        super().__init__(**options)
        self.left = requests
        self.is_dead = False

    async def _call_s3(self, *arguments: Any, **options: Any) -> Any:
        if self.left == 0:
            self.is_dead = True
            raise OSError("the process was killed")
        self.left -= 1
        return await super()._call_s3(*arguments, **options)

    call_s3 = sync_wrapper(_call_s3)


# Before each request: every second one of one dataset, and the others of the other.
@pytest.mark.parametrize(("dataset", "moved"), [("received_items", 0), ("returned_items", 1)])
@pytest.mark.parametrize("every", exhaustive([29, 2]))
def test_killed_between_requests_and_run_again(
    runs: S3Extraction, plain: Callable[..., s3fs.S3FileSystem], small_pages: None, dataset: str, moved: int, every: int
) -> None:
    window = whole(HOURS[:3])
    options = plain().storage_options
    for requests in range(every // 2 - moved, MOST, every):
        runs.bucket.prefix = f"Ümläut [a] 100% b/{requests}/zfs"
        runs.filesystem = lambda: plain()
        runs.run(dataset, HOURS[0])
        deadly = DeadlyS3(requests, **options)
        runs.filesystem = lambda files=deadly: files
        with contextlib.suppress(Exception):
            runs.run(dataset, window)
        runs.filesystem = lambda: plain()
        runs.run(dataset, window)
        assert runs.keys(dataset) == runs.truth(dataset, window), f"killed after {requests} requests"
        assert not runs.paths("_staging"), f"killed after {requests} requests"
        runs.bucket.empty()
        if not deadly.is_dead:
            break
    assert 10 < requests < MOST - every, "a run has more requests than that, and ends"
