# SPDX-License-Identifier: Apache-2.0
"""The emulator's own interface under ``/_emulator``, without authentication: for tests and demos."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pydantic import ValidationError, validate_call
from starlette.responses import Response

from airflow_provider_zdirect.emulator.answers import ProblemError
from airflow_provider_zdirect.emulator.controls import Controls
from airflow_provider_zdirect.emulator.options import reasons
from airflow_provider_zdirect.emulator.requests import Api, Call, parse_time

ADMIN = "/_emulator"


def admin_api(controls: Controls) -> Api:
    """Routes to inspect and change one emulator."""
    api, state = Api(), controls.state

    @api.get(f"{ADMIN}/requests")
    def requests(call: Call) -> Any:
        return {"requests": [entry.as_dict() for entry in list(state.log)]}

    @api.route("DELETE", f"{ADMIN}/requests")
    def forget_requests(call: Call) -> Response:
        state.log.clear()
        return Response(status_code=204)

    @api.get(f"{ADMIN}/faults")
    def faults(call: Call) -> Any:
        return state.faults.as_list()

    @api.route("PUT", f"{ADMIN}/faults")
    def set_faults(call: Call) -> Any:
        plan = call.json()
        if not isinstance(plan, list):
            raise ProblemError(400, "a fault plan is a list of objects")
        _or_400(state.faults.set, plan)
        return state.faults.as_list()

    @api.route("DELETE", f"{ADMIN}/faults")
    def forget_faults(call: Call) -> Response:
        state.faults.clear()
        return Response(status_code=204)

    @api.get(f"{ADMIN}/truth/{{dataset}}")
    def truth(call: Call) -> Any:
        given = [call.required(name) for name in ("merchant_id", "from", "to")]
        as_sent = call.query.get("as_sent", "false").lower() == "true"
        records = _or_400(controls.truth, call.ids["dataset"], *given, as_sent=as_sent)
        return {"count": len(records), "records": records}

    @api.get(f"{ADMIN}/clock")
    def clock(call: Call) -> Any:
        return {"now": state.clock.now().isoformat(), "frozen": state.clock.frozen}

    @api.route("PUT", f"{ADMIN}/clock")
    def set_clock(call: Call) -> Any:
        match call.object():
            case {"advance": int() | float() as seconds, **more} if not more:
                _or_400(state.clock.advance, seconds)
            case {"now": None | str() as now, **more} if not more:
                state.clock.set(parse_time(now, "now") if now else None)
            case _:
                raise ProblemError(400, 'give {"now": time or null} or {"advance": seconds}')
        return clock(call)

    @api.route("POST", f"{ADMIN}/tokens/revoke")
    def revoke_tokens(call: Call) -> Any:
        return {"revoked": state.tokens.revoke_all()}

    @api.get(f"{ADMIN}/options")
    def options(call: Call) -> Any:
        return state.options.as_dict()

    @api.route("PATCH", f"{ADMIN}/options")
    def change_options(call: Call) -> Any:
        state.options = _or_400(state.options.changed, call.object())
        return options(call)

    @api.get(f"{ADMIN}/orders")
    def orders(call: Call) -> Any:
        return {"orders": _or_400(controls.orders, call.required("merchant_id"))}

    @api.route("POST", f"{ADMIN}/orders/{{order_id}}/approve")
    def approve_order(call: Call) -> Response:
        _or_400(controls.approve_order, call.ids["order_id"])
        return Response(status_code=204)

    # The signature of a control says what its body may be.
    for path, control, key in (
        ("orders", controls.add_orders, "order_ids"),
        ("deletion-requests", controls.request_deletion, "order_ids"),
        ("announced-returns", controls.announce_return, "announced_return_id"),
    ):
        api.route("POST", f"{ADMIN}/{path}")(_controlled(validate_call(control), key))
    return api


def _controlled(control: Callable[..., Any], key: str) -> Callable[[Call], Any]:
    return lambda call: {key: _or_400(control, **call.object())}


def _or_400(call: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
    try:
        return call(*arguments, **named)
    except ValidationError as error:
        raise ProblemError(400, reasons(error)) from error
    except (ValueError, TypeError, OverflowError) as error:
        raise ProblemError(400, str(error)) from error
