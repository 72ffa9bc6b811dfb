"""Of which published orders shipping documents are fetched: those that still lack a tracking code."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pyarrow as pa

from airflow_provider_zdirect.datasets.arrow import INSTANT
from airflow_provider_zdirect.exceptions import ConcurrentRunError, ZDirectConfigurationError
from airflow_provider_zdirect.shipping_documents.listed import ORDER_ID
from airflow_provider_zdirect.storage.object_store import ObjectStore
from airflow_provider_zdirect.storage.row_files import read_batches

DATASET = "orders_current"
PARTNER_FULFILLED, APPROVED = "PartnerFulfilled", "approved"
MAX_LOOKS = 10

_SCHEMA = pa.schema(
    [
        ("order_id", pa.string()),
        ("order_type", pa.string()),
        ("status", pa.string()),
        ("tracking_number", pa.string()),
        ("return_tracking_number", pa.string()),
        ("modified_at", INSTANT),
    ]
)


def orders_without_codes(store: ObjectStore, merchant_id: str) -> list[str]:
    """The published orders that are approved, fulfilled by the partner, and lack an outbound or a return code.

    :raises ZDirectConfigurationError: if no orders are published.
    """
    found: list[str] = []
    files = _files_by_date(store, merchant_id)
    if not files:
        raise ZDirectConfigurationError(
            f"No orders of merchant {merchant_id} are published ({DATASET}).",
            remedy="Run the DAG zdirect_orders first, or give order_ids or orders_path.",
        )
    for folder in files:
        latest: dict[str, dict[str, Any]] = {}
        for row in _rows(store, folder):
            order_id = str(row["order_id"] or "").lower()
            known = latest.get(order_id)
            if known is None or _modified(row) >= _modified(known):
                latest[order_id] = row
        found += (order_id for order_id, row in latest.items() if ORDER_ID.fullmatch(order_id) and _lacks_codes(row))
    return found


def _lacks_codes(row: Mapping[str, Any]) -> bool:
    codes = (row["tracking_number"], row["return_tracking_number"])
    is_due = row["order_type"] == PARTNER_FULFILLED and str(row["status"] or "").lower() == APPROVED
    return is_due and not all((code or "").strip() for code in codes)


def _modified(row: Mapping[str, Any]) -> float:
    return row["modified_at"].timestamp() if row["modified_at"] else 0.0


def _files_by_date(store: ObjectStore, merchant_id: str) -> dict[str, None]:
    """The folders of dates, in order; an order is in one of them, since its date does not change."""
    found = store.files_below(f"{DATASET}/merchant_id={merchant_id}")
    return dict.fromkeys(path.rpartition("/")[0] for path in found if path.endswith((".parquet", ".jsonl.gz")))


def _rows(store: ObjectStore, folder: str) -> Iterator[dict[str, Any]]:
    for _ in range(MAX_LOOKS):
        try:
            # Another run may replace a file between our listing and our reading; then we look again.
            rows = [
                row
                for path in store.files(folder)
                if path.endswith((".parquet", ".jsonl.gz"))
                for table in read_batches(store, path, _SCHEMA)
                for row in table.to_pylist()
            ]
        except FileNotFoundError:
            continue
        yield from rows
        return
    raise ConcurrentRunError(f"{folder} keeps changing.", remedy="Nothing, if the task retries.", retry_after=60.0)
