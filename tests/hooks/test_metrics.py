from __future__ import annotations

import logging

import pytest

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
