"""Orders and what customers want, under ``/_emulator``: what :class:`OrderControls` does, from outside the process."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

from fastapi import APIRouter, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse, Response

from airflow_provider_zdirect.emulator.admin_body import json_body, or_400
from airflow_provider_zdirect.emulator.order_controls import OrderControls
from airflow_provider_zdirect.emulator.parameters import required
from airflow_provider_zdirect.emulator.problem import ProblemError
from airflow_provider_zdirect.emulator.state import EmulatorState

MOST_ORDERS = 10_000
MOST_OF_EACH = 100


def order_admin_router(state: EmulatorState) -> APIRouter:
    router = APIRouter(prefix="/_emulator")
    controls = OrderControls()
    controls.state = state

    @router.get("/orders")
    def orders(request: Request) -> Response:
        return JSONResponse({"orders": or_400(controls.orders, required(request.query_params, "merchant_id"))})

    @router.post("/orders")
    async def add_orders(request: Request) -> Response:
        given = await _object(request, "merchant_id")
        _texts(given, "merchant_id", "start", "customer_number")
        given.setdefault("count", 1)
        if not _whole(given["count"], MOST_ORDERS):
            raise ProblemError(400, f"count must be a whole number from 1 to {MOST_ORDERS}")
        if not isinstance(given.get("step_seconds", 1), (int, float)):
            raise ProblemError(400, "step_seconds must be a number")
        for name in {"items", "lines"} & set(given):
            given[name] = _amount(given[name], name)
        return JSONResponse({"order_ids": await _called(controls.add_orders, given)})

    @router.post("/orders/{order_id}/approve")
    async def approve_order(order_id: str) -> Response:
        await _called(controls.approve_order, {"order_id": order_id})
        return Response(status_code=204)

    @router.post("/deletion-requests")
    async def request_deletion(request: Request) -> Response:
        given = await _object(request, "merchant_id", "customer_number", more=("requested_at",))
        _texts(given, "merchant_id", "customer_number", "requested_at")
        return JSONResponse({"order_ids": await _called(controls.request_deletion, given)})

    @router.post("/announced-returns")
    async def announce_return(request: Request) -> Response:
        given = await _object(request, "order_id", more=("line_ids", "reason", "at"))
        _texts(given, "order_id", "reason", "at")
        lines = given.get("line_ids", [])
        if not isinstance(lines, list) or not all(isinstance(line, str) for line in lines):
            raise ProblemError(400, "line_ids must be a list of texts")
        return JSONResponse({"announced_return_id": await _called(controls.announce_return, given)})

    return router


async def _object(request: Request, *needed: str, more: Collection[str] | None = None) -> dict[str, Any]:
    """The body.

    :param more: fields that may be there besides; ``None``: any.
    """
    body = await json_body(request)
    if not isinstance(body, dict):
        raise ProblemError(400, "the body must be an object")
    missing = [name for name in needed if name not in body]
    if missing:
        raise ProblemError(400, f"{', '.join(missing)} is missing")
    unknown = [] if more is None else sorted(set(body) - {*needed, *more})
    if unknown:
        raise ProblemError(400, f"unknown field {', '.join(unknown)}; there are {', '.join((*needed, *(more or ())))}")
    return body


def _texts(given: dict[str, Any], *names: str) -> None:
    for name in names:
        if name in given and not (isinstance(given[name], str) and given[name]):
            raise ProblemError(400, f"{name} must be a text")


def _whole(value: Any, most: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= most


def _amount(value: Any, name: str) -> int | tuple[int, int]:
    least, most = value if isinstance(value, list) and len(value) == 2 else (value, value)
    if not (_whole(least, MOST_OF_EACH) and _whole(most, MOST_OF_EACH) and least <= most):
        raise ProblemError(
            400, f"{name} must be a number from 1 to {MOST_OF_EACH}, or a list of the least and the most"
        )
    return value if isinstance(value, int) else (least, most)


async def _called(control: Callable[..., Any], given: dict[str, Any]) -> Any:
    """What it answers; in another thread, because it waits for the lock of the orders."""
    return await run_in_threadpool(or_400, lambda: control(**given))
