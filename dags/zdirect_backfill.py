"""A dataset for a longer time, one day per task."""

from __future__ import annotations

from datetime import UTC, datetime

from airflow.timetables.interval import CronDataIntervalTimetable

from airflow_provider_zdirect.airflow_sdk import DAG, AirflowSkipException, get_current_context, task
from airflow_provider_zdirect.dag_support.params import (
    BASE_PATH,
    CONN_ID,
    MAX_REJECTED,
    MERCHANT_AND_DAY,
    PERSONAL_DATA,
    dataset_param,
    personal_data_param,
    place_params,
    window_params,
)
from airflow_provider_zdirect.dag_support.run_params import check_params, days_by_merchant, merchants_of, window_of
from airflow_provider_zdirect.operators.extract import ZDirectExtractOperator
from airflow_provider_zdirect.operators.retry import fail_fast, retry_arguments
from airflow_provider_zdirect.operators.run_context import run_type

DOC = """
### Backfill of one dataset

* **Triggered by hand**: choose `dataset`, `from` and `to`; every UTC day of every merchant becomes a task, and what is
  there already is not doubled. Both empty means the day before the
  logical date (which the dialog fills in; over the REST API, give one).
* **Airflow's own backfill** (UI or `airflow backfill create`): every day of the range becomes a run. The `dataset` is
  a parameter of the backfill; for a second dataset over the same days let it reprocess existing runs, because Airflow
  keeps one run per day.

It fetches only what it is triggered or backfilled for. It has a schedule because Airflow backfills no DAG without one:
while it is unpaused, Airflow also starts a run for each day that is over, which skips everything. Airflow keeps one run
per day, so let a backfill of such days reprocess all runs (`--reprocess-behavior completed`).
"""

with DAG(
    dag_id="zdirect_backfill",
    schedule=CronDataIntervalTimetable("0 0 * * *", timezone="UTC"),
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    catchup=False,
    is_paused_upon_creation=True,
    max_active_runs=2,
    max_active_tasks=8,
    default_args=retry_arguments(),
    params={**dataset_param("received_items"), **window_params(), **personal_data_param(), **place_params()},
    tags=["zdirect", "zfs"],
    doc_md=DOC,
) as dag:

    @task
    def plan() -> list[dict[str, str]]:
        """Merchant and window of every task."""
        context = get_current_context()
        if run_type(context) == "scheduled":
            # Airflow only backfills a DAG that has a schedule, and unpauses one that is triggered.
            raise AirflowSkipException(
                "A scheduled run of this DAG fetches nothing. Trigger it with from and to, or backfill it; for a day "
                "that has a scheduled run, let the backfill reprocess all runs."
            )
        with fail_fast():
            params = check_params(context)
            return days_by_merchant(window_of(params, context), merchants_of(params))

    ZDirectExtractOperator.partial(
        task_id="extract",
        dataset="{{ params.dataset }}",
        personal_data=PERSONAL_DATA,
        max_rejected=MAX_REJECTED,
        base_path=BASE_PATH,
        conn_id=CONN_ID,
        map_index_template=MERCHANT_AND_DAY,
    ).expand_kwargs(plan())
