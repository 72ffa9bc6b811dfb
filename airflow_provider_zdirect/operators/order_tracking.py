"""Orders that wait for their tracking numbers: found, published, and told to somebody."""

from __future__ import annotations

import asyncio
import copy
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import timedelta
from html import escape
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import AirflowNotFoundException, BaseHook

from airflow_provider_zdirect.exceptions import ZDirectConfigurationError, ZDirectRetriableError
from airflow_provider_zdirect.operators import arguments
from airflow_provider_zdirect.operators.base import ZDirectOperator
from airflow_provider_zdirect.operators.base_path import check_place, open_place
from airflow_provider_zdirect.operators.retry import fail_fast
from airflow_provider_zdirect.operators.window_job import wait_out

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

    from airflow_provider_zdirect.hooks.zdirect import ZDirectHook
    from airflow_provider_zdirect.orders.tracking_check import Overdue, TrackingCheck

log = logging.getLogger(__name__)

Notify = Callable[[Any], Any]

MOST_SHOWN = 200
"""Orders in a text; the list itself has all."""

SUBJECT = "zDirect: {{ missing_orders_count }} orders wait for tracking numbers, export or an update"
CONTENT = "<p>Orders of merchant {{ missing_orders_merchant_id }}:</p>{{ missing_orders_html }}"

_AGES = ("max_orders_age", "remind_after")
_SPANS = {"grace_hours": 3600, "export_hours": 3600, "update_days": 86_400, "lookback_days": 86_400}
"""Numbers, and seconds of one."""

_WORDS = {
    "tracking_number": "tracking number",
    "return_tracking_number": "return tracking number",
    "export": "export (merchant order id)",
    "update": "any update",
}


class ZDirectMissingTrackingOperator(ZDirectOperator):
    """Finds approved orders without tracking or return tracking number, publishes them, and tells somebody.

    It reads the published orders (``orders_current`` under ``base_path``), and looks at those that it finds at zDirect
    as they are now. Only orders that the partner fulfils count. Besides tracking numbers it tells of orders that were
    not exported within ``export_hours``, and of those without any change for ``update_days`` (zDirect docs, *Orders*).
    The time counts from the approval: that of the first version that was seen approved, if one before it was not; else
    from the order's creation.

    All that are overdue are the table ``order_tracking_missing`` under ``base_path``. ``notifier`` is called with those
    of which it was not told within ``remind_after``, or of which more is missing by now; if there are none, it is not
    called. A task that is killed just after the call may tell them twice.

    A notifier is any notifier of Airflow (SmtpNotifier, SlackNotifier, ...), or any function of the context. Its
    templates and the context have:

    ``missing_orders``
        a list of ``order_id``, ``order_number``, ``merchant_order_id``, ``approved_at``, ``age_hours``, ``missing`` (of
        ``tracking_number``, ``return_tracking_number``, ``export``, ``update``) and ``portal_url``; nothing personal.
    ``missing_orders_count``, ``missing_orders_text``, ``missing_orders_html``
        how many, and the list as a text and as a table.
    ``missing_orders_uri``, ``missing_orders_merchant_id``
        where all that are overdue are published, and whose they are.

    All arguments but ``notifier`` and ``deferrable`` are templates; what is wrong and known at parse is refused at
    parse.

    :param base_path: URL for ObjectStoragePath, or absolute local path, under which orders are published.
    :param notifier: one, or a list of them; None writes the list to the task's log.
    :param merchant_id: UUID; None means the connection's merchant, or the only one that the app may use.
    :param grace_hours: hours after the approval in which tracking numbers may come.
    :param export_hours: hours after the approval in which an order is to be exported.
    :param update_days: days without any change after which an order is told.
    :param lookback_days: orders of so many days ago and later are looked at.
    :param remind_after: tell of the same order again after that (timedelta, or ISO 8601 text such as ``PT24H``).
    :param max_orders_age: how long ago orders may have been extracted (timedelta, or ISO 8601 text).
    :param live_check: look at what is found at zDirect, because the published orders may be an hour old.
    :param portal_url: a link, in which ``{order_id}``, ``{order_number}`` and ``{merchant_id}`` are filled in. Under
        which address the portal shows one order is not documented; the default is the page where partners log in.
    :param storage_conn_id: Airflow connection of the storage.
    :param format: ``parquet`` or ``jsonl``.
    :param conn_id: the zDirect connection.
    :param deferrable: wait in the triggerer after a retriable error.
    :returns: ``merchant_id``, ``overdue``, ``notified``, ``without_tracking_number``,
        ``without_return_tracking_number``, ``without_export``, ``without_update``, ``known_until``, ``uri``.
    :raises ZDirectConfigurationError: at parse, if a literal argument is wrong.
    :raises AirflowFailException: if a retry cannot help; chained to the typed error.
    :raises ZDirectRetriableError: if it can. Whatever a notifier raises is raised, and retried.
    """

    template_fields: Sequence[str] = (
        "base_path",
        "merchant_id",
        "grace_hours",
        "export_hours",
        "update_days",
        "lookback_days",
        "remind_after",
        "max_orders_age",
        "live_check",
        "portal_url",
        "storage_conn_id",
        "format",
        "conn_id",
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
        self.base_path = base_path
        self.notifier = Notifiers.of(notifier)
        self.merchant_id = merchant_id
        self.grace_hours = grace_hours
        self.export_hours = export_hours
        self.update_days = update_days
        self.lookback_days = lookback_days
        self.remind_after = remind_after
        self.max_orders_age = max_orders_age
        self.live_check = live_check
        self.portal_url = portal_url
        self.storage_conn_id = storage_conn_id
        self.format = format
        self.conn_id = conn_id
        self.deferrable = deferrable

    @classmethod
    def partial(cls, **kwargs: Any) -> Any:
        """As for every operator here."""
        if "notifier" in kwargs:
            kwargs["notifier"] = Notifiers.of(kwargs["notifier"])
        return super().partial(**kwargs)

    @classmethod
    def check_literals(cls, values: Mapping[str, Any]) -> None:
        check_place(values)
        for name in _SPANS:
            arguments.check(values[name], lambda number, name=name: _span(number, name))  # type: ignore[misc]
        for name in _AGES:
            arguments.check(values[name], lambda age, name=name: arguments.duration(age, name=name))  # type: ignore[misc]
        arguments.check_flag(values["live_check"], name="live_check")
        arguments.check(values["portal_url"], _portal_url)
        arguments.check(values["format"], arguments.file_format)

    def execute(self, context: Context) -> dict[str, Any]:
        return self._check(context, waits=0)

    def resume(self, context: Context, event: Any = None, waits: int = 0) -> dict[str, Any]:
        """Go on after a wait in the triggerer, from the start."""
        return self._check(context, waits=waits)

    def _check(self, context: Context, *, waits: int) -> dict[str, Any]:
        from airflow_provider_zdirect.hooks.zdirect import ZDirectHook

        try:
            with fail_fast():
                hook = ZDirectHook(self.conn_id)
                found = asyncio.run(_find(hook, self._job(hook)))
        except ZDirectRetriableError as error:
            if not self.deferrable:
                raise
            wait_out(self, error, waits)
        if found.to_notify:
            self._tell(found, context)
        found.record_notified()
        return found.as_dict()

    def _tell(self, found: Overdue, context: Any) -> None:
        rows = found.notification_rows()
        context.update(
            {
                "missing_orders": rows,
                "missing_orders_count": len(rows),
                "missing_orders_text": as_text(rows),
                "missing_orders_html": as_html(rows, found.uri),
                "missing_orders_uri": found.uri,
                "missing_orders_merchant_id": found.check.place.merchant_id,
            }
        )
        for notifier in self.notifier or [log_missing_orders]:
            with fail_fast():
                notify(notifier, context)

    def _job(self, hook: ZDirectHook) -> TrackingCheck:
        from airflow_provider_zdirect.orders.missing_tracking import Deadlines
        from airflow_provider_zdirect.orders.tracking_check import PORTAL_URL, TrackingCheck

        spans = {name: _span(getattr(self, name), name) for name in _SPANS}
        ages: dict[str, Any] = {name: arguments.duration(getattr(self, name), name=name) for name in _AGES}
        portal_url = arguments.given_text(self.portal_url)
        settings: dict[str, Any] = {
            "live": arguments.flag(self.live_check, name="live_check"),
            "portal_url": PORTAL_URL if portal_url is None else _portal_url(portal_url),
        }
        return TrackingCheck(
            open_place(self, hook),
            deadlines=Deadlines(
                tracking=spans["grace_hours"],
                export=spans["export_hours"],
                update=spans["update_days"],
                lookback=spans["lookback_days"],
            ),
            **ages,
            **settings,
        )


class Notifiers:
    """Some notifiers, which look the same whenever a DAG file is parsed: else each parse would be a new version."""

    def __init__(self, listed: Sequence[Notify]) -> None:
        self._listed = tuple(listed)

    def __iter__(self) -> Iterator[Notify]:
        return iter(self._listed)

    def __len__(self) -> int:
        return len(self._listed)

    @classmethod
    def of(cls, value: Any) -> Notifiers:
        """:raises ZDirectConfigurationError: if one of them cannot be called."""
        if isinstance(value, cls):
            return value
        listed = () if value is None else value if isinstance(value, list | tuple) else (value,)
        for notifier in listed:
            if not callable(notifier):
                raise ZDirectConfigurationError(
                    f"notifier: {type(notifier).__name__} is no notifier.",
                    remedy="Give a notifier of Airflow such as SmtpNotifier(...), a function of the context, or some.",
                )
        return cls(listed)

    def __repr__(self) -> str:
        return f"({', '.join(getattr(one, '__qualname__', type(one).__qualname__) for one in self)})"

    __str__ = __repr__


def notify(notifier: Notify, context: Any) -> None:
    """Call a notifier with the context; what it raises is raised.

    A copy of it is called, because it renders its templates in place. Airflow 2 would only log what it raises.
    """
    mine: Any = copy.copy(notifier)
    if not (hasattr(mine, "notify") and hasattr(mine, "render_template_fields")):
        mine(context)
        return
    if hasattr(mine, "_update_context"):
        mine._update_context(context)
    mine.render_template_fields(context)
    mine.notify(context)


def log_missing_orders(context: Any) -> None:
    """A notifier that writes the orders to the task's log."""
    log.warning("%d orders are overdue:\n%s", context["missing_orders_count"], context["missing_orders_text"])


def mail_missing_orders(context: Any, to: Sequence[str], smtp_conn_id: str | None = None) -> None:
    """A notifier that sends the orders by e-mail, and writes them to the task's log before that.

    :param smtp_conn_id: None means the connection that Airflow is configured to use, ``smtp_default``.
    :raises ZDirectConfigurationError: if the SMTP provider is not installed, or its connection does not do.
    """
    log_missing_orders(context)
    try:
        from airflow.providers.smtp.notifications.smtp import SmtpNotifier
    except ImportError:
        raise ZDirectConfigurationError(
            "An e-mail is to be sent, and Airflow's SMTP provider is not installed.",
            remedy="pip install apache-airflow-providers-smtp; or empty notify_email: the orders are in the log.",
        ) from None
    notifier = SmtpNotifier(to=list(to), subject=SUBJECT, html_content=CONTENT, smtp_conn_id=smtp_conn_id)
    _check_smtp(notifier.smtp_conn_id, notifier.from_email)
    notify(notifier, context)


def _check_smtp(conn_id: str, from_email: str | None) -> None:
    """What the notifier raises does not say what to do."""
    wrong = None
    try:
        if not (BaseHook.get_connection(conn_id).extra_dejson.get("from_email") or from_email):
            wrong = "has no from_email"
    except AirflowNotFoundException:
        wrong = "is not there"
    if wrong:
        raise ZDirectConfigurationError(
            f"An e-mail is to be sent, and the connection {conn_id} {wrong}.",
            remedy=f"Create the connection {conn_id} (type SMTP: host, port, login, extra from_email), or empty "
            "notify_email: the orders are in the log.",
        )


def as_text(rows: Sequence[Mapping[str, Any]]) -> str:
    """A line per order."""
    lines = [
        f"order {_name(row)}, approved {row['age_hours']} hours ago: without {_missing(row)}; {row['portal_url']}"
        for row in rows[:MOST_SHOWN]
    ]
    return "\n".join([*lines, *_more(rows)])


def as_html(rows: Sequence[Mapping[str, Any]], uri: str) -> str:
    """A table with a row per order."""
    head = "<tr><th>Order</th><th>Order id</th><th>Your number</th><th>Approved (hours ago)</th><th>Missing</th></tr>"
    body = "".join(
        f'<tr><td><a href="{escape(row["portal_url"])}">{escape(row["order_number"] or row["order_id"])}</a></td>'
        f"<td>{escape(row['order_id'])}</td><td>{escape(row['merchant_order_id'] or '')}</td>"
        f"<td>{row['age_hours']}</td><td>{escape(_missing(row))}</td></tr>"
        for row in rows[:MOST_SHOWN]
    )
    more = "".join(f"<p>{text}</p>" for text in _more(rows))
    return f"<table>{head}{body}</table>{more}<p>All that are overdue: {escape(uri)}</p>"


def _name(row: Mapping[str, Any]) -> str:
    """Several orders may share a number."""
    return f"{row['order_number']} ({row['order_id']})" if row["order_number"] else str(row["order_id"])


def _missing(row: Mapping[str, Any]) -> str:
    return ", ".join(_WORDS[name] for name in row["missing"])


def _more(rows: Sequence[Any]) -> list[str]:
    return [f"and {len(rows) - MOST_SHOWN} more"] if len(rows) > MOST_SHOWN else []


def _span(value: Any, name: str) -> timedelta:
    if isinstance(value, timedelta) or str(value).strip().upper().startswith("P"):
        return arguments.duration(value, name=name)
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = -1.0
    if isinstance(value, bool) or not 0 <= number <= 1e6:
        raise ZDirectConfigurationError(
            f"{name}={value!r} is not a number of {name.rpartition('_')[2]}.",
            remedy=f"Give {name} as a number, 0 or more, or as a duration.",
        )
    return timedelta(seconds=number * _SPANS[name])


def _portal_url(value: Any) -> str:
    if not str(value).startswith(("https://", "http://")):
        raise ZDirectConfigurationError(
            f"portal_url={value!r} is no address of a page.",
            remedy="Give it with https://; {order_id}, {order_number} and {merchant_id} are filled in.",
        )
    return str(value)


async def _find(hook: ZDirectHook, check: TrackingCheck) -> Overdue:
    from airflow_provider_zdirect.orders.tracking_check import check_tracking

    async with hook.client() as client:
        return await check_tracking(check, client)
