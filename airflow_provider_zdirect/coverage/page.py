"""The report as one HTML page."""

from __future__ import annotations

import html
import json
from typing import Any


def render_page(report: dict[str, Any], live: dict[str, Any] | None = None) -> str:
    """The page, which needs nothing else.

    :param report: as :meth:`.CoverageReport.as_json`.
    :param live: what a server that shows the page offers besides.
    """
    return f"<!doctype html><title>zDirect coverage</title><pre>{html.escape(json.dumps(report, indent=1))}</pre>"
