# SPDX-License-Identifier: Apache-2.0
"""The page with the files of a task, to which its links lead (docs/task-links.md).

It is for users who may read the DAG's task instances and XComs, and shows what the task's own result names below the
base path of its run: the address holds the task instance, and no path.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import Annotated, Any

from airflow.api_fastapi.auth.managers.models.resource_details import DagAccessEntity
from airflow.api_fastapi.core_api.security import requires_access_dag
from airflow.models.asset import AssetEvent
from airflow.models.renderedtifields import RenderedTaskInstanceFields
from airflow.models.taskinstance import TaskInstance
from airflow.models.xcom import XComModel
from airflow.utils.session import create_session
from fastapi import Depends, FastAPI, HTTPException, Path
from fastapi.responses import HTMLResponse
from jinja2 import Environment, StrictUndefined, Template
from sqlalchemy import select

from airflow_provider_zdirect.exceptions import ZDirectError
from airflow_provider_zdirect.operators.arguments import given
from airflow_provider_zdirect.operators.links import result_files
from airflow_provider_zdirect.words import counted

log = logging.getLogger(__name__)

FACTS = ("dataset", "merchant", "merchant_id", "window_from", "window_to", "month", "records", "rejected")
"""What the page repeats of the result."""

MapIndex = Annotated[int, Path(ge=-1, le=2**31 - 1)]
"""As far as Airflow's database knows numbers."""

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
    def show(dag_id: str, run_id: str, task_id: str, map_index: MapIndex) -> HTMLResponse:
        result, place = _of_task(dag_id, run_id, task_id, map_index)
        if not (uris := result_files(result)):
            raise HTTPException(404, "This task has published no files of zDirect, or has not ended yet.")
        found, problem = _read(result, place)
        facts = {name: result[name] for name in FACTS if result.get(name) is not None}
        shown = {"facts": facts, "found": found, "problem": problem, "uris": uris, "counted": counted}
        page = _template().render(task=f"{dag_id} / {task_id}", run=run_id, **shown)
        return HTMLResponse(page, headers=HEADERS)

    return app


def _of_task(dag_id: str, run_id: str, task_id: str, map_index: int) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """The result of a task instance, and what is known of its base path and storage connection."""
    with create_session() as session:
        query = XComModel.get_many(
            key="return_value", dag_ids=dag_id, run_id=run_id, task_ids=task_id, map_indexes=map_index, limit=1
        )
        row = session.scalars(query).first()
        value = XComModel.deserialize_value(row) if row else None
        instance = {"dag_id": dag_id, "run_id": run_id, "task_id": task_id, "map_index": map_index}
        ti = session.query(TaskInstance).filter_by(**instance).one_or_none()
        place = _place(session, ti) if ti and ti.start_date else {}
    if isinstance(value, str):
        # As the worker stored it.
        try:
            value = json.loads(value)
        except ValueError:
            value = None
    return value if isinstance(value, Mapping) else {}, place


def _place(session: Any, ti: TaskInstance) -> Mapping[str, Any]:
    """``base_path`` and ``storage_conn_id`` that a task instance was given; empty if Airflow has no record of them.

    Never those of today's DAG.
    """
    if rendered := RenderedTaskInstanceFields.get_templated_fields(ti, session=session):
        return rendered
    # Airflow keeps those of the last runs only, and events for longer.
    source = {f"source_{name}": getattr(ti, name) for name in ("dag_id", "run_id", "task_id", "map_index")}
    events = select(AssetEvent.extra).filter_by(**source).where(AssetEvent.timestamp >= ti.start_date)
    return next((extra for extra in session.scalars(events) if "base_path" in extra), {})


def _read(result: Mapping[str, Any], place: Mapping[str, Any]) -> tuple[Any, str]:
    """The files, or why they cannot be shown."""
    if not (base_path := given(place.get("base_path"))):
        return None, (
            "Airflow has no record of the base path and the storage connection that this task was given, so this page "
            "does not read the files. It keeps them for the last runs of a DAG "
            "(num_dag_runs_to_retain_rendered_fields; before Airflow 3.2 max_num_rendered_ti_fields_per_task)."
        )
    from airflow_provider_zdirect.plugins.task_files import read_task_files

    try:
        return read_task_files(result, str(base_path), given(place.get("storage_conn_id"))), ""
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
