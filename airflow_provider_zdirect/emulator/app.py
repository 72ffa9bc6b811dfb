"""The emulator as an ASGI application."""

from __future__ import annotations

from fastapi import FastAPI, Request
from fastapi.responses import Response
from starlette.exceptions import HTTPException

from airflow_provider_zdirect.emulator.admin import admin_router
from airflow_provider_zdirect.emulator.answers import PROBLEM_JSON, ProblemError
from airflow_provider_zdirect.emulator.auth import auth_router
from airflow_provider_zdirect.emulator.controls import Controls
from airflow_provider_zdirect.emulator.customer_requests import announced_returns_router, deletion_requests_router
from airflow_provider_zdirect.emulator.front import Connections, Front
from airflow_provider_zdirect.emulator.inventory import inventory_router
from airflow_provider_zdirect.emulator.movement_reports import movement_reports_router
from airflow_provider_zdirect.emulator.order_writes import order_writes_router, shipments_router
from airflow_provider_zdirect.emulator.orders import orders_router
from airflow_provider_zdirect.emulator.reference_data import reference_data_router
from airflow_provider_zdirect.emulator.shipping_documents import DocumentRoute, shipping_documents_router
from airflow_provider_zdirect.emulator.shipping_notices import shipping_notices_router
from airflow_provider_zdirect.emulator.stock_movements import stock_movements_router
from airflow_provider_zdirect.emulator.stocks import stocks_router
from airflow_provider_zdirect.emulator.tours import tours_router

ROUTERS = (
    auth_router,
    stock_movements_router,
    movement_reports_router,
    inventory_router,
    reference_data_router,
    shipping_notices_router,
    tours_router,
    orders_router,
    order_writes_router,
    shipments_router,
    deletion_requests_router,
    announced_returns_router,
    stocks_router,
    shipping_documents_router,
)


def create_app(controls: Controls, connections: Connections | None = None) -> FastAPI:
    """All routes of one emulator.

    :param connections: open transports by client address, filled by the server; needed for resets.
    """
    app = FastAPI(title="zDirect emulator", docs_url=None, redoc_url=None, openapi_url=None)
    app.add_middleware(Front, state=controls.state, connections={} if connections is None else connections)
    for router in ROUTERS:
        app.include_router(router(controls.state))
    app.include_router(admin_router(controls))
    app.router.routes.append(DocumentRoute(controls.state))
    app.add_exception_handler(ProblemError, _problem)
    app.add_exception_handler(HTTPException, _http_error)
    return app


async def _problem(request: Request, error: Exception) -> Response:
    assert isinstance(error, ProblemError)
    return Response(error.body(), status_code=error.status, headers=error.headers, media_type=PROBLEM_JSON)


async def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    detail = f"{request.method} {request.url.path}: {error.detail}"
    return await _problem(request, ProblemError(error.status_code, detail, dict(error.headers or {})))
