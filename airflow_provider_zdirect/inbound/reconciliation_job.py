"""The inbound reconciliation of a merchant, from what is published to a published table."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from fsspec import AbstractFileSystem

from airflow_provider_zdirect.clock import Clock, SystemClock
from airflow_provider_zdirect.datasets import get_dataset
from airflow_provider_zdirect.exceptions import ZDirectConfigurationError
from airflow_provider_zdirect.inbound.item_set_sync import NOTICES, TABLE, NoticeItem
from airflow_provider_zdirect.inbound.received_counts import ReceivedCounts
from airflow_provider_zdirect.inbound.reconciliation import ANNOUNCED, SCHEMA, reconcile
from airflow_provider_zdirect.models.arrow import arrow_schema
from airflow_provider_zdirect.storage.latest_table import LatestTable
from airflow_provider_zdirect.storage.layout import FORMATS, Layout
from airflow_provider_zdirect.storage.object_store import ObjectStore

log = logging.getLogger(__name__)

RECONCILIATION = "inbound_reconciliation"
FINISHED_TOURS = frozenset({"unloaded", "rejected", "canceled"})
"""Statuses of a tour after which nothing comes any more (zDirect docs, *Shipping Notices*, tracking)."""


@dataclass(frozen=True)
class InboundPlace:
    """Whose deliveries, and where they are published."""

    merchant_id: str
    fs: AbstractFileSystem
    root: str
    base_uri: str
    format: str = "parquet"

    def table(self, name: str, schema: pa.Schema) -> LatestTable:
        store = ObjectStore(self.fs, self.root)
        return LatestTable(store, Layout(name, self.merchant_id), schema, FORMATS[self.format])

    @property
    def notices(self) -> LatestTable:
        return self.table(NOTICES, arrow_schema(get_dataset("shipping_notices").model))

    @property
    def tours(self) -> LatestTable:
        return self.table("tours_current", arrow_schema(get_dataset("tours").model))


def reconcile_merchant(place: InboundPlace, clock: Clock | None = None) -> dict[str, Any]:
    """Publish the reconciliation, if it is another than before.

    :returns: ``uri``, ``rows``, ``advices``, ``announced``, ``expected``, ``received`` (pieces) and ``differing`` (rows
        with a difference); small, for XCom.
    :raises ZDirectConfigurationError: if the notices were never extracted.
    """
    clock = clock or SystemClock()
    store = ObjectStore(place.fs, place.root)
    # A merchant without any notice has no table of them, but they were asked for.
    if not store.files_below(f"_manifests/shipping_notices/merchant_id={place.merchant_id}"):
        raise ZDirectConfigurationError(
            f"The shipping notices of merchant {place.merchant_id} were never extracted to {place.base_uri}.",
            remedy="Extract the dataset shipping_notices to the same base_path first.",
        )
    items = place.table(TABLE, arrow_schema(NoticeItem)).read(["shipping_notice_id", "item_set", "ean", "quantity"])
    # A dispatch set without items is one that there is not.
    there = pc.or_(pc.equal(items.column("item_set"), ANNOUNCED), pc.is_valid(items.column("ean")))
    received = ReceivedCounts(store, place.merchant_id).count()
    table = reconcile(
        place.notices.read(["shipping_notice_id", "zalando_advice_id", "state"]).to_pylist(),
        items.filter(there).to_pylist(),
        place.tours.read(["zalando_advice_id", "tour_number", "current_status"]).to_pylist(),
        received,
    )
    published = place.table(RECONCILIATION, SCHEMA)
    if (published.made_at() is None and table.num_rows) or not published.read().equals(table):
        published.replace(table, clock.now())
    else:
        published.tidy()
    summary = {
        "merchant_id": place.merchant_id,
        "uri": f"{place.base_uri.rstrip('/')}/{RECONCILIATION}/merchant_id={place.merchant_id}",
        "rows": table.num_rows,
        "advices": pc.count_distinct(table.column("zalando_advice_id")).as_py(),
        **{name: pc.sum(table.column(name)).as_py() or 0 for name in ("announced", "expected", "received")},
        "differing": pc.sum(pc.not_equal(table.column("difference"), 0)).as_py() or 0,
    }
    log.info(
        "Inbound of merchant %s: %d advices; %d pieces expected, %d received; %d rows differ.",
        place.merchant_id,
        summary["advices"],
        summary["expected"],
        summary["received"],
        summary["differing"],
    )
    return summary


def open_advices(place: InboundPlace) -> list[str]:
    """Advice ids of the published notices whose tours are not known to be finished, sorted."""
    finished = {
        tour["zalando_advice_id"]
        for tour in place.tours.read(["zalando_advice_id", "current_status"]).to_pylist()
        if (tour["current_status"] or {}).get("status") in FINISHED_TOURS
    }
    advices = place.notices.read(["zalando_advice_id"]).column("zalando_advice_id").unique().to_pylist()
    return sorted(advice for advice in advices if advice is not None and advice not in finished)
