"""What an extraction makes of empty reports: certain to be empty, or not made yet."""

from __future__ import annotations

import logging
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from extraction import Extraction

from airflow_provider_zdirect.exceptions import ZDirectRetriableError
from airflow_provider_zdirect.reports.calendar import EMPTY_IS_CERTAIN_AFTER
from airflow_provider_zdirect.windows import Window

ICM, CBM = "intra_community_movements", "cross_border_movements"
KINDS = {"icm": {"dataset": ICM}, "single": {"dataset": ICM, "variant": "single_request"}, "cbm": {"dataset": CBM}}
EVERY_KIND = pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
SUNDAY = Window.of_day(date(2026, 11, 22))
MONDAY_NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
EMULATOR = {"seed": 7, "now": MONDAY_NOON, "empty_reports": 0.0}
TUESDAY_NOON = MONDAY_NOON + timedelta(days=1)
SUNDAY_ALONE = "2026-11-22..2026-11-22"


def empty(runs: Extraction, *, times: int | None = None, now: datetime = TUESDAY_NOON) -> None:
    """Let the emulator have no movements of Sunday for who asks for just that."""
    runs.emulator.clock.set(now)
    asked = {"from": "2026-11-22", "to": "2026-11-22"}
    answer = {"merchant_id": runs.merchant_id, "items": [], "query": asked}
    runs.fault("-movements/", {"status": 200, "body": answer}, query=asked, times=times)


def asked_for(runs: Extraction) -> list[str]:
    """The dates of every request for reports, as from..to."""
    return [f"{query['from']}..{query['to']}" for query in runs.requests("-movements/")]


@EVERY_KIND
def test_the_manifest_and_the_log_say_why_a_day_counts_as_empty(
    runs: Extraction, kind: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    empty(runs)
    with caplog.at_level(logging.INFO):
        result = runs.run(window=SUNDAY, **kind)
    manifest = runs.manifest(result)
    assert manifest["empty_because"] == {"2026-11-22": "the report of 2026-11-23 is there"}
    assert (manifest["records"], manifest["requests"]) == (0, 3)
    assert asked_for(runs) == [SUNDAY_ALONE, "2026-11-23..2026-11-23", SUNDAY_ALONE]
    assert "empty, because the report of 2026-11-23 is there." in caplog.text


@EVERY_KIND
def test_an_empty_answer_that_may_be_too_early_is_not_called_certain(
    runs: Extraction, caplog: pytest.LogCaptureFixture, kind: dict[str, Any]
) -> None:
    empty(runs, now=MONDAY_NOON)
    with caplog.at_level(logging.WARNING):
        result = runs.run(window=SUNDAY, **kind)
    assert runs.manifest(result)["empty_because"] == {"2026-11-22": None}
    assert asked_for(runs) == [SUNDAY_ALONE]
    assert runs.manifest(result)["requests"] == len(runs.requests("-movements/"))
    for said in ("2026-11-22, merchant", "empty, and there is no report of a later date", "fetch it again later"):
        assert said in caplog.text


def test_a_day_of_long_ago_is_asked_for_once_and_counts_by_time(runs: Extraction) -> None:
    empty(runs, now=MONDAY_NOON + EMPTY_IS_CERTAIN_AFTER)
    result = runs.run(ICM, SUNDAY)
    assert runs.manifest(result)["empty_because"] == {"2026-11-22": "6 days have passed since it was due"}
    assert asked_for(runs) == [SUNDAY_ALONE]


@EVERY_KIND
def test_a_report_that_is_made_while_it_is_found_empty_is_published(runs: Extraction, kind: dict[str, Any]) -> None:
    empty(runs, times=1)
    result = runs.run(window=SUNDAY, **kind)
    truth = runs.emulator.truth(kind["dataset"], runs.merchant_id, SUNDAY.start, SUNDAY.end)
    assert result.manifest.records == len(runs.published(kind["dataset"])) == len(truth) > 0
    assert runs.manifest(result)["empty_because"] == {}


def test_of_a_week_only_the_empty_day_is_asked_for_again(runs: Extraction) -> None:
    empty(runs, now=datetime(2026, 11, 27, 12, tzinfo=UTC))
    result = runs.run(ICM, Window(datetime(2026, 11, 19, tzinfo=UTC), datetime(2026, 11, 26, tzinfo=UTC)))
    manifest = runs.manifest(result)
    assert manifest["empty_because"] == {"2026-11-22": "a report of 2026-11-23 to 2026-11-26 is there"}
    assert len(manifest["days"]) == 7
    assert asked_for(runs).count(SUNDAY_ALONE) == 2
    assert len(asked_for(runs)) == 7 + 2


def test_a_day_whose_movements_are_all_invalid_is_not_empty(runs: Extraction) -> None:
    runs.emulator.clock.set(TUESDAY_NOON)
    body = {"items": [{"transaction_date": "2026-11-22", "movements": [{"quantity": "many"}]}]}
    runs.fault("-movements/", {"status": 200, "body": body}, times=None)
    result = runs.run(ICM, SUNDAY, max_rejected=1)
    assert (result.manifest.rejected, runs.manifest(result)["empty_because"]) == (1, {})
    assert len(asked_for(runs)) == 1


def test_a_retry_after_a_failed_look_at_later_dates_finds_out_why(runs: Extraction) -> None:
    empty(runs)
    later = {"path": "-movements/", "query": {"from": "2026-11-23"}}
    runs.emulator.faults.add({"match": later, "action": {"status": 503}, "times": 1})
    with pytest.raises(ZDirectRetriableError):
        runs.run(ICM, SUNDAY)
    result = runs.run(ICM, SUNDAY)
    assert runs.manifest(result)["empty_because"] == {"2026-11-22": "the report of 2026-11-23 is there"}


def test_other_datasets_do_not_know_empty_reports(runs: Extraction) -> None:
    runs.fault("liquidated", {"status": 200, "body": {"liquidated_items": []}})
    assert runs.manifest(runs.run("liquidated_items", SUNDAY))["empty_because"] == {}
