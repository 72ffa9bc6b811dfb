"""Tasks that the DAGs of this project share."""

from __future__ import annotations

from typing import Any

from airflow.providers.common.compat.sdk import get_current_context, task

from airflow_provider_zdirect.assets import daily_asset, tell_daily_asset
from airflow_provider_zdirect.dag_params import merchants_of, reports_by_merchant, window_of
from airflow_provider_zdirect.operators.retry import fail_fast


@task
def merchants() -> list[str]:
    """The merchants of this run."""
    with fail_fast():
        return merchants_of(get_current_context()["params"])


@task
def reports() -> list[dict[str, str]]:
    """Merchant, report date and window of every daily report of this run."""
    context = get_current_context()
    params = context["params"]
    with fail_fast():
        return reports_by_merchant(window_of(params, context), merchants_of(params))


def all_landed(dataset: str, planned: Any) -> Any:
    """A task that tells the dataset's daily asset which report dates have landed for all merchants.

    :param planned: what :func:`reports` returned.
    """
    asset = daily_asset(dataset)

    @task(task_id="all_landed", outlets=[asset])
    def tell(planned: list[dict[str, str]]) -> list[str]:
        days = sorted({report["report_date"] for report in planned})
        merchant_ids = sorted({report["merchant_id"] for report in planned})
        tell_daily_asset(get_current_context()["outlet_events"], asset, days, {"merchant_ids": merchant_ids})
        return days

    return tell(planned)
