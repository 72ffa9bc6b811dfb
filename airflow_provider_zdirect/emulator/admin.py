"""The emulator's own interface under ``/_emulator``, without authentication: for tests and demos."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Annotated, Any

from fastapi import APIRouter, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from airflow_provider_zdirect.emulator.answers import ProblemError
from airflow_provider_zdirect.emulator.controls import Controls
from airflow_provider_zdirect.emulator.options import reasons
from airflow_provider_zdirect.emulator.requests import parse_time, required

Text = Annotated[str, Field(min_length=1)]
Number = Annotated[int, Field(ge=1, le=100)]
Amount = Number | Annotated[tuple[Number, Number], Field(strict=False)]


class Body(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class MoreOrders(Body):
    """Any other field is one of the orders."""

    model_config = ConfigDict(extra="allow")

    merchant_id: Text
    count: Annotated[int, Field(ge=1, le=10_000)] = 1
    start: Text | None = None
    step_seconds: float = 1.0
    customer_number: Text | None = None
    items: Amount | None = None
    lines: Amount | None = None


class Deletion(Body):
    merchant_id: Text
    customer_number: Text
    requested_at: Text | None = None


class Return(Body):
    order_id: Text
    line_ids: list[str] | None = None
    reason: Text = "TOO_LARGE"
    at: Text | None = None


class Clock(Body):
    now: Text | None = None
    advance: float | None = None


def admin_router(controls: Controls) -> APIRouter:
    """Routes to inspect and change one emulator."""
    router = APIRouter(prefix="/_emulator")
    state = controls.state

    @router.get("/requests")
    async def requests() -> Response:
        return JSONResponse({"requests": [entry.as_dict() for entry in list(state.log)]})

    @router.delete("/requests")
    async def forget_requests() -> Response:
        state.log.clear()
        return Response(status_code=204)

    @router.get("/faults")
    async def faults() -> Response:
        return JSONResponse(state.faults.as_list())

    @router.put("/faults")
    async def set_faults(request: Request) -> Response:
        plan = await _json(request)
        if not isinstance(plan, list) or not all(isinstance(fault, dict) for fault in plan):
            raise ProblemError(400, "a fault plan is a list of objects")
        _or_400(state.faults.set, plan)
        return JSONResponse(state.faults.as_list())

    @router.delete("/faults")
    async def forget_faults() -> Response:
        state.faults.clear()
        return Response(status_code=204)

    @router.get("/truth/{dataset}")
    def truth(request: Request, dataset: str) -> Response:
        query = request.query_params
        given = [required(query, name) for name in ("merchant_id", "from", "to")]
        as_sent = query.get("as_sent", "false").lower() == "true"
        records = _or_400(controls.truth, dataset, *given, as_sent=as_sent)
        return JSONResponse({"count": len(records), "records": records})

    @router.get("/clock")
    async def clock() -> Response:
        return JSONResponse({"now": state.clock.now().isoformat(), "frozen": state.clock.frozen})

    @router.put("/clock")
    async def set_clock(request: Request) -> Response:
        change = await _body(request, Clock)
        if len(change) != 1:
            raise ProblemError(400, 'give {"now": time or null} or {"advance": seconds}')
        if change.get("advance") is not None:
            _or_400(state.clock.advance, change["advance"])
        else:
            state.clock.set(parse_time(change["now"], "now") if change.get("now") else None)
        return await clock()

    @router.post("/tokens/revoke")
    async def revoke_tokens() -> Response:
        return JSONResponse({"revoked": state.tokens.revoke_all()})

    @router.get("/options")
    async def options() -> Response:
        return JSONResponse(state.options.as_dict())

    @router.patch("/options")
    async def change_options(request: Request) -> Response:
        changes = await _json(request)
        if not isinstance(changes, dict):
            raise ProblemError(400, "options are an object")
        state.options = _or_400(state.options.changed, changes)
        return await options()

    @router.get("/orders")
    def orders(request: Request) -> Response:
        return JSONResponse({"orders": _or_400(controls.orders, required(request.query_params, "merchant_id"))})

    @router.post("/orders")
    async def add_orders(request: Request) -> Response:
        return JSONResponse({"order_ids": await _called(controls.add_orders, await _body(request, MoreOrders))})

    @router.post("/orders/{order_id}/approve")
    async def approve_order(order_id: str) -> Response:
        await _called(controls.approve_order, {"order_id": order_id})
        return Response(status_code=204)

    @router.post("/deletion-requests")
    async def request_deletion(request: Request) -> Response:
        return JSONResponse({"order_ids": await _called(controls.request_deletion, await _body(request, Deletion))})

    @router.post("/announced-returns")
    async def announce_return(request: Request) -> Response:
        made = await _called(controls.announce_return, await _body(request, Return))
        return JSONResponse({"announced_return_id": made})

    return router


async def _json(request: Request) -> Any:
    try:
        return json.loads(await request.body())
    except ValueError as error:
        raise ProblemError(400, f"the body is not JSON: {error}") from error


async def _body(request: Request, model: type[Body]) -> dict[str, Any]:
    """The fields that were given; 400 for any other body."""
    try:
        return model.model_validate(await _json(request)).model_dump(exclude_unset=True)
    except ValidationError as error:
        raise ProblemError(400, reasons(error)) from error


def _or_400(call: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
    try:
        return call(*arguments, **named)
    except (ValueError, TypeError, OverflowError) as error:
        raise ProblemError(400, str(error)) from error


async def _called(control: Callable[..., Any], given: dict[str, Any]) -> Any:
    """In another thread, because it waits for the lock of the orders."""
    return await run_in_threadpool(_or_400, control, **given)
