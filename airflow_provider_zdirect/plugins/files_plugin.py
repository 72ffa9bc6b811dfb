"""The plugin that mounts the page of a task's files; it is imported when the API server starts, and not before."""

from __future__ import annotations

from functools import cached_property
from typing import Any

from airflow.providers.common.compat.sdk import AirflowPlugin
from airflow.providers.common.compat.version_compat import AIRFLOW_V_3_1_PLUS

from airflow_provider_zdirect.operators.links import FILES_PAGE


class ZDirectFilesPlugin(AirflowPlugin):
    """A page in Airflow 3.1 and later; nothing in versions before."""

    name = "zdirect_files"

    @cached_property
    def fastapi_apps(self) -> list[dict[str, Any]]:  # type: ignore[override]
        if not AIRFLOW_V_3_1_PLUS:
            return []
        from airflow_provider_zdirect.plugins.files_app import files_app

        return [{"name": "zDirect files", "url_prefix": FILES_PAGE, "app": files_app()}]
