"""Updates of an order that leaves in one parcel: tracking numbers of the order, statuses of its lines.

zDirect docs, *Orders*: an order is exported first; tracking numbers are sent before its lines are shipped, five seconds
apart; the next statuses of a line are in ``meta.possible_status_transitions``; while an order is ``initial`` and not
exported, only ``reserved`` is possible.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from types import MappingProxyType

from airflow_provider_zdirect.exceptions import BadRequestError, ConflictError, NotFoundError
from airflow_provider_zdirect.orders.order_flow import CODES, NAMES, OrderFlow, Outcome, Want
from airflow_provider_zdirect.orders.order_state import APPROVED, INITIAL, LineState, OrderState
from airflow_provider_zdirect.orders.update_results import ALREADY, CONFLICT, DONE, EXPORT, REFUSED, ROW, reason_of
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
    """The statuses to set, in order, until a line has ``status`` (none if it has); or why that is impossible.

    :param exported: whether the order will be exported by then; None: as it is.
    """
    if line.status in PASSED[status]:
        return ()
    exported = order.exported if exported is None else exported
    waiting = order.status == INITIAL and not exported
    possible = line.possible
    if possible is None or exported != order.exported:
        # What zDirect names holds for the current state only.
        possible = NEXT.get(line.status, ()) if not waiting or line.status == INITIAL else ()
    if status in possible:
        return (status,)
    if RESERVED in possible and order.status == APPROVED and status in (SHIPPED, CANCELED):
        return (RESERVED, status)
    if order.status == INITIAL:
        return f"the order is not approved yet, and its line cannot become {status}"
    return f"the line is {line.status}, and cannot become {status}"


class LineFlow(OrderFlow):
    """Updates an order in one parcel."""

    async def finish(self) -> None:
        # zDirect may have refused the numbers of other rows.
        self._hold_without_tracking()
        for line_id, wants in self._lines().items():
            await self._set_status(line_id, wants)

    async def _decide(self) -> None:
        lines = {update: self._lines_of(update) for update in self._updates}
        unfound = any(isinstance(found, str) for found in lines.values())
        named = {
            line_id
            for update, found in lines.items()
            if not isinstance(found, str) and _names_lines(update)
            for line_id in found
        }
        for update, found in lines.items():
            problem = found if isinstance(found, str) else self._doubt(update, unfound)
            if problem or isinstance(found, str):
                self._refuse_rows([update], str(problem))
                continue
            self._want_fields(update)
            # A row that names a line goes before a row for all lines.
            own = [line_id for line_id in found if _names_lines(update) or line_id not in named]
            self._wants |= {Want(update, str(update.status), line_id): None for line_id in own}
            if not any(want.update == update for want in self._wants):
                self._wants[Want(update, ROW)] = Outcome(ALREADY, reason="other rows name its lines")
        self._hold_impossible_lines()
        self._decide_field(self._open(EXPORT))
        self._decide_codes()

    def _lines_of(self, update: OrderUpdate) -> list[str] | str:
        """The lines whose status a row sets, or what is wrong."""
        if update.shipment is not None:
            hint = "" if self._rules.split_shipments else "; split_shipments=True allows it"
            return f"a shipment is given, but the order is not shipped in parcels{hint}"
        if update.status is None:
            return []
        if update.status == CANCELED and not _names_lines(update):
            return list(self.state.lines)
        found = self._named_lines(update)
        if update.external_id is None or isinstance(found, str):
            return found
        left = [one for one in found if update.status == CANCELED or self.state.lines[one].status != CANCELED]
        if update.status in (CANCELED, RETURNED) and len(left) > 1:
            hint = f"name those that are {update.status} by order_line_id"
            return f"the order has {len(left)} pieces of that article; {hint}"
        return left or "all lines of that article are canceled"

    def _hold_impossible_lines(self) -> None:
        exports = bool(self._open(EXPORT))
        for line_id, wants in self._lines().items():
            if len({want.what for want in wants}) > 1:
                rows = ", ".join(str(want.update.row) for want in wants)
                reason = f"rows {rows} give different statuses for line {line_id}"
                self._hold(wants, REFUSED, reason)
        for line_id, wants in self._lines().items():
            exported = self.state.exported or exports
            for want in wants:
                steps = steps_to(want.what, self.state.lines[line_id], self.state, exported=exported)
                if steps == ():
                    self._record([want], Outcome(ALREADY))
                elif isinstance(steps, str):
                    self._hold([want], REFUSED if self.state.status == INITIAL else CONFLICT, steps)

    def _lines(self) -> dict[str, list[Want]]:
        """The open wants by line."""
        found: dict[str, list[Want]] = defaultdict(list)
        for want in self._wants:
            if want.line_id is not None and self._is_open(want):
                found[want.line_id].append(want)
        return dict(found)

    def _awaits(self, want: Want) -> bool:
        # zDirect names the possible statuses only after the export.
        return super()._awaits(want) or (want.what == EXPORT and bool(self._lines()))

    def _with_codes(self, shipment: str | None) -> OrderState:
        return self.state

    async def _read_again(self) -> None:
        self._state = await self._calls.get(self.order_id)

    async def _send_codes(self) -> None:
        wants = self._open(*CODES)
        if wants:
            attributes = {NAMES[want.what]: want.value for want in wants}
            await self._send(wants, lambda: self._calls.patch(self.order_id, attributes))

    async def _set_status(self, line_id: str, wants: list[Want]) -> None:
        want = wants[0]
        line = self.state.lines.get(line_id)
        steps = steps_to(want.what, line, self.state) if line else "the order does not have the line any more"
        if line is None or isinstance(steps, str):
            return self._record(wants, Outcome(CONFLICT, reason=str(steps)))
        at = None
        for step in steps:
            at = self._clock.now()
            wanted = want.update if step == want.what else None
            try:
                await self._calls.patch_line(self.order_id, line, step, wanted)
            except (BadRequestError, NotFoundError) as error:
                return self._record(wants, Outcome(REFUSED, error.status, reason_of(error), at))
            except ConflictError as error:
                # Somebody else may have made the same change first.
                await self._read_again()
                now = self.state.lines.get(line_id)
                if now is None or now.status not in PASSED[step]:
                    return self._record(wants, Outcome(CONFLICT, error.status, reason_of(error), at))
                at = None
        return self._record(wants, Outcome(DONE, sent_at=at) if at else Outcome(ALREADY))


def _names_lines(update: OrderUpdate) -> bool:
    return update.order_line_id is not None or update.external_id is not None
