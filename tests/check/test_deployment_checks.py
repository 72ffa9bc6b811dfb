"""What the command says about the deployment: connection, base path, triggerer, versions; and how it ends."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import real_time
from warm_airflow import run_file, run_forked

import airflow_provider_zdirect
from airflow_provider_zdirect.airflow_sdk import AIRFLOW_V_3_2_PLUS
from airflow_provider_zdirect.check.deployment import base_path_outcomes, try_out
from airflow_provider_zdirect.check.outcome import Outcome, Status, exit_code
from airflow_provider_zdirect.emulator.server import EmulatorServer
from airflow_provider_zdirect.operators.base_path import BasePath
from airflow_provider_zdirect.storage.object_store import ObjectStore

PROGRAM = Path(airflow_provider_zdirect.__file__).with_name("__main__.py")
MARKER = "_environment/environment.json"


@pytest.fixture
def triggerer(database: None) -> Iterator[Callable[[timedelta], None]]:
    """Lets Airflow's database say when a triggerer was seen."""
    from airflow.jobs.job import Job
    from airflow.utils.session import create_session

    def seen(ago: timedelta) -> None:
        with create_session() as session:
            at = real_time.now() - ago
            session.add(Job(job_type="TriggererJob", state="running", latest_heartbeat=at, start_date=at))

    yield seen
    with create_session() as session:
        session.query(Job).delete()


def test_all_is_well(check: Any, triggerer: Callable[[timedelta], None]) -> None:
    triggerer(timedelta(0))
    done = check("--datasets", "received_items")
    assert done.code == 0, done.lines
    assert done.line("triggerer") == "OK triggerer It runs."
    assert "Failed" not in "".join(done.lines)
    assert done.lines[-1].endswith("Send it with an issue.")


@pytest.mark.parametrize("ago", [None, timedelta(hours=1)])
def test_a_triggerer_that_does_not_run_fails_the_check(
    check: Any, triggerer: Callable[[timedelta], None], ago: timedelta | None
) -> None:
    if ago:
        triggerer(ago)
    done = check("--no-reads")
    assert done.code == 2
    line = done.line("triggerer")
    assert line.startswith("FAIL triggerer None runs")
    assert ("the last sign of one is of" in line) == (ago is not None)
    assert "Failed: triggerer." in done.lines


def test_versions_are_told(check: Any) -> None:
    line = check("--no-reads").line("versions")
    for name in ("airflow-provider-zdirect", "apache-airflow", "python", "httpx"):
        assert f"{name} " in line


def test_a_missing_connection_is_told_how_to_be_added(check: Any, emulator: EmulatorServer) -> None:
    done = check("--conn-id", "nothing")
    assert done.code == 2
    assert "Connection 'nothing' does not exist. What to do: Add it" in done.line("connection")
    assert done.line("zDirect").startswith("SKIP")
    assert done.line("base path").startswith("OK")
    assert emulator.requests == []


def test_a_connection_of_an_unknown_environment_is_not_used(
    check: Any, connect: Callable[..., None], emulator: EmulatorServer
) -> None:
    connect(extra={"environment": "staging"})
    line = check().line("connection")
    assert line.startswith("FAIL")
    assert "environment='staging' is not an environment of zDirect" in line
    assert emulator.requests == []


def test_a_connection_in_the_database_is_found(check: Any, emulator: EmulatorServer) -> None:
    from airflow.models.connection import Connection
    from airflow.utils.session import create_session
    from own_emulator import connection_to

    with create_session() as session:
        session.add(Connection(conn_id="stored", **{**connection_to(emulator), "extra": '{"share_access": false}'}))
    try:
        assert check("--conn-id", "stored", "--no-reads").line("connection").startswith("OK connection stored:")
    finally:
        with create_session() as session:
            session.query(Connection).delete()


@pytest.mark.parametrize("names", ["returned_itmes", "order_lines"])
def test_datasets_that_cannot_be_read_alone_are_refused(check: Any, emulator: EmulatorServer, names: str) -> None:
    done = check("--datasets", names)
    assert done.line("arguments").startswith(f"FAIL arguments dataset='{names}'")
    assert emulator.requests == []


def test_a_base_path_that_cannot_be_written_to_fails(check: Any, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    line = check("--no-reads", base_path=f"file://{tmp_path}/file").line("base path")
    assert line.startswith("FAIL")
    assert "cannot be written to" in line


def test_the_probe_leaves_nothing_and_the_environment_unclaimed(check: Any, tmp_path: Path) -> None:
    done = check("--no-reads")
    assert [path for path in (tmp_path / "base").rglob("*") if path.is_file()] == []
    assert "None yet" in done.line("environment of the base path")


@pytest.mark.parametrize("prefix", ["file://", ""])
def test_a_local_base_path_is_told_to_be_shared(tmp_path: Path, prefix: str) -> None:
    base_path, environment = base_path_outcomes(f"{prefix}{tmp_path}/base", None)
    assert "all workers must see the same one" in base_path.text
    assert environment.status == Status.SKIP


def test_every_kind_of_storage_can_be_tried_out(store: ObjectStore) -> None:
    try_out(BasePath(store.fs, store.root, store.root))
    assert store.files_below("") == []


def test_a_base_path_of_the_other_environment_fails_and_stays_so(check: Any, tmp_path: Path) -> None:
    marker = tmp_path / "base" / MARKER
    marker.parent.mkdir(parents=True)
    marker.write_text('{"environment": "sandbox"}')
    done = check("--no-reads")
    assert done.code == 2
    assert "belongs to sandbox, and the zDirect connection is for production" in done.line(
        "environment of the base path"
    )
    assert marker.read_text() == '{"environment": "sandbox"}'


def test_a_storage_that_keeps_nothing_fails(check: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ObjectStore, "write", lambda store, path, data: None)
    assert "an object that was just written is not listed" in check("--no-reads").line("base path")


def test_a_file_that_cannot_be_written_is_a_warning(
    check: Any, triggerer: Callable[[timedelta], None], tmp_path: Path
) -> None:
    triggerer(timedelta(0))
    done = check("--no-reads", "--json", str(tmp_path / "no" / "folder.json"))
    assert done.code == 1
    assert "What to do: Name another file with --json" in done.line("file")


def test_the_file_names_no_app_merchant_or_secret(check: Any, emulator: EmulatorServer) -> None:
    app, text = emulator.state.settings, str(check().file)
    for hidden in (app.client_id, app.client_secret, *emulator.merchant_ids, emulator.url):
        assert hidden not in text
    assert "production" in text


@pytest.mark.parametrize(("statuses", "code"), [("OK SKIP", 0), ("OK WARN SKIP", 1), ("WARN FAIL OK", 2), ("", 0)])
def test_the_exit_code_is_that_of_the_worst_outcome(statuses: str, code: int) -> None:
    assert exit_code(Outcome(Status(each), "check", "text") for each in statuses.split()) == code


def test_without_a_database_the_triggerer_is_not_known(tmp_path: Path) -> None:
    database = f"sqlite:///{tmp_path}/no/folder/airflow.db"
    file = str(tmp_path / "shape.json")
    environment = {**os.environ, "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": database}
    done = run_forked(run_file, str(PROGRAM), "check", "--json", file, environment=environment)
    assert done.returncode == 2
    assert "SKIP  triggerer" in done.stdout, done.stdout + done.stderr
    assert "Run the check where the scheduler runs" in done.stdout


@pytest.mark.skipif(not AIRFLOW_V_3_2_PLUS, reason="providers add commands from Airflow 3.2 on")
def test_airflow_has_the_command_too(
    check: Any, emulator: EmulatorServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from airflow.cli.cli_parser import get_parser

    args = get_parser().parse_args(["zdirect", "check", "--no-reads", "--json", str(tmp_path / "shape.json")])
    with pytest.raises(SystemExit):
        args.func(args)
    assert "OK    token" in capsys.readouterr().out


def test_help_does_not_need_airflow() -> None:
    code = (
        "import sys, airflow_provider_zdirect.__main__ as cli\n"
        "try: cli.main(['check', '--help'])\n"
        "except SystemExit: print('airflow' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "--conn-id" in done.stdout
    assert done.stdout.splitlines()[-1] == "False"
