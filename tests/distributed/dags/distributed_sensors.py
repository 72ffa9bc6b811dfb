"""A hundred deferred sensors: two reports of yesterday's for each of 50 merchants."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta

from airflow_provider_zdirect.airflow_sdk import DAG
from airflow_provider_zdirect.sensors.report import ZDirectReportReadySensor

DATASETS = ("intra_community_movements", "cross_border_movements")

with DAG(
    "distributed_sensors",
    schedule=None,
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    # Before the backfills, but beside them: less than half of the worker slots.
    max_active_tasks=4,
    default_args={"priority_weight": 100},
):
    ZDirectReportReadySensor.partial(
        task_id="ready",
        report_date="{{ params.report_date }}",
        # Due at once, and empty means: not there yet.
        not_before="00:00",
        empty_after=timedelta(days=7),
        deferrable=True,
        params={"report_date": "2026-01-01"},
    ).expand_kwargs(
        [
            {"dataset": dataset, "merchant_id": merchant_id}
            for merchant_id in os.environ["ZDIRECT_TEST_SENSOR_MERCHANTS"].split()
            for dataset in DATASETS
        ]
    )
