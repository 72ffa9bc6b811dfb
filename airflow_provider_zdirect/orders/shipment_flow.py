# SPDX-License-Identifier: Apache-2.0
"""Updates of an order that leaves in several parcels: a pilot feature of zDirect (docs, *Orders*, split shipments).

A parcel is made of lines with a weight, then gets its tracking numbers, then is shipped. A retry finds it by the id
that the merchant gave it, so that id names one parcel of the order. An order is shipped by parcels or by lines, never
by both.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from airflow_provider_zdirect.datasets.endpoint import REFETCH_DELAY
from airflow_provider_zdirect.exceptions import ConflictError, PermissionDeniedError, ServerError
from airflow_provider_zdirect.orders.order_flow import CODES, OrderFlow
from airflow_provider_zdirect.orders.order_lines import find_lines, named_lines, steps_to
from airflow_provider_zdirect.orders.order_state import OrderState, ShipmentState
from airflow_provider_zdirect.orders.row_parts import ALREADY, CONFLICT, EXPORT, SHIPMENT, settle
from airflow_provider_zdirect.orders.update_rows import CANCELED, SHIPPED, OrderUpdate

OF_PARCEL = ("weight_grams", "tracking_number", "return_tracking_number", "status", "outbound_logistic_center_id")
"""Columns that are equal in all rows of a parcel."""


@dataclass(frozen=True)
class Parcel:
    """A parcel that rows ask for."""

    id: str
    rows: Sequence[OrderUpdate]
    line_ids: frozenset[str]

    @property
    def status(self) -> str | None:
        return self.rows[0].status

    def as_body(self) -> dict[str, Any]:
        center = self.rows[0].outbound_logistic_center_id
        body: dict[str, Any] = {
            "merchant_specified_shipment_id": self.id,
            "order_lines": [{"order_line_id": line_id} for line_id in sorted(self.line_ids)],
            "weight": {"value": self.rows[0].weight_grams, "unit": "g"},
        }
        return {**body, "outbound_logistic_center_id": center} if center else body


class ShipmentFlow(OrderFlow):
    """Updates an order in parcels."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self._parcels: list[Parcel] = []
        self._shipments: list[ShipmentState] = []

    def forget(self) -> None:
        super().forget()
        self._parcels, self._shipments = [], []

    async def _decide(self) -> None:
        await self._read_again()
        lines, problems = find_lines(self._rows.values(), self.state, self.wrong, _lines_of)
        by_id: dict[str, list[OrderUpdate]] = defaultdict(list)
        for update in self._rows.values():
            if update.shipment is not None:
                by_id[update.shipment].append(update)
        for parcel_id, rows in by_id.items():
            if problem := self._problem(rows, lines, problems):
                problems |= dict.fromkeys(rows, problem)
            else:
                line_ids = frozenset(line_id for update in rows for line_id in lines[update])
                self._parcels.append(Parcel(parcel_id, rows, line_ids))
        for update in self._rows.values():
            if update in problems:
                self._refuse([update], problems[update])
            else:
                whats = (SHIPMENT, update.status) if update.shipment else ()
                self._add(update, *(self._part(update, what) for what in whats if what))
        self._decide_field(self._open(EXPORT))
        for parcel in self._parcels:
            try:
                self._decide_parcel(parcel)
            except ConflictError as error:
                self._hold([part for part in self._parts if part.shipment == parcel.id], CONFLICT, error.message)
            self._decide_codes(parcel.id)

    def _problem(
        self,
        rows: Sequence[OrderUpdate],
        lines: Mapping[OrderUpdate, list[str]],
        problems: Mapping[OrderUpdate, str],
    ) -> str | None:
        """Why no parcel can be made of these rows."""
        for name in OF_PARCEL:
            if len({getattr(update, name) for update in rows}) > 1:
                return f"rows {', '.join(str(update.row) for update in rows)} of one shipment differ in {name}"
        for update in rows:
            if update in problems:
                return problems[update]
            taken = sorted(parcel.id for parcel in self._parcels if not parcel.line_ids.isdisjoint(lines[update]))
            if taken:
                return f"a line of it is in shipment {', '.join(taken)[:60]!r} too"
        return None

    def _decide_parcel(self, parcel: Parcel) -> None:
        """Compare it with the parcels that there are.

        :raises ConflictError: if it cannot be made, or cannot become what the rows ask for.
        """
        same_name = [one for one in self._shipments if one.merchant_id == parcel.id]
        if len(same_name) > 1:
            raise ConflictError(f"the order has {len(same_name)} shipments with that id")
        if not same_name:
            for line_id in parcel.line_ids:
                if not steps_to(parcel.status or SHIPPED, self.state.lines[line_id], self.state, exported=True):
                    raise ConflictError("a line of it is shipped already, without this shipment")
            return
        (there,) = same_name
        if there.line_ids != parcel.line_ids:
            raise ConflictError("the shipment has other lines, which cannot be changed")
        settle(self._of(parcel.id, SHIPMENT), ALREADY)
        if parcel.status and there.status == parcel.status:
            settle(self._of(parcel.id, parcel.status), ALREADY)
        elif parcel.status and there.status in (SHIPPED, CANCELED):
            raise ConflictError(f"the shipment is {there.status}")

    # Reading and sending

    async def _read_again(self) -> None:
        self._shipments = await self.calls.shipments(self.order_id)

    def _carrier(self, shipment: str | None) -> ShipmentState | None:
        return next((one for one in self._shipments if one.merchant_id == shipment), None)

    async def _send_codes(self) -> None:
        for parcel in self._parcels:
            if parts := self._of(parcel.id, SHIPMENT):
                await self._send_or_hold(parts, partial(self._post, parcel))
        if any(part.what == SHIPMENT and part.sent_at for part in self._parts):
            await self._read_again()
        for parcel in self._parcels:
            if parts := self._of(parcel.id, *CODES):
                codes = {part.what: self._value(part) for part in parts}
                await self._send_or_hold(parts, partial(self._patch, parcel.id, codes))

    async def _send_statuses(self) -> None:
        for parcel in self._parcels:
            if parts := self._of(parcel.id, str(parcel.status)):
                await self._send(parts, partial(self._patch, parcel.id, {"status": parcel.status}))

    async def _post(self, parcel: Parcel) -> None:
        try:
            await self.calls.post_shipment(self.order_id, parcel.as_body())
        except ConflictError:
            # Another run may have made the same parcel first.
            await self._read_again()
            there = self._carrier(parcel.id)
            if there is None or there.line_ids != parcel.line_ids:
                raise

    async def _patch(self, parcel_id: str, body: Mapping[str, Any]) -> None:
        there = self._carrier(parcel_id)
        if there is None:
            raise ServerError(
                f"Order {self.order_id}: zDirect accepted a shipment, and does not show it yet.",
                remedy="No action needed: the task retries.",
                retry_after=REFETCH_DELAY,
            )
        try:
            await self.calls.patch_shipment(self.order_id, there.id, body)
        except PermissionDeniedError as error:
            # zDirect answers conflicting changes like this, too; somebody else may have made the same change first.
            await self._read_again()
            now = next((one for one in self._shipments if one.id == there.id), None)
            if now is not None and all(getattr(now, name) == value for name, value in body.items()):
                return
            if "status" in body or (now is not None and now.status in (SHIPPED, CANCELED)):
                raise ConflictError(error.message, status=error.status, path=error.path, title=error.title) from error
            raise


def _lines_of(update: OrderUpdate, order: OrderState) -> list[str]:
    """The lines that a row puts into its parcel."""
    if update.shipment is not None:
        return named_lines(update, order)
    if update.status or update.tracking_number or update.return_tracking_number:
        raise ValueError("other rows ship the order in parcels, so this one has to name its parcel (shipment)")
    return []
