"""A dataset that fits: one model and one row."""

from datetime import timedelta

from airflow_provider_zdirect.datasets.answer import Answer
from airflow_provider_zdirect.datasets.dataset import Dataset
from airflow_provider_zdirect.datasets.endpoint import Endpoint, per_second
from airflow_provider_zdirect.datasets.paging import Cursor
from airflow_provider_zdirect.datasets.publication import Once
from airflow_provider_zdirect.datasets.record import Ean, Instant, Key, Record, Text
from airflow_provider_zdirect.datasets.selection import KeptDays, Timestamps


class ShippedItem(Record):
    """One item that left a Zalando warehouse for a customer."""

    quality_label: Key
    shipped_timestamp: Instant
    ean: Ean = None
    location_id: Text = None


SHIPPED_ITEMS = Dataset(
    name="shipped_items",
    title="Items that Zalando shipped to customers",
    model=ShippedItem,
    endpoint=Endpoint("/zfs/stock-movements/shipped-items/{merchant_id}", "zfs/shipped-item/read", per_second(20)),
    selection=Timestamps(retention=KeptDays(100), overlap=timedelta(hours=1)),
    paging=Cursor(limit=1_000),
    answer=Answer(("shipped_items",)),
    publish=Once(("quality_label", "shipped_timestamp"), "shipped_timestamp"),
    source="invented",
)
