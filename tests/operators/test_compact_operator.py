"""The operator that compacts past dates, as Airflow runs it, beside real extractions from the emulator."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest
from killing import Killed

from airflow_provider_zdirect.exceptions import ZDirectConfigurationError
from airflow_provider_zdirect.operators.compact import COMPACTED, ZDirectCompactOperator
from airflow_provider_zdirect.operators.extract import ZDirectExtractOperator
from airflow_provider_zdirect.storage.object_store import ObjectStore

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
MIDNIGHT = datetime(2026, 11, 16, tzinfo=UTC)
WINDOWS = [MIDNIGHT + timedelta(hours=hours) for hours in range(18, 50, 4)]
"""Starts of windows of four hours, in three dates."""


@pytest.fixture
def emulator(emulator, fixed_present):
    emulator.clock.set(NOW)
    emulator.set_options(token_seconds=10_000_000, order_days=0)
    return emulator


@pytest.fixture
def merchant(emulator) -> str:
    return emulator.merchant_ids[0]


def extract(base: Path, merchant: str, context: dict[str, Any], start: datetime, **others: Any) -> dict[str, Any]:
    arguments = {"dataset": "returned_items", "window_from": start, "window_to": start + timedelta(hours=4), **others}
    task = ZDirectExtractOperator(task_id="extract", base_path=f"file://{base}", merchant_id=merchant, **arguments)
    return task.execute(context)


def compact(base: Path, merchant: str, context: dict[str, Any], **arguments: Any) -> dict[str, Any]:
    task = ZDirectCompactOperator(
        task_id="compact", base_path=f"file://{base}", **{"merchant_id": merchant, **arguments}
    )
    task.clock = Present()
    return task.execute(context)


class Present:
    def now(self) -> datetime:
        return NOW


def published(base: Path, dataset: str = "returned_items") -> list[Any]:
    """Every row, and its date by the folder."""
    query = f"FROM read_parquet('{base}/{dataset}/**/*.parquet', hive_partitioning = true) ORDER BY ALL"
    return duckdb.sql(query).fetchall()


def files_of(base: Path, dataset: str = "returned_items") -> dict[str, int]:
    found: dict[str, int] = {}
    for path in (base / dataset).rglob("*.*"):
        found[path.parent.name] = found.get(path.parent.name, 0) + 1
    return found


@pytest.fixture
def base(tmp_path, emulator, merchant, context) -> Path:
    """Where the windows were extracted, of returned and received items."""
    for dataset in ("returned_items", "received_items"):
        for start in WINDOWS:
            extract(tmp_path, merchant, context, start, dataset=dataset)
    return tmp_path


def test_past_dates_have_one_file_with_the_same_rows_and_are_fetched_again_without_a_change(
    base, emulator, merchant, context
):
    before = {name: published(base, name) for name in ("returned_items", "received_items")}
    files = files_of(base)
    young = files.pop("date=2026-11-18")
    asked = len(emulator.requests)
    result = compact(base, merchant, context, datasets="returned_items")
    assert published(base) == before["returned_items"]
    assert files_of(base) == {**dict.fromkeys(files, 1), "date=2026-11-18": young}
    names = ("merchant_id", "before", "dates", "files_before", "files_after", "rows", "datasets")
    assert [result[name] for name in names] == [
        *(merchant, "2026-11-18", 2, sum(files.values()), 2),
        sum(row[-2] < NOW.date() - timedelta(days=2) for row in before["returned_items"]),
        {"returned_items": 2},
    ]
    assert result["bytes_after"] < result["bytes_before"]
    assert files_of(base, "received_items")["date=2026-11-17"] > 1
    assert len(emulator.requests) == asked, "nothing is asked of zDirect"
    for start in WINDOWS:
        assert extract(base, merchant, context, start)["new_records"] == 0
    assert published(base) == before["returned_items"]
    again = compact(base, merchant, context)
    assert again["datasets"] == {"received_items": 2}
    assert published(base, "received_items") == before["received_items"]
    nothing = compact(base, merchant, context)
    assert (nothing["dates"], nothing["rows"], nothing["datasets"]) == (0, 0, {})


def test_neither_a_connection_nor_zdirect_is_needed_and_each_date_keeps_its_format(
    emulator, merchant, context, tmp_path, monkeypatch
):
    for start in WINDOWS[:2]:
        extract(tmp_path, merchant, context, start, format="jsonl")
    for hours in (52, 56):
        extract(tmp_path, merchant, context, MIDNIGHT + timedelta(hours=hours))
    monkeypatch.delenv("AIRFLOW_CONN_ZDIRECT_DEFAULT")
    asked, before = len(emulator.requests), files_of(tmp_path)["date=2026-11-16"]
    result = compact(tmp_path, merchant, context, older_than="P1D")
    assert (result["files_before"], result["files_after"], before) == (4, 2, 2)
    assert files_of(tmp_path) == {f"date=2026-11-{day}": 1 for day in (16, 17, 18)}
    assert len(emulator.requests) == asked


@pytest.mark.parametrize(
    ("interval_end", "older_than", "before"),
    [
        ("2026-11-19T00:00:00+00:00", "P2D", "2026-11-17"),
        ("2026-11-19T02:00:00+00:00", "PT2H", "2026-11-19"),
        ("2026-11-19T01:59:00+00:00", timedelta(hours=2), "2026-11-18"),
        (None, "PT0S", "2026-11-20"),
    ],
)
def test_a_date_has_to_be_over_for_so_long_when_the_data_interval_ends(
    interval_end, older_than, before, merchant, context, tmp_path
):
    if interval_end:
        context["data_interval_end"] = datetime.fromisoformat(interval_end)
    assert compact(tmp_path, merchant, context, older_than=older_than)["before"] == before


def test_all_that_is_published_record_by_record_is_compacted_with_the_latest_versions():
    assert list(COMPACTED) == [
        *("received_items", "returned_items", "orders", "order_items", "order_lines", "announced_returns"),
        *("orders_current", "order_items_current", "order_lines_current"),
    ]
    with pytest.raises(ZDirectConfigurationError, match="'liquidated_items' is not published record by record"):
        ZDirectCompactOperator(task_id="compact", base_path="/data", datasets=["orders", "liquidated_items"])


def test_a_task_that_is_killed_while_it_deletes_goes_on_when_it_is_tried_again(
    base, merchant, context, monkeypatch: pytest.MonkeyPatch
):
    before, deleted = published(base), []
    delete = ObjectStore.delete

    def delete_one(store: ObjectStore, path: str) -> None:
        if deleted:
            raise Killed
        deleted.append(path)
        delete(store, path)

    with monkeypatch.context() as dying:
        dying.setattr(ObjectStore, "delete", delete_one)
        with pytest.raises(Killed):
            compact(base, merchant, context, datasets="returned_items")
    compact(base, merchant, context, datasets="returned_items")
    assert deleted
    assert published(base) == before
    assert {files for day, files in files_of(base).items() if day < "date=2026-11-18"} == {1}
