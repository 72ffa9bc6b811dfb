from __future__ import annotations

import logging
from importlib import import_module

import pytest

from airflow_provider_zdirect.airflow_sdk import AIRFLOW_V_3_3_PLUS
from airflow_provider_zdirect.client.metrics import REQUESTS
from airflow_provider_zdirect.hooks import metrics


def test_metrics_that_cannot_be_sent_fail_nothing_and_are_reported_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    class Broken:
        @staticmethod
        def incr(*args: object, **kwargs: object) -> None:
            raise OSError("no route to the metrics server")

    monkeypatch.setattr(metrics, "_stats", lambda: Broken)
    metrics._warn.cache_clear()
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            metrics.count(REQUESTS, 1, endpoint="orders", outcome="200")
    assert [record.getMessage() for record in caplog.records] == [
        "Metrics of zDirect could not be sent: OSError: no route to the metrics server. The task goes on without them."
    ]


@pytest.mark.skipif(not AIRFLOW_V_3_3_PLUS, reason="older ones keep their metrics elsewhere")
@pytest.mark.parametrize("process", ["airflow.sdk", "airflow"])
def test_metrics_go_where_the_process_has_set_them_up(monkeypatch: pytest.MonkeyPatch, process: str) -> None:
    """A task sets up those of the SDK, the triggerer those of the core."""
    for each in ("airflow.sdk", "airflow"):
        module = import_module(f"{each}._shared.observability.metrics.stats")
        monkeypatch.setattr(module, "_factory", object() if each == process else None)
    assert metrics._stats.__wrapped__().__module__ == f"{process}._shared.observability.metrics.stats"
