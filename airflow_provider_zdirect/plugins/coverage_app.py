# SPDX-License-Identifier: Apache-2.0
"""The coverage page inside Airflow.

The page itself is the same for every user and contains nothing about the deployment. What it shows comes from
``data``, for users who may read the DAG ``zdirect_coverage``. The app changes nothing: the page fills a gap through
Airflow's own REST API, with the user's session. So Airflow decides whether the user may trigger ``zdirect_backfill``,
and protects that request against other sites as it does all others.
"""

from __future__ import annotations

import asyncio
from functools import cache
from typing import TYPE_CHECKING, Any

from airflow.api_fastapi.app import get_auth_manager
from airflow.api_fastapi.auth.managers.models.resource_details import DagAccessEntity, DagDetails
from airflow.api_fastapi.core_api.security import GetUserDep
from airflow.models.dag import DagModel
from fastapi import FastAPI, HTTPException
from fastapi.responses import HTMLResponse, JSONResponse, Response
from pydantic import AwareDatetime

from airflow_provider_zdirect.coverage.page import page_data, render_page

if TYPE_CHECKING:
    from airflow_provider_zdirect.plugins.measured import MeasuredCoverage

COVERAGE_DAG, BACKFILL_DAG = "zdirect_coverage", "zdirect_backfill"
HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "frame-ancestors 'self'",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
}
# A calendar with marked days, one of them crossed out: a gap.
ICON = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 24 24" fill="none" stroke="{ink}" stroke-width="2">'
    '<rect x="3" y="4" width="18" height="17" rx="2"/><path d="M3 9h18M8 2v4M16 2v4M7 13h3M14 13h3M7 17h3" '
    'stroke-linecap="round"/><path d="M14.5 15.8l2.4 2.4m0-2.4l-2.4 2.4" stroke-linecap="round"/></svg>'
)


def coverage_app(ui_root: str, prefix: str, coverage: MeasuredCoverage | None = None) -> FastAPI:
    """The app that Airflow mounts.

    :param ui_root: path of Airflow's UI on its host, without a slash at the end.
    :param prefix: where the app is mounted below it.
    :param coverage: what is shown; None: that of the deployment's base path.
    """
    app = FastAPI(title="zDirect coverage", docs_url=None, redoc_url=None, openapi_url=None)
    page = render_page(None, {"data": f"{ui_root}{prefix}/data", "api": f"{ui_root}/api/v2", "ui": ui_root})

    @app.get("/")
    def show() -> Response:
        return HTMLResponse(page, headers=HEADERS)

    @app.get("/data")
    async def data(user: GetUserDep, after: AwareDatetime | None = None) -> Response:
        may_read, may_fill = await asyncio.to_thread(_rights, user)
        if not may_read:
            raise HTTPException(403, "Forbidden")
        measured = coverage if coverage is not None else await asyncio.to_thread(_deployment)
        report, notice = await measured.latest(after)
        shown = page_data(report) if report else {"report": None}
        return JSONResponse({"may_fill": may_fill, "notice": notice, **shown}, headers=HEADERS)

    @app.get("/icon.svg")
    def icon() -> Response:
        return Response(ICON.format(ink="#3f3f46"), media_type="image/svg+xml")

    @app.get("/icon-dark.svg")
    def icon_dark() -> Response:
        return Response(ICON.format(ink="#e4e4e7"), media_type="image/svg+xml")

    return app


@cache
def _deployment() -> MeasuredCoverage:
    # Imported when a user first opens the page: it needs Arrow, and the API server itself does not.
    from airflow_provider_zdirect.plugins.measured import MeasuredCoverage

    return MeasuredCoverage()


def _rights(user: Any) -> tuple[bool, bool]:
    """Whether the user may read the report, and whether the user may fill gaps."""
    return _may(user, "GET", COVERAGE_DAG), _may(user, "POST", BACKFILL_DAG, DagAccessEntity.RUN)


def _may(user: Any, method: Any, dag_id: str, entity: DagAccessEntity | None = None) -> bool:
    # As requires_access_dag of Airflow's own API, whose first releases of 3.1 take the DAG from the path only.
    details = DagDetails(id=dag_id, team_name=DagModel.get_team_name(dag_id))
    return bool(get_auth_manager().is_authorized_dag(method=method, access_entity=entity, details=details, user=user))
