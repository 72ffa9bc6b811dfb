"""What tests see and do of orders and returns, behind the back of the API."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Annotated, Any

from pydantic import Field

from airflow_provider_zdirect.emulator.catalog import stable_uuid
from airflow_provider_zdirect.emulator.clock import Moment, moment, order_time, whole_millisecond
from airflow_provider_zdirect.emulator.customer_wishes import Wish
from airflow_provider_zdirect.emulator.made_orders import SOME, Amount
from airflow_provider_zdirect.emulator.order import APPROVED, INITIAL, LINE_STATUSES
from airflow_provider_zdirect.emulator.shipping_documents import documents_of
from airflow_provider_zdirect.emulator.state import EmulatorState

DELETION_FIELDS = ("merchant_id", "sales_channel_id", "customer_number", "order_id", "order_number", "shipping_address")


class OrderControls:
    """Part of the server."""

    state: EmulatorState

    def orders(self, merchant_id: str) -> list[dict[str, Any]]:
        """The merchant's orders at the emulator's now, in the order of their making, without drift.

        :returns: of each its attributes and ``transitions``, ``items`` (each with its ``lines``, and those with their
            ``transitions``), ``shipments``, and ``shipped_without_tracking``: a line of it was set to shipped before
            a tracking number had taken effect.
        """
        book = self.state.orders
        with book.lock:
            return [order.as_truth() for order in book.of_merchant(self.state.known_merchant(merchant_id)).values()]

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
        """More orders, by default approved and partner-fulfilled with reserved lines.

        They are shown at once, those of the future too.

        :param start: when the first is created and modified; default now.
        :param step_seconds: time from each to the next.
        :param items: number of items of each, or the least and the most; so are ``lines`` of each item.
        :param attributes: fields of each order.
        :returns: their ids.
        :raises ValueError: for an unknown merchant, field or status.
        """
        merchant_id, step = self.state.known_merchant(merchant_id), timedelta(seconds=step_seconds)
        return self.state.orders.add(merchant_id, count, self._at(start), step, items, lines, attributes)

    def change_order(self, order_id: str, *, at: Moment | None = None, **attributes: Any) -> None:
        """Change fields of an order.

        :param at: what ``modified_at`` becomes; default now.
        :raises ValueError: for an unknown order, field or status.
        """
        with self.state.orders.lock:
            order = self.state.orders.known(order_id)
            order.set_fields(attributes)
            order.touch(self._at(at))

    def approve_order(self, order_id: str) -> None:
        """What happens once the order is paid.

        :raises ValueError: if it is unknown, or approved already.
        """
        with self.state.orders.lock:
            order = self.state.orders.known(order_id)
            if order.status != INITIAL:
                raise ValueError(f"order {order_id} is {order.status}, not {INITIAL}")
            order.move(APPROVED, self.state.clock.now())

    def set_line(self, order_id: str, line_id: str, status: str) -> None:
        """Give a line whatever status, as Zalando itself does.

        :raises ValueError: for an unknown order, line or status.
        """
        if status not in LINE_STATUSES:
            raise ValueError(f"status must be one of {', '.join(LINE_STATUSES)}")
        with self.state.orders.lock:
            order = self.state.orders.known(order_id)
            order.known_line(line_id)
            order.move_line(line_id, status, self.state.clock.now(), "system")

    def request_deletion(self, merchant_id: str, customer_number: str, requested_at: Moment | None = None) -> list[str]:
        """What happens when a customer wants their data deleted: a request for each of their orders.

        :param requested_at: default now.
        :returns: the ids of the orders.
        :raises ValueError: for an unknown merchant, or a customer without orders.
        """
        at = whole_millisecond(self._at(requested_at))
        with self.state.orders.lock:
            orders = self.state.orders.of_merchant(self.state.known_merchant(merchant_id)).values()
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
        """A customer makes a return label for lines of an order.

        :param line_ids: default all; :param at: default now.
        :returns: the id of the announced return.
        :raises ValueError: for an unknown order or line.
        """
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
        merchant_id = self.state.known_merchant(merchant_id)
        return [wish.body for wish in self.state.customer_wishes.returns(merchant_id)]

    def shipping_documents(self, order_id: str) -> list[dict[str, Any]]:
        """The documents of an order as the API lists them.

        :raises ValueError: if there is no such order.
        """
        with self.state.orders.lock:
            return documents_of(self.state, self.state.orders.known(order_id))

    def _at(self, at: Moment | None) -> datetime:
        return moment(at) if at is not None else self.state.clock.now()
