from __future__ import annotations

import json
import os
import shutil
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import airflow_home
import duckdb
import pytest
import real_time
import run_dag as run_dag_module
from airflow.models.dagbag import DagBag
from airflow.providers.common.compat.version_compat import AIRFLOW_V_3_0_PLUS
from own_emulator import connection_to, own_emulator
from warm_airflow import run_forked

from airflow_provider_zdirect.emulator.server import EmulatorServer

HOUR = timedelta(hours=1)


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "newest_airflow: exhaustive on older versions of Airflow")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Each DAG runs on the newest Airflow; on older ones those that show each way of running tasks."""
    if not AIRFLOW_V_3_0_PLUS:
        for item in items:
            if item.get_closest_marker("newest_airflow"):
                item.add_marker(pytest.mark.exhaustive)


@pytest.fixture(scope="session", autouse=True)
def database() -> None:
    airflow_home.migrate()


@pytest.fixture(scope="session")
def dags() -> dict[str, Any]:
    """All DAGs of the project, by id."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        bag = DagBag(airflow_home.PROJECT / "dags")
    assert bag.import_errors == {}
    return bag.dags


@pytest.fixture
def emulator() -> Iterator[EmulatorServer]:
    with own_emulator(seed=7, volume=0.5, empty_reports=0.0) as server:
        yield server


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


@pytest.fixture
def run_dag(
    emulator: EmulatorServer, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> Callable[..., Outcome]:
    """Run a DAG against the emulator, writing below ``tmp_path``: one of the project's, or the first of a program."""
    # With one DAG in it: dag.test() reads all of its folder.
    folder = tmp_path_factory.mktemp("dags")

    def run(
        dag_id: str,
        logical_date: datetime,
        run_type: str = "",
        assumptions: Mapping[str, Any] | None = None,
        program: str | None = None,
        **conf: Any,
    ) -> Outcome:
        connection = connection_to(emulator, extra={"assumptions": assumptions or {}})
        environment = {
            **os.environ,
            "AIRFLOW_CONN_ZDIRECT_DEFAULT": json.dumps(connection),
            "AIRFLOW__CORE__DAGS_FOLDER": str(folder),
            "ZDIRECT_BASE_PATH": tmp_path.as_uri(),
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
        return Outcome(report["state"], tasks, events, log, names)

    return run


# Read once: Airflow keeps one run per date, and tests before and after the full hour would count to the same one.
_newest = real_time.this_hour() - 6 * HOUR
_past_hours = (_newest - number * HOUR for number in count())


@pytest.fixture
def hour(emulator: EmulatorServer) -> datetime:
    """The start of an hour that is over, in which every merchant has items, and all late ones have become visible.

    Another for each test.
    """
    items = ("received_items", "returned_items")
    return next(start for start in _past_hours if real_time.has_records(emulator, items, start, HOUR))


@pytest.fixture
def published(tmp_path: Path) -> Callable[[str, str], list[tuple[str, Any]]]:
    """Quality label and event time of every published record, by DuckDB: independent of the code under test."""

    def rows(dataset: str, merchant_id: str) -> list[tuple[str, Any]]:
        files = tmp_path / dataset / f"merchant_id={merchant_id}" / "**" / "*.parquet"
        time = {"received_items": "received_timestamp", "returned_items": "consumed_timestamp"}[dataset]
        if not list(tmp_path.glob(f"{dataset}/merchant_id={merchant_id}/**/*.parquet")):
            return []
        query = f"SELECT quality_label, epoch_us({time}) FROM read_parquet('{files}') ORDER BY ALL"
        return duckdb.sql(query).fetchall()

    return rows


@pytest.fixture
def truth(emulator: EmulatorServer) -> Callable[..., list[tuple[str, int]]]:
    """The same of every record that the emulator has for the window."""

    def rows(dataset: str, merchant_id: str, start: datetime, end: datetime) -> list[tuple[str, int]]:
        time = {"received_items": "received_timestamp", "returned_items": "consumed_timestamp"}[dataset]
        records = emulator.truth(dataset, merchant_id, start, end)
        return sorted((row["quality_label"], _microseconds(row[time])) for row in records)

    return rows


def _microseconds(text: str) -> int:
    return (datetime.fromisoformat(text) - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
