"""A merchant's own stock: from a feed to every sales channel, minus open orders if wanted."""

from __future__ import annotations

from datetime import UTC, datetime

from airflow.timetables.interval import CronDataIntervalTimetable

from airflow_provider_zdirect.airflow_sdk import DAG
from airflow_provider_zdirect.dag_support.params import BASE_PATH, CONN_ID, place_params, stock_params
from airflow_provider_zdirect.dag_support.tasks import feeds
from airflow_provider_zdirect.operators.retry import retry_arguments
from airflow_provider_zdirect.operators.stocks import ZDirectStockUpdateOperator

DOC = """
### Stock of partner-fulfilled articles

Every 15 minutes, for every merchant: reads the stock feed and sends to every live sales channel what has changed since.

* The feed is `<base_path>/_inbox/stock.csv` with `ean,quantity` or `merchant_sku,quantity`, and `sales_channel_id` if a
  row is for one channel only; `stock_path` names another file or a folder. Without a feed, the task is skipped. Several
  merchants need `{merchant_id}` in `stock_path`, for example `s3://bucket/stock/{merchant_id}.csv`.
* What the feed does not name stays as it is. Write 0 for what is gone.
* Rows that cannot be sent are under `_rejected/stock_updates/`, with row and reason; all others are sent, and then the
  task fails (`max_rejected`).
* `<base_path>/stock_updates/` has the outcome of every update, `stock_updates_current/` what zDirect has now.
* `subtract_open_orders` is for feeds that do not know of Zalando's orders. It needs the orders under the same
  `base_path`, not older than two hours and complete for seven days: let `zdirect_orders` run, and backfill it once.
* zDirect allows 2,000 updates a minute, so 50,000 take about 34 minutes; runs after that send what has changed.
"""

with DAG(
    dag_id="zdirect_stock_sync",
    schedule=CronDataIntervalTimetable("*/15 * * * *", timezone="UTC"),
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=1,
    default_args=retry_arguments(),
    params={**place_params(), **stock_params()},
    tags=["zdirect", "stock"],
    doc_md=DOC,
) as dag:
    ZDirectStockUpdateOperator.partial(
        task_id="stock_updates",
        base_path=BASE_PATH,
        mapping_path="{{ params.mapping_path or '' }}",
        sales_channel_ids="{{ (params.sales_channel_ids or []) | tojson }}",
        subtract_open_orders="{{ params.subtract_open_orders }}",
        include_zfs_orders="{{ params.include_zfs_orders }}",
        full_sync="{{ params.full_sync }}",
        max_rejected="{{ params.max_rejected }}",
        missing_feed="skip",
        conn_id=CONN_ID,
        map_index_template="{{ task.merchant }}",
    ).expand_kwargs(feeds())
