# SPDX-License-Identifier: Apache-2.0
"""The plugin that Airflow loads in each of its processes; so what it shows is imported when it is asked for."""

from __future__ import annotations

import logging
from functools import cached_property
from typing import Any
from urllib.parse import urlsplit

from airflow_provider_zdirect.airflow_sdk import AIRFLOW_V_3_1_PLUS, AirflowPlugin, conf

log = logging.getLogger(__name__)

COVERAGE = "/zdirect/coverage"


class ZDirectPlugin(AirflowPlugin):
    """Pages in Airflow 3.1 and later; nothing in versions before, whose UI shows no such pages."""

    name = "zdirect"

    # Airflow reads both from an instance, and only where it shows them.
    @cached_property
    def fastapi_apps(self) -> list[dict[str, Any]]:  # type: ignore[override]
        if not AIRFLOW_V_3_1_PLUS:
            return []
        try:
            from airflow_provider_zdirect.operators.links import FILES_PAGE
            from airflow_provider_zdirect.plugins.coverage_app import coverage_app
            from airflow_provider_zdirect.plugins.files_app import files_app
        except ImportError:
            # Raised from here, it would keep the whole API server from starting.
            log.exception(
                "The zDirect pages are not shown, because this version of Airflow lacks what they need. What to do: "
                "Install a version of airflow-provider-zdirect that supports it."
            )
            return []
        return [
            {"name": "zDirect coverage", "url_prefix": COVERAGE, "app": coverage_app(ui_root(), COVERAGE)},
            {"name": "zDirect files", "url_prefix": FILES_PAGE, "app": files_app()},
        ]

    @cached_property
    def external_views(self) -> list[dict[str, Any]]:  # type: ignore[override]
        if not self.fastapi_apps:
            return []
        # With the slash at the end: without it, Airflow's UI would answer.
        page = f"{ui_root()}{COVERAGE}/"
        return [
            {
                "name": "zDirect coverage",
                "url_route": "zdirect_coverage",
                "href": page,
                "destination": "nav",
                "category": "browse",
                "icon": f"{page}icon.svg",
                "icon_dark_mode": f"{page}icon-dark.svg",
            }
        ]


def ui_root() -> str:
    """The path of Airflow's UI on its host, without a slash at the end: blank, unless ``[api] base_url`` has one."""
    return urlsplit(str(conf.get("api", "base_url", fallback=""))).path.rstrip("/")
