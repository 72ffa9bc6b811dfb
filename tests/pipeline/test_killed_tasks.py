"""Tasks that are killed (SIGKILL) at any step: a later one removes what they have left, and all is fetched once."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

import far_extraction
import pytest
import real_time
from extraction import Extraction

from airflow_provider_zdirect.emulator.server import EmulatorServer
from airflow_provider_zdirect.windows import Window

NOW = datetime(2026, 11, 20, 19, tzinfo=UTC)
EMULATOR = {"seed": 7, "now": NOW}
HOURS = Window(NOW - timedelta(hours=7), NOW - timedelta(hours=4))
LATER = Window(NOW - timedelta(hours=4), NOW - timedelta(hours=3))


@pytest.mark.parametrize(
    "every", [pytest.param(19, id="some"), pytest.param(1, id="all", marks=pytest.mark.exhaustive)]
)
def test_what_a_killed_task_has_left_goes_with_a_later_one(
    shared_emulator: EmulatorServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, every: int
) -> None:
    shared_emulator.reset()
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    program = [sys.executable, far_extraction.__file__, far_extraction.job_of(shared_emulator, "returned_items", HOURS)]
    died = subprocess.run(
        [*program, "killed", str(every)], cwd=tmp_path, stdout=subprocess.PIPE, text=True, timeout=500, check=True
    )
    steps = int(died.stdout)
    assert steps > 20
    killed = range(1, steps, every)
    assert len(list(temporary.iterdir())) >= len(killed), "a folder of each, or more"
    long_ago = (real_time.now() - timedelta(days=1.1)).timestamp()
    staged = 0
    for path in [*temporary.iterdir(), *tmp_path.glob("*/_staging/**/*")]:
        staged += path.is_file()
        os.utime(path, (long_ago, long_ago))
    assert staged
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    for step in killed:
        runs = Extraction(shared_emulator, tmp_path / str(step))
        runs.run("returned_items", LATER, resume_key="later")
        assert not list(temporary.iterdir()), step
        assert not runs.paths("_staging"), step
        runs.run("returned_items", HOURS)
        both = Window(HOURS.start, LATER.end)
        assert runs.keys("returned_items") == runs.truth("returned_items", both), step
