"""Approved orders of which something is overdue: tracking numbers, the export, any update. From what is published.

zDirect docs, *Orders*: an approved order is exported within three hours; both tracking numbers are there before it is
shipped; every order is updated within seven days.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from airflow_provider_zdirect.datasets.arrow import INSTANT, arrow_schema
from airflow_provider_zdirect.datasets.table import get_dataset
from airflow_provider_zdirect.exceptions import ConcurrentRunError, ZDirectConfigurationError, ZDirectDataError
from airflow_provider_zdirect.orders.order_state import APPROVED, INITIAL, ZALANDO_FULFILLED, OrderState
from airflow_provider_zdirect.storage.object_store import ObjectStore
from airflow_provider_zdirect.storage.row_files import read_batches
from airflow_provider_zdirect.windows import Window

DATASET = "order_tracking_missing"
ORDERS, CURRENT = "orders", "orders_current"

TRACKING, RETURN_TRACKING, EXPORT, UPDATE = "tracking_number", "return_tracking_number", "export", "update"
"""What may be overdue."""

MAX_LOOKS = 10

COLUMNS = (
    "order_id",
    "order_number",
    "order_type",
    "status",
    "exported",
    "merchant_order_id",
    "sales_channel_id",
    "tracking_number",
    "return_tracking_number",
    "order_date",
    "created_at",
    "modified_at",
)
"""Those that are read; none is personal."""

SCHEMA = pa.schema(
    [
        ("order_id", pa.string()),
        ("order_number", pa.string()),
        ("merchant_order_id", pa.string()),
        ("sales_channel_id", pa.string()),
        ("status", pa.string()),
        ("order_date", INSTANT),
        ("approved_at", INSTANT),
        ("modified_at", INSTANT),
        ("missing", pa.list_(pa.string())),
        ("portal_url", pa.string()),
        ("_merchant_id", pa.string()),
        ("_environment", pa.string()),
    ]
)


@dataclass(frozen=True)
class Deadlines:
    """From when on something is overdue.

    :param tracking: after the approval.
    :param export: likewise.
    :param update: after the last change of the order.
    :param lookback: only orders of this long ago and later are looked at.
    """

    tracking: timedelta = timedelta(hours=24)
    export: timedelta = timedelta(hours=3)
    update: timedelta = timedelta(days=7)
    lookback: timedelta = timedelta(days=60)


@dataclass(frozen=True)
class OverdueOrder:
    """An approved order of which something is overdue.

    :param approved_at: when it was approved, as far as that is known, else when it was created.
    :param missing: what is overdue.
    """

    order_id: str
    order_number: str | None
    merchant_order_id: str | None
    sales_channel_id: str | None
    order_date: datetime | None
    approved_at: datetime
    modified_at: datetime | None
    missing: tuple[str, ...]


@dataclass(frozen=True)
class TrackedOrders:
    """The published orders of a merchant.

    :param base_uri: the base path as people name it.
    """

    store: ObjectStore
    merchant_id: str
    base_uri: str

    def known_until(self) -> datetime:
        """The end of the last window of orders that is complete, the partner's orders among them.

        :raises ZDirectConfigurationError: if orders were never extracted to this base path.
        """
        paths = self.store.files_below(f"_manifests/{ORDERS}/merchant_id={self.merchant_id}")
        ends = {
            path: Window.from_label(path.rpartition("/")[2].removesuffix(".json")).end
            for path in paths
            if path.endswith(".json")
        }
        for path in sorted(ends, key=ends.__getitem__, reverse=True):
            manifest = self.store.read_json(path) or {}
            if (manifest.get("filters") or {}).get("order_type") != ZALANDO_FULFILLED:
                return ends[path]
        raise ZDirectConfigurationError(
            f"The orders of merchant {self.merchant_id} that the partner fulfils were never extracted to "
            f"{self.base_uri}, so nobody can say which of them have no tracking numbers.",
            remedy="Let the DAG zdirect_orders (dataset orders) write to the same base_path.",
        )

    def check_age(self, now: datetime, most: timedelta) -> datetime:
        """As :meth:`known_until`.

        :raises ZDirectDataError: if that is longer ago than ``most``.
        """
        until = self.known_until()
        if now - until > most:
            raise ZDirectDataError(
                f"The orders of merchant {self.merchant_id} are known until {until.isoformat()} only, more than {most} "
                "ago, so orders without tracking numbers would be missed.",
                remedy="Run zdirect_orders up to now, or raise max_orders_age.",
            )
        return until

    def overdue(self, deadlines: Deadlines, now: datetime) -> list[OverdueOrder]:
        """Those of which something is overdue, the longest approved first.

        :raises ConcurrentRunError: if other runs keep replacing the files.
        """
        for _ in range(MAX_LOOKS):
            # Another run may replace a file between our listing and our reading; then we look again.
            with contextlib.suppress(FileNotFoundError):
                return self._overdue(deadlines, now)
        raise ConcurrentRunError(
            f"{CURRENT} of merchant {self.merchant_id}: other runs replaced its files, {MAX_LOOKS} times in a row.",
            remedy="Nothing, if the task retries.",
            retry_after=60.0,
        )

    def _overdue(self, deadlines: Deadlines, now: datetime) -> list[OverdueOrder]:
        # A day of grace: the date in a path is that of the order, which may be a little older than its approval.
        since = (now - deadlines.lookback - timedelta(days=1)).date().isoformat()
        candidates = _approved(row for row in self._rows(CURRENT, since) if row["order_type"] != ZALANDO_FULFILLED)
        late = {
            order_id: order
            for order_id, order in candidates.items()
            if missing_of(order, _created(order), deadlines, now)
        }
        approvals = self._approvals(late)
        found = []
        for order_id, order in late.items():
            approved_at = approvals.get(order_id, _created(order))
            if missing := missing_of(order, approved_at, deadlines, now):
                told = {name: order[name] for name in _TAKEN}
                found.append(OverdueOrder(**told, approved_at=approved_at, missing=missing))
        return sorted(found, key=lambda order: (order.approved_at, order.order_id))

    def _approvals(self, late: Mapping[str, Mapping[str, Any]]) -> dict[str, datetime]:
        """When orders were approved that were seen before that: the time of the first version that is."""
        if not late:
            return {}
        # An order may wait for days for its approval. The date in a path is that of the version.
        since = min(_created(order) for order in late.values()) - timedelta(days=1)
        waited: set[str] = set()
        first: dict[str, datetime] = {}
        for version in self._rows(ORDERS, since.date().isoformat(), among=list(late)):
            order_id, at = version["order_id"], version["modified_at"]
            if version["status"] == INITIAL:
                waited.add(order_id)
            elif version["status"] == APPROVED and at is not None:
                first[order_id] = min(at, first.get(order_id, at))
        return {order_id: at for order_id, at in first.items() if order_id in waited}

    def _rows(self, table: str, since: str, among: Sequence[str] | None = None) -> Iterator[dict[str, Any]]:
        schema = arrow_schema(get_dataset(ORDERS).model)
        for path in self.store.files_below(f"{table}/merchant_id={self.merchant_id}"):
            if path.rpartition("/date=")[2].partition("/")[0] >= since:
                for batch in read_batches(self.store, path, schema, COLUMNS):
                    if among is not None:
                        batch = batch.filter(pc.is_in(batch["order_id"], value_set=pa.array(among, pa.string())))
                    yield from batch.to_pylist()


_TAKEN = ("order_id", "order_number", "merchant_order_id", "sales_channel_id", "order_date", "modified_at")


def missing_of(order: Mapping[str, Any], approved_at: datetime, deadlines: Deadlines, now: datetime) -> tuple[str, ...]:
    """What is overdue of an approved order.

    :param order: by the names of its fields.
    """
    found = []
    if now - approved_at >= deadlines.tracking:
        found += [name for name in (TRACKING, RETURN_TRACKING) if not order[name]]
    if now - approved_at >= deadlines.export and not (order["exported"] or order["merchant_order_id"]):
        found.append(EXPORT)
    if order["modified_at"] is not None and now - order["modified_at"] >= deadlines.update:
        found.append(UPDATE)
    return tuple(found)


def still_missing(order: OverdueOrder, state: OrderState) -> tuple[str, ...]:
    """What is overdue of it as it is now; nothing, if it is not to be shipped any more."""
    if state.status != APPROVED:
        return ()
    there = {
        TRACKING: state.tracking_number,
        RETURN_TRACKING: state.return_tracking_number,
        EXPORT: state.exported or state.merchant_order_id,
        UPDATE: state.modified_at and order.modified_at and state.modified_at > order.modified_at,
    }
    return tuple(name for name in order.missing if not there.get(name))


def _approved(rows: Iterable[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """The orders whose latest version is approved; of the others, which are many, only the time is kept.

    While a run replaces a file, a reader may meet an order twice.
    """
    latest: dict[str, datetime] = {}
    approved: dict[str, dict[str, Any]] = {}
    for row in rows:
        order_id, at = row["order_id"], _modified(row)
        if order_id in latest and latest[order_id] > at:
            continue
        latest[order_id] = at
        approved.pop(order_id, None)
        if row["status"] == APPROVED:
            approved[order_id] = row
    return approved


def _created(order: Mapping[str, Any]) -> datetime:
    at: datetime = order["created_at"] or order["order_date"]
    return at


def _modified(row: Mapping[str, Any]) -> datetime:
    at: datetime = row["modified_at"] or datetime.min.replace(tzinfo=UTC)
    return at
