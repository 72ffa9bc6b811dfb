"""How many requests to the storage a small window costs: each is paid for, and takes its time."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from dataclasses import dataclass
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


@dataclass
class Sent:
    """A request: what it is, when it began and ended, in steps of a counter."""

    what: str
    began: int
    ended: int | None = None


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[Sent]:
    """Every request of any filesystem."""
    sent: list[Sent] = []
    steps = itertools.count()
    send = s3fs.S3FileSystem._call_s3

    async def call(self: Any, method: str, *args: Any, **options: Any) -> Any:
        named = {**next((each for each in args if isinstance(each, dict)), {}), **options}
        sent.append(request := Sent(f"{method} {named.get('Key') or named.get('Prefix') or ''}", next(steps)))
        try:
            return await send(self, method, *args, **options)
        finally:
            request.ended = next(steps)

    monkeypatch.setattr(s3fs.S3FileSystem, "_call_s3", call)
    return sent


def longest_sequence(sent: list[Sent]) -> int:
    """How many of them waited for one another, at most."""
    lengths: list[int] = []
    for request in sent:
        before = (length for other, length in zip(sent, lengths, strict=False) if (other.ended or 0) < request.began)
        lengths.append(1 + max(before, default=0))
    return max(lengths)


@pytest.mark.parametrize(("dataset", "overlap"), [("received_items", None), ("returned_items", "PT0S")])
def test_a_small_window_costs_few_requests_and_is_visible_soon(
    runs: S3Extraction,
    sent: list[Sent],
    airflow_storage: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
    dataset: str,
    overlap: str | None,
) -> None:
    """At most 14, and at most 6 of them, one after the other, before the data is visible."""
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
        assert len(sent) <= 11 + first
        put = next(at for at, each in enumerate(sent) if each.what.startswith("put") and ".parquet" in each.what)
        assert longest_sequence(sent[: put + 1]) <= 6 + first
