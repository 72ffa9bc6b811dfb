"""Tasks that the DAGs of this project share."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.providers.common.compat.sdk import get_current_context, task, task_group

from airflow_provider_zdirect.assets import daily_asset, tell_daily_asset
from airflow_provider_zdirect.dag_params import (
    BASE_PATH,
    CONN_ID,
    PATH,
    merchants_of,
    reports_by_merchant,
    window_of,
)
from airflow_provider_zdirect.operators.extract import ZDirectExtractOperator
from airflow_provider_zdirect.operators.retry import fail_fast
from airflow_provider_zdirect.sensors.report import EMPTY_AFTER, ZDirectReportReadySensor


@task
def merchants() -> list[str]:
    """The merchants of this run."""
    with fail_fast():
        return merchants_of(get_current_context()["params"])


def daily_reports(dataset: str, *, empty_after: timedelta = EMPTY_AFTER) -> None:
    """For every report date and merchant of a run: wait for the report, land it; then tell the dataset's daily asset.

    The DAG needs the parameters of ``place_params``, ``window_params`` and ``path_param``.

    :param empty_after: how long after it was due an empty answer is taken for an empty report.
    """
    asset = daily_asset(dataset)

    @task
    def reports() -> list[dict[str, str]]:
        """Merchant, report date and window of every report of this run."""
        context = get_current_context()
        params = context["params"]
        with fail_fast():
            return reports_by_merchant(window_of(params, context), merchants_of(params))

    @task_group
    def report(merchant_id: str, report_date: str, window_from: str, window_to: str) -> None:
        """One report of one merchant."""
        ready = ZDirectReportReadySensor(
            task_id="ready",
            dataset=dataset,
            merchant_id=merchant_id,
            report_date=report_date,
            empty_after=empty_after,
            path=PATH,
            conn_id=CONN_ID,
            deferrable=True,
        )
        extract = ZDirectExtractOperator(
            task_id="extract",
            dataset=dataset,
            merchant_id=merchant_id,
            window_from=window_from,
            window_to=window_to,
            path=PATH,
            base_path=BASE_PATH,
            conn_id=CONN_ID,
        )
        ready >> extract

    @task(outlets=[asset])
    def all_landed(planned: list[dict[str, str]]) -> list[str]:
        """The report dates that have landed for all merchants."""
        days = sorted({report["report_date"] for report in planned})
        merchant_ids = sorted({report["merchant_id"] for report in planned})
        tell_daily_asset(get_current_context()["outlet_events"], asset, days, {"merchant_ids": merchant_ids})
        return days

    planned: Any = reports()
    report.expand_kwargs(planned) >> all_landed(planned)
