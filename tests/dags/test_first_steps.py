"""The commands of docs/first-steps.md, one after the other, against an emulator of the sandbox."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path

import airflow_home
import pytest
import real_time
import run_dag as run_dag_module
from own_emulator import own_emulator
from warm_airflow import run_file, run_forked

import airflow_provider_zdirect
from airflow_provider_zdirect.check.options import OPTIONS
from airflow_provider_zdirect.check.outcome import Outcome, Status
from airflow_provider_zdirect.datasets.table import DATASETS
from airflow_provider_zdirect.emulator.server import EmulatorServer

DOCS = airflow_home.PROJECT / "docs"
PROGRAM = Path(airflow_provider_zdirect.__file__).with_name("__main__.py")


def blocks(document: str, language: str) -> list[str]:
    found = re.findall(r"^ *```(\w*)\n(.*?)^ *```$", (DOCS / document).read_text(), re.MULTILINE | re.DOTALL)
    return [text for kind, text in found if kind == language]


@pytest.fixture
def sandbox() -> Iterator[EmulatorServer]:
    with own_emulator(seed=7, environment="sandbox") as server:
        yield server


@pytest.mark.exhaustive
def test_the_five_steps_lead_to_a_file(
    sandbox: EmulatorServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    connection, check, fetch = blocks("first-steps.md", "sh")
    name, value = shlex.split(connection)[1].split("=", 1)
    app = sandbox.state.settings
    text = value.replace("<client id>", app.client_id).replace("<client secret>", app.client_secret)
    folder = tmp_path / "dags"
    folder.mkdir()
    environment = {
        **os.environ,
        # The only difference: the emulator's address.
        name: json.dumps({**json.loads(text), "host": sandbox.url, "port": None}),
        "ZDIRECT_BASE_PATH": (tmp_path / "zdirect").as_uri(),
        "AIRFLOW__CORE__DAGS_FOLDER": str(folder),
    }

    program = shlex.split(check)
    assert program[:3] == ["python", "-m", "airflow_provider_zdirect"]
    file = str(tmp_path / "shape.json")
    done = run_forked(run_file, str(PROGRAM), *program[3:], "--json", file, environment=environment)
    for line in ("OK    token", "OK    app", "OK    merchants", "OK    base path", "OK    read stock_locations"):
        assert line in done.stdout, done.stdout + done.stderr

    *command, dag_id = shlex.split(fetch)
    assert command == ["airflow", "dags", "test"]
    shutil.copy(airflow_home.PROJECT / "dags" / f"{dag_id}.py", folder)
    arguments = (dag_id, real_time.now().isoformat(), "{}", "")
    done = run_forked(run_dag_module.main, *arguments, environment=environment)
    assert '"state": "success"' in done.stdout, done.stdout[-3000:] + done.stderr[-3000:]

    (read,) = blocks("first-steps.md", "python")
    monkeypatch.chdir(tmp_path)
    exec(read, {})
    assert "Erfurt" in capsys.readouterr().out


def test_the_pages_name_every_scope_and_option() -> None:
    page = (DOCS / "first-steps.md").read_text()
    for dataset in DATASETS.values():
        if dataset.part_of is None:
            assert re.search(rf"\| `{dataset.endpoint.scope}`.* \| .*`{dataset.name}`", page), dataset.name
    options = (DOCS / "check.md").read_text()
    for flag, _ in OPTIONS:
        assert f"| `{flag}` |" in options
    for line in blocks("check.md", "")[0].splitlines():
        assert Outcome(Status(line[:4].strip()), line[6:36].strip(), line[38:]).line() == line
    assert blocks("check.md", "sh") == [blocks("first-steps.md", "sh")[1]]
