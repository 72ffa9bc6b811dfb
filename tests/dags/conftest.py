from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import airflow_home
import duckdb
import pytest
import real_time
from airflow.models.dagbag import DagBag
from dag_runner import Outcome, dag_runner
from own_emulator import own_emulator

from airflow_provider_zdirect.airflow_sdk import AIRFLOW_V_3_0_PLUS
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


@pytest.fixture
def run_dag(
    emulator: EmulatorServer, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> Callable[..., Outcome]:
    """Run a DAG against the emulator, writing below ``tmp_path``."""
    return dag_runner(emulator, tmp_path, tmp_path_factory.mktemp("dags"))


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
