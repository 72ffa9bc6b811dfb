"""A month of intra-community movements as a table for the Intrastat declaration."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from airflow_provider_zdirect.airflow_sdk import DAG
from airflow_provider_zdirect.assets import daily_asset, monthly_schedule
from airflow_provider_zdirect.dag_support.deadline import report_deadline
from airflow_provider_zdirect.dag_support.params import BASE_PATH, CONN_ID, place_params, report_params
from airflow_provider_zdirect.dag_support.tasks import merchants
from airflow_provider_zdirect.operators.intrastat import ZDirectIntrastatReportOperator
from airflow_provider_zdirect.operators.retry import retry_arguments

DOC = """
### Intrastat, month by month

For every merchant and country of declaration: arrivals and dispatches per counterpart country and article, from the
movements that `zdirect_icm_daily` has landed: a table under `<base_path>/intrastat/`, a page to read and CSV files
under `<base_path>/_reports/intrastat/`.

* Runs when the reports of all days of a month are there (partition rollup, Airflow 3.3; days that land while this DAG
  is paused are not counted); elsewhere on the 7th, for the month before.
* With `ZDIRECT_DEADLINE_HOURS` set (Airflow 3.1), a run that takes longer raises an alert.
* **Triggered by hand** it takes the `month`.
* It refuses a month of which daily reports are missing, and names the days, unless `allow_missing_days` is set.

This is not tax advice.
"""

with DAG(
    dag_id="zdirect_intrastat_monthly",
    schedule=monthly_schedule(daily_asset("intra_community_movements", place_params()["base_path"].value)),
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    catchup=False,
    default_args=retry_arguments(),
    **report_deadline(timedelta()),
    params={**place_params(), **report_params()},
    tags=["zdirect", "zfs", "icm", "intrastat"],
    doc_md=DOC,
) as dag:
    ZDirectIntrastatReportOperator.partial(
        task_id="report",
        month="{{ params.month or '' }}",
        countries="{{ (params.countries or []) | tojson }}",
        master_data="{{ params.master_data or '' }}",
        allow_missing_days="{{ params.allow_missing_days }}",
        base_path=BASE_PATH,
        conn_id=CONN_ID,
        map_index_template="{{ task.merchant }}",
    ).expand(merchant_id=merchants())
