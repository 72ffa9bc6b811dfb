# SPDX-License-Identifier: Apache-2.0
"""A coverage report as one HTML page that needs nothing else: no network, no other file.

The same page is shown inside Airflow (``plugins/coverage``), where it fetches the report and can fill gaps.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections import Counter
from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import Any

from jinja2 import Environment, StrictUndefined, Template

from airflow_provider_zdirect import __version__
from airflow_provider_zdirect.words import counted

SCRIPTS = ("words.js", "grid.js", "detail.js", "gaps.js", "fill.js", "main.js")
MOST_GAPS = 500
"""How many gaps the table for browsers without JavaScript shows; ``coverage.json`` has all."""


def render_page(report: Mapping[str, Any] | None, live: Mapping[str, Any] | None = None) -> str:
    """The page; the same input gives the same page. Everything that comes from outside is escaped.

    :param report: as ``CoverageReport.as_json()`` returns it; None for a page that fetches it from ``live["data"]``.
    :param live: addresses on the server that the page comes from: ``data`` (answers as :func:`page_data`), ``api``
        (Airflow's REST API) and ``ui`` (Airflow's UI), all without a slash at the end. Only a live page sends
        requests, and has buttons that fill gaps.
    """
    style = _asset("page.css")
    script = "\n".join(["(() => {", '"use strict";', *map(_asset, SCRIPTS), "})();"])
    sources = {"style-src": f"'sha256-{_digest(style)}'", "script-src": f"'sha256-{_digest(script)}'"}
    sources |= {"connect-src": "'self'"} if live else {}
    data = {**(page_data(report) if report else {"report": None}), "live": live}
    return _template().render(
        policy="; ".join(["default-src 'none'", "base-uri 'none'", "form-action 'none'", "img-src data:"])
        + "".join(f"; {name} {source}" for name, source in sources.items()),
        style=style,
        script=script,
        data=_inside_html(json.dumps(data)),
        report=report,
        summary=summarise(report) if report else None,
        gaps=gaps_by_urgency(report) if report else [],
        most=MOST_GAPS,
        version=__version__,
    )


def page_data(report: Mapping[str, Any]) -> dict[str, Any]:
    """What the page shows: the report, and its summary in words."""
    return {"report": report, "summary": summarise(report)}


def summarise(report: Mapping[str, Any]) -> dict[str, Any]:
    """The report in a few sentences: ``headline``, ``details`` and ``tone`` (``good``, ``care`` or ``alarm``)."""
    gaps = [gap for row in report["rows"] for gap in row["gaps"]]
    counts = Counter(gap["status"] for gap in gaps)
    missing = [gap for gap in gaps if gap["status"] == "missing"]
    urgent = [gap for gap in missing if gap["urgent"]]
    left = min((gap["days_left"] for gap in missing if gap["days_left"] is not None), default=None)
    rejected = sum(part["records"] for row in report["rows"] for part in row["rejected"])
    details = []
    if left is not None and not urgent:
        details.append(f"zDirect deletes the first missing data {_in_days(left)}.")
    if lost := counts["lost"]:
        details.append(f"{counted(lost, 'gap is', 'gaps are')} lost: zDirect has deleted the data.")
    if empty := counts["uncertain"]:
        reports = counted(empty, "empty report is", "empty reports are")
        details.append(f"{reports} not certain yet: fetched again, they may have records.")
    if rejected:
        details.append(f"{counted(rejected, 'record was', 'records were')} rejected.")
    if others := [other["merchant"] or other["merchant_id"] for other in report["others"]]:
        merchants = counted(len(others), "merchant that has windows here is", "merchants that have windows here are")
        details.append(f"{merchants} not covered: {', '.join(others)}.")
    if not report["rows"]:
        headline = "Nothing is expected yet: no window has landed here" + (" for these merchants" if others else "")
    elif not missing:
        headline = "No gap can be filled any more" if lost else "Everything has landed"
        headline += ", but not every empty report is certain" if empty and not lost else ""
    else:
        headline = f"{counted(len(missing), 'gap')}, {_urgency(missing, urgent, left, report['warn_days'])}"
    tone = "alarm" if lost or any(gap["urgent"] for gap in gaps) else "care" if gaps or rejected else "good"
    return {"headline": headline, "details": details, "tone": tone}


def _urgency(missing: list[Any], urgent: list[Any], left: float | None, warn_days: float) -> str:
    if not urgent or left is None:
        return "not urgent" if len(missing) == 1 else "none of them urgent"
    if len(urgent) > 1:
        return f"{len(urgent)} of them will be lost within {warn_days} days, the first {_in_days(left)}"
    return f"{'which' if len(missing) == 1 else '1 of them'} will be lost {_in_days(left)}"


def gaps_by_urgency(report: Mapping[str, Any]) -> list[tuple[Mapping[str, Any], Mapping[str, Any]]]:
    """All gaps with their rows; those that will be lost first come first, those that are lost come last."""
    ranks = {"missing": 0, "uncertain": 1, "lost": 2}
    return sorted(
        ((row, gap) for row in report["rows"] for gap in row["gaps"]),
        key=lambda pair: (
            ranks[pair[1]["status"]],
            pair[1]["days_left"] is None,
            pair[1]["days_left"] or 0,
            pair[1]["from"],
        ),
    )


def _in_days(days: float) -> str:
    return "within a day" if days < 1 else f"in {counted(int(days), 'day')}"


def _inside_html(text: str) -> str:
    """JSON that no HTML parser mistakes for a tag, a comment or an entity."""
    return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")


def _digest(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


@cache
def _asset(name: str) -> str:
    return resources.files(__package__).joinpath("assets", name).read_text(encoding="utf-8")


@cache
def _template() -> Template:
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    return environment.from_string(_asset("page.html.j2"))
