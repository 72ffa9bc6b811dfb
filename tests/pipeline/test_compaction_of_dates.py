"""Compaction beside runs that fetch the same dates from the emulator, over real HTTP."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime
from pathlib import Path

from extraction import Extraction, hourly, whole

from airflow_provider_zdirect.datasets.table import DATASETS
from airflow_provider_zdirect.emulator.server import EmulatorServer
from airflow_provider_zdirect.exceptions import ConcurrentRunError
from airflow_provider_zdirect.publish.compact import compact_date

START = datetime(2026, 11, 18, 20, tzinfo=UTC)
DATES = (date(2026, 11, 18), date(2026, 11, 19))


def test_hours_that_are_fetched_while_their_dates_are_compacted_end_with_each_record_once(tmp_path: Path) -> None:
    hours = hourly(START, 8)
    with EmulatorServer(now="2026-11-20T10:00:00+00:00", volume=0.3, rate_limits=False) as emulator:
        runs = Extraction(emulator, tmp_path / "zdirect")
        place, dataset = runs.place(runs.merchant_id, "parquet"), DATASETS["received_items"]
        for window in hours[::2]:
            runs.run("received_items", window)

        def compact(day: date) -> None:
            try:
                compact_date(place, dataset, day)
            except ConcurrentRunError:
                # As a task does, which is tried again.
                compact_date(place, dataset, day)

        with ThreadPoolExecutor(4) as threads:
            fetched = [
                threads.submit(runs.run, "received_items", window, resume_key=str(number))
                for number, window in enumerate([*hours, *hours[1::2]])
            ]
            compacted = [threads.submit(compact, day) for day in DATES * 4]
        for done in (*fetched, *compacted):
            done.result()
        truth = runs.truth("received_items", whole(hours))
        assert runs.keys("received_items") == truth
        for day in DATES:
            compact_date(place, dataset, day)
        assert runs.keys("received_items") == truth
        files = Counter(path.parent.name for path in runs.paths("received_items"))
        assert files == {f"date={day}": 1 for day in DATES}
        assert sum(runs.run("received_items", window).as_dict()["new_records"] for window in hours) == 0
