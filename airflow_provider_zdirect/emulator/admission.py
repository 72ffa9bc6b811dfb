"""Whether a request of a merchant's data may be answered at all: token, rate limit, merchant."""

from __future__ import annotations

from fastapi import Request

from airflow_provider_zdirect.emulator.auth import check_bearer
from airflow_provider_zdirect.emulator.limits import limit_of
from airflow_provider_zdirect.emulator.parameters import parse_uuid
from airflow_provider_zdirect.emulator.problem import ProblemError
from airflow_provider_zdirect.emulator.state import EmulatorState


def admit(state: EmulatorState, request: Request, merchant_id: str, operation: str, scope: str = "") -> str:
    """The merchant's id in its normal form.

    :param operation: name of the rate limit that the request counts for.
    :param scope: what the client needs; empty: nothing is said of it.
    :raises ProblemError: 401, 429, 400, 403 or 404.
    """
    admit_client(state, request, operation, scope)
    return own_merchant(state, merchant_id)


def admit_client(state: EmulatorState, request: Request, operation: str, scope: str = "") -> None:
    """For what belongs to no merchant.

    :raises ProblemError: 401, 429, or 403 without the scope.
    """
    check_bearer(state, request)
    limit = limit_of(operation, state.settings.environment)
    refusal = state.limiter.refusal(operation, limit) if state.options.rate_limits else None
    if refusal:
        raise ProblemError(429, f"too many requests to {operation}", refusal)
    check_scope(state, scope)
    state.listeners.tell(request.url.path)


def admit_updates(state: EmulatorState, request: Request, updates: int, scope: str) -> None:
    """For a request with so many stock updates, which have a limit of their own.

    :raises ProblemError: 401, 429, or 403 without the scope.
    """
    check_bearer(state, request)
    refusal = state.stock_limiter.refusal(updates) if state.options.rate_limits else None
    if refusal:
        raise ProblemError(429, "too many stock updates", refusal)
    check_scope(state, scope)
    state.listeners.tell(request.url.path)


def check_scope(state: EmulatorState, scope: str) -> None:
    if scope in state.options.missing_scopes:
        raise ProblemError(403, f"client {state.settings.client_id} lacks the scope {scope}")


def own_merchant(state: EmulatorState, merchant_id: str) -> str:
    """The id in its normal form; 400, 403 or 404 if it is none of the client's merchants."""
    merchant_id = parse_uuid(merchant_id, "merchant id")
    if merchant_id == state.foreign_merchant_id:
        raise ProblemError(403, f"client {state.settings.client_id} has no access to merchant {merchant_id}")
    if merchant_id not in state.merchant_ids:
        raise ProblemError(404, f"merchant {merchant_id} is unknown")
    return merchant_id
