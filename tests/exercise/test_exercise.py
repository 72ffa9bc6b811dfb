"""What a stranger adds stays small: a dataset is a model and a row, an operator one short file."""

from __future__ import annotations

import asyncio
import json
import re
from collections import Counter
from pathlib import Path
from types import SimpleNamespace

import airflow_home
import pytest
from emulated_time import replace_system_clock
from extraction import Extraction
from outlet_events import OutletEvents
from own_emulator import connection_to, own_emulator
from received_by_day import ReceivedByDayOperator
from shipped_items import SHIPPED_ITEMS

from airflow_provider_zdirect.assets import zdirect_asset
from airflow_provider_zdirect.exceptions import ZDirectConfigurationError
from airflow_provider_zdirect.pipeline.extract import ExtractJob, extract
from airflow_provider_zdirect.windows import Window, parse_instant

HERE = Path(__file__).parent
WINDOW = Window(parse_instant("2026-11-20T10:00:00Z", name="from"), parse_instant("2026-11-20T11:00:00Z", name="to"))


@pytest.fixture
def runs(tmp_path):
    with own_emulator(seed=7, now="2026-11-22T10:00:00+00:00") as emulator:
        yield Extraction(emulator, tmp_path)


def test_a_dataset_is_a_model_and_a_row_of_at_most_32_lines():
    source = (HERE / "shipped_items.py").read_text()
    own = [line for line in source.partition("class ")[2].splitlines() if line.strip()]
    assert len(own) <= 32


def test_an_operator_is_a_file_of_at_most_70_lines():
    assert len((HERE / "received_by_day.py").read_text().splitlines()) <= 70


def test_the_dataset_is_fetched_page_by_page_and_published_once(runs):
    def item(minute):
        return {
            "quality_label": f"L{minute}",
            "shipped_timestamp": f"2026-11-20T10:{minute}:00Z",
            "ean": "4006381333931",
        }

    pages = [{"shipped_items": [item(10), item(20)], "next": "more"}, {"shipped_items": [item(20), item(30), {"a": 1}]}]
    for number, body in enumerate(2 * pages, start=1):
        action = {"status": 200, "body": body}
        runs.emulator.faults.add({"match": {"path": "shipped-items", "nth": number}, "action": action})

    async def run():
        async with runs.client() as client:
            job = ExtractJob(runs.place(runs.merchant_id, "parquet"), SHIPPED_ITEMS, WINDOW, max_rejected=1)
            return await extract(job, client, clock=runs.clock())

    first, second = asyncio.run(run()), asyncio.run(run())
    rows = runs.published("shipped_items")
    assert sorted(row["quality_label"] for row in rows) == ["L10", "L20", "L30"]
    assert (first.manifest.records, first.manifest.rejected, second.manifest.new_records) == (3, 1, 0)


def test_the_operator_has_templates_checks_an_asset_and_a_result(runs, tmp_path, monkeypatch):
    airflow_home.migrate()
    monkeypatch.setenv("AIRFLOW_CONN_ZDIRECT_DEFAULT", json.dumps(connection_to(runs.emulator)))
    replace_system_clock(monkeypatch, runs.emulator)
    day = Window(WINDOW.start, parse_instant("2026-11-21T10:00:00Z", name="to"))
    runs.run("received_items", day)
    truth = Counter(time.date().isoformat() for _, time in runs.truth("received_items", day))
    arguments = {"task_id": "a", "base_path": tmp_path.as_uri(), "merchant_id": runs.merchant_id}
    with pytest.raises(ZDirectConfigurationError, match=re.escape("Task a: at_least='few'")):
        ReceivedByDayOperator(**arguments, at_least="few")
    task = ReceivedByDayOperator(**arguments, at_least="{{ params.at_least }}")
    assert "at_least" in task.template_fields
    task.at_least = "1"
    context = {
        "ti": SimpleNamespace(dag_id="d", run_id="r", task_id="a", map_index=-1),
        "outlet_events": OutletEvents(),
    }
    assert task.execute(context)["days"] == truth
    assert context["outlet_events"][zdirect_asset("received_by_day")].extra["days"] == truth
