"""An operator of one's own on the pieces of this package."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from airflow_provider_zdirect.datasets.arrow import arrow_schema
from airflow_provider_zdirect.datasets.stock_movements import ReceivedItem
from airflow_provider_zdirect.operators.argument_table import COUNT, PLACE
from airflow_provider_zdirect.operators.base import Outcome, TaskRun, ZDirectOperator
from airflow_provider_zdirect.publish.read import Table, query

COLUMNS = ("received_timestamp", "quality_label")
SCHEMA = pa.schema([arrow_schema(ReceivedItem).field(name) for name in COLUMNS])


class ReceivedByDayOperator(ZDirectOperator):
    """Counts the published received items by day.

    :param base_path: URL for ObjectStoragePath, or absolute local path, under which they are published.
    :param at_least: pieces; days with fewer are left out.
    :param merchant_id: UUID; None means the connection's merchant, or the only one that the app may use.
    :param storage_conn_id: Airflow connection of the storage.
    :param conn_id: the zDirect connection.
    :returns: pieces by day.
    """

    asset_names = ("received_by_day",)
    arguments = PLACE | {"at_least": COUNT}

    def __init__(
        self,
        *,
        base_path: str,
        at_least: int | str = 1,
        merchant_id: str | None = None,
        storage_conn_id: str | None = None,
        conn_id: str = "zdirect_default",
        **kwargs: Any,
    ) -> None:
        super().__init__(values=locals(), **kwargs)

    def perform(self, run: TaskRun) -> Outcome:
        place = run.place("received items by day")
        sql = (
            "SELECT received_timestamp::DATE::TEXT AS day, count(DISTINCT quality_label) AS pieces FROM items "
            "GROUP BY day HAVING pieces >= $at_least ORDER BY day"
        )
        found = query(place, sql, {"items": Table("received_items", SCHEMA)}, run.pick("at_least"))
        summary = {"merchant_id": place.merchant_id, "days": {row["day"]: row["pieces"] for row in found.to_pylist()}}
        return Outcome(summary, {"received_by_day": summary})
