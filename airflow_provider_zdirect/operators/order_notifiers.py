# SPDX-License-Identifier: Apache-2.0
"""Notifying of orders that wait for their tracking numbers: Airflow's notifiers, the task's log, or an e-mail."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

from jinja2 import Template

from airflow_provider_zdirect.exceptions import one_line
from airflow_provider_zdirect.operators.notifiers import Notifiers, mail, notify
from airflow_provider_zdirect.publish.place import Place
from airflow_provider_zdirect.words import counted

log = logging.getLogger(__name__)

MOST_SHOWN = 200
"""Orders in a text; the list itself has all."""

SUBJECT = "zDirect: orders without tracking number, export or update: {{ missing_orders_count }}"
CONTENT = "<p>Orders of merchant {{ missing_orders_merchant }}:</p>{{ missing_orders_html }}"

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


def notify_all(notifiers: Notifiers, rows: Sequence[Mapping[str, Any]], uri: str, place: Place, context: Any) -> None:
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
            "missing_orders_merchant_id": place.merchant_id,
            "missing_orders_merchant": place.merchant,
        }
    )
    for notifier in list(notifiers) or [log_missing_orders]:
        notify(notifier, context)


def log_missing_orders(context: Any) -> None:
    """A notifier that writes the orders to the task's log."""
    count = counted(context["missing_orders_count"], "order is", "orders are")
    log.warning("%s overdue:\n%s", count, context["missing_orders_text"])


def mail_missing_orders(context: Any, to: Sequence[str], smtp_conn_id: str | None = None) -> None:
    """A notifier that sends the orders by e-mail, and writes them to the task's log before that.

    Parameters and errors as :func:`~.notifiers.mail`.
    """
    log_missing_orders(context)
    mail(context, to, SUBJECT, CONTENT, smtp_conn_id)
