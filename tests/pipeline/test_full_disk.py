"""A disk that is full from some write on: a clear error, nothing incomplete, and with room again all is there once."""

from __future__ import annotations

import errno
import itertools
import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import far_extraction
import pyarrow.parquet as pq
import pytest
from exhaustive import exhaustive
from full_disk import Disk
from state_extraction import StateExtraction

from airflow_provider_zdirect.emulator.server import EmulatorServer
from airflow_provider_zdirect.exceptions import (
    DiskFullError,
    StorageUnavailableError,
    ZDirectConfigurationError,
    ZDirectError,
)
from airflow_provider_zdirect.windows import Window

NOW = datetime(2026, 11, 20, 19, tzinfo=UTC)
EMULATOR = {"seed": 7, "now": NOW, "empty_reports": 0}
HOURS = Window(NOW - timedelta(hours=7), NOW - timedelta(hours=4))
DAY = Window.of_day((NOW - timedelta(days=3)).date())

Job = Callable[[StateExtraction], object]


def items(runs: StateExtraction) -> None:
    """Late records are merged with what is published."""
    runs.run("returned_items", Window(HOURS.start, HOURS.start + timedelta(hours=1)), resume_key="earlier")
    runs.run("returned_items", HOURS)


def report(runs: StateExtraction) -> None:
    """A report that has changed replaces its day."""
    runs.emulator.set_options(volume=1)
    runs.run("intra_community_movements", DAY, resume_key="earlier")
    runs.emulator.set_options(volume=2)
    runs.run("intra_community_movements", DAY)


def snapshot(runs: StateExtraction) -> None:
    runs.observe("item_quantity_snapshots")


def history(runs: StateExtraction) -> None:
    runs.observe("stock_locations")


JOBS: dict[str, Job] = {
    "returned_items": items,
    "intra_community_movements": report,
    "item_quantity_snapshots": snapshot,
    "stock_locations": history,
}


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "tmp"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def error_of(job: Job, runs: StateExtraction) -> ZDirectError | None:
    try:
        job(runs)
    except ZDirectError as error:
        return error
    return None


def rows(runs: StateExtraction, dataset: str) -> list[str]:
    return sorted(
        json.dumps({name: value for name, value in row.items() if name[0] != "_"}, default=str)
        for row in runs.published(dataset)
    )


@pytest.mark.parametrize("every", [pytest.param(7, id="some"), pytest.param(1, id="all", marks=pytest.mark.exhaustive)])
@pytest.mark.parametrize("dataset", JOBS)
def test_full_from_any_write_on_nothing_is_incomplete_and_the_next_run_with_room_succeeds(
    shared_emulator: EmulatorServer, tmp_path: Path, temporary: Path, dataset: str, every: int
) -> None:
    job = JOBS[dataset]
    shared_emulator.reset()
    reference = StateExtraction(shared_emulator, tmp_path / "reference")
    job(reference)
    expected, where = rows(reference, dataset), set[str]()
    assert expected
    for room in itertools.count(0, every):
        runs = StateExtraction(shared_emulator, tmp_path / "full")
        with pytest.MonkeyPatch.context() as patched:
            disk = Disk(patched, room)
            error = error_of(job, runs)
        assert (type(error) is DiskFullError) is bool(disk.failed_in), room
        directories = {"the base path": runs.root, "the temporary directory": temporary}
        named = {name for name in directories if f"no room left in {name} {directories[name]}" in str(error)}
        assert named <= disk.failed_in, room
        assert len(named) == bool(error), room
        where |= named
        assert not list(temporary.iterdir()), room
        assert not [path for path in runs.paths("_staging/_tmp") if path.is_file()], room
        for path in runs.root.rglob("*.parquet"):
            pq.read_table(path)
        for path in runs.root.rglob("*.json"):
            json.loads(path.read_text())
        job(runs)
        assert rows(runs, dataset) == expected, room
        shutil.rmtree(runs.root)
        if not disk.failed_in:
            break
    assert room > 6
    assert len(where) == 2 or every > 1


@pytest.mark.parametrize(
    ("number", "kind", "says"),
    [
        (errno.EDQUOT, DiskFullError, "quota"),
        (errno.EROFS, ZDirectConfigurationError, "it is read-only"),
        (errno.EACCES, ZDirectConfigurationError, "this user may not (Permission denied"),
        (errno.ENAMETOOLONG, ZDirectConfigurationError, "too long"),
        (errno.EFBIG, ZDirectConfigurationError, "ulimit -f"),
        (errno.EMFILE, StorageUnavailableError, "ulimit -n"),
        (errno.EIO, StorageUnavailableError, "cannot be used at the moment: Input/output error"),
    ],
)
@pytest.mark.parametrize("room", exhaustive([2, 25, 0, 15], representatives=2))
def test_other_failures_of_the_disk_of_the_base_path_are_errors_too(
    runs: StateExtraction, temporary: Path, number: int, kind: type[ZDirectError], says: str, room: int
) -> None:
    with pytest.MonkeyPatch.context() as patched:
        disk = Disk(patched, room, number, only_base_path=True)
        error = error_of(items, runs)
    assert disk.failed_in
    assert type(error) is kind
    assert says in str(error)
    assert f"the base path {runs.root}" in str(error)
    assert not list(temporary.iterdir())
    items(runs)
    assert runs.keys("returned_items") == runs.truth("returned_items", HOURS)


@pytest.fixture
def own_mounts() -> list[str]:
    """What a command is put behind that may mount; the mounts are its own, and go with it."""
    command = ["unshare", "--user", "--map-root-user", "--mount"]
    try:
        subprocess.run([*command, "true"], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("This user may not make namespaces.")
    return command


@pytest.mark.parametrize(("small", "named"), [("base", "the base path"), ("tmp", "the temporary directory")])
def test_on_a_disk_that_is_really_full(
    runs: StateExtraction, tmp_path: Path, own_mounts: list[str], small: str, named: str
) -> None:
    for folder in ("base", "tmp"):
        (tmp_path / folder).mkdir()
    job = far_extraction.job_of(runs.emulator, "returned_items", HOURS)
    script = 'mount -t tmpfs -o size=24k none "$1" && shift && "$@" && cp -r base copy'
    program = [sys.executable, far_extraction.__file__, job, "small-disk", small]
    done = subprocess.run(
        [*own_mounts, "sh", "-c", script, "sh", small, *program],
        cwd=tmp_path, stdout=subprocess.PIPE, text=True, timeout=500, check=True,
    )  # fmt: skip
    assert f"DiskFullError There is no room left in {named} {tmp_path / small}" in done.stdout
    runs.root = tmp_path / "copy"
    assert runs.keys("returned_items") == runs.truth("returned_items", HOURS)
