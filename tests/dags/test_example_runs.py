"""Examples of the documents run against the emulator."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import airflow_home
import pytest
import real_time

from airflow_provider_zdirect.airflow_sdk import AIRFLOW_V_3_3_PLUS
from airflow_provider_zdirect.emulator.server import EmulatorServer

pytestmark = pytest.mark.newest_airflow

EXAMPLES = airflow_home.PROJECT / "docs" / "examples"
PLACEHOLDERS = ("01234567-89ab-cdef-0123-456789abcdef", "fedcba98-7654-3210-fedc-ba9876543210")


@pytest.fixture
def run_example(
    run_dag: Callable[..., Any], emulator: EmulatorServer, tmp_path: Path
) -> Callable[[str, str, datetime], Any]:
    """Run the first DAG of an example with the merchants of the emulator."""

    def run(name: str, dag_id: str, at: datetime) -> Any:
        program = (EXAMPLES / f"{name}.py").read_text(encoding="utf-8").replace("/data/zdirect", str(tmp_path))
        program = program.replace('str(Path.home() / "zdirect")', f'"{tmp_path}", merchant_id="{PLACEHOLDERS[0]}"')
        for placeholder, merchant_id in zip(PLACEHOLDERS, emulator.merchant_ids, strict=False):
            program = program.replace(placeholder, merchant_id)
        begin, own, rest = program.partition("\n):\n") if "\n):\n" in program else program.partition("):\n")
        return run_dag(dag_id, at, program=f"{begin}{own.replace('):', ') as dag:')}{rest}")

    return run


def test_the_example_of_returned_items_publishes_an_hour_of_two_merchants(
    run_example: Any, hour: datetime, published: Any, truth: Any, emulator: EmulatorServer
) -> None:
    # A run in the middle of an hour takes the one before.
    outcome = run_example("extract_window", "returned_items", hour + timedelta(minutes=90))
    assert outcome.state == "success", outcome.log[-3000:]
    for merchant_id in emulator.merchant_ids[:2]:
        assert published("returned_items", merchant_id) == truth(
            "returned_items", merchant_id, hour, hour + timedelta(hours=1)
        )


def test_the_example_of_movements_finds_its_report_and_publishes_it(
    run_example: Any, emulator: EmulatorServer, tmp_path: Path
) -> None:
    day = real_time.latest_with_records(
        emulator, "intra_community_movements", before=real_time.today() - timedelta(days=8), length=timedelta(days=1)
    )
    # A run in the middle of a day takes the one before.
    outcome = run_example("intrastat", "movements", day + timedelta(hours=36))
    assert outcome.state == "success", outcome.log[-3000:]
    assert list(tmp_path.glob("intra_community_movements/**/*.parquet"))


@pytest.mark.skipif(not AIRFLOW_V_3_3_PLUS, reason="dag.test() calls back without the exception, unlike a worker")
def test_the_example_of_alerts_calls_back_with_an_error_that_says_what_happened(
    run_example: Any, hour: datetime, emulator: EmulatorServer
) -> None:
    emulator.set_options(bad_records=1.0)
    outcome = run_example("alerts", "watched_returns", hour + timedelta(minutes=90))
    assert outcome.state == "failed"
    (said,) = re.findall(r"watched_returns, returned_items: (.*)", outcome.log)
    assert said.startswith("returned_items")
    assert "max_rejected is 0; nothing was published" in said


@pytest.mark.parametrize(
    ("name", "dag_id"), [("extract_state", "stock_locations"), ("other_endpoint", "other_endpoint")]
)
def test_the_example_of_what_has_no_window_succeeds(name: str, dag_id: str, run_example: Any) -> None:
    outcome = run_example(name, dag_id, real_time.this_hour() - timedelta(days=9))
    assert outcome.state == "success", outcome.log[-3000:]
