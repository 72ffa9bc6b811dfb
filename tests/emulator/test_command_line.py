from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from airflow_provider_zdirect.emulator.__main__ import main
from airflow_provider_zdirect.emulator.catalog import merchant_id
from airflow_provider_zdirect.emulator.options import Options

from .conftest import ask_token, log_in

COMMAND = [sys.executable, "-m", "airflow_provider_zdirect.emulator"]


def environment() -> dict[str, str]:
    return {"PYTHONPATH": ":".join(path for path in sys.path if path)}


def test_the_command_serves_and_ends_on_a_signal(tmp_path: Path) -> None:
    faults = tmp_path / "faults.json"
    faults.write_text(json.dumps([{"match": {"path": "/auth/me"}, "action": {"status": 503}}]))
    arguments = ["--port", "0", "--seed", "3", "--merchants", "1", "--faults", str(faults)]
    arguments += ["--now", "2026-03-10T12:00:00Z", "--option", "last_page_next=empty", "--option", "drift=0.5"]
    with subprocess.Popen([*COMMAND, *arguments], stdout=subprocess.PIPE, text=True, env=environment()) as process:
        try:
            assert process.stdout
            line = process.stdout.readline()
            assert merchant_id(3, 0) in line
            url = line.split(" at ")[1].split(",")[0]
            name, connection = process.stdout.readline().removeprefix("export ").split("=", 1)
            assert name == "AIRFLOW_CONN_ZDIRECT_DEFAULT"
            assert json.loads(*shlex.split(connection)) == {
                "conn_type": "zdirect",
                "login": "demo",
                "password": "demo-secret",
                "host": url,
                "extra": {"environment": "production"},
            }
            with httpx.Client(base_url=url) as client:
                log_in(client)
                assert client.get("/auth/me").status_code == 503
                assert client.get("/auth/me").json()["bpids"] == [merchant_id(3, 0)]
                options = client.get("/_emulator/options").json()
                assert (options["last_page_next"], options["drift"]) == ("empty", 0.5)
                assert ask_token(client, secret="x").status_code == 401
        finally:
            process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0


@pytest.mark.parametrize(
    "arguments", [["--now", "soon"], ["--option", "seed=1"], ["--faults", "missing.json"], ["--merchants", "0"]]
)
def test_wrong_arguments_end_with_a_message(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    assert "error:" in capsys.readouterr().err


def test_missing_libraries_are_named_with_the_way_to_install_them() -> None:
    code = (
        "import sys; sys.modules['uvicorn'] = None\n"
        "from airflow_provider_zdirect.emulator.__main__ import main; sys.exit(main([]))"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment(), timeout=60)
    assert result.returncode == 2
    assert 'pip install "airflow-provider-zdirect[emulator]"' in result.stderr


def test_every_option_is_listed_with_its_default_and_meaning(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--list-options"]) == 0
    lines = capsys.readouterr().out.splitlines()
    names = [line.partition("=")[0] for line in lines if not line.startswith(" ")]
    assert names == list(Options().as_dict())
    assert all(line.strip() for line in lines), "an option that the docstring does not explain"
    assert "last_page_next=absent   [absent | empty | null]" in lines
    assert "tokens_per_minute=null" in lines
    with pytest.raises(SystemExit):
        main(["--help"])
    assert "--list-options" in capsys.readouterr().out


def test_who_reads_the_options_may_stop_early() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    try:
        command = [*COMMAND, "--list-options"]
        done = subprocess.run(command, stdout=writer, stderr=subprocess.PIPE, env=environment(), check=False)
    finally:
        os.close(writer)
    assert (done.returncode, done.stderr) == (0, b"")
