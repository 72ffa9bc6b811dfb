# SPDX-License-Identifier: Apache-2.0
"""Notifying of windows that are missing and will soon be lost: Airflow's notifiers, the task's log, or an e-mail."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

from jinja2 import Template

from airflow_provider_zdirect.operators.notifiers import Notifiers, mail, notify

log = logging.getLogger(__name__)

MOST_SHOWN = 50
"""Gaps in a text; the list itself has all."""

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
    """Call each notifier, or write to the task's log if there is none; what one raises is raised.

    :param gaps: as :meth:`.CoverageReport.urgent_rows`.
    :param uri: where all gaps are.
    :param context: the task's, to which the gaps are added.
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
