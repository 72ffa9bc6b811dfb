"""The numbers by which a backfill is sized are those of real runs."""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path

import pytest
from code_blocks import ROOT
from extraction import Extraction, hourly

from airflow_provider_zdirect.datasets.table import DATASETS
from airflow_provider_zdirect.emulator.server import EmulatorServer
from airflow_provider_zdirect.windows import Window

TABLE = re.findall(
    r"^\| `(\w+)` \| (\d+) \| (\d*) ?\|", (ROOT / "docs" / "backfill.md").read_text(encoding="utf-8"), re.MULTILINE
)
DAY = Window.of_day(date(2026, 11, 20))


def test_the_table_has_every_dataset_of_windows() -> None:
    requested = {name for name, dataset in DATASETS.items() if dataset.has_windows and dataset.part_of is None}
    assert {name for name, _, _ in TABLE} == requested


@pytest.mark.parametrize(("dataset", "by_day", "by_hour"), TABLE)
def test_a_day_takes_as_many_requests_as_the_table_says(
    dataset: str, by_day: str, by_hour: str, tmp_path: Path
) -> None:
    for wanted, windows in ((by_day, [DAY]), (by_hour, hourly(DAY.start, 24))):
        if wanted:
            # A report that is empty is asked for once more.
            world = {"volume": 0.2, "empty_reports": 0.0, "order_days": 0, "rate_limits": False}
            with EmulatorServer(now="2026-11-22T10:00:00+00:00", **world) as emulator:
                runs = Extraction(emulator, tmp_path / str(len(windows)))
                for window in windows:
                    runs.run(dataset, window)
                asked = [request for request in emulator.requests if "/auth/" not in request.path]
            assert len(asked) == int(wanted)
