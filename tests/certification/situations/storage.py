"""Where the rows go to fails: at any write, once or for long; and the process that writes them ends at any moment."""

from __future__ import annotations

import errno
import itertools
import os
import shutil
import signal
from collections import Counter
from dataclasses import replace
from typing import Any

import pytest
from full_disk import Disk
from killing import Killed, before_changes, kill_at

from airflow_provider_zdirect.client import MemoryRateLimiter
from airflow_provider_zdirect.datasets.publication import Days, History, Once, Snapshots
from airflow_provider_zdirect.exceptions import (
    DiskFullError,
    StorageUnavailableError,
    ZDirectConfigurationError,
    ZDirectError,
)
from certification.case import PUBLISHED_ONCE, Play, Situation, check_end, of_dataset
from certification.protection import Protection
from certification.situations.reading import ONE_FILE_A_DAY, ONE_HISTORY, SAME_SNAPSHOT
from certification.world import NOW, PAGE, Outcome, World

EVERY = 7
"""A full disk is tried at every seventh write; ``tests/pipeline/test_full_disk.py`` tries each."""


class Terminated(BaseException):
    """As Airflow raises it in a task that is sent SIGTERM."""


def disk_full(world: World) -> None:
    for room in itertools.count(0, EVERY):
        with pytest.MonkeyPatch.context() as patched:
            disk = Disk(patched, room)
            outcome = world.task(tries=1)
        if not disk.failed_in:
            break
        _check_error(world, outcome, DiskFullError, "no room left")
        _check_then(world)
    assert room > EVERY


def _forbidden(number: int, error: type[ZDirectError], says: str) -> Play:
    def play(world: World) -> None:
        for room in (0, 3):
            with pytest.MonkeyPatch.context() as patched:
                Disk(patched, room, number, only_base_path=True)
                outcome = world.task(tries=1)
            _check_error(world, outcome, error, says)
            assert room or not of_dataset(world), "it shows before the first request"
            _check_then(world)

    return play


def _few_steps(world: World) -> None:
    """Fewer pages, so that a run has some thirty changes of the base path, and not a hundred."""
    world.page = PAGE * 2
    world.emulator.set_options(icm_page_size=PAGE * 2)


def fails_once(world: World) -> None:
    _few_steps(world)
    for room in itertools.count(0, 2):
        with pytest.MonkeyPatch.context() as patched:
            disk = Disk(patched, room, errno.EIO, only_base_path=True, times=1)
            outcome = world.task()
        if not disk.failed_in:
            break
        assert {type(error) for error in outcome.errors} <= {StorageUnavailableError}
        check_end(world, outcome, error=StorageUnavailableError if outcome.errors else None, names=False, litter=True)
        _start_anew(world)
    assert room > 3


def killed(world: World) -> None:
    _few_steps(world)
    for step in itertools.count(1):
        with pytest.MonkeyPatch.context() as patched:
            kill_at(step, patched)
            try:
                world.fetch()
            except Killed:
                pass
            else:
                break
        _check_then(world, litter=True)
    assert step > 3


def terminated(world: World) -> None:
    _few_steps(world)

    def terminate(*_: Any) -> None:
        raise Terminated

    former = signal.signal(signal.SIGTERM, terminate)
    try:
        for step in itertools.count(1, 2):
            steps = itertools.count(1)

            def send(steps: Any = steps, step: int = step) -> None:
                if next(steps) == step:
                    os.kill(os.getpid(), signal.SIGTERM)

            with pytest.MonkeyPatch.context() as patched:
                before_changes(patched, send)
                try:
                    world.fetch()
                except Terminated:
                    pass
                else:
                    if next(steps) <= step:
                        break
            _check_then(world, litter=True)
    finally:
        signal.signal(signal.SIGTERM, former)
    assert step > 3


def _check_error(world: World, outcome: Outcome, kind: type[ZDirectError], says: str) -> None:
    assert [type(error) for error in outcome.errors] == [kind]
    text = str(outcome.errors[0])
    assert [part for part in (says, "What to do: ") if part not in text] == [], text
    assert str(world.root) in text or "TMPDIR" in text, text


def _check_then(world: World, *, litter: bool = False) -> None:
    """Nothing is published that is not right; once more, and all is there. Then from the start."""
    wrong: Counter[Any] = world.rows() - world.expected()
    assert not wrong
    check_end(world, world.task(), litter=litter)
    _start_anew(world)


def _start_anew(world: World) -> None:
    shutil.rmtree(world.root)
    world.emulator.state.log.clear()
    world.emulator.state.limiter.clear()
    world.emulator.clock.set(NOW)
    world.limiter = MemoryRateLimiter(world.clock())


DISK = Protection("storage.disk_errors:Directory.errors", "named is None", "True")
DISK_OR_STORAGE = replace(
    DISK, also=Protection("storage.object_store:naming_base_path", "except Exception", "except ()")
)
BEGUN = {
    Once: PUBLISHED_ONCE[Once],
    Days: Protection(
        "publish.day:DayReplacer._replace",
        "latest is None or latest < fetched",
        "True",
        also=replace(PUBLISHED_ONCE[Days], also=ONE_FILE_A_DAY),
    ),
    Snapshots: replace(PUBLISHED_ONCE[Snapshots], also=SAME_SNAPSHOT),
    History: Protection(
        "publish.history:_Recording._round",
        "path != holder.path",
        "False",
        also=replace(PUBLISHED_ONCE[History], also=ONE_HISTORY),
    ),
}
"""What a run relies on that finds what a killed one has published."""
SITUATIONS = [
    Situation(
        "storage/disk-full",
        "A full disk is a clear error at any write; nothing incomplete is published, and a later run completes it.",
        DISK,
        disk_full,
    ),
    *(
        Situation(
            f"storage/{name}",
            f"{shows}, and says what to do; afterwards all is published.",
            DISK_OR_STORAGE if name in ("permission", "io-error") else DISK,
            _forbidden(*more),
        )
        for name, shows, more in (
            ("quota", "A quota that is used up is an error", (errno.EDQUOT, DiskFullError, "quota")),
            (
                "read-only",
                "A base path that is read-only is an error",
                (errno.EROFS, ZDirectConfigurationError, "read-only"),
            ),
            (
                "permission",
                "A base path that forbids writing is an error",
                (errno.EACCES, ZDirectConfigurationError, "Permission denied"),
            ),
            (
                "open-files",
                "Too many open files are an error",
                (errno.EMFILE, StorageUnavailableError, "too many files are open"),
            ),
            ("io-error", "A disk that fails is an error", (errno.EIO, StorageUnavailableError, "Input/output error")),
        )
    ),
    Situation(
        "storage/fails-once",
        "A write that fails once, whichever it is, costs at most a try; all is published, once.",
        DISK,
        fails_once,
    ),
    Situation(
        "process/killed",
        "A process killed before any change of the base path has published nothing wrong; the next completes it.",
        BEGUN,
        killed,
    ),
    Situation(
        "process/terminated",
        "SIGTERM at any change, after which a thread may still be writing, has published nothing wrong either.",
        BEGUN,
        terminated,
    ),
]
