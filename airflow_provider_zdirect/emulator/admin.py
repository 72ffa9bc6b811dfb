"""The emulator's own interface under ``/_emulator``, without authentication: for tests and demos."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response

from airflow_provider_zdirect.emulator.admin_body import json_body, or_400
from airflow_provider_zdirect.emulator.parameters import parse_moment, parse_time, required
from airflow_provider_zdirect.emulator.problem import ProblemError
from airflow_provider_zdirect.emulator.state import EmulatorState


def admin_router(state: EmulatorState) -> APIRouter:
    """Routes to look at and change one emulator."""
    router = APIRouter(prefix="/_emulator")

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
        plan = await json_body(request)
        if not isinstance(plan, list) or not all(isinstance(fault, dict) for fault in plan):
            raise ProblemError(400, "a fault plan is a list of objects")
        or_400(state.faults.set, plan)
        return JSONResponse(state.faults.as_list())

    @router.delete("/faults")
    async def forget_faults() -> Response:
        state.faults.clear()
        return Response(status_code=204)

    @router.get("/truth/{dataset}")
    def truth(request: Request, dataset: str) -> Response:
        query = request.query_params
        start = parse_moment(required(query, "from"), "from")
        end = parse_moment(required(query, "to"), "to")
        as_sent = query.get("as_sent", "false").lower() == "true"
        records = or_400(state.truth, dataset, required(query, "merchant_id"), start, end, as_sent)
        return JSONResponse({"count": len(records), "records": records})

    @router.get("/clock")
    async def clock() -> Response:
        return _clock(state)

    @router.put("/clock")
    async def set_clock(request: Request) -> Response:
        change = await json_body(request)
        if not isinstance(change, dict) or len(change) != 1 or not {"now", "advance"} & set(change):
            raise ProblemError(400, 'give {"now": time or null} or {"advance": seconds}')
        if "advance" in change:
            state.clock.advance(or_400(float, change["advance"]))
        else:
            state.clock.set(parse_time(str(change["now"]), "now") if change["now"] else None)
        return _clock(state)

    @router.post("/tokens/revoke")
    async def revoke_tokens() -> Response:
        return JSONResponse({"revoked": state.tokens.revoke_all()})

    @router.get("/options")
    async def options() -> Response:
        return JSONResponse(state.options.as_dict())

    @router.patch("/options")
    async def change_options(request: Request) -> Response:
        changes = await json_body(request)
        if not isinstance(changes, dict):
            raise ProblemError(400, "options are an object")
        state.options = or_400(state.options.changed, changes)
        return JSONResponse(state.options.as_dict())

    return router


def _clock(state: EmulatorState) -> Response:
    return JSONResponse({"now": state.clock.now().isoformat(), "frozen": state.clock.frozen})
