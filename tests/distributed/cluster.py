"""Airflow as a larger deployment has it: CeleryExecutor, three worker hosts and two schedulers.

All of it is on loopback and free ports, and what it writes is below one temporary folder. A host is a name, a home and
a temporary folder of its own, so that nothing is shared through files but what Airflow shares: logs and DAG files.
"""

from __future__ import annotations

import json
import socket
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from local_airflow import AIRFLOW, PROJECT, LocalAirflow, free_port
from s3.bucket import Bucket
from s3_server import s3_server
from services import Database, redis_command, storage_connection
from topology import COMMANDS, SETTINGS

from airflow_provider_zdirect.emulator.catalog import merchant_id

HERE = Path(__file__).parent
DAGS = ("zdirect_stock_movements", "zdirect_cross_border_daily", "zdirect_backfill")
SEED = 7
MERCHANTS = 50
"""Each has two sensors."""
BACKFILLED = 3
"""Merchants whose data is fetched."""


class Cluster(LocalAirflow):
    """One deployment, with an emulator as zDirect and an S3 server for the data.

    :param home: an empty folder that everybody may enter: PostgreSQL runs as a user of its own.
    :param options: of the emulator.
    """

    def __init__(self, home: Path, options: Mapping[str, Any]) -> None:
        super().__init__(home, SETTINGS)
        self._options = options
        # Not the usual ports, which another Airflow or emulator on this machine may be about to take.
        self.url, self.emulator_url = (f"http://127.0.0.1:{free_port()}" for _ in range(2))
        self._ports = {name: free_port() for name in ("postgres", "redis")}
        self._database_server = Database(home / "postgres", self._ports["postgres"])
        self.merchants = tuple(merchant_id(SEED, index) for index in range(MERCHANTS))
        self._is_up = False
        self.restarts: Counter[str] = Counter()
        """How often a component ended by itself and was started again."""

    @contextmanager
    def running(self) -> Iterator[None]:
        """As its base, with the storage around it."""
        data = self.home / "s3"
        data.mkdir()
        with s3_server(data) as endpoint:
            self.bucket = Bucket.create(endpoint, self.home / "mirror")
            with super().running():
                yield

    def _start(self) -> None:
        self._link_dags()
        self._database_server.create(lambda name, command: self._sessions.run(name, command, self._of_host(name)))
        for name in ("emulator", "redis", "postgres"):
            self.start(name)
        self.wait_for("emulator", lambda: self.emulator("/_emulator/clock"))
        self.wait_for("database and queue", lambda: all(map(_listens, self._ports.values())))
        self._sessions.run("db-migrate", [*AIRFLOW, "db", "migrate"], self._of_host("api-server"))
        for name in COMMANDS:
            self.start(name)
        self.wait_for("Airflow", self._is_healthy)
        self._is_up = True
        self.wait_for("DAGs", lambda: len(self.api("/dags?limit=100")["dags"]) == len(DAGS) + 1)

    def start(self, component: str) -> None:
        self._sessions.start(component, self._command(component), self._of_host(component))

    def _command(self, component: str) -> list[str]:
        match component:
            case "postgres":
                return self._database_server.command()
            case "redis":
                return redis_command(self.home / "redis", self._ports["redis"])
            case "emulator":
                port, merchants = self.emulator_url.rpartition(":")[2], str(MERCHANTS)
                options = [part for name, value in self._options.items() for part in ("--option", f"{name}={value}")]
                program = [sys.executable, "-m", "airflow_provider_zdirect.emulator"]
                return [*program, "--port", port, "--seed", str(SEED), "--merchants", merchants, *options]
        return [*AIRFLOW, *COMMANDS[component]]

    def restart(self, component: str) -> None:
        """Kill a component, with all that it started, and start it again."""
        self.kill(component)
        self.start(component)

    def check(self) -> None:
        """Once all components are there, start again what ended by itself, as a service manager does."""
        if not self._is_up:
            super().check()
        for name in self._sessions.ended():
            self.restarts[name] += 1
            self.restart(name)

    def instances(self) -> list[dict[str, Any]]:
        """All task instances of all runs."""
        found: list[dict[str, Any]] = []
        while True:
            query = f"limit=500&offset={len(found)}&order_by=id"
            page = self._asked(f"/dags/~/dagRuns/~/taskInstances?{query}")
            found += page["task_instances"]
            if not page["task_instances"] or len(found) >= page["total_entries"]:
                return found

    def runs(self) -> list[dict[str, Any]]:
        return list(self._asked("/dags/~/dagRuns?limit=100")["dag_runs"])

    def _asked(self, path: str) -> Any:
        """An answer of the REST API, also if it is away for some time."""
        return self.wait_for(path, lambda: self.api(path))

    def _link_dags(self) -> None:
        """Few DAGs, so that the DAG processor has little to do."""
        folder = self.home / "dags"
        folder.mkdir()
        for path in (*(PROJECT / "dags" / f"{dag_id}.py" for dag_id in DAGS), *(HERE / "dags").glob("*.py")):
            (folder / path.name).symlink_to(path)

    def _of_host(self, name: str) -> dict[str, str]:
        """The environment of a component."""
        host = self.home / "hosts" / name
        (host / "tmp").mkdir(parents=True, exist_ok=True)
        return {
            **self._environment(),
            "HOME": str(host),
            "TMPDIR": str(host / "tmp"),
            "ZDIRECT_TEST_HOST": name,
        }

    def _environment(self) -> dict[str, str]:
        database = self._database_server.address
        own = {
            "AIRFLOW__CORE__DAGS_FOLDER": str(self.home / "dags"),
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"postgresql+psycopg2://{database}",
            "AIRFLOW__CELERY__RESULT_BACKEND": f"db+postgresql+psycopg2://{database}",
            "AIRFLOW__CELERY__BROKER_URL": f"redis://127.0.0.1:{self._ports['redis']}/0",
            "AIRFLOW_CONN_AWS_DEFAULT": json.dumps(storage_connection(self.bucket.endpoint)),
            "ZDIRECT_BASE_PATH": f"s3://aws_default@{self.bucket.root}",
            "PYTHONPATH": str(HERE),
            "ZDIRECT_MERCHANT_IDS": ",".join(self.merchants[:BACKFILLED]),
            "ZDIRECT_TEST_SENSOR_MERCHANTS": " ".join(self.merchants),
        }
        return {**super()._environment(), **own}


def _listens(port: int) -> bool:
    with socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
