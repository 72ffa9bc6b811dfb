from __future__ import annotations

import json
import logging
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import airflow_home
import pytest
from clocks import NOON
from emulated_time import replace_system_clock
from own_emulator import connection_to, own_emulator

from airflow_provider_zdirect.__main__ import main
from airflow_provider_zdirect.emulator.server import EmulatorServer


@pytest.fixture(scope="session")
def database() -> None:
    airflow_home.migrate()


@pytest.fixture(scope="module")
def one_emulator() -> Iterator[EmulatorServer]:
    with own_emulator(seed=7, now=NOON) as server:
        yield server


@pytest.fixture
def emulator(one_emulator: EmulatorServer, monkeypatch: pytest.MonkeyPatch) -> EmulatorServer:
    one_emulator.reset()
    replace_system_clock(monkeypatch, one_emulator)
    return one_emulator


@pytest.fixture
def connect(monkeypatch: pytest.MonkeyPatch, emulator: EmulatorServer, tmp_path: Path) -> Callable[..., None]:
    """Set the fields of zdirect_default; without any it is a working connection to the emulator."""
    # Each test has the token requests of a minute for itself.
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))

    def set_fields(**fields: Any) -> None:
        # Nothing is shared from test to test, but where a test says so.
        connection = connection_to(emulator, **{"extra": {"share_access": False}, **fields})
        monkeypatch.setenv("AIRFLOW_CONN_ZDIRECT_DEFAULT", json.dumps(connection))

    set_fields()
    return set_fields


@dataclass(frozen=True)
class Checked:
    """What the command came to.

    :param lines: that it printed.
    :param file: content of its file; None if it wrote none.
    """

    code: int
    lines: list[str]
    file: dict[str, Any] | None

    def line(self, check: str) -> str:
        """The only line of a check, with one blank between status, name and text."""
        (found,) = [line for line in self.lines if line[6:].startswith(f"{check}  ")]
        return " ".join(found.split())


@pytest.fixture
def check(
    connect: Callable[..., None],
    database: None,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> Callable[..., Checked]:
    """Run ``python -m airflow_provider_zdirect check`` in this process."""
    # The command sets both for its own process.
    monkeypatch.setenv("_AIRFLOW_PROCESS_CONTEXT", "server")
    monkeypatch.setattr(logging, "disable", lambda level: None)

    def run(*arguments: str, base_path: str | None = None) -> Checked:
        file = tmp_path / "shape.json"
        place = base_path or f"file://{tmp_path}/base"
        with pytest.raises(SystemExit) as ended:
            main(["check", "--base-path", place, "--json", str(file), *arguments])
        written = json.loads(file.read_text()) if file.exists() else None
        return Checked(int(str(ended.value)), capsys.readouterr().out.splitlines(), written)

    return run
