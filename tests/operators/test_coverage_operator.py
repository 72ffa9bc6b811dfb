"""The operator that measures the coverage, as Airflow runs it, over real extractions from the emulator."""

from __future__ import annotations

import json
import logging
import shlex
from datetime import UTC, datetime, timedelta

import duckdb
import pytest
from own_emulator import connection_to
from smtp_mailbox import Mailbox

from airflow_provider_zdirect.airflow_sdk import DAG, AirflowFailException
from airflow_provider_zdirect.assets import zdirect_asset
from airflow_provider_zdirect.coverage.report import SCHEMA
from airflow_provider_zdirect.dag_support.tasks import notify_of_urgent_gaps
from airflow_provider_zdirect.exceptions import UnfilledGapsError
from airflow_provider_zdirect.operators.coverage import ZDirectCoverageOperator
from airflow_provider_zdirect.operators.extract import ZDirectExtractOperator

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
FIRST = NOW.replace(hour=0) - timedelta(days=90)
GRACE = NOW - FIRST - 6 * HOUR
"""What is later than the six hours that the tests are about need not have landed."""


@pytest.fixture
def emulator(emulator, fixed_present):
    emulator.clock.set(NOW)
    emulator.set_options(token_seconds=10_000_000, order_days=0)
    return emulator


@pytest.fixture
def merchant(emulator) -> str:
    return emulator.merchant_ids[0]


class Present:
    def now(self) -> datetime:
        return NOW


def land(base, merchant, context, start, end, **others):
    arguments = {"dataset": "returned_items", "window_from": start, "window_to": end, **others}
    task = ZDirectExtractOperator(task_id="extract", base_path=f"file://{base}", merchant_id=merchant, **arguments)
    return task.execute(context)


def cover(base, context, **arguments):
    task = ZDirectCoverageOperator(task_id="coverage", base_path=f"file://{base}", grace_hours=GRACE, **arguments)
    task.clock = Present()
    return task.execute(context)


@pytest.fixture
def base(tmp_path, merchant, context):
    """Where six hours landed 90 days ago, but for one."""
    land(tmp_path, merchant, context, FIRST + 4 * HOUR, FIRST + 6 * HOUR)
    land(tmp_path, merchant, context, FIRST, FIRST + 3 * HOUR)
    return tmp_path


def test_the_task_fails_after_the_files_are_written_and_names_gap_days_left_and_command(base, merchant, context):
    with pytest.raises(AirflowFailException) as caught:
        cover(base, context, merchant_ids=merchant)
    error = caught.value.__cause__
    assert isinstance(error, UnfilledGapsError)
    assert (
        f"1 gap will be unrecoverable within 14 days: returned_items {FIRST.date()} 03:00-04:00 UTC, merchant "
        f"{merchant}: missing, and zDirect deletes it in 9.6 days. airflow dags trigger "
    ) in error.message
    conf = json.loads(shlex.split(error.message)[-1].rstrip("."))
    assert (conf["from"], conf["to"]) == ((FIRST + 3 * HOUR).isoformat(), (FIRST + 4 * HOUR).isoformat())
    assert f"file://{base}/_reports/coverage/coverage.html" in error.remedy
    assert {path.name for path in (base / "_reports" / "coverage").glob("coverage.*")} == {
        *("coverage.html", "coverage.json", "coverage.parquet"),
    }
    # What the command gives the backfill fills the gap.
    land(base, merchant, context, conf["from"], conf["to"], dataset=conf["dataset"])
    result = cover(base, context, merchant_ids=merchant)
    assert (result["statuses"]["missing"], result["urgent_count"]) == (0, 0)


def test_the_result_is_small_and_says_what_is_in_the_files(base, merchant, emulator, context):
    land(base, merchant, context, FIRST, FIRST + 2 * HOUR, dataset="received_items")
    task = {"merchant_ids": list(emulator.merchant_ids), "datasets": "returned_items", "fail_on_gap": "False"}
    result = cover(base, context, **task)
    assert result["merchant_ids"] == list(emulator.merchant_ids)
    # Of the other merchant nothing has landed, and the same is expected.
    assert (result["from"], result["to"], result["urgent_count"]) == ("2026-08-13", "2026-11-21", 2)
    nothing = dict.fromkeys(("lost", "uncertain", "rejected", "refetched"), 0)
    assert result["statuses"] == {**nothing, "missing": 2, "landed": 2, "pending": 2}
    assert [gap["from"] for gap in result["urgent"]] == [(FIRST + hours * HOUR).isoformat() for hours in (0, 3)]
    report = json.loads((base / "_reports" / "coverage" / "coverage.json").read_text())
    assert [row["merchant_id"] for row in report["rows"]] == list(emulator.merchant_ids)
    assert "returned_items" in (base / "_reports" / "coverage" / "coverage.html").read_text()
    spans = duckdb.sql(f"SET TimeZone = 'UTC'; FROM '{result['parquet'].removeprefix('file://')}'")
    assert spans.columns == SCHEMA.names
    assert [row[2:] for row in spans.filter(f"merchant_id = '{merchant}'").fetchall()] == [
        (FIRST, FIRST + 3 * HOUR, "landed", False, None, False),
        (FIRST + 3 * HOUR, FIRST + 4 * HOUR, "missing", False, pytest.approx(9.62, abs=0.01), True),
        (FIRST + 4 * HOUR, FIRST + 6 * HOUR, "landed", False, None, False),
        (FIRST + 6 * HOUR, NOW, "pending", False, None, False),
    ]
    assert context["outlet_events"][zdirect_asset("coverage")].extra["urgent_count"] == 2
    asked = len(emulator.requests)
    assert cover(base, context, fail_on_gap=False)["merchant_ids"] == list(emulator.merchant_ids)
    assert {request.path for request in emulator.requests[asked:]} <= {"/auth/token", "/auth/me"}


def test_without_a_connection_the_merchants_must_be_named(base, merchant, emulator, context, monkeypatch):
    monkeypatch.delenv("AIRFLOW_CONN_ZDIRECT_DEFAULT")
    asked = len(emulator.requests)
    assert cover(base, context, merchant_ids=[merchant], fail_on_gap=False)["statuses"]["missing"] == 1
    assert len(emulator.requests) == asked
    with pytest.raises(AirflowFailException, match="zdirect_default"):
        cover(base, context)


def test_the_log_names_merchants_with_windows_that_are_not_covered(base, emulator, context, monkeypatch, caplog):
    former, merchant = emulator.merchant_ids[:2]
    extra = {"merchant_id": merchant, "merchants": {"shop-de": former}}
    monkeypatch.setenv("AIRFLOW_CONN_ZDIRECT_DEFAULT", json.dumps(connection_to(emulator, extra=extra)))
    words = f"Merchants that have windows here and are not covered: shop-de ({former})."
    for arguments, level in (({}, logging.WARNING), ({"merchant_ids": merchant}, logging.INFO)):
        caplog.clear()
        with caplog.at_level(logging.INFO):
            cover(base, context, **arguments)
        assert [record.levelno for record in caplog.records if record.getMessage().startswith(words)] == [level]
    report = json.loads((base / "_reports" / "coverage" / "coverage.json").read_text())
    assert (report["rows"], report["others"]) == ([], [{"merchant_id": former, "merchant": "shop-de"}])


def test_notifiers_are_called_with_the_urgent_gaps_before_the_task_fails(base, merchant, context, caplog):
    calls = []
    with pytest.raises(AirflowFailException):
        cover(base, context, merchant_ids=merchant, notifier=calls.append)
    (said,) = calls
    assert said["coverage_gaps_count"] == len(said["coverage_gaps"]) == 1
    assert said["coverage_gaps"][0]["words"] in said["coverage_gaps_text"]
    assert "airflow dags trigger zdirect_backfill" in said["coverage_gaps_html"]
    assert said["coverage_uri"] == f"file://{base}/_reports/coverage/coverage.html"
    assert "Urgent gaps" not in caplog.text
    assert cover(base, context, merchant_ids=merchant, warn_days=9, notifier=calls.append)["urgent"] == []
    assert len(calls) == 1


def test_without_a_notifier_the_gaps_are_in_the_log(base, merchant, context, caplog):
    cover(base, context, merchant_ids=merchant, fail_on_gap=False)
    assert "Urgent gaps: 1." in caplog.text
    assert f"returned_items {FIRST.date()} 03:00-04:00 UTC, merchant {merchant}: missing" in caplog.text


def test_an_email_has_the_gaps_with_their_commands(base, merchant, context, monkeypatch):
    pytest.importorskip("airflow.providers.smtp")
    mailbox = Mailbox()
    monkeypatch.setenv("AIRFLOW_CONN_SMTP_DEFAULT", mailbox.connection())
    # As the DAG does it.
    context |= {"dag": DAG("a_dag", schedule=None), "params": {"notify_email": "data@shop.example"}}
    with pytest.raises(AirflowFailException):
        cover(base, context, merchant_ids=merchant, notifier=notify_of_urgent_gaps)
    mail = mailbox.mail()
    assert (mail["subject"], mailbox.rcpt) == ("zDirect: 1 gap will soon be unrecoverable", ["data@shop.example"])
    assert f"returned_items {FIRST.date()} 03:00-04:00 UTC" in mail.get_body(("html",)).get_content()


def test_a_mapped_task_has_the_same_notifier_at_every_parse(base):
    def make():
        with DAG("a_dag", schedule=None):
            mapped = ZDirectCoverageOperator.partial(task_id="coverage", base_path="/data", notifier=print)
            return mapped.expand(conn_id=["a"])

    assert str(make().partial_kwargs["notifier"]) == str(make().partial_kwargs["notifier"]) == "(print)"
    assert list(make().unmap({"conn_id": "a"}).notifier) == [print]
