"""The update of one order: read it, decide, send what comes first, read it again, send the rest.

Each step can be repeated after a kill, because everything that matters is read from zDirect. What a row wants is there
already, is possible, or conflicts with the current state. If one thing that a row wants is refused or in conflict, the
whole row is left out; other rows of the order go on.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from airflow_provider_zdirect.clock import Clock
from airflow_provider_zdirect.datasets.endpoint import REFETCH_DELAY
from airflow_provider_zdirect.exceptions import BadRequestError, ConflictError, NotFoundError, ServerError, ZDirectError
from airflow_provider_zdirect.merchant_files.tracking_number import same_number
from airflow_provider_zdirect.orders.order_calls import OrderCalls
from airflow_provider_zdirect.orders.order_state import ZALANDO_FULFILLED, OrderState, ShipmentState
from airflow_provider_zdirect.orders.update_journal import Sent
from airflow_provider_zdirect.orders.update_results import (
    ALREADY,
    CONFLICT,
    DONE,
    EXPORT,
    FAILED,
    REFUSED,
    RETURN_TRACKING,
    ROW,
    TRACKING,
    RowResult,
    reason_of,
    short_reason,
)
from airflow_provider_zdirect.orders.update_rows import CANCELED, SHIPPED, OrderUpdate

NAMES = {EXPORT: "merchant_order_id", TRACKING: "tracking_number", RETURN_TRACKING: "return_tracking_number"}
"""The field of an order that each kind of want sets."""

CODES = (TRACKING, RETURN_TRACKING)


@dataclass(frozen=True)
class UpdateRules:
    """How updates are applied.

    :param require_tracking: ship nothing without both tracking numbers (zDirect docs, *Orders*, preparing shipping).
    :param overwrite_tracking: replace a different tracking number at zDirect; otherwise it is a conflict.
    :param split_shipments: ship orders in several parcels where rows ask for it (a pilot feature of zDirect).
    :param look_for_effect: ship nothing before zDirect shows its tracking numbers.
    """

    require_tracking: bool = True
    overwrite_tracking: bool = False
    split_shipments: bool = False
    look_for_effect: bool = True


class Want(NamedTuple):
    """One thing that a row wants."""

    update: OrderUpdate
    what: str
    line_id: str | None = None

    @property
    def value(self) -> str:
        """The wanted value of a field of the order or the shipment."""
        return str(getattr(self.update, NAMES[self.what]))


@dataclass(frozen=True)
class Outcome:
    """The outcome of a want; see :class:`RowResult`."""

    outcome: str
    status_code: int | None = None
    reason: str | None = None
    sent_at: datetime | None = None


class OrderFlow(ABC):
    """The updates of one order.

    :param updates: its rows.
    :param wrong: ids and numbers of orders that invalid rows name.
    """

    def __init__(
        self,
        calls: OrderCalls,
        rules: UpdateRules,
        clock: Clock,
        order_id: str,
        updates: Sequence[OrderUpdate],
        wrong: Set[str] = frozenset(),
    ) -> None:
        self.order_id = order_id
        self.error: ZDirectError | None = None
        self.is_finished = False
        self.waits = False
        self._calls = calls
        self._rules = rules
        self._clock = clock
        self._updates = tuple(updates)
        self._wrong = wrong
        self._state: OrderState | None = None
        self._wants: dict[Want, Outcome | None] = {}
        self._sent_at: dict[Want, datetime] = {}

    @property
    def state(self) -> OrderState:
        assert self._state is not None, "the order was read"
        return self._state

    # The steps, in this order

    async def read(self) -> None:
        """Read the order, and decide what can be decided before anything is sent."""
        try:
            self._state = await self._calls.get(self.order_id)
        except NotFoundError as error:
            reason = "the merchant has no such order, or zDirect does not keep it any more (a year)"
            return self._refuse_rows(self._updates, reason, error.status)
        if self.state.order_type == ZALANDO_FULFILLED:
            return self._refuse_rows(self._updates, "Zalando fulfils this order, so it cannot be updated")
        await self._decide()
        return None

    async def leave_to(self, others: Mapping[str, OrderCalls]) -> None:
        """Leave the order to another merchant's task if it belongs to that merchant, and no row names this one."""
        if not all(update.of_any for update in self._updates):
            return
        is_of_another = self._state is not None and self._state.merchant_id in others
        for calls in others.values() if self._state is None else ():
            is_of_another = is_of_another or await calls.has(self.order_id)
        if is_of_another:
            self._updates, self._wants = (), {}

    def to_send(self) -> list[Sent]:
        """What is about to be sent."""
        return [
            (self.order_id, want.line_id or want.update.shipment, want.what)
            for want, outcome in self._wants.items()
            if outcome is None
        ]

    async def send_first(self) -> None:
        """Export the order, and send tracking numbers; ``waits`` is set if they have to take effect."""
        exports = self._open(EXPORT)
        if exports:
            attributes = {NAMES[EXPORT]: exports[0].value}
            if await self._send(exports, lambda: self._calls.patch(self.order_id, attributes)):
                self._record_sent(exports)
        await self._send_codes()
        self.waits = any(map(self._awaits, self._sent_at))

    async def check_effect(self) -> None:
        """Read again what was sent; clears ``waits`` once it has taken effect."""
        await self._read_again()
        hidden = self._hidden()
        self._record_sent(want for want in self._sent_at if want not in hidden)
        self.waits = bool(hidden)

    def expire(self) -> None:
        """Give up waiting for what was sent to take effect."""
        self.waits = False
        for want in self._hidden():
            if not self._awaits(want):
                continue
            if want.what in CODES and self._shown(want) is not None:
                reason = f"zDirect accepted the {NAMES[want.what]}, and still shows another one"
                self._hold([want], CONFLICT, reason)
            else:
                self.error = ServerError(
                    f"Order {self.order_id}: zDirect accepted the {NAMES[want.what]}, and does not show it yet, so "
                    "nothing of the order was shipped.",
                    remedy="No action needed: the task retries. If it stays, set the assumption tracking_effect to "
                    "wait.",
                    retry_after=REFETCH_DELAY,
                )

    @abstractmethod
    async def finish(self) -> None:
        """Set statuses."""

    # What differs between lines and parcels

    @abstractmethod
    async def _decide(self) -> None:
        """Make the wants, and decide those that need no request."""

    @abstractmethod
    async def _send_codes(self) -> None:
        """Send tracking numbers, and what has to exist for them."""

    @abstractmethod
    async def _read_again(self) -> None:
        """Read again what :meth:`_with_codes` returns."""

    @abstractmethod
    def _with_codes(self, shipment: str | None) -> OrderState | ShipmentState | None:
        """The order, or one of its shipments, that has the tracking numbers, as it was read last."""

    def _awaits(self, want: Want) -> bool:
        """Whether something that was sent has to take effect before a status is set."""
        return want.what in CODES and self._is_open(want)

    # Results

    def give_up(self, error: ZDirectError) -> None:
        """End with an error that concerns this order only."""
        if self._wants:
            self._record(list(self._wants), Outcome(REFUSED, error.status, reason_of(error)))
        else:
            self._refuse_rows(self._updates, reason_of(error), error.status)
        self.waits = False
        self.is_finished = True

    def results(self) -> list[RowResult]:
        """The outcome of each want; those without one have failed."""
        number = self._state.order_number if self._state else None
        failed = Outcome(FAILED, reason="not tried")
        if self.error is not None:
            failed = Outcome(FAILED, self.error.status, reason_of(self.error))
        wants = self._wants or {Want(update, ROW): None for update in self._updates}
        return [
            RowResult(
                row=want.update.row,
                order_id=self.order_id,
                what=want.what,
                order_number=number or want.update.order_number,
                order_line_id=want.line_id,
                shipment=want.update.shipment,
                **vars(outcome or failed),
            )
            for want, outcome in wants.items()
        ]

    # Deciding

    def _want_fields(self, update: OrderUpdate) -> None:
        for what, name in NAMES.items():
            if getattr(update, name) is not None:
                self._wants[Want(update, what)] = None

    def _named_lines(self, update: OrderUpdate) -> list[str] | str:
        """Ids of the lines that a row names (if none, of all that are not canceled), or what is wrong."""
        lines = self.state.lines
        if update.order_line_id is not None:
            return [update.order_line_id] if update.order_line_id in lines else "the order has no such line"
        if update.external_id is not None:
            found = [line.id for line in lines.values() if update.external_id in line.articles]
            return found or "the order has no line with that external_id"
        return [line.id for line in lines.values() if line.status != CANCELED] or "all lines of the order are canceled"

    def _doubt(self, update: OrderUpdate, unfound: bool) -> str | None:
        """Why a row for all lines is refused, if an invalid row may mean one of these lines.

        :param unfound: whether a row names a line that the order does not have.
        """
        is_for_all = (update.status or update.shipment) and not (update.order_line_id or update.external_id)
        if not is_for_all or not (unfound or {self.order_id, self.state.order_number} & self._wrong):
            return None
        return "another row of the order is wrong, or names no line of it, and may mean one of these lines"

    def _decide_field(self, wants: Sequence[Want]) -> None:
        """Compare the values that rows want with each other, and with the current one."""
        if len({want.value for want in wants}) > 1:
            rows = ", ".join(str(want.update.row) for want in wants)
            reason = f"rows {rows} give different values of {NAMES[wants[0].what]} for the same order"
            self._hold(wants, REFUSED, reason)
        elif wants and (value := self._shown(wants[0])) is not None:
            what, hint = wants[0].what, "overwrite_tracking=True replaces it"
            if wants[0].value == value:
                self._record(wants, Outcome(ALREADY))
            elif what == EXPORT or not self._rules.overwrite_tracking:
                if what == EXPORT:
                    hint = f"zDirect has {value!r}; leave the column blank, or write that one"
                whose = "the order" if what == EXPORT or wants[0].update.shipment is None else "the shipment"
                reason = f"{whose} has another {NAMES[what]}; {hint}"
                self._hold(wants, CONFLICT, reason)

    def _decide_codes(self, shipment: str | None = None) -> None:
        """Decide the tracking numbers of the order or of a shipment."""
        for what in CODES:
            self._decide_field(self._of(shipment, what))
        wants = {what: self._of(shipment, what) for what in CODES}
        there = self._with_codes(shipment)
        both = [wants[what][0].value if wants[what] else getattr(there, NAMES[what], None) for what in CODES]
        if any(wants.values()) and all(both) and same_number(*map(str, both)):
            reason = "tracking_number and return_tracking_number would be the same; every parcel has its own"
            self._hold(self._of(shipment, *CODES), REFUSED, reason)
        self._hold_without_tracking(shipment)

    def _hold_without_tracking(self, shipment: str | None = None) -> None:
        shipped = self._of(shipment, SHIPPED)
        if not (shipped and self._rules.require_tracking):
            return
        given = {
            want.what
            for want, outcome in self._wants.items()
            if want.update.shipment == shipment and (outcome is None or outcome.outcome == DONE)
        }
        there = self._with_codes(shipment)
        missing = [NAMES[what] for what in CODES if what not in given and not getattr(there, NAMES[what], None)]
        if missing:
            reason = f"nothing is shipped without {' and '.join(missing)}; require_tracking=False allows it"
            self._hold(shipped, REFUSED, reason)

    # Wants

    def _open(self, *whats: str) -> list[Want]:
        """Wants without an outcome."""
        return [want for want in self._wants if want.what in whats and self._is_open(want)]

    def _of(self, shipment: str | None, *whats: str) -> list[Want]:
        """Open wants for one shipment; None: of rows without one."""
        return [want for want in self._open(*whats) if want.update.shipment == shipment]

    def _is_open(self, want: Want) -> bool:
        return want in self._wants and self._wants[want] is None

    def _record(self, wants: Iterable[Want], outcome: Outcome) -> None:
        for want in wants:
            if self._is_open(want):
                self._wants[want] = outcome

    def _record_sent(self, wants: Iterable[Want]) -> None:
        for want in wants:
            self._record([want], Outcome(DONE, sent_at=self._sent_at[want]))

    def _hold(self, wants: Iterable[Want], outcome: str, reason: str) -> None:
        """Leave out whatever is open of the rows with these wants."""
        rows = {want.update for want in wants}
        self._record([want for want in self._wants if want.update in rows], Outcome(outcome, reason=reason))

    def _refuse_rows(self, updates: Iterable[OrderUpdate], reason: str, code: int | None = None) -> None:
        """Refuse rows that have no wants yet."""
        for update in updates:
            self._wants[Want(update, ROW)] = Outcome(REFUSED, code, short_reason(reason))

    # Sending

    async def _send(self, wants: Sequence[Want], send: Callable[[], Awaitable[None]]) -> bool:
        """Send it; if zDirect refuses it, hold the rows that want it.

        :returns: whether zDirect accepted it.
        """
        at = self._clock.now()
        try:
            await send()
        except (BadRequestError, NotFoundError) as error:
            outcome = Outcome(REFUSED, error.status, reason_of(error), at)
        except ConflictError as error:
            outcome = Outcome(CONFLICT, error.status, reason_of(error), at)
        else:
            self._sent_at |= dict.fromkeys(wants, at)
            return True
        self._record(wants, outcome)
        self._hold(wants, outcome.outcome, f"not sent, because zDirect refused {wants[0].what}")
        return False

    def _hidden(self) -> list[Want]:
        """Wants that were sent, and that zDirect does not show yet."""
        if not self._rules.look_for_effect:
            return []
        return [want for want in self._sent_at if self._awaits(want) and self._shown(want) != want.value]

    def _shown(self, want: Want) -> str | None:
        """The current value of the field."""
        there = self.state if want.what == EXPORT else self._with_codes(want.update.shipment)
        return getattr(there, NAMES[want.what], None)
