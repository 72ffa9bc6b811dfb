# SPDX-License-Identifier: Apache-2.0
"""What was announced, dispatched and received, per advice and EAN, from published tables to a published table.

The dispatch set counts, and without one the announced set (zDirect docs, *Shipping Notices*, dispatch item sets). What
was received is counted: every record of ``received_items`` is one piece.
"""

from __future__ import annotations

import logging
from datetime import datetime, timedelta
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from airflow_provider_zdirect.clock import Clock, SystemClock
from airflow_provider_zdirect.datasets.arrow import INSTANT, arrow_schema
from airflow_provider_zdirect.datasets.inbound import ShippingNotice, Tour
from airflow_provider_zdirect.datasets.stock_movements import ReceivedItem
from airflow_provider_zdirect.exceptions import ZDirectConfigurationError
from airflow_provider_zdirect.inbound.item_set_sync import NOTICES, TABLE, NoticeItem
from airflow_provider_zdirect.publish.latest import LatestTable
from airflow_provider_zdirect.publish.place import Place
from airflow_provider_zdirect.publish.read import Table, query
from airflow_provider_zdirect.words import counted

log = logging.getLogger(__name__)

RECONCILIATION = "inbound_reconciliation"

SCHEMA = pa.schema(
    [
        ("zalando_advice_id", pa.string()),
        ("ean", pa.string()),
        ("shipping_notice_id", pa.string()),
        ("state", pa.string()),
        ("announced", pa.int64()),
        ("dispatched", pa.int64()),
        ("expected", pa.int64()),
        ("received", pa.int64()),
        ("difference", pa.int64()),
        ("first_received", INSTANT),
        ("last_received", INSTANT),
        ("tour_number", pa.string()),
        ("tour_status", pa.string()),
    ]
)
"""``announced`` is null where the announced set is not known, ``dispatched`` where there is no dispatch set;
``expected`` is the one that counts, ``difference`` is received - expected; both are null where the set of one of the
notices is not known.
"""

RECONCILE = """
WITH sets AS (  -- without an EAN: zDirect said that there is no such set
    SELECT shipping_notice_id, item_set, ean, sum(quantity) AS pieces FROM items WHERE ean IS NOT NULL GROUP BY ALL),
kinds AS (
    SELECT shipping_notice_id, max(item_set) AS counts, bool_or(item_set = 'announced') AS has_announced
    FROM sets GROUP BY ALL),
notice AS (  -- one that has no advice yet stands for itself
    SELECT *, coalesce(zalando_advice_id, 'notice ' || shipping_notice_id) AS delivery
    FROM notices LEFT JOIN kinds USING (shipping_notice_id)),
states AS (
    SELECT delivery, string_agg(state, ', ' ORDER BY first_id) AS states
    FROM (SELECT delivery, state, min(shipping_notice_id) AS first_id FROM notice WHERE state <> '' GROUP BY ALL)
    GROUP BY ALL),
deliveries AS (
    SELECT delivery, any_value(zalando_advice_id) AS advice,
           string_agg(shipping_notice_id, ', ' ORDER BY shipping_notice_id) AS notice_ids,
           bool_or(has_announced) AS has_announced, bool_or(counts = 'dispatched') AS has_dispatched,
           bool_and(counts IS NOT NULL) AS is_known
    FROM notice GROUP BY ALL),
planned AS (
    SELECT delivery, ean, sum(pieces) FILTER (item_set = 'announced') AS announced_pieces,
           sum(pieces) FILTER (item_set = 'dispatched') AS dispatched_pieces,
           sum(pieces) FILTER (item_set = counts) AS expected_pieces
    FROM notice JOIN sets USING (shipping_notice_id) GROUP BY ALL),
came AS (  -- a record may be there twice for a moment, while other runs replace files
    SELECT coalesce(zalando_advice_id, '') AS delivery, ean, count(*) AS pieces,
           min(received_timestamp) AS first_received, max(received_timestamp) AS last_received
    FROM (SELECT DISTINCT * FROM received_items) GROUP BY ALL),
arrivals AS (
    SELECT DISTINCT ON (delivery) zalando_advice_id AS delivery, tour_number, current_status.status AS tour_status
    FROM tours ORDER BY current_status.last_updated DESC NULLS LAST, tour_number DESC)
SELECT CASE WHEN notice_ids IS NULL THEN nullif(delivery, '') ELSE advice END AS zalando_advice_id, ean,
       notice_ids AS shipping_notice_id, states AS state,
       CASE WHEN has_announced THEN coalesce(announced_pieces, 0) END AS announced,
       CASE WHEN has_dispatched THEN coalesce(dispatched_pieces, 0) END AS dispatched,
       CASE WHEN is_known THEN coalesce(expected_pieces, 0) END AS expected,
       coalesce(pieces, 0) AS received, received - expected AS difference,
       first_received, last_received, tour_number, tour_status
FROM planned FULL JOIN came USING (delivery, ean)
LEFT JOIN deliveries USING (delivery) LEFT JOIN states USING (delivery) LEFT JOIN arrivals USING (delivery)
ORDER BY zalando_advice_id NULLS FIRST, shipping_notice_id NULLS FIRST, ean NULLS FIRST
"""
"""``max(item_set)`` is the set that counts: ``dispatched`` comes after ``announced``."""

FINISHED = "unloaded"
"""Status of a tour that brought its goods (zDirect docs, *Shipping Notices*, tracking). One that was canceled or
rejected may be followed by another of the same advice."""

TRACKED_FOR = timedelta(days=100)
"""After a delivery's date. How late a tour may be is not documented; zDirect keeps most movements this long."""

OPEN_ADVICES = """
SELECT DISTINCT zalando_advice_id FROM notices
WHERE zalando_advice_id IS NOT NULL AND zalando_advice_id NOT IN (
        SELECT zalando_advice_id FROM tours WHERE zalando_advice_id IS NOT NULL
        GROUP BY ALL HAVING bool_and(current_status.status IS NOT DISTINCT FROM $finished))
    AND coalesce(confirmed_delivery_date::DATE, earliest_delivery_date, 'infinity') >= $since
ORDER BY ALL
"""


def _table(dataset: str, schema: pa.Schema, *columns: str, latest: bool = True) -> Table:
    return Table(dataset, pa.schema([schema.field(name) for name in columns]), latest=latest)


NOTICES_READ = _table(
    NOTICES,
    arrow_schema(ShippingNotice),
    *("shipping_notice_id", "zalando_advice_id", "state", "confirmed_delivery_date", "earliest_delivery_date"),
)
ITEMS_READ = _table(TABLE, arrow_schema(NoticeItem), "shipping_notice_id", "item_set", "ean", "quantity")
TOURS_READ = _table("tours_current", arrow_schema(Tour), "zalando_advice_id", "tour_number", "current_status")
RECEIVED = _table(
    "received_items",
    arrow_schema(ReceivedItem),
    *("zalando_advice_id", "ean", "quality_label", "received_timestamp"),
    latest=False,
)


def reconcile_merchant(place: Place, clock: Clock | None = None) -> dict[str, Any]:
    """Publish the reconciliation, if it has changed.

    :returns: ``uri``, ``rows``, ``advices``, ``announced``, ``expected``, ``received`` (pieces), ``received_dates``
        (that are published) and ``differing`` (rows with a difference); small, for XCom.
    :raises ZDirectConfigurationError: if the notices were never extracted.
    """
    # A merchant without any notice has no table of them, but a manifest.
    if not place.store.files_below(f"_manifests/{place.layout('shipping_notices').merchant}"):
        raise ZDirectConfigurationError(
            f"The shipping notices of merchant {place.merchant} were never extracted to {place.uri}.",
            remedy="Extract the dataset shipping_notices to the same base_path first.",
        )
    dates = {path.rpartition("/")[0] for path in RECEIVED.files(place)}
    if not dates:
        log.warning(
            "%s: no received items are published under %s, so everything counts as not received.",
            place.subject(RECONCILIATION),
            place.uri,
        )
    tables = {"notices": NOTICES_READ, "items": ITEMS_READ, "tours": TOURS_READ, "received_items": RECEIVED}
    table = query(place, RECONCILE, tables).cast(SCHEMA)
    published = LatestTable(place, RECONCILIATION, SCHEMA)
    published.update(table, (clock or SystemClock()).now())
    summary = {
        "merchant_id": place.merchant_id,
        "uri": place.data_uri(RECONCILIATION),
        "rows": table.num_rows,
        "advices": pc.count_distinct(table.column("zalando_advice_id")).as_py(),
        **{name: pc.sum(table.column(name)).as_py() or 0 for name in ("announced", "expected", "received")},
        "received_dates": len(dates),
        "differing": pc.sum(pc.not_equal(table.column("difference"), 0)).as_py() or 0,
    }
    log.info(
        "%s: %s, %s expected, %d received, %s -> %s",
        place.subject(RECONCILIATION, full_id=True),
        counted(summary["advices"], "advice"),
        counted(summary["expected"], "piece"),
        summary["received"],
        counted(summary["differing"], "row differs", "rows differ"),
        summary["uri"],
    )
    return summary


def open_advices(place: Place, now: datetime) -> list[str]:
    """Advice ids of the published notices whose tours may still come or change, sorted.

    These are all but those whose tours are all finished, and those whose date of delivery is long past.
    """
    values = {"finished": FINISHED, "since": (now - TRACKED_FOR).date()}
    found = query(place, OPEN_ADVICES, {"notices": NOTICES_READ, "tours": TOURS_READ}, values)
    return list(found.column("zalando_advice_id").to_pylist())
