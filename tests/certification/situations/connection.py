"""Who asks: the app, its secret, its merchants and scopes, and its environment."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from airflow_provider_zdirect.datasets.dataset import Dataset
from airflow_provider_zdirect.exceptions import (
    AuthenticationError,
    NotFoundError,
    PermissionDeniedError,
    ZDirectConfigurationError,
    ZDirectError,
)
from certification.case import Situation, check_end, of_dataset, requests_needed, token_requests
from certification.protection import Protection
from certification.world import World

AT_ONCE = 8
"""Requests that are under way at the same time (``pipeline.fetch.REQUESTS_AT_ONCE``)."""

UNKNOWN = "00000000-0000-4000-8000-000000000000"


def _names_merchant(dataset: Dataset) -> bool:
    return "{merchant_id}" in dataset.endpoint.path or dataset.endpoint.merchant_parameter is not None


def good(world: World) -> None:
    async def me() -> Any:
        async with world.client() as client:
            return await client.me()

    assert world.merchant_id in asyncio.run(me()).merchant_ids
    check_end(world, world.task())
    assert len(token_requests(world)) == 1, "the token is shared"


def _refused(settings: Mapping[str, Any], *says: str) -> Any:
    def play(world: World) -> None:
        world.settings = dict(settings)
        check_end(world, world.task(), error=AuthenticationError, ends=False, says=says, names=False)
        assert len(token_requests(world)) == 1, "a wrong secret is not tried again"
        assert not of_dataset(world)

    return play


def _other_merchant(known: bool, error: type[ZDirectError]) -> Any:
    def play(world: World) -> None:
        merchant = world.emulator.foreign_merchant_id if known else UNKNOWN
        outcome = world.task(merchant_id=merchant)
        check_end(world, outcome, error=error, ends=False, says=(world.dataset, merchant), names=False)
        assert len(of_dataset(world)) <= AT_ONCE, "it is not tried again"

    return play


def _answer(status: int, error: type[ZDirectError], body: Mapping[str, str], *says: str) -> Any:
    def play(world: World) -> None:
        needed = requests_needed(world)
        world.fault(world.path, {"status": status, "body": dict(body)}, times=None)
        named = [text.format(scope=world.row.endpoint.scope) for text in says]
        check_end(world, world.task(), error=error, ends=False, says=tuple(named))
        assert len(of_dataset(world)) <= min(AT_ONCE, needed) * (2 if status == 401 else 1), "it is not tried again"
        assert len(token_requests(world)) <= 2

    return play


def sandbox_into_production(world: World) -> None:
    world.fetch()
    before = world.rows()
    world.environment = "sandbox"
    outcome = world.task()
    says = ("production", "sandbox", str(world.root))
    check_end(world, outcome, error=ZDirectConfigurationError, ends=False, says=says, names=False, before=before)


REFUSED = Protection("client.access_token:AccessTokens._ask", "error.status not in (400, 401)", "True")
FORBIDDEN = Protection("client.answer_errors:error_of", "status == 403", "False")
SITUATIONS = [
    Situation(
        "connection/good",
        "The app lists the merchant, one token serves everything, and every row is published once.",
        Protection("client.access_token:AccessTokens._usable", "token if token.is_fresh(now) else None", "None"),
        good,
    ),
    Situation(
        "connection/wrong-secret",
        "A wrong secret is an error after one token request, and says where to copy the right one from.",
        REFUSED,
        _refused({"client_secret": "another-secret"}, "client id or the client secret", "zDirect portal"),
    ),
    Situation(
        "connection/unknown-app",
        "An unknown client id is an error after one token request.",
        REFUSED,
        _refused({"client_id": "another-app"}, "another-app", "client id or the client secret", "zDirect portal"),
    ),
    Situation(
        "connection/other-merchant",
        "A merchant of another app is an error at once, and nothing is published under it.",
        FORBIDDEN,
        _other_merchant(True, PermissionDeniedError),
        _names_merchant,
    ),
    Situation(
        "connection/unknown-merchant",
        "An unknown merchant is an error at once.",
        Protection("client.answer_errors:error_of", "status == 404", "False"),
        _other_merchant(False, NotFoundError),
        _names_merchant,
    ),
    Situation(
        "connection/missing-scope",
        "A scope that is not granted is an error at once, and names the scope.",
        FORBIDDEN,
        _answer(403, PermissionDeniedError, {"title": "Forbidden", "detail": "insufficient scope"}, "{scope}"),
    ),
    Situation(
        "connection/sandbox-app",
        "An app in sandbox mode that calls production is an error at once, and says so.",
        FORBIDDEN,
        _answer(403, PermissionDeniedError, {"title": "Forbidden"}, "sandbox mode but production is called"),
    ),
    Situation(
        "connection/inactive-app",
        "An app whose every token is refused gets one new token, and then an error.",
        Protection(
            "client.client:ZDirectClient._authorised",
            "is_repeated and token.obtained_at >= first_sent",
            "False",
            endless=True,
        ),
        _answer(401, AuthenticationError, {"title": "Unauthorized"}, "also with a fresh access token"),
    ),
    Situation(
        "connection/sandbox-into-production",
        "Samples of the sandbox are never published beside data of production.",
        Protection("publish.environment:claim_environment", "owner != environment", "False"),
        sandbox_into_production,
    ),
]
