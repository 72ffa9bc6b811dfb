"""The inbound reconciliation of a merchant, from what is published to a published table."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from fsspec import AbstractFileSystem

from airflow_provider_zdirect.clock import Clock, SystemClock
from airflow_provider_zdirect.datasets.arrow import arrow_schema
from airflow_provider_zdirect.datasets.table import get_dataset
from airflow_provider_zdirect.exceptions import ZDirectConfigurationError
from airflow_provider_zdirect.inbound.item_set_sync import NOTICES, TABLE, NoticeItem
from airflow_provider_zdirect.inbound.received_counts import ReceivedCounts
from airflow_provider_zdirect.inbound.reconciliation import SCHEMA, reconcile
from airflow_provider_zdirect.publish.latest import LatestTable
from airflow_provider_zdirect.storage.layout import FORMATS, Layout
from airflow_provider_zdirect.storage.object_store import ObjectStore
from airflow_provider_zdirect.windows import subject

log = logging.getLogger(__name__)

RECONCILIATION = "inbound_reconciliation"
FINISHED = "unloaded"
"""Status of a tour that brought its goods (zDirect docs, *Shipping Notices*, tracking). One that was canceled or
rejected may be followed by another of the same advice."""

TRACKED_FOR = timedelta(days=100)
"""After a delivery's date. Nobody says how long a tour may be late; so long zDirect keeps most movements."""


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

    :returns: ``uri``, ``rows``, ``advices``, ``announced``, ``expected``, ``received`` (pieces), ``received_dates``
        (that are published) and ``differing`` (rows with a difference); small, for XCom.
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
    received, dates = ReceivedCounts(store, place.merchant_id).count()
    if not dates:
        log.warning(
            "%s: no received items are published under %s, so everything counts as not received.",
            subject(RECONCILIATION, place.merchant_id),
            place.base_uri,
        )
    table = reconcile(
        place.notices.read(["shipping_notice_id", "zalando_advice_id", "state"]).to_pylist(),
        # Without an EAN: zDirect said that there is no such set.
        items.filter(pc.is_valid(items.column("ean"))).to_pylist(),
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
        "received_dates": dates,
        "differing": pc.sum(pc.not_equal(table.column("difference"), 0)).as_py() or 0,
    }
    log.info(
        "%s: %d advices, %d pieces expected, %d received, %d rows differ -> %s",
        subject(RECONCILIATION, place.merchant_id, full_id=True),
        *(summary[name] for name in ("advices", "expected", "received", "differing", "uri")),
    )
    return summary


def open_advices(place: InboundPlace, now: datetime) -> list[str]:
    """Advice ids of the published notices of which tours may still come or change, sorted.

    That are all but those whose tours are all finished, and those whose date of delivery is long past.
    """
    finished: dict[str, bool] = {}
    for tour in place.tours.read(["zalando_advice_id", "current_status"]).to_pylist():
        is_finished = (tour["current_status"] or {}).get("status") == FINISHED
        finished[tour["zalando_advice_id"]] = is_finished and finished.get(tour["zalando_advice_id"], True)
    columns = ["zalando_advice_id", "confirmed_delivery_date", "earliest_delivery_date"]
    return sorted(
        {
            notice["zalando_advice_id"]
            for notice in place.notices.read(columns).to_pylist()
            if notice["zalando_advice_id"] is not None
            and not finished.get(notice["zalando_advice_id"], False)
            and not _is_long_past(notice, now)
        }
    )


def _is_long_past(notice: dict[str, Any], now: datetime) -> bool:
    confirmed, earliest = notice["confirmed_delivery_date"], notice["earliest_delivery_date"]
    day = confirmed.date() if confirmed else earliest
    return day is not None and day < (now - TRACKED_FOR).date()
