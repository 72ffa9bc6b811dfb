# SPDX-License-Identifier: Apache-2.0
"""Authentication API (zDirect docs: Authentication), and the tokens that were issued."""

from __future__ import annotations

import base64
from typing import Any
from urllib.parse import parse_qs

from starlette.responses import Response

from airflow_provider_zdirect.emulator.answers import ProblemError, json_answer
from airflow_provider_zdirect.emulator.catalog import stable_uuid
from airflow_provider_zdirect.emulator.limits import TOKEN_LIMIT, Limit
from airflow_provider_zdirect.emulator.requests import Api, Call, check_bearer

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
api = Api()


@api.route("POST", "/auth/token")
def token(call: Call) -> Response:
    state, options = call.state, call.options
    given = _basic(call.request.headers.get("authorization", ""))
    call.request.state.client_id = given[0]
    limit = TOKEN_LIMIT[state.settings.environment]
    if options.tokens_per_minute is not None:
        limit = Limit(options.tokens_per_minute, 60)
    refusal = state.limiter.refusal("token", limit) if options.rate_limits else None
    if refusal:
        raise ProblemError(429, "too many token requests", refusal)
    if given != (state.settings.client_id, state.settings.client_secret):
        challenge = {"WWW-Authenticate": 'Basic realm="zdirect"'}
        return _oauth_error(401, "invalid_client", "Client authentication failed", challenge)
    grant = parse_qs(call.body.decode("utf-8", "replace")).get("grant_type", [""])[0]
    if not grant:
        return _oauth_error(400, "invalid_request", "grant_type is missing")
    if grant != "client_credentials":
        return _oauth_error(400, "unsupported_grant_type", "only client_credentials is supported")
    answer = {
        "access_token": state.tokens.issue(call.now, options.token_seconds),
        "token_type": "Bearer",
        "expires_in": options.token_seconds,
        "scope": "access_token_only",
    }
    return json_answer(answer, headers={"Cache-Control": "no-store"})


@api.get("/auth/me")
def me(call: Call) -> dict[str, Any]:
    check_bearer(call.state, call.request)
    client_id = call.state.settings.client_id
    return {
        "client_id": client_id,
        "user_id": stable_uuid(call.state.settings.seed, "user", client_id),
        "username": f"service-account-{client_id}",
        "bpids": list(call.state.merchant_ids),
        "groups": [],
        "scopes": [scope for scope in SCOPES if scope not in call.options.missing_scopes],
    }


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
