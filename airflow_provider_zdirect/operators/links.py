# SPDX-License-Identifier: Apache-2.0
"""Where a task's files are, as its log ends and as links beside it in Airflow's UI (docs/task-links.md).

On Airflow 3 the worker makes the links when the task ends, on Airflow 2.11 the webserver when a user opens the task.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import Any, ClassVar
from urllib.parse import quote

from airflow_provider_zdirect.airflow_sdk import (
    AIRFLOW_V_3_1_PLUS,
    AirflowNotFoundException,
    BaseHook,
    BaseOperatorLink,
    conf,
)
from airflow_provider_zdirect.assets import connection_in

FILES_PAGE = "/zdirect/files"
"""Where the page with a task's files is, below Airflow's own address."""

PUBLISHED, MANIFEST, REJECTED = "Published files", "Manifest", "Rejected records"
_URIS = {PUBLISHED: "uri", MANIFEST: "manifest", REJECTED: "rejected_uri"}


def result_files(result: Any) -> dict[str, str]:
    """The URIs that a task's result has, by the name of their link."""
    if not isinstance(result, Mapping):
        return {}
    found = {name: result.get(key) for name, key in _URIS.items()}
    return {name: uri for name, uri in found.items() if isinstance(uri, str) and uri}


def console_page(uri: str, *, is_folder: bool) -> str | None:
    """The page of the storage's own console; None if it has none whose address follows from the URI."""
    match = re.fullmatch(r"(?P<scheme>s3a?|gs)://(?:[^/@]*@)?(?P<bucket>[A-Za-z0-9._-]+)/(?P<path>.+)", uri)
    if match is None:
        return None
    bucket, path = match["bucket"], quote(match["path"].rstrip("/") + ("/" if is_folder else ""))
    if match["scheme"] == "gs":
        return f"https://console.cloud.google.com/storage/browser/{'' if is_folder else '_details/'}{bucket}/{path}"
    kind = "buckets" if is_folder else "object"
    return f"https://s3.console.aws.amazon.com/s3/{kind}/{bucket}?prefix={path}"


def files_page(ti_key: Any) -> str:
    """The page with a task's files, in Airflow 3.1 and later."""
    names = (ti_key.dag_id, ti_key.run_id, ti_key.task_id, str(ti_key.map_index))
    root = conf.get("api", "base_url", fallback="").rstrip("/")
    return f"{root}{FILES_PAGE}/{'/'.join(quote(name, safe='') for name in names)}"


class _FileLink(BaseOperatorLink):
    """A link to what the result of a task names."""

    anchor: ClassVar[str] = ""
    is_folder: ClassVar[bool] = False

    def get_link(self, operator: Any, *, ti_key: Any) -> str:
        """The console of the storage, else the page with the task's files; blank if there is nothing to show."""
        # Not when a DAG file is parsed.
        from airflow_provider_zdirect.airflow_sdk import XCom

        uri = result_files(XCom.get_value(ti_key=ti_key, key="return_value")).get(self.name)
        if uri is None:
            return ""
        console = None if _has_own_endpoint(operator, uri) else console_page(uri, is_folder=self.is_folder)
        return console or (f"{files_page(ti_key)}{self.anchor}" if AIRFLOW_V_3_1_PLUS else "")


class PublishedFilesLink(_FileLink):
    """To the data that the task has published."""

    name = PUBLISHED
    is_folder = True


class ManifestLink(_FileLink):
    """To the manifest of the window."""

    name = MANIFEST
    anchor = "#manifest"


class RejectedRecordsLink(_FileLink):
    """To the records that were not valid, if there are any."""

    name = REJECTED
    anchor = "#rejected"


class PortalLink(BaseOperatorLink):
    """To the zDirect portal."""

    name = "zDirect portal"

    def get_link(self, operator: Any, *, ti_key: Any) -> str:
        from airflow_provider_zdirect.orders.missing_tracking import PORTAL_URL

        return PORTAL_URL


LINKS = (PublishedFilesLink, ManifestLink, RejectedRecordsLink, PortalLink)


def _has_own_endpoint(operator: Any, uri: str) -> bool:
    """Whether an S3 bucket is not at AWS, whose console would not have it then."""
    if any(os.environ.get(name) for name in ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3")):
        return True
    conn_id = getattr(operator, "storage_conn_id", None) or connection_in(uri)
    if not conn_id or not uri.startswith("s3"):
        return False
    try:
        extra = BaseHook.get_connection(str(conn_id)).extra_dejson
    except AirflowNotFoundException:
        # A template, which the webserver of Airflow 2.11 does not render.
        return False
    service = (extra.get("service_config") or {}).get("s3") or {}
    return bool(extra.get("endpoint_url") or service.get("endpoint_url"))
