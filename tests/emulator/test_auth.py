from __future__ import annotations

import httpx
import pytest

from airflow_provider_zdirect.emulator.server import EmulatorServer

from .conftest import ask_token


def test_a_token_is_given_for_the_right_credentials(anonymous: httpx.Client) -> None:
    answer = ask_token(anonymous)
    assert answer.status_code == 200
    body = answer.json()
    assert body["token_type"] == "Bearer"
    assert body["expires_in"] == 7200
    assert body["access_token"].count(".") == 2


def test_wrong_credentials_are_refused(anonymous: httpx.Client) -> None:
    for answer in (ask_token(anonymous, secret="wrong"), anonymous.post("/auth/token")):
        assert answer.status_code == 401
        assert answer.json()["error"] == "invalid_client"


@pytest.mark.parametrize(
    ("form", "error"), [({"grant_type": "password"}, "unsupported_grant_type"), ({"scope": "x"}, "invalid_request")]
)
def test_other_grants_are_refused(anonymous: httpx.Client, form: dict[str, str], error: str) -> None:
    answer = ask_token(anonymous, **form)
    assert (answer.status_code, answer.json()["error"]) == (400, error)


def test_the_ninth_token_in_a_minute_is_refused_until_the_minute_is_over(
    server: EmulatorServer, anonymous: httpx.Client
) -> None:
    assert [ask_token(anonymous).status_code for _ in range(9)] == [200] * 8 + [429]
    refused = ask_token(anonymous)
    assert 1 <= int(refused.headers["Retry-After"]) <= 60
    assert refused.headers["X-Rate-Limit"] == "8"
    assert refused.headers["X-Flow-Id"]
    server.clock.advance(60)
    assert ask_token(anonymous).status_code == 200


def test_the_sandbox_gives_one_token_a_minute() -> None:
    with EmulatorServer(environment="sandbox") as sandbox, httpx.Client(base_url=sandbox.url) as client:
        assert [ask_token(client).status_code for _ in range(2)] == [200, 429]
        sandbox.set_options(rate_limits=False)
        assert ask_token(client).status_code == 200


def test_me_lists_the_merchants_of_the_client(server: EmulatorServer, api: httpx.Client) -> None:
    me = api.get("/auth/me").json()
    assert set(me) == {"client_id", "user_id", "username", "bpids", "groups", "scopes"}
    assert me["bpids"] == list(server.merchant_ids)
    assert "zfs/returned-item/read" in me["scopes"]


def test_a_token_expires_by_the_emulators_clock(server: EmulatorServer, api: httpx.Client) -> None:
    server.clock.advance(7199)
    assert api.get("/auth/me").status_code == 200
    server.clock.advance(1)
    assert api.get("/auth/me").status_code == 401
