"""One order on its way through an update: look, decide, write what comes first, look again, write the rest.

Each step is safe to repeat after a kill: nothing is remembered that zDirect does not tell. What a row wants is already
so, or possible, or in conflict with what is there; a row of which one thing is refused or in conflict is left out as a
whole, and other rows of the order go on.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from airflow_provider_zdirect.clock import Clock
from airflow_provider_zdirect.exceptions import (
    BadRequestError,
    ConflictError,
    NotFoundError,
    ZDirectError,
    ZDirectRetriableError,
)
from airflow_provider_zdirect.merchant_files.tracking_number import same_number
from airflow_provider_zdirect.orders.order_calls import OrderCalls
from airflow_provider_zdirect.orders.order_state import ZALANDO_FULFILLED, OrderState
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
    short_reason,
)
from airflow_provider_zdirect.orders.update_rows import OrderUpdate

NAMES = {EXPORT: "merchant_order_id", TRACKING: "tracking_number", RETURN_TRACKING: "return_tracking_number"}
"""The field of an order by what sets it."""

CODES = (TRACKING, RETURN_TRACKING)


@dataclass(frozen=True)
class UpdateRules:
    """How an update is carried out.

    :param require_tracking: nothing is shipped that has not both tracking numbers (zDirect docs, *Orders*, preparing
        shipping).
    :param overwrite_tracking: another tracking number that is there is replaced, and no conflict.
    :param split_shipments: orders may be shipped in several parcels (a pilot feature of zDirect).
    :param look_for_effect: nothing is shipped before zDirect shows its tracking numbers.
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


@dataclass(frozen=True)
class Outcome:
    outcome: str
    status_code: int | None = None
    reason: str | None = None
    sent_at: datetime | None = None


class OrderFlow(ABC):
    """The updates of one order.

    :param updates: its rows.
    :param wrong: ids and numbers of orders of which another row is wrong.
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
        self.error: ZDirectRetriableError | None = None
        self.is_finished = False
        self.is_missing = False
        self.waits = False
        self._calls = calls
        self._rules = rules
        self._clock = clock
        self._updates = tuple(updates)
        self._wrong = wrong
        self._state: OrderState | None = None
        self._wants: dict[Want, Outcome | None] = {}
        self._sent_at: dict[str, datetime] = {}

    @property
    def state(self) -> OrderState:
        assert self._state is not None, "the order was looked at"
        return self._state

    # The steps, in this order

    async def look(self) -> None:
        """Look at the order, and decide what can be said before anything is sent."""
        try:
            self._state = await self._calls.get(self.order_id)
        except NotFoundError as error:
            self.is_missing = True
            reason = "the merchant has no such order, or zDirect does not keep it any more (a year)"
            return self._refuse_rows(self._updates, reason, error.status)
        if self.state.order_type == ZALANDO_FULFILLED:
            return self._refuse_rows(self._updates, "Zalando fulfils this order, so it cannot be updated")
        await self._decide()
        return None

    @abstractmethod
    async def _decide(self) -> None:
        """Make the wants, and tell of those that need no request."""

    @abstractmethod
    def to_send(self) -> list[Sent]:
        """What is about to be sent."""

    @abstractmethod
    async def prepare(self) -> None:
        """Export the order, and send tracking numbers; sets ``waits`` if that has to take effect."""

    @abstractmethod
    async def look_again(self) -> None:
        """Look whether it has taken effect; clears ``waits`` then."""

    @abstractmethod
    def expire(self) -> None:
        """It has not taken effect for too long."""

    @abstractmethod
    async def finish(self) -> None:
        """Set statuses."""

    # Of several merchants

    @property
    def may_be_of_another(self) -> bool:
        """Whether its rows do not say whose order it is."""
        return all(update.of_any for update in self._updates)

    @property
    def owner(self) -> str | None:
        """The merchant whose order it is, if it was seen and says so."""
        return self._state.merchant_id if self._state else None

    def leave(self) -> None:
        """It is another merchant's, whose task sees to it: there is nothing to do, and nothing to tell."""
        self._updates, self._wants = (), {}

    # Telling

    def give_up(self, error: ZDirectError) -> None:
        """zDirect does not let this order be seen or changed (any more); others go on."""
        if self._wants:
            self._tell(list(self._wants), Outcome(REFUSED, error.status, told(error)))
        else:
            self._refuse_rows(self._updates, told(error), error.status)
        self.waits = False
        self.is_finished = True

    def results(self) -> list[RowResult]:
        """What became of each row; what is open has failed."""
        number = self._state.number if self._state else None
        wants = self._wants or {Want(update, ROW): None for update in self._updates}
        return [
            RowResult(
                row=want.update.row,
                order_id=self.order_id,
                what=want.what,
                outcome=(outcome := found or self._failed()).outcome,
                order_number=number or want.update.order_number,
                order_line_id=want.line_id,
                shipment=want.update.shipment,
                status_code=outcome.status_code,
                reason=outcome.reason,
                sent_at=outcome.sent_at,
            )
            for want, found in self._wants_in_order(wants)
        ]

    def _wants_in_order(self, wants: dict[Want, Outcome | None]) -> Iterable[tuple[Want, Outcome | None]]:
        place = {update: number for number, update in enumerate(self._updates)}
        return sorted(wants.items(), key=lambda item: place[item[0].update])

    def _failed(self) -> Outcome:
        error = self.error
        if error is None:
            return Outcome(FAILED, reason="not tried")
        return Outcome(FAILED, error.status, told(error))

    def _is_open(self, want: Want) -> bool:
        return want in self._wants and self._wants[want] is None

    def _tell(self, wants: Iterable[Want], outcome: Outcome) -> None:
        for want in wants:
            if self._is_open(want):
                self._wants[want] = outcome

    def _hold(self, updates: Iterable[OrderUpdate], outcome: Outcome) -> None:
        """Leave out whatever of these rows is open."""
        rows = set(updates)
        self._tell([want for want in self._wants if want.update in rows], outcome)

    def _refuse_rows(self, updates: Iterable[OrderUpdate], reason: str, code: int | None = None) -> None:
        """Of rows that have no wants yet."""
        for update in updates:
            self._wants[Want(update, ROW)] = Outcome(REFUSED, code, short_reason(reason))

    def _refuse_all_lines(self, unfound: Collection[OrderUpdate]) -> None:
        """Hold the rows for all lines of the order, if a row that may have meant one of them came to nothing.

        :param unfound: rows whose line the order does not have.
        """
        if not unfound and not {self.order_id, self.state.number} & self._wrong:
            return
        reason = "another row of the order is wrong, or names no line of it, and may mean one of these lines"
        of_lines = [update for update in self._updates if update.status or update.shipment]
        held = [update for update in of_lines if not (update.order_line_id or update.external_id)]
        self._hold(held, Outcome(REFUSED, reason=reason))

    def _open(self, what: str) -> list[Want]:
        return [want for want in self._wants if want.what == what and self._is_open(want)]

    def _differing(self, what: str) -> None:
        """Hold rows that want different values of one field."""
        wants = self._open(what)
        if len({value_of(want) for want in wants}) > 1:
            rows = ", ".join(str(want.update.row) for want in wants)
            reason = f"rows {rows} give different values of {NAMES[what]} for the same order"
            self._hold((want.update for want in wants), Outcome(REFUSED, reason=reason))

    def _compare(self, what: str, there: str | None, whose: str) -> None:
        """Tell what is so already, and hold what is in conflict."""
        wants = self._open(what)
        if not wants or there is None:
            return
        if value_of(wants[0]) == there:
            self._tell(wants, Outcome(ALREADY))
        elif not (what in CODES and self._rules.overwrite_tracking):
            if what in CODES:
                hint = "overwrite_tracking=True replaces it"
            else:
                hint = f"zDirect has {there!r}; leave the column blank, or write that one"
            reason = f"{whose} has another {NAMES[what]}; {hint}"
            self._hold((want.update for want in wants), Outcome(CONFLICT, reason=reason))

    def _hold_equal_codes(self, wants: Mapping[str, Sequence[Want]], there: object) -> bool:
        """Hold rows by which the number of the parcel would be that of the way back, too.

        :param wants: those of each code.
        :param there: the order or shipment as it is.
        :returns: whether it would be.
        """
        now = {what: value_of(wants[what][0]) if wants[what] else getattr(there, NAMES[what], None) for what in CODES}
        of_either = [want for what in CODES for want in wants[what]]
        if not of_either or not all(now.values()) or not same_number(*map(str, now.values())):
            return False
        reason = "tracking_number and return_tracking_number would be the same; every parcel has its own"
        self._hold((want.update for want in of_either), Outcome(REFUSED, reason=reason))
        return True

    async def _export(self) -> None:
        """Before all else (zDirect docs, *Orders*, exporting)."""
        wants = self._open(EXPORT)
        if wants:
            attributes = {NAMES[EXPORT]: value_of(wants[0])}
            if await self._send(wants, lambda: self._calls.patch(self.order_id, attributes)):
                self._tell(wants, Outcome(DONE, sent_at=self._sent_at[EXPORT]))

    async def _send(self, wants: Sequence[Want], send: Callable[[], Awaitable[None]]) -> bool:
        """Send it; if zDirect refuses it, hold the rows that want it.

        :returns: whether it was taken.
        """
        at = self._clock.now()
        try:
            await send()
        except (BadRequestError, NotFoundError) as error:
            outcome = Outcome(REFUSED, error.status, told(error), at)
        except ConflictError as error:
            outcome = Outcome(CONFLICT, error.status, told(error), at)
        else:
            for want in wants:
                self._sent_at[want.what] = at
            return True
        self._tell(wants, outcome)
        held = Outcome(outcome.outcome, reason=f"not sent, because {wants[0].what} was not taken")
        self._hold((want.update for want in wants), held)
        return False


def value_of(want: Want) -> str:
    return str(getattr(want.update, NAMES[want.what]))


def told(error: ZDirectError) -> str:
    """An error as the reason of a result; it holds neither secrets nor personal data."""
    title = f" ({error.title})" if error.title else ""
    return short_reason(f"{error.message.rstrip('.')}{title}")
