# SPDX-License-Identifier: Apache-2.0
"""Notifying of orders that wait for their tracking numbers: Airflow's notifiers, the task's log, or an e-mail."""

from __future__ import annotations

import copy
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from jinja2 import Template

from airflow_provider_zdirect.airflow_sdk import AirflowNotFoundException, BaseHook
from airflow_provider_zdirect.exceptions import ZDirectConfigurationError, one_line

log = logging.getLogger(__name__)

Notify = Callable[[Any], Any]

MOST_SHOWN = 200
"""Orders in a text; the list itself has all."""

SUBJECT = "zDirect: {{ missing_orders_count }} orders wait for tracking numbers, export or an update"
CONTENT = "<p>Orders of merchant {{ missing_orders_merchant_id }}:</p>{{ missing_orders_html }}"

_TEXT = Template(
    """
{%- for row in rows %}order {{ row.order_number ~ " (" ~ row.order_id ~ ")" if row.order_number else row.order_id }}, \
approved {{ row.age_hours }} hours ago: without {{ row.words }}; {{ row.portal_url }}
{% endfor %}{% if more > 0 %}and {{ more }} more{% endif %}"""
)
_HTML = Template(
    """<table><tr><th>Order</th><th>Order id</th><th>Your number</th><th>Approved (hours ago)</th><th>Missing</th></tr>
{%- for row in rows %}<tr><td><a href="{{ row.portal_url }}">{{ row.order_number or row.order_id }}</a></td>\
<td>{{ row.order_id }}</td><td>{{ row.merchant_order_id or "" }}</td><td>{{ row.age_hours }}</td>\
<td>{{ row.words }}</td></tr>{% endfor %}</table>\
{% if more > 0 %}<p>and {{ more }} more</p>{% endif %}<p>All overdue orders: {{ uri }}</p>""",
    autoescape=True,
)
_WORDS = {
    "tracking_number": "tracking number",
    "return_tracking_number": "return tracking number",
    "export": "export (merchant order id)",
    "update": "any update",
}


class Notifiers:
    """One notifier, several or none. They look the same at every parse of a DAG file: else each would be a new version.

    :raises ZDirectConfigurationError: if one of them cannot be called.
    """

    def __init__(self, value: Any) -> None:
        several = isinstance(value, list | tuple | Notifiers)
        self._listed: tuple[Notify, ...] = tuple(value) if several else () if value is None else (value,)
        for notifier in self._listed:
            if not callable(notifier):
                raise ZDirectConfigurationError(
                    f"notifier: {type(notifier).__name__} is not a notifier.",
                    remedy="Give a notifier of Airflow such as SmtpNotifier(...), a function of the context, or some.",
                )

    def __iter__(self) -> Iterator[Notify]:
        return iter(self._listed)

    def __repr__(self) -> str:
        return f"({', '.join(getattr(one, '__qualname__', type(one).__qualname__) for one in self)})"


def notify_all(
    notifiers: Notifiers, rows: Sequence[Mapping[str, Any]], uri: str, merchant_id: str, context: Any
) -> None:
    """Call each notifier, or write to the task's log if there is none; what one raises is raised.

    :param rows: the orders.
    :param uri: where all overdue orders are published.
    :param context: the task's, to which the orders are added.
    """
    shown = [
        {
            # Texts of zDirect must not forge lines of a log.
            **{name: one_line(value) if isinstance(value, str) else value for name, value in row.items()},
            "words": ", ".join(_WORDS[name] for name in row["missing"]),
        }
        for row in rows[:MOST_SHOWN]
    ]
    texts = {"rows": shown, "more": len(rows) - MOST_SHOWN, "uri": uri}
    context.update(
        {
            "missing_orders": rows,
            "missing_orders_count": len(rows),
            "missing_orders_text": _TEXT.render(texts).strip(),
            "missing_orders_html": _HTML.render(texts),
            "missing_orders_uri": uri,
            "missing_orders_merchant_id": merchant_id,
        }
    )
    for notifier in list(notifiers) or [log_missing_orders]:
        notify(notifier, context)


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
    :raises ZDirectConfigurationError: if the SMTP provider is not installed, or its connection cannot be used.
    """
    log_missing_orders(context)
    try:
        from airflow.providers.smtp.notifications.smtp import SmtpNotifier
    except ImportError:
        raise ZDirectConfigurationError(
            "The e-mail cannot be sent: Airflow's SMTP provider is not installed.",
            remedy="pip install apache-airflow-providers-smtp; or empty notify_email: the orders are in the log.",
        ) from None
    notifier = SmtpNotifier(to=list(to), subject=SUBJECT, html_content=CONTENT, smtp_conn_id=smtp_conn_id)
    # The notifier's own errors do not say what to do.
    conn_id, wrong = notifier.smtp_conn_id, None
    try:
        if not (BaseHook.get_connection(conn_id).extra_dejson.get("from_email") or notifier.from_email):
            wrong = "has no from_email"
    except AirflowNotFoundException:
        wrong = "does not exist"
    if wrong:
        raise ZDirectConfigurationError(
            f"The e-mail cannot be sent: the connection {conn_id} {wrong}.",
            remedy=f"Create the connection {conn_id} (type SMTP: host, port, login, extra from_email), or empty "
            "notify_email: the orders are in the log.",
        )
    notify(notifier, context)
