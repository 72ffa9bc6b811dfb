# SPDX-License-Identifier: Apache-2.0
"""The published orders whose shipping documents are fetched: those that lack a tracking code."""

from __future__ import annotations

import pyarrow as pa

from airflow_provider_zdirect.datasets.arrow import arrow_schema
from airflow_provider_zdirect.datasets.table import get_dataset
from airflow_provider_zdirect.exceptions import ZDirectConfigurationError
from airflow_provider_zdirect.merchant_files.cells import UUID
from airflow_provider_zdirect.publish.place import Place
from airflow_provider_zdirect.publish.read import Table, query

_CODES = ("tracking_number", "return_tracking_number")
_COLUMNS = ("order_id", "order_type", "status", "order_date", "modified_at", *_CODES)
_ORDER = arrow_schema(get_dataset("orders").model)
ORDERS = Table("orders_current", pa.schema([_ORDER.field(name) for name in _COLUMNS]))

_WITHOUT_CODES = """
WITH latest AS (
    SELECT * FROM orders
    QUALIFY row_number() OVER (PARTITION BY lower(order_id) ORDER BY modified_at DESC NULLS LAST) = 1
)
SELECT lower(order_id) AS order_id FROM latest
WHERE order_type = 'PartnerFulfilled' AND lower(status) = 'approved'
    AND regexp_full_match(lower(order_id), $uuid)
    AND (coalesce(trim(tracking_number), '') = '' OR coalesce(trim(return_tracking_number), '') = '')
ORDER BY order_date, order_id
"""


def orders_without_codes(place: Place) -> list[str]:
    """The published orders that are approved, fulfilled by the partner, and lack an outbound or a return code.

    :returns: their ids, the oldest first.
    :raises ZDirectConfigurationError: if no orders are published.
    :raises ConcurrentRunError: if other runs keep replacing the files.
    """
    if not ORDERS.files(place):
        raise ZDirectConfigurationError(
            f"No orders of merchant {place.merchant} are published ({ORDERS.dataset}).",
            remedy="Run the DAG zdirect_orders first, or give order_ids or orders_path.",
        )
    found = query(place, _WITHOUT_CODES, {"orders": ORDERS}, {"uuid": UUID.pattern})
    return list(found["order_id"].to_pylist())
