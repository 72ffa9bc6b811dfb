"""Updates of an order that leaves in one parcel: tracking numbers of the order, statuses of its lines.

zDirect docs, *Orders*: an order is exported first; tracking numbers are sent before its lines are shipped, five seconds
apart; the next statuses of a line are in ``meta.possible_status_transitions``; while an order is ``initial`` and not
exported, only ``reserved`` is possible.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from types import MappingProxyType

from airflow_provider_zdirect.exceptions import ConflictError
from airflow_provider_zdirect.orders.order_flow import CODES, OrderFlow
from airflow_provider_zdirect.orders.order_state import APPROVED, INITIAL, LineState, OrderState
from airflow_provider_zdirect.orders.row_parts import ALREADY, CONFLICT, EXPORT, REFUSED, ROW, Part, settle
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


def steps_to(status: str, line: LineState, order: OrderState, *, exported: bool | None = None) -> tuple[str, ...]:
    """The statuses to set, in order, until a line has ``status``; none if it has.

    :param exported: whether the order will be exported by then; None: as it is.
    :raises ConflictError: if that is impossible.
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
        raise ConflictError(f"the order is not approved yet, and its line cannot become {status}")
    raise ConflictError(f"the line is {line.status}, and cannot become {status}")


class LineFlow(OrderFlow):
    """Updates an order in one parcel."""

    def _lines_of(self, update: OrderUpdate) -> list[str]:
        if update.shipment is not None:
            hint = "" if self.rules.split_shipments else "; split_shipments=True allows it"
            raise ValueError(f"a shipment is given, but the order is not shipped in parcels{hint}")
        if update.status is None:
            return []
        if update.status == CANCELED and not update.names_lines:
            return list(self.state.lines)
        found = self._named_lines(update)
        if update.external_id is None:
            return found
        left = [one for one in found if update.status == CANCELED or self.state.lines[one].status != CANCELED]
        if update.status in (CANCELED, RETURNED) and len(left) > 1:
            hint = f"name those that are {update.status} by order_line_id"
            raise ValueError(f"the order has {len(left)} pieces of that article; {hint}")
        if not left:
            raise ValueError("all lines of that article are canceled")
        return left

    async def _decide(self) -> None:
        lines, problems = self._find_lines()
        for update, problem in problems.items():
            self._refuse([update], problem)
        named = {line_id for update, found in lines.items() if update.names_lines for line_id in found}
        for update, found in lines.items():
            # A row that names a line goes before a row for all lines.
            own = [line_id for line_id in found if update.names_lines or line_id not in named]
            self._add(update, *(self._part(update, str(update.status), line_id) for line_id in own))
            if not any(part.row == update.row for part in self._parts):
                nothing = self._part(update, ROW)
                nothing.settle(ALREADY, "other rows name its lines")
                self._parts.append(nothing)
        self._decide_field(self._open(EXPORT))
        self._decide_statuses()
        self._decide_codes()

    def _decide_statuses(self) -> None:
        for line_id, parts in self._by_line().items():
            if len({part.what for part in parts}) > 1:
                rows = ", ".join(str(part.row) for part in parts)
                self._hold(parts, REFUSED, f"rows {rows} give different statuses for line {line_id}")
        exported = self.state.exported or bool(self._open(EXPORT))
        for line_id, parts in self._by_line().items():
            try:
                if not steps_to(parts[0].what, self.state.lines[line_id], self.state, exported=exported):
                    settle(parts, ALREADY)
            except ConflictError as error:
                self._hold(parts, REFUSED if self.state.status == INITIAL else CONFLICT, error.message)

    def _by_line(self) -> dict[str, list[Part]]:
        """The open parts by line."""
        found: dict[str, list[Part]] = defaultdict(list)
        for part in self._parts:
            if part.order_line_id is not None and part.is_open:
                found[part.order_line_id].append(part)
        return dict(found)

    def _awaits(self, part: Part) -> bool:
        # zDirect names the possible statuses only after the export.
        return super()._awaits(part) or (part.what == EXPORT and bool(self._by_line()))

    def _carrier(self, shipment: str | None) -> OrderState:
        return self.state

    async def _read_again(self) -> None:
        self._state = await self.calls.get(self.order_id)

    async def _send_codes(self) -> None:
        if parts := self._open(*CODES):
            await self._send_or_hold(parts, lambda: self.calls.patch(self.order_id, self._fields(parts)))

    async def _send_statuses(self) -> None:
        # zDirect may have refused the numbers of other rows.
        self._hold_without_codes()
        for line_id, parts in self._by_line().items():
            await self._set_status(line_id, parts)

    async def _set_status(self, line_id: str, parts: list[Part]) -> None:
        status = parts[0].what
        try:
            if (line := self.state.lines.get(line_id)) is None:
                raise ConflictError("the order does not have the line any more")
            steps = steps_to(status, line, self.state)
        except ConflictError as error:
            return settle(parts, CONFLICT, error)

        async def send() -> None:
            for step in steps:
                update = self._rows[parts[0].row] if step == status else None
                try:
                    await self.calls.patch_line(self.order_id, line, step, update)
                except ConflictError:
                    # Somebody else may have made the same change first.
                    await self._read_again()
                    now = self.state.lines.get(line_id)
                    if now is None or now.status not in PASSED[step]:
                        raise

        await self._send(parts, send)
        return None
