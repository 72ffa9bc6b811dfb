"""Tracking numbers: applied from a file, with a notification where they are missing."""

from __future__ import annotations

from datetime import UTC, datetime

from airflow.timetables.interval import CronDataIntervalTimetable

from airflow_provider_zdirect.airflow_sdk import DAG, task_group
from airflow_provider_zdirect.dag_support.params import (
    BASE_PATH,
    CONN_ID,
    MERCHANTS_OF_TRACKING_FILE,
    TRACKING_PATH,
    place_params,
    tracking_params,
)
from airflow_provider_zdirect.dag_support.tasks import fail_if_any_failed, merchants, notify_of_missing_tracking
from airflow_provider_zdirect.operators.order_tracking import ZDirectMissingTrackingOperator
from airflow_provider_zdirect.operators.orders import ZDirectOrderUpdateOperator
from airflow_provider_zdirect.operators.retry import retry_arguments

DOC = """
### Tracking numbers of orders

Every hour, for every merchant:

* `apply`: updates orders at zDirect from the file `<base_path>/_inbox/tracking.csv`: export, tracking numbers, status.
  The result of each row is under `order_updates/`. An applied file stays in place, and is not applied again until it
  changes; without a file the task is skipped.
* `missing`: approved orders without tracking or return tracking number after `grace_hours`, not exported within three
  hours, or without any change for seven days, by the orders that `zdirect_orders` publishes under the same `base_path`,
  and as they are now at zDirect. The list is under `order_tracking_missing/`, and is sent to `notify_email`, each order
  once in `remind_hours`.

Do not backfill it: both tasks work on the current state. `docs/order-updates.md` shows how to notify Slack and others.
"""

with DAG(
    dag_id="zdirect_order_tracking",
    # After zdirect_orders, which begins at the full hour.
    schedule=CronDataIntervalTimetable("20 * * * *", timezone="UTC"),
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=1,
    default_args=retry_arguments(),
    params={**place_params(), **tracking_params()},
    tags=["zdirect", "orders"],
    doc_md=DOC,
) as dag:

    @task_group
    def tracking(merchant_id: str) -> None:
        """The orders of one merchant."""
        place = {
            "merchant_id": merchant_id,
            "base_path": BASE_PATH,
            "conn_id": CONN_ID,
            "map_index_template": "{{ task.merchant }}",
        }
        apply = ZDirectOrderUpdateOperator(
            task_id="apply",
            updates_path=TRACKING_PATH,
            missing_file="skip",
            skip_applied=True,
            merchants_of_file=MERCHANTS_OF_TRACKING_FILE,
            overwrite_tracking="{{ params.overwrite_tracking }}",
            require_tracking="{{ params.require_tracking }}",
            default_reason="{{ params.default_reason or '' }}",
            max_failed="{{ params.max_failed }}",
            **place,
        )
        missing = ZDirectMissingTrackingOperator(
            task_id="missing",
            notifier=notify_of_missing_tracking,
            grace_hours="{{ params.grace_hours }}",
            remind_after="PT{{ '%.6f' | format(params.remind_hours) }}H",
            portal_url="{{ params.portal_url or '' }}",
            # Also after rows that failed: other orders may be overdue.
            trigger_rule="all_done",
            **place,
        )
        apply >> missing
        named = fail_if_any_failed.override(map_index_template="{{ task.op_args[0] }}")
        [apply, missing] >> named(merchant_id)

    tracking.expand(merchant_id=merchants())
