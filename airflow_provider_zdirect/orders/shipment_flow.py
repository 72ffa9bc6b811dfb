"""Updates of an order that leaves in several parcels: a pilot feature of zDirect (docs, *Orders*, split shipments).

A parcel is made of lines with a weight, then gets its tracking numbers, then is shipped. A retry finds it by the id
that the merchant gave it, so that id names one parcel of the order. An order is shipped by parcels or by lines, never
by both.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from airflow_provider_zdirect.datasets.endpoint import REFETCH_DELAY
from airflow_provider_zdirect.exceptions import ConflictError, PermissionDeniedError, ServerError
from airflow_provider_zdirect.orders.line_flow import steps_to
from airflow_provider_zdirect.orders.order_flow import CODES, NAMES, OrderFlow, Outcome, Want
from airflow_provider_zdirect.orders.order_state import ShipmentState
from airflow_provider_zdirect.orders.update_results import ALREADY, CONFLICT, EXPORT, SHIPMENT, reason_of
from airflow_provider_zdirect.orders.update_rows import CANCELED, SHIPPED, OrderUpdate

OF_PARCEL = ("weight_grams", "tracking_number", "return_tracking_number", "status", "outbound_logistic_center_id")
"""Columns that are equal in all rows of a parcel."""


@dataclass(frozen=True)
class Parcel:
    """A parcel that rows ask for."""

    id: str
    rows: tuple[OrderUpdate, ...]
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

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._shipments: list[ShipmentState] = []
        self._parcels: list[Parcel] = []

    async def finish(self) -> None:
        for parcel in self._parcels:
            wants = self._of(parcel.id, str(parcel.status))
            if wants and await self._send(wants, partial(self._patch, parcel.id, {"status": parcel.status})):
                self._record_sent(wants)

    # Deciding

    async def _decide(self) -> None:
        await self._read_again()
        by_id: dict[str, list[OrderUpdate]] = {}
        for update in self._updates:
            if update.shipment is not None:
                by_id.setdefault(update.shipment, []).append(update)
            elif update.status or update.tracking_number or update.return_tracking_number:
                reason = "other rows ship the order in parcels, so this one has to name its parcel (shipment)"
                self._refuse_rows([update], reason)
            else:
                self._want_fields(update)
        lines = {update: self._named_lines(update) for rows in by_id.values() for update in rows}
        for parcel_id, rows in by_id.items():
            problem = self._problem(rows, lines)
            if problem:
                self._refuse_rows(rows, problem)
                continue
            parcel = Parcel(parcel_id, tuple(rows), frozenset(one for update in rows for one in lines[update]))
            self._parcels.append(parcel)
            for update in rows:
                self._want_fields(update)
                self._wants |= {Want(update, what): None for what in (SHIPMENT, update.status) if what}
        self._decide_field(self._open(EXPORT))
        for parcel in self._parcels:
            self._decide_parcel(parcel)

    def _problem(self, rows: Sequence[OrderUpdate], lines: Mapping[OrderUpdate, list[str] | str]) -> str | None:
        """Why no parcel can be made of these rows."""
        for name in OF_PARCEL:
            if len({getattr(update, name) for update in rows}) > 1:
                return f"rows {', '.join(str(update.row) for update in rows)} of one shipment differ in {name}"
        unfound = any(isinstance(found, str) for found in lines.values())
        for update in rows:
            found = lines[update]
            if problem := (found if isinstance(found, str) else self._doubt(update, unfound)):
                return problem
            taken = sorted(parcel.id for parcel in self._parcels if not parcel.line_ids.isdisjoint(found))
            if taken:
                return f"a line of it is in shipment {', '.join(taken)[:60]!r} too"
        return None

    def _decide_parcel(self, parcel: Parcel) -> None:
        same_name = [one for one in self._shipments if one.merchant_id == parcel.id]
        if len(same_name) > 1:
            return self._conflict(parcel, f"the order has {len(same_name)} shipments with that id")
        if not same_name:
            for line_id in parcel.line_ids:
                steps = steps_to(parcel.status or SHIPPED, self.state.lines[line_id], self.state, exported=True)
                if not steps or isinstance(steps, str):
                    reason = steps or "a line of it is shipped already, without this shipment"
                    return self._conflict(parcel, str(reason))
        else:
            (there,) = same_name
            if there.line_ids != parcel.line_ids:
                return self._conflict(parcel, "the shipment has other lines, which cannot be changed")
            self._record(self._of(parcel.id, SHIPMENT), Outcome(ALREADY))
            if parcel.status and there.status == parcel.status:
                self._record(self._of(parcel.id, parcel.status), Outcome(ALREADY))
            elif parcel.status and there.status in (SHIPPED, CANCELED):
                return self._conflict(parcel, f"the shipment is {there.status}")
        return self._decide_codes(parcel.id)

    def _conflict(self, parcel: Parcel, reason: str) -> None:
        self._hold([want for want in self._wants if want.update in parcel.rows], CONFLICT, reason)

    # Sending and reading

    async def _send_codes(self) -> None:
        for parcel in self._parcels:
            wants = self._of(parcel.id, SHIPMENT)
            if wants and await self._send(wants, partial(self._post, parcel)):
                self._record_sent(wants)
        if any(want.what == SHIPMENT for want in self._sent_at):
            await self._read_again()
        for parcel in self._parcels:
            if wants := self._of(parcel.id, *CODES):
                codes = {NAMES[want.what]: want.value for want in wants}
                await self._send(wants, partial(self._patch, parcel.id, codes))

    async def _read_again(self) -> None:
        self._shipments = await self._calls.shipments(self.order_id)

    def _with_codes(self, shipment: str | None) -> ShipmentState | None:
        return next((one for one in self._shipments if one.merchant_id == shipment), None)

    async def _post(self, parcel: Parcel) -> None:
        try:
            await self._calls.post_shipment(self.order_id, parcel.as_body())
        except ConflictError:
            # Another run may have made the same parcel first.
            await self._read_again()
            there = self._with_codes(parcel.id)
            if there is None or there.line_ids != parcel.line_ids:
                raise

    async def _patch(self, parcel_id: str, body: Mapping[str, Any]) -> None:
        there = self._with_codes(parcel_id)
        if there is None:
            raise ServerError(
                f"Order {self.order_id}: zDirect accepted a shipment, and does not show it yet.",
                remedy="No action needed: the task retries.",
                retry_after=REFETCH_DELAY,
            )
        try:
            await self._calls.patch_shipment(self.order_id, there.id, body)
        except PermissionDeniedError as error:
            # zDirect answers conflicting changes like this, too; somebody else may have made the same change first.
            await self._read_again()
            now = next((one for one in self._shipments if one.id == there.id), None)
            if now is not None and all(getattr(now, name) == value for name, value in body.items()):
                return
            if "status" in body or (now is not None and now.status in (SHIPPED, CANCELED)):
                raise ConflictError(reason_of(error), status=error.status, path=error.path) from error
            raise
