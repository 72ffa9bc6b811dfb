"""What tests see and do of an emulator, behind the back of the API; :mod:`admin` offers the same over HTTP."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from airflow_provider_zdirect.emulator.clock import Moment, moment
from airflow_provider_zdirect.emulator.notice_book import READY_FOR_DELIVERY_DATE
from airflow_provider_zdirect.emulator.order_controls import OrderControls
from airflow_provider_zdirect.emulator.state import Callback, EmulatorState
from airflow_provider_zdirect.emulator.tours import tours_of
from airflow_provider_zdirect.emulator.truth import Record, ScriptedRow, marked


class Controls(OrderControls):
    """All of it; the server is one."""

    def __init__(self, state: EmulatorState) -> None:
        self.state = state

    def truth(
        self, dataset: str, merchant_id: str, start: Moment, end: Moment, *, as_sent: bool = False
    ) -> list[dict[str, Any]]:
        """All records with ``start <= event time < end``, visible or not; bad ones carry ``_bad``.

        Liquidated rows are in their final form: those that vanish are left out, those that change have changed.

        :param dataset: ``received_items``, ``returned_items``, ``liquidated_items``,
            ``intra_community_movements`` (each with both its dates) or ``cross_border_movements``. Dates are half-open
            here too.
        :param as_sent: the records as the API sends them, drift included.
        """
        final = [record for record in self.records(dataset, merchant_id, start, end) if record.visible_until is None]
        return [dict(record.sent) if as_sent else marked(record) for record in final]

    def records(self, dataset: str, merchant_id: str, start: Moment, end: Moment) -> list[Record]:
        """The truth with event time, ``visible_at`` and defect of each record.

        Unlike the truth it holds liquidated rows that vanish and the earlier forms of those that change, both with
        ``visible_until``.
        """
        return self.state.records(dataset, merchant_id, moment(start), moment(end))

    def quantities(self, merchant_id: str, at: Moment) -> dict[tuple[str, str], tuple[int, int]]:
        """The stock at a moment.

        :returns: offerable and non-offerable items by EAN and stock location id, without zeros.
        """
        levels = self.state.stock_levels(self.state.known_merchant(merchant_id), moment(at))
        return {
            (ean, location_id): (offerable, non_offerable)
            for ean, level in levels.items()
            for location_id, offerable, non_offerable in level
        }

    def reference(self, dataset: str, merchant_id: str) -> list[dict[str, Any]]:
        """The current records as sent.

        :param dataset: ``stock_locations`` (the same for all merchants), ``sales_channels`` or ``logistic_centers``.
        """
        return self.state.reference(dataset, self.state.known_merchant(merchant_id))

    def change_reference(
        self, dataset: str, id: str, changes: Mapping[str, Any] | None, *, merchant_id: str | None = None
    ) -> None:
        """Change a record from now on.

        :param changes: fields to replace; ``None`` removes the record. An unknown id adds one, whose other fields are
            those of the first record.
        :param merchant_id: only for this merchant; ``None``: for all that have the record, or a new one for all.
        """
        if merchant_id is not None:
            self.state.known_merchant(merchant_id)
        self.state.references.change(dataset, id, None if changes is None else dict(changes), merchant_id)

    def notices(self, merchant_id: str) -> list[dict[str, Any]]:
        """The merchant's shipping notices at the emulator's now, oldest first.

        :returns: of each ``id``, ``zalando_advice_id``, ``state``, ``announced`` and ``dispatched`` (quantity by EAN;
            ``dispatched`` is ``None`` without a set of its own) and ``fields``, as they were written.
        """
        return [
            {
                "id": notice.id,
                "zalando_advice_id": notice.zalando_advice_id,
                "state": notice.state,
                "announced": dict(notice.announced_sets[-1].items) if notice.announced_sets else {},
                "dispatched": dict(notice.dispatch_sets[-1].items) if notice.dispatch_sets else None,
                "fields": dict(notice.fields),
            }
            for notice in self.state.notices_of([self.state.known_merchant(merchant_id)])
        ]

    def tours(self, merchant_id: str) -> list[dict[str, Any]]:
        """The merchant's tours at the emulator's now, without drift."""
        notices = self.state.notices_of([self.state.known_merchant(merchant_id)])
        return tours_of(self.state.settings.seed, notices, self.state.clock.now())

    def confirm_delivery_date(self, notice_id: str) -> None:
        """What ZFS Operations does: an announced notice gets its delivery date and is ready for dispatch.

        :raises ValueError: if the notice is unknown or not in state ``ready_for_delivery_date``.
        """
        with self.state.notices.lock:
            notice = self.state.find_notice(notice_id)
            if notice is None:
                raise ValueError(f"shipping notice {notice_id} is unknown")
            found = self.state.as_of_now(notice).state
            if found != READY_FOR_DELIVERY_DATE:
                raise ValueError(f"shipping notice {notice_id} is in state {found}, not {READY_FOR_DELIVERY_DATE}")
            self.state.notices.write(notice.with_delivery_date(self.state.clock.now()))

    def script_liquidated(self, merchant_id: str, day: Moment, rows: Iterable[ScriptedRow]) -> None:
        """From now on that merchant and day have exactly these liquidated rows.

        :param day: the date that ``from`` and ``to`` select.
        :param rows: ``(body, visible_from, visible_until)``: fields that differ from a complete body, which all rows
            of the day share; the API shows the row from one aware time until another, or ``None`` if it stays.
        """
        self.state.script.set(self.state.known_merchant(merchant_id), moment(day).date(), rows)

    def stock_levels(self, merchant_id: str) -> dict[tuple[str, str], int]:
        """The accepted quantity by sales channel id and EAN, of what was ever updated."""
        return self.state.stocks.levels(self.state.known_merchant(merchant_id))

    def stock_updates(self, merchant_id: str) -> list[dict[str, Any]]:
        """Every item of every request that was answered with 207, in order.

        :returns: ``time`` (aware), ``sales_channel_id``, ``ean``, ``quantity`` (as it came), ``status`` and ``code``.
        """
        return self.state.stocks.updates(self.state.known_merchant(merchant_id))

    def onboard(self, ean: str) -> None:
        """The article becomes known, and the last update that was held for it in each sales channel takes effect."""
        self.state.stocks.onboard(ean)

    def on_request(self, path_part: str, callback: Callback) -> None:
        """From now on call ``callback(n)`` before the n-th admitted request is answered whose path contains that.

        :param callback: called in the server's thread; ``n`` counts from 1.
        """
        self.state.listeners.add(path_part, callback)
