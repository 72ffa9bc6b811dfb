"""Authentication API: ``POST /auth/token`` and ``GET /auth/me``, and the check of bearer tokens."""

from __future__ import annotations

import base64
import binascii
import hmac
from urllib.parse import parse_qs

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response

from airflow_provider_zdirect.emulator.catalog import stable_uuid
from airflow_provider_zdirect.emulator.limits import TOKEN_LIMIT, Limit
from airflow_provider_zdirect.emulator.problem import ProblemError
from airflow_provider_zdirect.emulator.state import EmulatorState

SCOPES = (
    "zfs/received-item/read",
    "zfs/returned-item/read",
    "zfs/liquidated-item/read",
    "zfs/icm-reports/read",
    "partner-inbound-tracker.received.read",
    "zfs-inventory/item-quantity/read",
    "zfs/stock-location/read",
    "profile/sales-channels/read",
    "profile/logistic-centers/read",
    # Not confirmed: the docs show only the end of these.
    "zfs/shipping-notices/read",
    "zfs/shipping-notices/write",
    "orders/read",
    "orders/write",
    "products/stock/write",
    "zss/shipping-document/read",
)


def auth_router(state: EmulatorState) -> APIRouter:
    """Routes of zDirect docs: Authentication."""
    router = APIRouter()

    @router.post("/auth/token")
    async def token(request: Request) -> Response:
        client_id, secret = _basic(request.headers.get("authorization", ""))
        request.state.client_id = client_id
        limit = TOKEN_LIMIT[state.settings.environment]
        if state.options.tokens_per_minute is not None:
            limit = Limit(state.options.tokens_per_minute, 60)
        refusal = state.limiter.refusal("token", limit) if state.options.rate_limits else None
        if refusal:
            raise ProblemError(429, "too many token requests", refusal)
        known = (state.settings.client_id, state.settings.client_secret)
        if not (_same(client_id, known[0]) and _same(secret, known[1])):
            challenge = {"WWW-Authenticate": 'Basic realm="zdirect"'}
            return _oauth_error(401, "invalid_client", "Client authentication failed", challenge)
        form = parse_qs((await request.body()).decode("utf-8", "replace"))
        grant = form.get("grant_type", [""])[0]
        if not grant:
            return _oauth_error(400, "invalid_request", "grant_type is missing")
        if grant != "client_credentials":
            return _oauth_error(400, "unsupported_grant_type", "only client_credentials is supported")
        seconds = state.options.token_seconds
        access_token = state.tokens.issue(client_id, state.merchant_ids, state.clock.now(), seconds)
        return JSONResponse(
            {
                "access_token": access_token,
                "token_type": "Bearer",
                "expires_in": seconds,
                "scope": "access_token_only",
            },
            headers={"Cache-Control": "no-store"},
        )

    @router.get("/auth/me")
    async def me(request: Request) -> Response:
        check_bearer(state, request)
        client_id = state.settings.client_id
        return JSONResponse(
            {
                "client_id": client_id,
                "user_id": stable_uuid(state.settings.seed, "user", client_id),
                "username": f"service-account-{client_id}",
                "bpids": list(state.merchant_ids),
                "groups": [],
                "scopes": [scope for scope in SCOPES if scope not in state.options.missing_scopes],
            }
        )

    return router


def check_bearer(state: EmulatorState, request: Request) -> None:
    """:raises ProblemError: 401 without a token that is known and not expired."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    challenge = {"WWW-Authenticate": "Bearer"}
    if scheme.lower() != "bearer" or not token:
        raise ProblemError(401, "a bearer token is required", challenge)
    if not state.tokens.is_good(token.strip(), state.clock.now()):
        raise ProblemError(401, "the access token is unknown or has expired", challenge)
    request.state.client_id = state.settings.client_id


def _basic(header: str) -> tuple[str, str]:
    scheme, _, encoded = header.partition(" ")
    if scheme.lower() == "basic":
        try:
            user, _, secret = base64.b64decode(encoded.strip()).decode().partition(":")
        except (binascii.Error, ValueError):
            return "", ""
        return user, secret
    return "", ""


def _same(given: str, expected: str) -> bool:
    return hmac.compare_digest(given.encode(), expected.encode())


def _oauth_error(status: int, error: str, text: str, headers: dict[str, str] | None = None) -> JSONResponse:
    # RFC 6749 section 5.2; that zDirect answers so is likely but not confirmed.
    return JSONResponse({"error": error, "error_description": text}, status_code=status, headers=headers)
