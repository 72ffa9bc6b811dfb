"""Runs a DAG of the project in a process of its own."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import airflow_home
import run_dag as run_dag_module
from own_emulator import connection_to
from warm_airflow import run_forked

from airflow_provider_zdirect.emulator.server import EmulatorServer


@dataclass(frozen=True)
class Outcome:
    """The outcome of a DAG run.

    :param tasks: task id, map index, state and number of tries of every task instance.
    :param names: task id, map index and name of every mapped one.
    :param events: URI, extra and partition key of the asset events.
    """

    state: str
    tasks: list[tuple[str, int, str, int]]
    events: list[tuple[str, dict[str, Any], str | None]]
    log: str
    names: list[tuple[str, int, str | None]]
    run_id: str


def dag_runner(emulator: EmulatorServer, base: Path, folder: Path) -> Callable[..., Outcome]:
    """Runs a DAG against the emulator: one of the project's, or the first of a program.

    :param base: below which it writes.
    :param folder: for the one DAG: dag.test() reads all of its folder.
    """

    def run(
        dag_id: str,
        logical_date: datetime,
        run_type: str = "",
        assumptions: Mapping[str, Any] | None = None,
        merchants: Mapping[str, str] | None = None,
        program: str | None = None,
        **conf: Any,
    ) -> Outcome:
        connection = connection_to(emulator, extra={"assumptions": assumptions or {}, "merchants": merchants or {}})
        environment = {
            **os.environ,
            "AIRFLOW_CONN_ZDIRECT_DEFAULT": json.dumps(connection),
            "AIRFLOW__CORE__DAGS_FOLDER": str(folder),
            "ZDIRECT_BASE_PATH": base.as_uri(),
        }
        file = folder / f"{dag_id}.py"
        if program is None:
            shutil.copy(airflow_home.PROJECT / "dags" / file.name, file)
        else:
            file.write_text(program, encoding="utf-8")
        arguments = (dag_id, logical_date.isoformat(), json.dumps(conf), run_type)
        done = run_forked(run_dag_module.main, *arguments, environment=environment)
        log = done.stdout + done.stderr
        assert done.returncode == 0, log[-5000:]
        report = json.loads(done.stdout.rpartition("\nreport: ")[2])
        tasks, events, names = ([tuple(item) for item in report[name]] for name in ("tasks", "events", "names"))
        return Outcome(report["state"], tasks, events, log, names, report["run_id"])

    return run
