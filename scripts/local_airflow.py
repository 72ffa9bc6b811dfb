"""An Airflow with all its components and a zDirect emulator, on free ports of this machine."""

from __future__ import annotations

import fcntl
import json
import os
import secrets
import shlex
import socket
import sqlite3
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from cryptography.fernet import Fernet
from sessions import Sessions, StartError, stopped_by_signals

PROJECT = Path(__file__).resolve().parent.parent
READING = {"api-server": ["api-server"], "dag-processor": ["dag-processor"]}
RUNNING = {"scheduler": ["scheduler", "--skip-serve-logs"], "triggerer": ["triggerer", "--skip-serve-logs"]}
HEALTH = {"metadatabase", "scheduler", "dag_processor", "triggerer"}
AIRFLOW = [sys.executable, "-m", "airflow"]
START_SECONDS = 120.0
# Nothing here goes to another machine.
_HTTP = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class LocalAirflow:
    """Airflow and emulator with all their files below one directory.

    :param home: the directory; ``data``, ``logs`` and ``airflow`` are made in it.
    :param settings: more of Airflow's configuration, as ``SECTION__OPTION``.
    :param merchants: names of merchants, for the connection.
    """

    def __init__(
        self, home: Path, settings: Mapping[str, str] | None = None, merchants: Mapping[str, str] | None = None
    ) -> None:
        self.home = home
        self._settings = dict(settings or {})
        self._merchants = dict(merchants or {})
        self.data = home / "data"
        self.logs = home / "logs"
        self.url = f"http://127.0.0.1:{free_port(8080)}"
        self.emulator_url = f"http://127.0.0.1:{free_port(8088)}"
        self._database = home / "airflow" / "airflow.db"
        self._sessions = Sessions(self.logs)
        self._token: str | None = None

    @contextmanager
    def running(self) -> Iterator[None]:
        """Emulator, API server and DAG processor are there inside; outside all processes have ended, whatever happens.

        :raises StartError: if a component does not come up.
        """
        self.home.mkdir(parents=True, exist_ok=True)
        with (self.home / "lock").open("w") as lock, stopped_by_signals():
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise StartError(f"Another one is running in {self.home}.") from None
            try:
                self._start()
                yield
            finally:
                self._sessions.stop()

    def _start(self) -> None:
        environment = self._environment()
        emulator = [sys.executable, "-m", "airflow_provider_zdirect.emulator"]
        self._sessions.start("emulator", [*emulator, "--port", self.emulator_url.rpartition(":")[2]], environment)
        self._sessions.run("db-migrate", [*AIRFLOW, "db", "migrate"], environment)
        # Readers and a writer beside each other; SQLite keeps the setting in the file.
        with closing(sqlite3.connect(self._database)) as database:
            database.execute("PRAGMA journal_mode=WAL")
        for name in READING:
            self.start(name)
        self.wait_for("emulator", lambda: self.emulator("/_emulator/clock"))
        self.wait_for("API server", lambda: self.api("/monitor/health"))

    def start_scheduling(self) -> None:
        """Start scheduler and triggerer, and wait until all of Airflow is healthy."""
        for name in RUNNING:
            self.start(name)
        self.wait_for("Airflow", self._is_healthy)

    def start(self, component: str) -> None:
        """Start one of Airflow's components."""
        self._sessions.start(component, [*AIRFLOW, *(READING | RUNNING)[component]], self._environment())

    def kill(self, component: str) -> None:
        """End a component at once, without a chance to clean up."""
        self._sessions.kill(component)

    def unpause(self, dag_id: str) -> None:
        self.wait_for(dag_id, lambda: self.api(f"/dags/{dag_id}", {"is_paused": False}, method="PATCH"))

    def backfill(
        self, dag_id: str, start: datetime, end: datetime, max_active_runs: int, params: Mapping[str, str] | None = None
    ) -> None:
        """Have Airflow make a run of every data interval that starts between the two.

        Best before ``start_scheduling``: on SQLite Airflow makes no backfill while others write, and answers 503.
        """
        body = {
            "dag_id": dag_id,
            "from_date": start.isoformat(),
            "to_date": end.isoformat(),
            "max_active_runs": max_active_runs,
            "dag_run_conf": dict(params or {}),
        }
        self.wait_for("backfill", lambda: self.api("/backfills", body))

    def cli(self, *arguments: str) -> None:
        """``airflow <arguments>``; raises StartError if it fails."""
        self._sessions.run("cli", [*AIRFLOW, *arguments], self._environment())

    def write_cli(self) -> Path:
        """A program that is ``airflow`` with the same configuration as the components."""
        program = self.home / "airflow-cli"
        own = ("AIRFLOW_", "ZDIRECT_", "NO_PROXY", "no_proxy")
        lines = [
            f"export {name}={shlex.quote(value)}" for name, value in self._environment().items() if name.startswith(own)
        ]
        command = shlex.join(AIRFLOW)
        program.touch(mode=0o700)
        program.write_text("\n".join(["#!/bin/sh", *lines, f'exec {command} "$@"', ""]), encoding="utf-8")
        return program

    def check(self) -> None:
        """Raise StartError if a component has ended."""
        self._sessions.check()

    def wait_for(self, what: str, is_there: Callable[[], Any], seconds: float = START_SECONDS) -> Any:
        """What ``is_there`` returns, once that is true.

        :raises StartError: if a component ends, or it takes longer than ``seconds``.
        """
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            self.check()
            try:
                if result := is_there():
                    return result
            except urllib.error.HTTPError as error:
                if error.code < 500:
                    raise StartError(f"{what}: {error} {error.read().decode(errors='replace')}") from None
            except (urllib.error.URLError, ConnectionError, TimeoutError):
                pass
            time.sleep(0.5)
        raise StartError(f"{what}: not there after {seconds:.0f} s. See {self.logs}.")

    def api(self, path: str, body: Any = None, method: str | None = None) -> Any:
        """An answer of Airflow's REST API; with a body it is a POST, unless ``method`` says otherwise."""
        if self._token is None:
            self._token = self.log_in()
        return _json(f"{self.url}/api/v2{path}", body, {"Authorization": f"Bearer {self._token}"}, method)

    def log_in(self) -> str:
        """A token for Airflow's REST API; here everybody is admin."""
        return str(_json(f"{self.url}/auth/token")["access_token"])

    def emulator(self, path: str, body: Any = None, method: str | None = None) -> Any:
        return _json(self.emulator_url + path, body, method=method)

    def _is_healthy(self) -> bool:
        health = self.api("/monitor/health")
        return all((health.get(part) or {}).get("status") == "healthy" for part in HEALTH)

    def _environment(self) -> dict[str, str]:
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("AIRFLOW_", "ZDIRECT_", "PYTHONPATH"))
        }
        connection = {
            "conn_type": "zdirect",
            "host": self.emulator_url,
            "login": "demo",
            "password": "demo-secret",
            "extra": {"environment": "production", "merchants": self._merchants},
        }
        settings = {
            "CORE__DAGS_FOLDER": str(PROJECT / "dags"),
            "CORE__LOAD_EXAMPLES": "False",
            "DAG_PROCESSOR__REFRESH_INTERVAL": "10",
            "CORE__EXECUTOR": "LocalExecutor",
            "CORE__PARALLELISM": "4",
            "CORE__TEST_CONNECTION": "Enabled",
            "CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "True",
            "CORE__EXECUTION_API_SERVER_URL": f"{self.url}/execution/",
            "API__HOST": "127.0.0.1",
            "API__PORT": self.url.rpartition(":")[2],
            "API__BASE_URL": self.url,
            "API__WORKERS": "1",
            "DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{self._database}?timeout=30",
            "LOGGING__BASE_LOG_FOLDER": str(self.logs / "tasks"),
            "USAGE_DATA_COLLECTION__ENABLED": "False",
            **self._secrets(),
            **self._settings,
        }
        return {
            **kept,
            "AIRFLOW_HOME": str(self._database.parent),
            **{f"AIRFLOW__{name}": value for name, value in settings.items()},
            "AIRFLOW_CONN_ZDIRECT_DEFAULT": json.dumps(connection),
            "ZDIRECT_BASE_PATH": f"file://{self.data}",
            "NO_PROXY": "127.0.0.1,localhost",
            "no_proxy": "127.0.0.1,localhost",
        }

    def _secrets(self) -> dict[str, str]:
        """Keys of this Airflow, kept beside its database, which cannot be read without them."""
        file = self.home / "secrets.json"
        if not file.exists():
            made = {
                "CORE__FERNET_KEY": Fernet.generate_key().decode(),
                "API__SECRET_KEY": secrets.token_hex(32),
                "API_AUTH__JWT_SECRET": secrets.token_hex(32),
            }
            file.touch(mode=0o600)
            file.write_text(json.dumps(made), encoding="utf-8")
        return dict(json.loads(file.read_text(encoding="utf-8")))


def free_port(wanted: int = 0) -> int:
    """``wanted`` if nobody listens there, else any."""
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(("127.0.0.1", wanted))
        except OSError:
            listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def _json(url: str, body: Any = None, headers: Mapping[str, str] | None = None, method: str | None = None) -> Any:
    request = urllib.request.Request(url, headers=dict(headers or {}), method=method)
    if body is not None:
        request.data = json.dumps(body).encode()
        request.add_header("Content-Type", "application/json")
    with _HTTP.open(request, timeout=30) as answer:
        return json.load(answer)
