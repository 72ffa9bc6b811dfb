# SPDX-License-Identifier: Apache-2.0
"""Orders that wait for their tracking numbers: found, published, and sent to a notifier."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from airflow_provider_zdirect.operators import argument_table as table
from airflow_provider_zdirect.operators.arguments import refusal, span
from airflow_provider_zdirect.operators.base import Flow, Outcome, Published, TaskRun, ZDirectOperator
from airflow_provider_zdirect.operators.notifiers import Notifiers, Notify, TakesNotifiers
from airflow_provider_zdirect.operators.order_notifiers import notify_all


def _page_url(value: Any, name: str) -> str:
    if not str(value).startswith(("https://", "http://")):
        remedy = "Give it with https://; {order_id}, {order_number} and {merchant_id} are filled in."
        raise refusal(f"{name}={value!r} is not the address of a page", remedy)
    return str(value)


class ZDirectMissingTrackingOperator(TakesNotifiers, ZDirectOperator):
    """Finds approved orders without tracking or return tracking number, publishes them, and notifies you.

    It reads the published orders (``orders_current`` under ``base_path``), and looks overdue ones up at zDirect. They
    become the table ``order_tracking_missing``; ``notifier`` is called with those that are new or due again.
    What counts as overdue, and what a notifier is given, is in ``docs/order-updates.md``.

    :param base_path: URL for ObjectStoragePath, or absolute local path, under which orders are published.
    :param notifier: a notifier of Airflow, a function of the context, or a list of them; None: the task's log.
    :param merchant_id: id or name; None means the connection's merchant, or the only one that the app may use.
    :param grace_hours: hours after the approval in which tracking numbers may come.
    :param export_hours: hours after the approval in which an order is to be exported.
    :param update_days: days without any change after which an order is overdue.
    :param lookback_days: orders that are older than this many days are left out.
    :param remind_after: notify of the same order again after that (timedelta or ISO 8601 text).
    :param max_orders_age: how long ago orders may have been extracted (timedelta or ISO 8601 text).
    :param live_check: look overdue orders up at zDirect, because the published orders may be an hour old.
    :param portal_url: a link, in which ``{order_id}``, ``{order_number}`` and ``{merchant_id}`` are filled in; None:
        the page where partners log in.
    :param storage_conn_id: Airflow connection of the storage.
    :param format: ``parquet`` or ``jsonl``.
    :param conn_id: the zDirect connection.
    :param deferrable: wait in the triggerer after a retriable error.
    :returns: ``merchant_id``, ``overdue``, ``notified``, ``without_tracking_number``,
        ``without_return_tracking_number``, ``without_export``, ``without_update``, ``known_until``, ``uri``.
    :raises ZDirectConfigurationError: at parse, if a literal argument is wrong. What a notifier raises is raised, too.
    """

    arguments = (
        table.PLACE
        | table.FORMAT
        | dict.fromkeys(("grace_hours", "export_hours", "update_days", "lookback_days"), table.Argument(span))
        | dict.fromkeys(("remind_after", "max_orders_age"), table.DURATION)
        | {"live_check": table.FLAG, "portal_url": table.optional(_page_url)}
    )

    def __init__(
        self,
        *,
        base_path: str,
        notifier: Notify | Sequence[Notify] | None = None,
        merchant_id: str | None = None,
        grace_hours: float | str = 24,
        export_hours: float | str = 3,
        update_days: float | str = 7,
        lookback_days: float | str = 60,
        remind_after: timedelta | str = timedelta(hours=24),
        max_orders_age: timedelta | str = timedelta(hours=6),
        live_check: bool | str = True,
        portal_url: str | None = None,
        storage_conn_id: str | None = None,
        format: str = "parquet",
        conn_id: str = "zdirect_default",
        deferrable: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(values=locals(), **kwargs)
        self.notifier = Notifiers(notifier)

    @classmethod
    def flow(cls, values: Mapping[str, Any]) -> Flow:
        return Flow(
            fetched=("orders",) if values["live_check"] else (),
            read=("orders", "orders_current"),
            published=("order_tracking_missing",),
        )

    def perform(self, run: TaskRun) -> Outcome:
        from airflow_provider_zdirect.orders.missing_tracking import PORTAL_URL, TrackingCheck, check_tracking

        values = run.values
        check = TrackingCheck(
            run.place("orders without tracking numbers"),
            tracking=values["grace_hours"],
            export=values["export_hours"],
            update=values["update_days"],
            lookback=values["lookback_days"],
            live=values["live_check"],
            portal_url=values["portal_url"] or PORTAL_URL,
            **run.pick("max_orders_age", "remind_after"),
        )
        found = run.ask(lambda client: check_tracking(check, client))
        if found.to_notify:
            notify_all(self.notifier, found.notification_rows(), found.uri, check.place, run.context)
        found.record_notified()
        published = {"order_tracking_missing": Published(len(found.orders))}
        return Outcome(found.as_dict(), published=published)
