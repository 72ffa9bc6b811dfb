"""What docs/coverage.md shows is so."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path

import duckdb
import pytest
from histories import DAY, HOUR, MERCHANT, NOW, Base, at

from airflow_provider_zdirect.coverage.calendar import LETTERS, Status
from airflow_provider_zdirect.coverage.publish import publish_report
from airflow_provider_zdirect.coverage.report import SCHEMA
from airflow_provider_zdirect.datasets.table import WITH_WINDOWS
from airflow_provider_zdirect.exceptions import UnfilledGapsError
from airflow_provider_zdirect.windows import Window

TEXT = (Path(__file__).parents[2] / "docs" / "coverage.md").read_text()


def block(language: str) -> str:
    (found,) = re.findall(rf"```{language}\n(.*?)```", TEXT, re.DOTALL)
    return found


def test_the_query_sums_the_missing_hours(tmp_path, monkeypatch):
    base = Base(tmp_path / "zdirect")
    base.land("returned_items", Window(NOW - 99 * DAY, NOW - 2 * DAY))
    base.land("orders", Window(at("11-20 00:00"), NOW - DAY - HOUR))
    publish_report(base.store, base.measure(grace=timedelta(0)))
    monkeypatch.chdir(tmp_path)
    assert duckdb.sql(block("sql")).fetchall() == [
        (MERCHANT, "returned_items", 47.5, 98 - 5 / 24 / 60),
        (MERCHANT, "orders", 24.5, 363 + 23 / 24 - 5 / 24 / 60),
    ]


def test_the_error_reads_as_shown(tmp_path):
    base = Base(tmp_path)
    now = at("11-20 12:00")
    base.land("returned_items", Window(at("08-22 00:00"), at("08-22 03:00")))
    base.land("returned_items", Window(at("08-22 04:00"), now))
    with pytest.raises(UnfilledGapsError) as caught:
        base.measure(now).fail_if_urgent("file:///page")
    shown = " ".join(block("text").split())
    assert caught.value.message.startswith(shown.partition(", ...")[0])


def test_the_tables_name_all_statuses_columns_and_datasets():
    rows = re.findall(r"^\| `(.)` \| ?(\w*) \|", TEXT, re.MULTILINE)
    assert rows == [*zip(LETTERS, [status.value for status in Status], strict=False), (".", "")]
    table = TEXT.partition("## The table")[2].partition("```")[0]
    columns = [
        name for line in re.findall(r"^\| (`.*?) \|", table, re.MULTILINE) for name in re.findall(r"`(\w+)`", line)
    ]
    assert columns == SCHEMA.names
    (datasets,) = re.findall(r"^\| `datasets` \|.*\| (.*) \|$", TEXT, re.MULTILINE)
    assert re.findall(r"`(\w+)`", datasets) == list(WITH_WINDOWS)
