# SPDX-License-Identifier: Apache-2.0
"""The update of one order: read it, decide, send what comes first, read it again, send the rest.

Each step can be repeated after a kill, because everything that matters is read from zDirect. What a part of a row asks
for is there already, is possible, or conflicts with the current state. If one part is refused or in conflict, the whole
row is left out; other rows of the order go on.

zDirect docs, *Orders*: an order is exported first; tracking numbers are sent before its lines are shipped.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from functools import partial

from airflow_provider_zdirect.clock import Clock
from airflow_provider_zdirect.datasets.endpoint import REFETCH_DELAY
from airflow_provider_zdirect.exceptions import (
    BadRequestError,
    ConflictError,
    NotFoundError,
    ServerError,
    ZDirectError,
    ZDirectRetriableError,
)
from airflow_provider_zdirect.merchant_files.tracking_number import same_number
from airflow_provider_zdirect.orders.order_calls import OrderCalls
from airflow_provider_zdirect.orders.order_lines import PASSED, find_lines, line_of, lines_of, steps_to
from airflow_provider_zdirect.orders.order_state import INITIAL, ZALANDO_FULFILLED, OrderState, ShipmentState
from airflow_provider_zdirect.orders.row_parts import (
    ALREADY,
    CONFLICT,
    DONE,
    EXPORT,
    FAILED,
    REFUSED,
    RETURN_TRACKING,
    ROW,
    TRACKING,
    Part,
    settle,
    untried,
)
from airflow_provider_zdirect.orders.update_job import UpdateRules
from airflow_provider_zdirect.orders.update_rows import SHIPPED, OrderUpdate

CODES = (TRACKING, RETURN_TRACKING)
FIELDS = {EXPORT: "merchant_order_id", TRACKING: TRACKING, RETURN_TRACKING: RETURN_TRACKING}
"""The field of an order that a part sets."""


@dataclass(eq=False)
class OrderFlow:
    """The updates of one order, which leaves in one parcel: the tracking numbers are its own, the statuses its lines'.

    :param others: the calls of the other merchants whose order it may be.
    :param wrong: ids and numbers of orders that invalid rows name.
    :param updates: the order's rows.
    """

    calls: OrderCalls
    others: Mapping[str, OrderCalls]
    rules: UpdateRules
    clock: Clock
    wrong: Set[str]
    order_id: str
    updates: Sequence[OrderUpdate]

    def __post_init__(self) -> None:
        self.error: ZDirectError | None = None
        self.is_finished = False
        self._rows = {update.row: update for update in self.updates}
        self._state: OrderState | None = None
        self._parts: list[Part] = []
        # What was sent, and has not taken effect yet.
        self._hidden: list[Part] = []

    @property
    def state(self) -> OrderState:
        assert self._state is not None, "the order was read"
        return self._state

    @property
    def is_settled(self) -> bool:
        """Whether a retry would not help."""
        failed = self.error is not None and not isinstance(self.error, ZDirectRetriableError)
        return self.is_finished or failed

    @property
    def waits(self) -> bool:
        """Whether something that was sent has to take effect."""
        return self.error is None and bool(self._hidden)

    # The steps, in this order

    async def read(self) -> None:
        """Read the order, and decide what can be decided before anything is sent."""
        unknown = None
        try:
            self._state = await self.calls.get(self.order_id)
        except NotFoundError as error:
            reason = "the merchant has no such order, or zDirect does not keep it any more (a year)"
            unknown = error.with_message(reason, title=None)
        if await self._is_of_another():
            self._rows = {}
        elif unknown is not None:
            self._refuse(self._rows.values(), unknown)
        elif self.state.order_type == ZALANDO_FULFILLED:
            self._refuse(self._rows.values(), "Zalando fulfils this order, so it cannot be updated")
        else:
            await self._decide()

    def to_send(self) -> list[Part]:
        """What is about to be sent."""
        return [part for part in self._parts if part.is_open]

    async def send_first(self) -> None:
        """Export the order, and send tracking numbers."""
        if exports := self._open(EXPORT):
            await self._send_or_hold(exports, lambda: self._set_fields(exports))
        await self._send_codes()

    async def check_effect(self) -> None:
        """Read again what was sent: what has taken effect is done."""
        await self._read_again()
        sent, self._hidden = self._hidden, []
        for part in sent:
            if self.rules.look_for_effect and self._awaits(part) and self._shown(part) != self._value(part):
                self._hidden.append(part)
            else:
                part.settle(DONE)

    def expire(self) -> None:
        """Give up waiting for what was sent to take effect."""
        hidden, self._hidden = self._hidden, []
        for part in hidden:
            name = FIELDS[part.what]
            if part.what in CODES and self._shown(part) is not None:
                part.settle(CONFLICT, f"zDirect accepted the {name}, and still shows another one")
                self._hold([part], CONFLICT, str(part.reason))
            else:
                self.error = ServerError(
                    f"Order {self.order_id}: zDirect accepted the {name}, and does not show it yet, so nothing of the "
                    "order was shipped.",
                    remedy="No action needed: the task retries. If it persists, set the assumption tracking_effect to "
                    "wait.",
                    retry_after=REFETCH_DELAY,
                )

    async def finish(self) -> None:
        """Set statuses."""
        await self._send_statuses()
        self.is_finished = True

    def forget(self) -> None:
        """Keep only what is needed after the results were noted: a job may have many orders."""
        self._state, self._rows, self._parts, self._hidden = None, {}, [], []

    def results(self, end: ZDirectError | None = None) -> list[Part]:
        """The parts of all rows, each with an outcome.

        :param end: why no further orders were begun.
        """
        parts = self._parts or [self._part(update, ROW) for update in self._rows.values()]
        results = [replace(part) for part in parts]
        for part in results:
            if self.error is not None:
                part.settle(REFUSED if self.is_settled else FAILED, self.error)
            else:
                part.settle(FAILED, untried(end))
        return results

    # Deciding

    async def _is_of_another(self) -> bool:
        """Whether the order belongs to another merchant's task, and no row names this merchant."""
        if not all(update.of_any for update in self._rows.values()):
            return False
        if self._state is not None:
            return self._state.merchant_id in self.others
        for calls in self.others.values():
            if await calls.has(self.order_id):
                return True
        return False

    async def _decide(self) -> None:
        """Make the parts, and decide those that need no request."""
        lines, problems = find_lines(self._rows.values(), self.state, self.wrong, lines_of)
        named = {line_id for update, found in lines.items() if update.names_lines for line_id in found}
        for update in self._rows.values():
            if update in problems:
                self._refuse([update], problems[update])
                continue
            # A row that names a line goes before a row for all lines.
            own = [line_id for line_id in lines[update] if update.names_lines or line_id not in named]
            self._add(update, *(self._part(update, str(update.status), line_id) for line_id in own))
            if not any(part.row == update.row for part in self._parts):
                nothing = self._part(update, ROW)
                nothing.settle(ALREADY, "other rows name its lines")
                self._parts.append(nothing)
        self._decide_field(self._open(EXPORT))
        self._decide_statuses()
        self._decide_codes()

    def _add(self, update: OrderUpdate, *others: Part) -> None:
        """Add the parts of a row."""
        fields = [what for what, name in FIELDS.items() if getattr(update, name) is not None]
        self._parts += [*(self._part(update, what) for what in fields), *others]

    def _decide_statuses(self) -> None:
        for line_id, parts in self._by_line().items():
            if len({part.what for part in parts}) > 1:
                self._hold(parts, REFUSED, f"rows {_rows(parts)} give different statuses for line {line_id}")
        # zDirect may show the number of an export before it says that the order is exported.
        exports = (part for part in self._parts if part.what == EXPORT and part.outcome in (None, ALREADY))
        exported = self.state.exported or any(exports)
        for line_id, parts in self._by_line().items():
            try:
                if not steps_to(parts[0].what, self.state.lines[line_id], self.state, exported=exported):
                    settle(parts, ALREADY)
            except ConflictError as error:
                self._hold(parts, REFUSED if self.state.status == INITIAL else CONFLICT, error.message)

    def _decide_field(self, parts: Sequence[Part]) -> None:
        """Compare the values that rows give a field with each other, and with the current one."""
        if not parts:
            return
        what, value, there = parts[0].what, self._value(parts[0]), self._shown(parts[0])
        name = FIELDS[what]
        if len({self._value(part) for part in parts}) > 1:
            self._hold(parts, REFUSED, f"rows {_rows(parts)} give different values of {name} for the same order")
        elif there == value:
            settle(parts, ALREADY)
        elif there is not None and what == EXPORT:
            hint = f"zDirect has {there!r}; leave the column blank, or write that one"
            self._hold(parts, CONFLICT, f"the order has another {name}; {hint}")
        elif there is not None and not self.rules.overwrite_tracking:
            whose = "order" if parts[0].shipment is None else "shipment"
            self._hold(parts, CONFLICT, f"the {whose} has another {name}; overwrite_tracking=True replaces it")

    def _decide_codes(self, shipment: str | None = None) -> None:
        """Decide the tracking numbers of the order or of a shipment."""
        for what in CODES:
            self._decide_field(self._of(shipment, what))
        wanted = self._of(shipment, *CODES)
        codes = {what: getattr(self._carrier(shipment), what, None) for what in CODES}
        codes |= {part.what: self._value(part) for part in wanted}
        both = [code for code in codes.values() if code]
        if wanted and len(both) == len(CODES) and same_number(*both):
            reason = "tracking_number and return_tracking_number would be the same; every parcel has its own"
            self._hold(wanted, REFUSED, reason)
        self._hold_without_codes(shipment)

    def _hold_without_codes(self, shipment: str | None = None) -> None:
        """Refuse to ship what has not, and will not have, both tracking numbers."""
        if not (shipped := self._of(shipment, SHIPPED)):
            return
        given = {part.what for part in self._parts if part.shipment == shipment and part.outcome in (None, DONE)}
        carrier = self._carrier(shipment)
        missing = [what for what in CODES if what not in given and not getattr(carrier, what, None)]
        if missing and self.rules.require_tracking:
            reason = f"nothing is shipped without {' and '.join(missing)}; require_tracking=False allows it"
            self._hold(shipped, REFUSED, reason)

    # Parts

    def _part(self, update: OrderUpdate, what: str, line_id: str | None = None) -> Part:
        number = self._state.order_number if self._state else None
        return Part(update.row, what, self.order_id, number or update.order_number, line_id, update.shipment)

    def _value(self, part: Part) -> str:
        """The wanted value of a field."""
        return str(getattr(self._rows[part.row], FIELDS[part.what]))

    def _shown(self, part: Part) -> str | None:
        """The current value of the field."""
        there = self.state if part.what == EXPORT else self._carrier(part.shipment)
        return getattr(there, FIELDS[part.what], None)

    def _carrier(self, shipment: str | None) -> OrderState | ShipmentState | None:
        """The order, or one of its shipments, that has the tracking numbers, as it was read last."""
        return self.state

    def _awaits(self, part: Part) -> bool:
        """Whether it has to take effect, once it was sent."""
        # zDirect names the possible statuses only after the export.
        return part.what in CODES or (part.what == EXPORT and bool(self._by_line()))

    def _open(self, *whats: str) -> list[Part]:
        """Parts without an outcome."""
        return [part for part in self._parts if part.what in whats and part.is_open]

    def _of(self, shipment: str | None, *whats: str) -> list[Part]:
        """Open parts of one shipment; None: of rows without one."""
        return [part for part in self._open(*whats) if part.shipment == shipment]

    def _by_line(self) -> dict[str, list[Part]]:
        """The open parts by line."""
        found: dict[str, list[Part]] = defaultdict(list)
        for part in self._parts:
            if part.order_line_id is not None and part.is_open:
                found[part.order_line_id].append(part)
        return dict(found)

    def _hold(self, parts: Iterable[Part], outcome: str, reason: str) -> None:
        """Leave out whatever is open of the rows with these parts."""
        rows = {part.row for part in parts}
        settle((part for part in self._parts if part.row in rows), outcome, reason)

    def _refuse(self, updates: Iterable[OrderUpdate], reason: str | ZDirectError) -> None:
        """Refuse rows that have no parts yet."""
        parts = [self._part(update, ROW) for update in updates]
        settle(parts, REFUSED, reason)
        self._parts += parts

    # Reading and sending

    async def _read_again(self) -> None:
        """Read again what :meth:`_carrier` returns."""
        self._state = await self.calls.get(self.order_id)

    async def _send(self, parts: Sequence[Part], send: Callable[[], Awaitable[None]]) -> bool:
        """Send it; all but tracking numbers is done once zDirect accepts it.

        :returns: whether zDirect accepted it.
        """
        for part in parts:
            part.sent_at = self.clock.now()
        try:
            await send()
        except (BadRequestError, NotFoundError, ConflictError) as error:
            settle(parts, CONFLICT if isinstance(error, ConflictError) else REFUSED, error)
            return False
        self._hidden += filter(self._awaits, parts)
        settle((part for part in parts if part.what not in CODES), DONE)
        return True

    async def _send_or_hold(self, parts: Sequence[Part], send: Callable[[], Awaitable[None]]) -> None:
        """Send what the rest of its rows needs."""
        if not await self._send(parts, send):
            self._hold(parts, str(parts[0].outcome), f"not sent, because zDirect refused {parts[0].what}")

    async def _set_fields(self, parts: Iterable[Part]) -> None:
        await self.calls.patch(self.order_id, {FIELDS[part.what]: self._value(part) for part in parts})

    async def _send_codes(self) -> None:
        if codes := self._open(*CODES):
            await self._send_or_hold(codes, lambda: self._set_fields(codes))

    async def _send_statuses(self) -> None:
        # zDirect may have refused the numbers of other rows.
        self._hold_without_codes()
        for line_id, parts in self._by_line().items():
            try:
                steps = steps_to(parts[0].what, line_of(self.state, line_id), self.state)
            except ConflictError as error:
                settle(parts, CONFLICT, error)
            else:
                await self._send(parts, partial(self._set_status, line_id, steps, self._rows[parts[0].row]))

    async def _set_status(self, line_id: str, steps: Iterable[str], update: OrderUpdate) -> None:
        for step in steps:
            wanted = update if step == update.status else None
            try:
                await self.calls.patch_line(self.order_id, line_of(self.state, line_id), step, wanted)
            except ConflictError:
                # Somebody else may have made the same change first.
                await self._read_again()
                if line_of(self.state, line_id).status not in PASSED[step]:
                    raise


def _rows(parts: Iterable[Part]) -> str:
    return ", ".join(str(part.row) for part in parts)
