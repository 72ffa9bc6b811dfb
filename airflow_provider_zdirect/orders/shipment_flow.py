"""Updates of an order that leaves in several parcels: a pilot feature of zDirect (docs, *Orders*, split shipments).

A parcel is made of lines with a weight, then gets its tracking numbers, then is shipped. It is known again by the id
that the merchant gives it, which therefore names one parcel of the order. An order is shipped by parcels or by lines,
never by both.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

from airflow_provider_zdirect.client.failures import REFETCH_DELAY
from airflow_provider_zdirect.exceptions import ConflictError, PermissionDeniedError, ServerError
from airflow_provider_zdirect.orders.line_flow import NOT_SHOWN, steps_to
from airflow_provider_zdirect.orders.order_flow import CODES, NAMES, OrderFlow, Outcome, Want, told, value_of
from airflow_provider_zdirect.orders.order_state import ShipmentState
from airflow_provider_zdirect.orders.update_journal import Sent
from airflow_provider_zdirect.orders.update_results import (
    ALREADY,
    CONFLICT,
    DONE,
    EXPORT,
    REFUSED,
    SHIPMENT,
)
from airflow_provider_zdirect.orders.update_rows import CANCELED, SHIPPED, OrderUpdate


@dataclass(frozen=True)
class Parcel:
    """One parcel as its rows want it."""

    id: str
    rows: tuple[OrderUpdate, ...]
    line_ids: frozenset[str]

    @property
    def weight(self) -> int | None:
        return self.rows[0].weight_grams

    @property
    def center(self) -> str | None:
        return self.rows[0].outbound_logistic_center_id

    @property
    def status(self) -> str | None:
        return self.rows[0].status

    def code(self, what: str) -> str | None:
        return getattr(self.rows[0], NAMES[what])

    def as_body(self) -> dict[str, Any]:
        body: dict[str, Any] = {
            "merchant_specified_shipment_id": self.id,
            "order_lines": [{"order_line_id": line_id} for line_id in sorted(self.line_ids)],
            "weight": {"value": self.weight, "unit": "g"},
        }
        return {**body, "outbound_logistic_center_id": self.center} if self.center else body


OF_PARCEL = ("weight_grams", "tracking_number", "return_tracking_number", "status", "outbound_logistic_center_id")
"""What the rows of one parcel have in common."""


class ShipmentFlow(OrderFlow):
    """See the module."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._shipments: Mapping[str, ShipmentState] = {}
        self._parcels: dict[str, Parcel] = {}
        # By parcel and code: when it was sent.
        self._codes_sent: dict[tuple[str, str], datetime] = {}

    async def _decide(self) -> None:
        await self._look_at_shipments()
        for update in self._updates:
            self._add(update)
        self._refuse_all_lines([row for row in self._updates if row.shipment and isinstance(self._lines_of(row), str)])
        self._differing(EXPORT)
        self._compare(EXPORT, self.state.merchant_order_id, "the order")
        self._gather()
        for parcel in list(self._parcels.values()):
            self._decide_parcel(parcel)

    def to_send(self) -> list[Sent]:
        open_wants = [want for want, outcome in self._wants.items() if outcome is None]
        return [(self.order_id, want.update.shipment, want.what) for want in open_wants]

    async def prepare(self) -> None:
        await self._export()
        made = False
        for parcel in self._parcels.values():
            wants = self._of(parcel, SHIPMENT)
            if wants and await self._send(wants, partial(self._post, parcel)):
                self._tell(wants, Outcome(DONE, sent_at=self._sent_at[SHIPMENT]))
                made = True
        if made:
            await self._look_at_shipments()
        for parcel in self._parcels.values():
            await self._send_codes(parcel)

    async def look_again(self) -> None:
        await self._look_at_shipments()
        if self._rules.look_for_effect and any(not self._shows(*sent) for sent in self._codes_sent):
            return
        self._tell_codes()
        self.waits = False

    def expire(self) -> None:
        self.waits = False
        hidden = [sent for sent in self._codes_sent if not self._shows(*sent)]
        self._tell_codes(hidden)
        for _, what in hidden:
            self.error = ServerError(
                f"Order {self.order_id}: zDirect took the {NAMES[what]} of a shipment, and does not show it yet, so "
                "nothing of the order was shipped.",
                remedy=NOT_SHOWN,
                retry_after=REFETCH_DELAY,
            )

    async def finish(self) -> None:
        for parcel in self._parcels.values():
            status = parcel.status
            wants = self._of(parcel, status) if status else []
            there = self._there(parcel)
            if not wants or not status or there is None:
                continue
            if await self._send(wants, partial(self._patch, there, {"status": status})):
                self._tell(wants, Outcome(DONE, sent_at=self._sent_at[status]))

    # Deciding

    def _add(self, update: OrderUpdate) -> None:
        if update.shipment is None:
            if update.status or update.tracking_number or update.return_tracking_number:
                reason = "other rows ship the order in parcels, so this one has to say in which (shipment)"
                return self._refuse_rows([update], reason)
            self._wants[Want(update, EXPORT)] = None
            return None
        for what, name in NAMES.items():
            if getattr(update, name) is not None:
                self._wants[Want(update, what)] = None
        self._wants[Want(update, SHIPMENT)] = None
        if update.status:
            self._wants[Want(update, update.status)] = None
        return None

    def _gather(self) -> None:
        """Make parcels of the rows."""
        by_id: dict[str, list[OrderUpdate]] = {}
        for want in self._open(SHIPMENT):
            by_id.setdefault(str(want.update.shipment), []).append(want.update)
        owner: dict[str, str] = {}
        for parcel_id, rows in by_id.items():
            line_ids: set[str] = set()
            problem = self._disagreement(rows)
            for update in rows:
                found = self._lines_of(update)
                problem = problem or (found if isinstance(found, str) else None)
                line_ids.update(found if isinstance(found, list) else ())
            taken = {owner[line_id] for line_id in line_ids if line_id in owner}
            if taken:
                problem = problem or f"a line of it is in shipment {', '.join(sorted(taken))[:60]!r} too"
            if problem:
                self._hold(rows, Outcome(REFUSED, reason=problem))
                continue
            owner.update(dict.fromkeys(line_ids, parcel_id))
            self._parcels[parcel_id] = Parcel(parcel_id, tuple(rows), frozenset(line_ids))

    def _disagreement(self, rows: list[OrderUpdate]) -> str | None:
        for name in OF_PARCEL:
            if len({getattr(update, name) for update in rows}) > 1:
                return f"rows {', '.join(str(update.row) for update in rows)} of one shipment differ in {name}"
        return None

    def _lines_of(self, update: OrderUpdate) -> list[str] | str:
        lines = self.state.lines
        if update.order_line_id is not None:
            return [update.order_line_id] if update.order_line_id in lines else "the order has no such line"
        if update.external_id is not None:
            found = sorted(self.state.articles.get(update.external_id, frozenset()))
            return found or "the order has no line with that external_id"
        return [line.id for line in lines.values() if line.status != CANCELED] or "all lines of the order are canceled"

    def _decide_parcel(self, parcel: Parcel) -> None:
        same_name = [one for one in self._shipments.values() if one.merchant_id == parcel.id]
        if len(same_name) > 1:
            return self._conflict(parcel, f"the order has {len(same_name)} shipments with that id")
        there = same_name[0] if same_name else None
        if there is None:
            for line_id in parcel.line_ids:
                steps = steps_to(parcel.status or SHIPPED, self.state.lines[line_id], self.state, exported=True)
                if not steps or isinstance(steps, str):
                    reason = str(steps or "a line of it is shipped already, without this shipment")
                    return self._conflict(parcel, reason)
        else:
            if there.line_ids != parcel.line_ids:
                return self._conflict(parcel, "the shipment has other lines, which cannot be changed")
            self._tell(self._of(parcel, SHIPMENT), Outcome(ALREADY))
            for what in CODES:
                if not self._compare_code(parcel, what, getattr(there, NAMES[what])):
                    return None
            if parcel.status and there.status == parcel.status:
                self._tell(self._of(parcel, parcel.status), Outcome(ALREADY))
            elif parcel.status and there.status in (SHIPPED, CANCELED):
                return self._conflict(parcel, f"the shipment is {there.status}")
        if self._hold_equal_codes({what: self._of(parcel, what) for what in CODES}, there):
            self._parcels.pop(parcel.id, None)
            return None
        missing = [NAMES[what] for what in CODES if not (parcel.code(what) or (there and getattr(there, NAMES[what])))]
        if self._rules.require_tracking and missing and self._of(parcel, SHIPPED):
            reason = f"nothing is shipped without {' and '.join(missing)}; require_tracking=False allows it"
            self._leave_out(parcel, Outcome(REFUSED, reason=reason))
        return None

    def _compare_code(self, parcel: Parcel, what: str, there: str | None) -> bool:
        """Whether it may go on."""
        wants = self._of(parcel, what)
        if not wants or there is None:
            return True
        if value_of(wants[0]) == there:
            self._tell(wants, Outcome(ALREADY))
        elif not self._rules.overwrite_tracking:
            reason = f"the shipment has another {NAMES[what]}; overwrite_tracking=True replaces it"
            self._conflict(parcel, reason)
            return False
        return True

    def _conflict(self, parcel: Parcel, reason: str) -> None:
        self._leave_out(parcel, Outcome(CONFLICT, reason=reason))

    def _leave_out(self, parcel: Parcel, outcome: Outcome) -> None:
        self._hold(parcel.rows, outcome)
        self._parcels.pop(parcel.id, None)

    def _of(self, parcel: Parcel, what: str) -> list[Want]:
        return [want for want in self._open(what) if want.update.shipment == parcel.id]

    # Writing and looking

    async def _look_at_shipments(self) -> None:
        self._shipments = {one.id: one for one in await self._calls.shipments(self.order_id)}

    def _there(self, parcel: Parcel) -> ShipmentState | None:
        return next((one for one in self._shipments.values() if one.merchant_id == parcel.id), None)

    async def _post(self, parcel: Parcel) -> None:
        try:
            await self._calls.post_shipment(self.order_id, parcel.as_body())
        except ConflictError:
            # Another run may have been quicker, with the same.
            await self._look_at_shipments()
            there = self._there(parcel)
            if there is None or there.line_ids != parcel.line_ids:
                raise

    async def _send_codes(self, parcel: Parcel) -> None:
        wants = [want for what in CODES for want in self._of(parcel, what)]
        there = self._there(parcel)
        if wants and there is None:
            raise ServerError(
                f"Order {self.order_id}: zDirect took a shipment, and does not show it yet.",
                remedy="Nothing, if the task retries.",
                retry_after=REFETCH_DELAY,
            )
        if wants and there is not None:
            codes = {NAMES[want.what]: value_of(want) for want in wants}
            if await self._send(wants, lambda: self._patch(there, codes)):
                self._codes_sent |= {(parcel.id, want.what): self._clock.now() for want in wants}
                self.waits = True

    async def _patch(self, there: ShipmentState, body: Mapping[str, Any]) -> None:
        try:
            await self._calls.patch_shipment(self.order_id, there.id, body)
        except PermissionDeniedError as error:
            # zDirect's answer to a change that does not fit, too; somebody else may have been quicker, with the same.
            await self._look_at_shipments()
            now = self._shipments.get(there.id)
            if now is not None and all(getattr(now, name) == value for name, value in body.items()):
                return
            if "status" in body or (now is not None and now.status in (SHIPPED, CANCELED)):
                raise ConflictError(told(error), status=error.status, path=error.path) from error
            raise

    def _shows(self, parcel_id: str, what: str) -> bool:
        parcel = self._parcels[parcel_id]
        there = self._there(parcel)
        return there is not None and getattr(there, NAMES[what]) == parcel.code(what)

    def _tell_codes(self, hidden: list[tuple[str, str]] | None = None) -> None:
        for (parcel_id, what), at in self._codes_sent.items():
            if (parcel_id, what) not in (hidden or []):
                self._tell(self._of(self._parcels[parcel_id], what), Outcome(DONE, sent_at=at))
