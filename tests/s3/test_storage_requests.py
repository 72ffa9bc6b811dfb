"""How many requests to the storage a small window costs: each is paid for, and takes its time."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
import s3fs
from bucket import S3Extraction
from extraction import hourly
from outlet_events import OutletEvents
from own_emulator import connection_to

from airflow_provider_zdirect.operators.extract import ZDirectExtractOperator

HOURS = hourly(datetime(2026, 11, 20, 12, tzinfo=UTC), 3)


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every request of any filesystem: its method, and what it is about. The first two have to come at once."""
    sent: list[str] = []
    send = s3fs.S3FileSystem._call_s3

    async def call(self: Any, method: str, *args: Any, **options: Any) -> Any:
        named = {**next((each for each in args if isinstance(each, dict)), {}), **options}
        sent.append(f"{method} {named.get('Key') or named.get('Prefix') or ''}")
        async with asyncio.timeout(10):
            while len(sent) < 2:
                await asyncio.sleep(0.01)
        return await send(self, method, *args, **options)

    monkeypatch.setattr(s3fs.S3FileSystem, "_call_s3", call)
    return sent


@pytest.mark.parametrize(
    ("dataset", "overlap", "more"),
    [("received_items", None, 0), ("returned_items", "PT0S", 0), ("returned_items", None, 5)],
)
def test_a_small_window_costs_few_requests_and_is_visible_soon(
    runs: S3Extraction,
    sent: list[str],
    airflow_storage: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
    dataset: str,
    overlap: str | None,
    more: int,
) -> None:
    """At most 14, and the data is visible after at most 6, one after the other.

    :param more: with the overlap, ``returned_items`` come in two answers, of which the first is staged.
    """
    monkeypatch.setenv("AIRFLOW_CONN_ZDIRECT_DEFAULT", json.dumps(connection_to(runs.emulator)))
    for number, window in enumerate(HOURS):
        sent.clear()
        task = ZDirectExtractOperator(
            task_id="extract",
            dataset=dataset,
            merchant_id=runs.merchant_id,
            base_path=runs.bucket.uri,
            storage_conn_id="zdirect_test_storage",
            window_from=window.start,
            window_to=window.end,
            overlap=overlap,
        )
        names = SimpleNamespace(dag_id="dag", run_id=f"run {number}", task_id="extract", map_index=-1)
        result = task.execute({"ti": names, "outlet_events": OutletEvents()})
        assert 0 < result["records"] == result["new_records"] < 100
        assert len(result["files"]) == 1
        # The first run of all also writes the environment's record, and asks in vain for the folder of the date.
        first = 3 if number == 0 else 0
        assert len(sent) <= min(12 + first, 14) + more
        put = next(at for at, each in enumerate(sent) if each.startswith("put") and each.endswith(".parquet"))
        # The first two are one step, and so are announcing and deleting.
        assert put <= 7 + first + more
