"""Which windows have landed and which are missing, once a day, before zDirect deletes them."""

from __future__ import annotations

from datetime import UTC, datetime

from airflow.timetables.interval import CronDataIntervalTimetable

from airflow_provider_zdirect.airflow_sdk import DAG
from airflow_provider_zdirect.dag_support.params import (
    BASE_PATH,
    CONN_ID,
    coverage_params,
    place_params,
)
from airflow_provider_zdirect.dag_support.tasks import merchants_to_cover, notify_of_urgent_gaps
from airflow_provider_zdirect.operators.coverage import ZDirectCoverageOperator
from airflow_provider_zdirect.operators.retry import retry_arguments

DOC = """
### Coverage

Every day, for all merchants: which windows of each dataset have landed, which are missing or landed with rejected
records, and in how many days zDirect deletes what is missing. The result is a page,
`<base_path>/_reports/coverage/coverage.html`, with `coverage.json` and `coverage.parquet` beside it.

* The run **fails** if zDirect deletes the start of a gap within `warn_days`; the error names the worst gaps, with the
  commands that fill them. With `fail_on_gap` off it only notifies.
* Urgent gaps are in the task's log, and are sent to `notify_email`.
* It sends zDirect no request, except for the list of merchants if neither `merchant_ids` nor the connection names them.

Do not backfill it: it reports the present state. `docs/coverage.md` explains the statuses and the files.
"""

with DAG(
    dag_id="zdirect_coverage",
    # After the DAGs that run at midnight, and before people come to work.
    schedule=CronDataIntervalTimetable("0 4 * * *", timezone="UTC"),
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=1,
    default_args=retry_arguments(),
    params={**place_params(), **coverage_params()},
    tags=["zdirect", "storage"],
    doc_md=DOC,
) as dag:
    ZDirectCoverageOperator(
        task_id="coverage",
        merchant_ids=merchants_to_cover(),
        datasets="{{ (params.datasets or []) | tojson }}",
        since="{{ params.since or '' }}",
        days="{{ params.days }}",
        warn_days="{{ params.warn_days }}",
        grace_hours="{{ params.grace_hours }}",
        fail_on_gap="{{ params.fail_on_gap }}",
        notifier=notify_of_urgent_gaps,
        base_path=BASE_PATH,
        conn_id=CONN_ID,
    )
