"""Extractions in a process of its own, whose children are killed, or whose disk is small.

python far_extraction.py <job as JSON> killed <every n-th step>     prints how many steps there are
    python far_extraction.py <job as JSON> small-disk <mount point>     prints the error; runs again, with room
"""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import signal
import subprocess
import sys
import tempfile
import traceback
from datetime import datetime
from pathlib import Path
from typing import Any

import fsspec
import pytest
from clocks import FakeClock
from fsspec.implementations.local import LocalFileSystem
from killing import before_changes

from airflow_provider_zdirect.client import ClientConfig, MemoryRateLimiter, ZDirectClient
from airflow_provider_zdirect.datasets.table import get_dataset
from airflow_provider_zdirect.emulator.server import EmulatorServer
from airflow_provider_zdirect.exceptions import ZDirectError
from airflow_provider_zdirect.pipeline.extract import ExtractJob, extract
from airflow_provider_zdirect.publish.place import Place
from airflow_provider_zdirect.storage.row_files import ParquetWriter
from airflow_provider_zdirect.windows import Window


def job_of(emulator: EmulatorServer, dataset: str, window: Window) -> str:
    """What the process has to know."""
    app = emulator.state.settings
    job = {"url": emulator.url, "client_id": app.client_id, "client_secret": app.client_secret, "dataset": dataset}
    job |= {"merchant_id": emulator.merchant_ids[0], "now": emulator.clock.now().isoformat(), "window": window.label}
    return json.dumps(job)


def run(job: dict[str, Any], root: Path) -> None:
    clock = FakeClock(datetime.fromisoformat(job["now"]))

    async def go() -> None:
        config = ClientConfig(job["client_id"], job["client_secret"], base_url=job["url"])
        place = Place(fsspec.filesystem("file"), str(root), root.as_uri(), job["merchant_id"], "production")
        what = ExtractJob(place, get_dataset(job["dataset"]), Window.from_label(job["window"]), resume_key="task")
        async with ZDirectClient(config, clock=clock, limiter=MemoryRateLimiter(clock)) as client:
            await extract(what, client, clock)

    asyncio.run(go())


def killed(job: dict[str, Any], every: int) -> None:
    """Run it in a child that is killed at the first, second, ... step, each in a base path of its own."""
    for step in itertools.count(1, every):
        if child := os.fork():
            _, status = os.waitpid(child, 0)
            if not os.WIFSIGNALED(status):
                assert not status
                print(step)
                return
            continue
        try:
            _kill_at(step)
            run(job, Path(str(step)).absolute())
            os._exit(0)
        except BaseException:
            traceback.print_exc()
            os._exit(1)


def _kill_at(step: int) -> None:
    steps, patched = itertools.count(1), pytest.MonkeyPatch()

    def die() -> None:
        if next(steps) >= step:
            os.kill(os.getpid(), signal.SIGKILL)

    before_changes(patched, die)
    # Between writing beside and renaming, and while a file on the local disk is written.
    for kind, name in ((LocalFileSystem, "mv"), (ParquetWriter, "write"), (ParquetWriter, "close")):
        write = getattr(kind, name)

        def dying(this: Any, *arguments: Any, write: Any = write, **options: Any) -> Any:
            die()
            return write(this, *arguments, **options)

        patched.setattr(kind, name, dying)


def small_disk(job: dict[str, Any], mount_point: str) -> None:
    root = Path("base").absolute()
    try:
        run(job, root)
    except ZDirectError as error:
        print(type(error).__name__, error)
    subprocess.run(["mount", "-o", "remount,size=64m", mount_point], check=True)
    run(job, root)


if __name__ == "__main__":
    tempfile.tempdir = str(Path("tmp").absolute())
    _, the_job, what, how = sys.argv
    if what == "killed":
        killed(json.loads(the_job), int(how))
    else:
        small_disk(json.loads(the_job), how)
