"""Authentication API (zDirect docs: Authentication), and the tokens that were given out."""

from __future__ import annotations

import base64
from urllib.parse import parse_qs

from fastapi import APIRouter, Request
from fastapi.responses import Response

from airflow_provider_zdirect.emulator.answers import ProblemError, json_answer
from airflow_provider_zdirect.emulator.catalog import stable_uuid
from airflow_provider_zdirect.emulator.limits import TOKEN_LIMIT, Limit
from airflow_provider_zdirect.emulator.requests import check_bearer
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
    router = APIRouter()

    @router.post("/auth/token")
    async def token(request: Request) -> Response:
        given = _basic(request.headers.get("authorization", ""))
        request.state.client_id = given[0]
        limit, options = TOKEN_LIMIT[state.settings.environment], state.options
        if options.tokens_per_minute is not None:
            limit = Limit(options.tokens_per_minute, 60)
        refusal = state.limiter.refusal("token", limit) if options.rate_limits else None
        if refusal:
            raise ProblemError(429, "too many token requests", refusal)
        if given != (state.settings.client_id, state.settings.client_secret):
            challenge = {"WWW-Authenticate": 'Basic realm="zdirect"'}
            return _oauth_error(401, "invalid_client", "Client authentication failed", challenge)
        form = parse_qs((await request.body()).decode("utf-8", "replace"))
        grant = form.get("grant_type", [""])[0]
        if not grant:
            return _oauth_error(400, "invalid_request", "grant_type is missing")
        if grant != "client_credentials":
            return _oauth_error(400, "unsupported_grant_type", "only client_credentials is supported")
        answer = {
            "access_token": state.tokens.issue(state.clock.now(), options.token_seconds),
            "token_type": "Bearer",
            "expires_in": options.token_seconds,
            "scope": "access_token_only",
        }
        return json_answer(answer, headers={"Cache-Control": "no-store"})

    @router.get("/auth/me")
    async def me(request: Request) -> Response:
        check_bearer(state, request)
        client_id = state.settings.client_id
        return json_answer(
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


def _basic(header: str) -> tuple[str, str]:
    scheme, _, encoded = header.partition(" ")
    try:
        user, _, secret = base64.b64decode(encoded.strip()).decode().partition(":")
    except ValueError:
        return "", ""
    return (user, secret) if scheme.lower() == "basic" else ("", "")


def _oauth_error(status: int, error: str, text: str, headers: dict[str, str] | None = None) -> Response:
    # RFC 6749 section 5.2; that zDirect answers so is likely but not confirmed.
    return json_answer({"error": error, "error_description": text}, status, headers)
