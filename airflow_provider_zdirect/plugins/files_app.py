# SPDX-License-Identifier: Apache-2.0
"""The page with the files of a task, to which its links lead (docs/task-links.md).

It is for users who may read the DAG's task instances and XComs, and shows what the task's own result names: the
address holds the task instance, and no path.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import Any

from airflow.api_fastapi.auth.managers.models.resource_details import DagAccessEntity
from airflow.api_fastapi.core_api.security import requires_access_dag
from airflow.models.renderedtifields import RenderedTaskInstanceFields
from airflow.models.taskinstance import TaskInstance
from airflow.models.xcom import XComModel
from airflow.utils.session import create_session
from fastapi import Depends, FastAPI, HTTPException
from fastapi.responses import HTMLResponse
from jinja2 import Environment, StrictUndefined, Template

from airflow_provider_zdirect.exceptions import ZDirectError
from airflow_provider_zdirect.operators.links import result_files

log = logging.getLogger(__name__)

FACTS = ("dataset", "merchant", "merchant_id", "window_from", "window_to", "month", "records", "rejected")
"""What the page repeats of the result."""

HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'self'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


def files_app() -> FastAPI:
    """The app that Airflow mounts."""
    app = FastAPI(title="zDirect files", docs_url=None, redoc_url=None, openapi_url=None)
    may_read = [
        Depends(requires_access_dag("GET", entity)) for entity in (DagAccessEntity.TASK_INSTANCE, DagAccessEntity.XCOM)
    ]

    # Not async: it reads the database and the storage, so it belongs into a thread.
    @app.get("/{dag_id}/{run_id}/{task_id}/{map_index}", dependencies=may_read)
    def show(dag_id: str, run_id: str, task_id: str, map_index: int) -> HTMLResponse:
        result, storage_conn_id = _of_task(dag_id, run_id, task_id, map_index)
        if not (uris := result_files(result)):
            raise HTTPException(404, "This task has published no files of zDirect, or has not ended yet.")
        found, problem = _read(result, storage_conn_id)
        facts = {name: result[name] for name in FACTS if result.get(name) is not None}
        shown = {"facts": facts, "found": found, "problem": problem, "uris": uris}
        page = _template().render(task=f"{dag_id} / {task_id}", run=run_id, **shown)
        return HTMLResponse(page, headers=HEADERS)

    return app


def _of_task(dag_id: str, run_id: str, task_id: str, map_index: int) -> tuple[Mapping[str, Any], str | None]:
    """The result of a task instance, and its storage connection."""
    with create_session() as session:
        query = XComModel.get_many(
            key="return_value", dag_ids=dag_id, run_id=run_id, task_ids=task_id, map_indexes=map_index, limit=1
        )
        row = session.scalars(query).first()
        value = XComModel.deserialize_value(row) if row else None
        instance = {"dag_id": dag_id, "run_id": run_id, "task_id": task_id, "map_index": map_index}
        ti = session.query(TaskInstance).filter_by(**instance).one_or_none()
        rendered = RenderedTaskInstanceFields.get_templated_fields(ti, session=session) if ti else None
    if isinstance(value, str):
        # As the worker stored it.
        try:
            value = json.loads(value)
        except ValueError:
            value = None
    conn_id = (rendered or {}).get("storage_conn_id")
    return value if isinstance(value, Mapping) else {}, str(conn_id) if conn_id not in (None, "", "None") else None


def _read(result: Mapping[str, Any], storage_conn_id: str | None) -> tuple[Any, str]:
    """The files, or why they cannot be shown."""
    from airflow_provider_zdirect.plugins.task_files import read_task_files

    try:
        return read_task_files(result, storage_conn_id), ""
    except ZDirectError as error:
        return None, str(error)
    except Exception as error:
        # A storage has errors of its own, whose texts may hold more than a page should show.
        log.exception("The files of a task could not be read")
        return None, f"The API server could not read the storage ({type(error).__name__}; its log says more)."


@cache
def _template() -> Template:
    source = resources.files(__package__).joinpath("files.html.j2").read_text(encoding="utf-8")
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    return environment.from_string(source)
