# SPDX-License-Identifier: Apache-2.0
"""Notifications about windows that will soon be lost: by Airflow's notifiers, in the task's log, or by e-mail."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

from jinja2 import Template

from airflow_provider_zdirect.operators.notifiers import Notifiers, mail, notify

log = logging.getLogger(__name__)

MOST_SHOWN = 50
"""How many gaps the texts name; ``coverage_gaps`` has all."""

SUBJECT = "zDirect: {{ coverage_gaps_count }} gap{{ 's' if coverage_gaps_count > 1 }} will soon be unrecoverable"
CONTENT = "{{ coverage_gaps_html }}"

_TEXT = Template(
    """
{%- for gap in gaps %}{{ gap.words }}: {{ gap.command or "too late for a backfill" }}
{% endfor %}{% if more > 0 %}and {{ more }} more{% endif %}"""
)
_HTML = Template(
    """<table><tr><th>Gap</th><th>Fill it</th></tr>
{%- for gap in gaps %}<tr><td>{{ gap.words }}</td><td><code>{{ gap.command or "too late for a backfill" }}</code></td>\
</tr>{% endfor %}</table>{% if more > 0 %}<p>and {{ more }} more</p>{% endif %}<p>All gaps: {{ uri }}</p>""",
    autoescape=True,
)


def notify_of_gaps(notifiers: Notifiers, gaps: Sequence[Mapping[str, Any]], uri: str, context: Any) -> None:
    """Call each notifier, or write to the task's log if there is none. An error of a notifier is raised.

    :param gaps: as :meth:`.CoverageReport.urgent_rows`.
    :param uri: of the page with all gaps.
    :param context: of the task; the gaps are added to it.
    """
    texts = {"gaps": gaps[:MOST_SHOWN], "more": len(gaps) - MOST_SHOWN, "uri": uri}
    context.update(
        {
            "coverage_gaps": gaps,
            "coverage_gaps_count": len(gaps),
            "coverage_gaps_text": _TEXT.render(texts).strip(),
            "coverage_gaps_html": _HTML.render(texts),
            "coverage_uri": uri,
        }
    )
    for notifier in list(notifiers) or [log_gaps]:
        notify(notifier, context)


def log_gaps(context: Any) -> None:
    """A notifier that writes the gaps to the task's log."""
    log.warning("Urgent gaps: %d.\n%s", context["coverage_gaps_count"], context["coverage_gaps_text"])


def mail_gaps(context: Any, to: Sequence[str], smtp_conn_id: str | None = None) -> None:
    """A notifier that sends the gaps by e-mail, and writes them to the task's log before that.

    Parameters and errors as :func:`~.notifiers.mail`.
    """
    log_gaps(context)
    mail(context, to, SUBJECT, CONTENT, smtp_conn_id)
