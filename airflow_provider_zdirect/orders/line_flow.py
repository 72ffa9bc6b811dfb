"""Updates of an order that leaves in one parcel: tracking numbers of the order, statuses of its lines.

zDirect docs, *Orders*: an order is exported first; tracking numbers are sent before its lines are shipped, five seconds
apart; the next statuses of a line are in ``meta.possible_status_transitions``; while an order is ``initial`` and not
exported, only ``reserved`` is possible.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from types import MappingProxyType

from airflow_provider_zdirect.client.failures import REFETCH_DELAY
from airflow_provider_zdirect.exceptions import BadRequestError, ConflictError, NotFoundError, ServerError
from airflow_provider_zdirect.orders.order_flow import (
    CODES,
    NAMES,
    OrderFlow,
    Outcome,
    Want,
    told,
    value_of,
)
from airflow_provider_zdirect.orders.order_state import APPROVED, INITIAL, LineState, OrderState
from airflow_provider_zdirect.orders.update_journal import Sent
from airflow_provider_zdirect.orders.update_results import ALREADY, CONFLICT, DONE, EXPORT, REFUSED, ROW
from airflow_provider_zdirect.orders.update_rows import CANCELED, RESERVED, RETURNED, SHIPPED, OrderUpdate

PASSED: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        RESERVED: (RESERVED, SHIPPED, RETURNED),
        SHIPPED: (SHIPPED, RETURNED),
        CANCELED: (CANCELED,),
        RETURNED: (RETURNED,),
    }
)
"""Statuses of a line in which the wanted one has been reached."""

NEXT: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {INITIAL: (RESERVED,), RESERVED: (SHIPPED, CANCELED), SHIPPED: (RETURNED,)}
)
"""Possible statuses, where zDirect does not name them."""


def steps_to(status: str, line: LineState, order: OrderState, *, exported: bool | None = None) -> tuple[str, ...] | str:
    """The statuses to set, one after the other, until a line has ``status``; none if it has; or why that cannot be.

    :param exported: whether the order will be by then; None: as it is.
    """
    if line.status in PASSED[status]:
        return ()
    exported = order.exported if exported is None else exported
    waiting = order.status == INITIAL and not exported
    possible = line.possible
    if possible is None or exported != order.exported:
        # What zDirect names is of now.
        possible = NEXT.get(line.status, ()) if not waiting or line.status == INITIAL else ()
    if status in possible:
        return (status,)
    if RESERVED in possible and order.status == APPROVED and status in (SHIPPED, CANCELED):
        return (RESERVED, status)
    if order.status == INITIAL:
        return f"the order is not approved yet, and its line cannot become {status}"
    return f"the line is {line.status}, and cannot become {status}"


NOT_SHOWN = (
    "No action needed: the task retries. If the error stays, set tracking_effect to wait in the connection's "
    "assumptions."
)


class LineFlow(OrderFlow):
    """See the module."""

    async def _decide(self) -> None:
        unfound = [update for update in self._updates if not self._add(update)]
        self._refuse_all_lines(unfound)
        self._leave_to_own_rows()
        self._hold_impossible_lines()
        for what in NAMES:
            self._differing(what)
            self._compare(what, getattr(self.state, NAMES[what]), "the order")
        self._hold_equal_codes({what: self._open(what) for what in CODES}, self.state)
        self._hold_without_tracking(self._given_codes())

    def to_send(self) -> list[Sent]:
        return [(self.order_id, want.line_id, want.what) for want, outcome in self._wants.items() if outcome is None]

    async def prepare(self) -> None:
        exports = bool(self._open(EXPORT))
        await self._export()
        wants = [want for what in CODES for want in self._open(what)]
        if wants:
            attributes = {NAMES[want.what]: value_of(want) for want in wants}
            if await self._send(wants, lambda: self._calls.patch(self.order_id, attributes)):
                self.waits = True
        if exports and self._lines():
            # What is possible now is to be asked anew.
            self.waits = True

    async def look_again(self) -> None:
        self._state = await self._calls.get(self.order_id)
        if self._rules.look_for_effect and self._not_shown():
            return
        for what in CODES:
            if what in self._sent_at:
                self._tell(self._open(what), Outcome(DONE, sent_at=self._sent_at[what]))
        self.waits = False

    def expire(self) -> None:
        self.waits = False
        if not self._shows_export():
            self.error = self._hidden(EXPORT)
        for what in CODES:
            wants = self._open(what)
            if what not in self._sent_at or not wants:
                continue
            there = getattr(self.state, NAMES[what])
            if there == value_of(wants[0]):
                self._tell(wants, Outcome(DONE, sent_at=self._sent_at[what]))
            elif there is not None:
                reason = f"zDirect took the {NAMES[what]}, and still shows another one"
                self._hold((want.update for want in wants), Outcome(CONFLICT, reason=reason))
            else:
                self.error = self._hidden(what)

    async def finish(self) -> None:
        self._hold_without_tracking(self._sent_at)
        for line_id, wants in self._lines().items():
            await self._set_status(line_id, wants)

    # Deciding

    def _add(self, update: OrderUpdate) -> bool:
        """The wants of a row; False if nothing can be made of it."""
        lines = self._lines_of(update)
        if update.shipment is not None:
            hint = "" if self._rules.split_shipments else "; split_shipments=True allows it"
            lines = f"a shipment is given, but the order is not shipped in parcels{hint}"
        if isinstance(lines, str):
            self._refuse_rows([update], lines)
            return False
        for what, name in NAMES.items():
            if getattr(update, name) is not None:
                self._wants[Want(update, what)] = None
        if update.status:
            for line_id in lines:
                self._wants[Want(update, update.status, line_id)] = None
        return True

    def _lines_of(self, update: OrderUpdate) -> list[str] | str:
        """The lines that a row's status is of, or what is wrong."""
        lines = self.state.lines
        if update.order_line_id is not None:
            return [update.order_line_id] if update.order_line_id in lines else "the order has no such line"
        whose = "the order"
        if update.external_id is not None:
            of_article = self.state.articles.get(update.external_id, frozenset())
            lines = {line_id: line for line_id, line in lines.items() if line_id in of_article}
            whose = "that article"
            if not lines:
                return "the order has no line with that external_id"
        if update.status is None:
            return []
        # Of all lines means: of all that have not been canceled.
        left = [line.id for line in lines.values() if update.status == CANCELED or line.status != CANCELED]
        if update.external_id is not None and update.status in (CANCELED, RETURNED) and len(left) > 1:
            hint = f"name those that are {update.status} by order_line_id"
            return f"the order has {len(left)} pieces of that article; {hint}"
        return left or f"all lines of {whose} are canceled"

    def _leave_to_own_rows(self) -> None:
        """A line that a row names has the status of that row, not that of a row for all lines."""
        by_line = self._lines()
        for line_id, wants in by_line.items():
            named = [want for want in wants if want.update.order_line_id or want.update.external_id]
            if named and len(named) < len(wants):
                for want in wants:
                    if want not in named:
                        del self._wants[want]
                        if not any(other.update == want.update for other in self._wants):
                            self._wants[Want(want.update, ROW)] = Outcome(ALREADY, reason="other rows name its lines")
                wants = named
            if len({want.what for want in wants}) > 1:
                rows = ", ".join(str(want.update.row) for want in wants)
                reason = f"rows {rows} give different statuses for line {line_id}"
                self._hold((want.update for want in wants), Outcome(REFUSED, reason=reason))

    def _hold_impossible_lines(self) -> None:
        for line_id, wants in self._lines().items():
            for want in wants:
                exports = want.update.merchant_order_id is not None or bool(self._open(EXPORT))
                line = self.state.lines[line_id]
                steps = steps_to(want.what, line, self.state, exported=self.state.exported or exports)
                if steps == ():
                    self._tell([want], Outcome(ALREADY))
                elif isinstance(steps, str):
                    outcome = REFUSED if self.state.status == INITIAL else CONFLICT
                    self._hold([want.update], Outcome(outcome, reason=steps))

    def _given_codes(self) -> dict[str, str]:
        return {what: value_of(wants[0]) for what in CODES if (wants := self._open(what))}

    def _hold_without_tracking(self, given: Mapping[str, object]) -> None:
        rows = {want.update for want in self._open(SHIPPED)}
        if not (rows and self._rules.require_tracking):
            return
        missing = [NAMES[what] for what in CODES if not (given.get(what) or getattr(self.state, NAMES[what]))]
        if not missing:
            return
        reason = f"nothing is shipped without {' and '.join(missing)}; require_tracking=False allows it"
        self._hold(rows, Outcome(REFUSED, reason=reason))

    def _lines(self) -> dict[str, list[Want]]:
        """The open wants by line."""
        found: dict[str, list[Want]] = defaultdict(list)
        for want, outcome in self._wants.items():
            if want.line_id is not None and outcome is None:
                found[want.line_id].append(want)
        return dict(found)

    def _hidden(self, what: str) -> ServerError:
        return ServerError(
            f"Order {self.order_id}: zDirect took the {NAMES[what]}, and does not show it yet, so nothing of the order "
            "was shipped.",
            remedy=NOT_SHOWN,
            retry_after=REFETCH_DELAY,
        )

    def _shows_export(self) -> bool:
        """Only then zDirect names the statuses that are possible after it."""
        sent = {value_of(want) for want in self._wants if want.what == EXPORT and EXPORT in self._sent_at}
        return not (sent and self._lines()) or self.state.merchant_order_id in sent

    def _not_shown(self) -> bool:
        return not self._shows_export() or any(
            getattr(self.state, NAMES[what]) != value_of(wants[0])
            for what in CODES
            if what in self._sent_at and (wants := self._open(what))
        )

    # Writing

    async def _set_status(self, line_id: str, wants: list[Want]) -> None:
        want = wants[0]
        line = self.state.lines.get(line_id)
        steps = steps_to(want.what, line, self.state) if line else "the order does not have the line any more"
        if line is None or isinstance(steps, str):
            self._tell(wants, Outcome(CONFLICT, reason=str(steps)))
            return
        at = None
        for step in steps:
            at = self._clock.now()
            wanted = step == want.what
            try:
                await self._calls.patch_line(
                    self.order_id,
                    line.item_id,
                    line_id,
                    step,
                    reason=want.update.reason if wanted else None,
                    center=want.update.outbound_logistic_center_id if wanted else None,
                )
            except (BadRequestError, NotFoundError) as error:
                self._tell(wants, Outcome(REFUSED, error.status, told(error), at))
                return
            except ConflictError as error:
                # Somebody else may have been quicker, with the same.
                self._state = await self._calls.get(self.order_id)
                now = self.state.lines.get(line_id)
                if now is None or now.status not in PASSED[step]:
                    self._tell(wants, Outcome(CONFLICT, error.status, told(error), at))
                    return
                at = None
        self._tell(wants, Outcome(DONE, sent_at=at) if at else Outcome(ALREADY))
