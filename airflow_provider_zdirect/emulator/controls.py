# SPDX-License-Identifier: Apache-2.0
"""What tests see and do of an emulator, behind the back of the API; :mod:`admin` offers the same over HTTP."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Annotated, Any

from pydantic import Field

from airflow_provider_zdirect.emulator.catalog import stable_uuid
from airflow_provider_zdirect.emulator.clock import Moment, moment, order_time, whole_millisecond
from airflow_provider_zdirect.emulator.customer_wishes import Wish
from airflow_provider_zdirect.emulator.made_orders import SOME, Amount
from airflow_provider_zdirect.emulator.notice_book import READY_FOR_DELIVERY_DATE
from airflow_provider_zdirect.emulator.order import APPROVED, INITIAL, LINE_STATUSES, Order
from airflow_provider_zdirect.emulator.shipping_documents import documents_of
from airflow_provider_zdirect.emulator.state import Callback, EmulatorState
from airflow_provider_zdirect.emulator.tours import tours_of
from airflow_provider_zdirect.emulator.truth import Record, ScriptedRow, marked

DELETION_FIELDS = ("merchant_id", "sales_channel_id", "customer_number", "order_id", "order_number", "shipping_address")


class Controls:
    """All of it; the server is one. Unknown merchants, orders, fields and statuses are a ``ValueError``."""

    def __init__(self, state: EmulatorState) -> None:
        self.state = state

    def truth(
        self, dataset: str, merchant_id: str, start: Moment, end: Moment, *, as_sent: bool = False
    ) -> list[dict[str, Any]]:
        """All records with ``start <= event time < end``, visible or not; bad ones carry ``_bad``.

        Liquidated rows are in their final form: those that vanish are left out, those that change have changed.

        :param as_sent: the records as the API sends them, drift included.
        """
        final = [record for record in self.records(dataset, merchant_id, start, end) if record.visible_until is None]
        return [dict(record.sent) if as_sent else marked(record) for record in final]

    def records(self, dataset: str, merchant_id: str, start: Moment, end: Moment) -> list[Record]:
        """The truth with what the API does not show, with rows that vanish, and earlier forms of those that change."""
        return self.state.records(dataset, merchant_id, moment(start), moment(end))

    def quantities(self, merchant_id: str, at: Moment) -> dict[tuple[str, str], tuple[int, int]]:
        """Offerable and non-offerable items at a moment by EAN and stock location id, without zeros."""
        levels = self.state.stock_levels(self.state.known_merchant(merchant_id), moment(at))
        return {
            (ean, location_id): (offerable, non_offerable)
            for ean, level in levels.items()
            for location_id, offerable, non_offerable in level
        }

    def reference(self, dataset: str, merchant_id: str) -> list[dict[str, Any]]:
        """The current ``stock_locations`` (the same for all), ``sales_channels`` or ``logistic_centers`` as sent."""
        return self.state.reference(dataset, self.state.known_merchant(merchant_id))

    def change_reference(
        self, dataset: str, id: str, changes: Mapping[str, Any] | None, *, merchant_id: str | None = None
    ) -> None:
        """Change fields of a record from now on; ``None`` removes it, and an unknown id adds one like the first.

        :param merchant_id: only for this merchant; ``None``: for all that have the record, or a new one for all.
        """
        if merchant_id is not None:
            self.state.known_merchant(merchant_id)
        self.state.references.change(dataset, id, None if changes is None else dict(changes), merchant_id)

    def notices(self, merchant_id: str) -> list[dict[str, Any]]:
        """The merchant's shipping notices at the emulator's now, oldest first, with the ``fields`` as written.

        ``announced`` and ``dispatched`` are quantities by EAN; ``dispatched`` is ``None`` without a set of its own.
        """
        return [
            {
                "id": notice.id,
                "zalando_advice_id": notice.zalando_advice_id,
                "state": notice.state,
                "announced": dict(notice.announced_sets[-1].items) if notice.announced_sets else {},
                "dispatched": dict(notice.dispatch_sets[-1].items) if notice.dispatch_sets else None,
                "fields": dict(notice.fields),
            }
            for notice in self.state.notices.of([self.state.known_merchant(merchant_id)])
        ]

    def tours(self, merchant_id: str) -> list[dict[str, Any]]:
        """The merchant's tours at the emulator's now, without drift."""
        notices = self.state.notices.of([self.state.known_merchant(merchant_id)])
        return tours_of(self.state.settings.seed, notices, self.state.clock.now())

    def confirm_delivery_date(self, notice_id: str) -> None:
        """What ZFS Operations does: a notice in ``ready_for_delivery_date`` becomes ready for dispatch."""
        with self.state.notices.lock:
            notice = self.state.notices.find(notice_id)
            if notice is None:
                raise ValueError(f"shipping notice {notice_id} is unknown")
            found = self.state.notices.as_of_now(notice).state
            if found != READY_FOR_DELIVERY_DATE:
                raise ValueError(f"shipping notice {notice_id} is in state {found}, not {READY_FOR_DELIVERY_DATE}")
            self.state.notices.write(notice.with_delivery_date(self.state.clock.now()))

    def script_liquidated(self, merchant_id: str, day: Moment, rows: Iterable[ScriptedRow]) -> None:
        """From now on that merchant and day (that ``from`` and ``to`` select) have exactly these liquidated rows.

        :param rows: ``(body, visible_from, visible_until)``: fields that differ from a complete body, which all rows
            of the day share; the API shows the row from one aware time until another, or ``None`` if it stays.
        """
        self.state.script.set(self.state.known_merchant(merchant_id), moment(day).date(), rows)

    def stock_levels(self, merchant_id: str) -> dict[tuple[str, str], int]:
        """The accepted quantity by sales channel id and EAN, of what was ever updated."""
        return self.state.stocks.levels(self.state.known_merchant(merchant_id))

    def stock_updates(self, merchant_id: str) -> list[dict[str, Any]]:
        """Every item of every request that was answered with 207, in order, with its time, status and code."""
        return self.state.stocks.updates(self.state.known_merchant(merchant_id))

    def onboard(self, ean: str) -> None:
        """The article becomes known, and the last update that was held for it in each sales channel takes effect."""
        self.state.stocks.onboard(ean)

    def on_request(self, path_part: str, callback: Callback) -> None:
        """From now on call ``callback(n)`` before the n-th admitted request is answered whose path contains that.

        :param callback: called in the server's thread; ``n`` counts from 1.
        """
        self.state.listeners.add(path_part, callback)

    def orders(self, merchant_id: str) -> list[dict[str, Any]]:
        """The merchant's orders at the emulator's now, in the order of their making, without drift.

        ``shipped_without_tracking``: a line was set to shipped before a tracking number had taken effect.
        """
        with self.state.orders.lock:
            return [order.as_truth() for order in self._orders(merchant_id)]

    def add_orders(
        self,
        merchant_id: str,
        count: Annotated[int, Field(ge=1, le=10_000)] = 1,
        *,
        start: Moment | None = None,
        step_seconds: float = 1.0,
        items: Amount = SOME,
        lines: Amount = SOME,
        **attributes: Any,
    ) -> list[str]:
        """More orders, by default approved and partner-fulfilled with reserved lines, shown at once; their ids.

        :param start: when the first is created and modified (default now), and ``step_seconds`` later each next one.
        :param items: number of items of each, or the least and the most; so are ``lines`` of each item.
        :param attributes: fields of each order.
        """
        merchant_id, step = self.state.known_merchant(merchant_id), timedelta(seconds=step_seconds)
        return self.state.orders.add(merchant_id, count, self._at(start), step, items, lines, attributes)

    def change_order(self, order_id: str, *, at: Moment | None = None, **attributes: Any) -> None:
        """Change fields of an order, modified ``at`` that time (default now)."""
        with self.state.orders.lock:
            order = self.state.orders.known(order_id)
            order.set_fields(attributes)
            order.touch(self._at(at))

    def approve_order(self, order_id: str) -> None:
        """What happens once the order is paid."""
        with self.state.orders.lock:
            order = self.state.orders.known(order_id)
            if order.status != INITIAL:
                raise ValueError(f"order {order_id} is {order.status}, not {INITIAL}")
            order.move(APPROVED, self.state.clock.now())

    def set_line(self, order_id: str, line_id: str, status: str) -> None:
        """Give a line any status, as Zalando itself does."""
        if status not in LINE_STATUSES:
            raise ValueError(f"status must be one of {', '.join(LINE_STATUSES)}")
        with self.state.orders.lock:
            self.state.orders.known(order_id).move_line(line_id, status, self.state.clock.now(), "system")

    def request_deletion(self, merchant_id: str, customer_number: str, requested_at: Moment | None = None) -> list[str]:
        """A customer wants their data deleted: a request for each of their orders, whose ids are returned."""
        at = whole_millisecond(self._at(requested_at))
        with self.state.orders.lock:
            orders = self._orders(merchant_id)
            theirs = [order for order in orders if order.attributes["customer_number"] == customer_number]
            if not theirs:
                raise ValueError(f"customer {customer_number} has no orders")
            for order in theirs:
                body = {name: order.attributes[name] for name in DELETION_FIELDS}
                body["requested_at"] = order_time(at)
                self.state.customer_wishes.want_deletion(Wish(at, order.id, merchant_id, body))
        return [order.id for order in theirs]

    def announce_return(
        self, order_id: str, line_ids: Iterable[str] | None = None, reason: str = "TOO_LARGE", at: Moment | None = None
    ) -> str:
        """A customer makes a return label for lines of an order (default all); the id of the announced return."""
        time = whole_millisecond(self._at(at))
        with self.state.orders.lock:
            order = self.state.orders.known(order_id)
            wanted = [line.id for _, line in order.lines()] if line_ids is None else list(line_ids)
            lines = [
                {"order_line_id": line_id, "order_item_id": order.known_line(line_id)[0].id, "return_reason": reason}
                for line_id in wanted
            ]
            id = stable_uuid(order.id, "announced return", time, wanted)
            shown = {name: order.attributes[name] for name in ("order_id", "order_number", "merchant_order_id")}
            body = {
                "announced_return_id": id,
                "sales_channel_id": order.attributes["sales_channel_id"],
                "return_tracking_number": order.attributes["return_tracking_number"] or f"{int(id[:8], 16):012d}",
                "type": "ZALANDO_ONLINE_CREATED",
                "orders": [{**shown, "order_lines": lines}],
                "return_registered_at": order_time(time),
            }
            self.state.customer_wishes.announce_return(Wish(time, id, order.merchant_id, body))
        return id

    def announced_returns(self, merchant_id: str) -> list[dict[str, Any]]:
        """All announced returns of the merchant, oldest first."""
        return [wish.body for wish in self.state.customer_wishes.returns(self.state.known_merchant(merchant_id))]

    def shipping_documents(self, order_id: str) -> list[dict[str, Any]]:
        """The documents of an order as the API lists them."""
        with self.state.orders.lock:
            return documents_of(self.state, self.state.orders.known(order_id))

    def _orders(self, merchant_id: str) -> Iterable[Order]:
        return self.state.orders.of_merchant(self.state.known_merchant(merchant_id)).values()

    def _at(self, at: Moment | None) -> datetime:
        return moment(at) if at is not None else self.state.clock.now()
