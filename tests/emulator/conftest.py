"""One emulator for all tests of this folder, put back in order before each."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from airflow_provider_zdirect.emulator.server import EmulatorServer

NOW = "2026-03-10T12:30:00Z"


@pytest.fixture(scope="session")
def shared_server() -> Iterator[EmulatorServer]:
    with EmulatorServer(seed=7, now=NOW) as server:
        yield server


@pytest.fixture
def server(shared_server: EmulatorServer) -> EmulatorServer:
    shared_server.reset()
    return shared_server


@pytest.fixture(scope="session")
def shared_client(shared_server: EmulatorServer) -> Iterator[httpx.Client]:
    # Once: a client loads all certificates of the machine.
    with httpx.Client(base_url=shared_server.url, timeout=120) as client:
        yield client


@pytest.fixture
def anonymous(server: EmulatorServer, shared_client: httpx.Client) -> httpx.Client:
    shared_client.headers.pop("Authorization", None)
    return shared_client


@pytest.fixture
def api(anonymous: httpx.Client) -> httpx.Client:
    return log_in(anonymous)


def log_in(client: httpx.Client) -> httpx.Client:
    answer = ask_token(client)
    client.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"
    return client


def ask_token(client: httpx.Client, secret: str = "demo-secret", **form: str) -> httpx.Response:
    form = form or {"grant_type": "client_credentials"}
    return client.post("/auth/token", auth=("demo", secret), data=form)
