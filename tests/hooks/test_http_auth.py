"""Endpoints that nobody modelled, through the HTTP provider's classes as they are, against real HTTP."""

from __future__ import annotations

import asyncio
import json
import logging
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import import_module
from typing import Any

import pytest
import requests
from airflow.providers.http.hooks.http import HttpHook
from airflow.providers.http.operators.http import HttpOperator
from airflow.providers.http.triggers import http as http_triggers
from own_emulator import connection_to

from airflow_provider_zdirect.airflow_sdk import AirflowException, AirflowFailException, TaskDeferred
from airflow_provider_zdirect.client.hosts import path_below
from airflow_provider_zdirect.emulator.server import EmulatorServer
from airflow_provider_zdirect.exceptions import ZDirectConfigurationError
from airflow_provider_zdirect.hooks.http import ZDirectHttpAsyncHook, ZDirectHttpHook
from airflow_provider_zdirect.hooks.http_auth import ZDirectAuth
from airflow_provider_zdirect.hooks.zdirect import ZDirectHook
from airflow_provider_zdirect.operators.http import ZDirectHttpOperator
from airflow_provider_zdirect.sensors.http import ZDirectHttpSensor

pytestmark = pytest.mark.usefixtures("database", "connected")


@pytest.fixture
def connected(connect: Any) -> None:
    """As the form of the UI leaves a connection: with extras, of which some are no texts."""
    connect(extra={"environment": "production", "share_access": True, "rate_share": 1.0, "timeout": 20})


class Foreign(BaseHTTPRequestHandler):
    """Somebody else's server; says 401 and notes what it was sent."""

    def do_GET(self) -> None:
        self.server.heard.append(dict(self.headers))  # type: ignore[attr-defined]
        self.send_response(401)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *arguments: Any) -> None:
        pass


@pytest.fixture(scope="module")
def foreign() -> Iterator[ThreadingHTTPServer]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Foreign) as server:
        server.heard = []  # type: ignore[attr-defined]
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        yield server
        server.shutdown()


def username(emulator: EmulatorServer) -> str:
    return f"service-account-{emulator.state.settings.client_id}"


def paths(emulator: EmulatorServer) -> list[tuple[str, int | None]]:
    return [(request.path, request.status) for request in emulator.requests]


def deferred(task: Any) -> TaskDeferred:
    with pytest.raises(TaskDeferred) as caught:
        task.execute({})
    return caught.value


def what_it_fires(trigger: Any) -> Any:
    """The event of a trigger that was stored and loaded again, as a triggerer does."""
    path, arguments = trigger.serialize()
    module, _, name = path.rpartition(".")
    loaded = getattr(import_module(module), name)(**json.loads(json.dumps(arguments)))

    async def first() -> Any:
        async with asyncio.timeout(60):
            return (await anext(loaded.run())).payload

    return asyncio.run(first())


def run_deferrable(task: Any) -> Any:
    deferral = deferred(task)
    while True:
        event = what_it_fires(deferral.trigger)
        assert "Bearer" not in str(event)
        try:
            return getattr(task, deferral.method_name)({}, event=event, **deferral.kwargs or {})
        except TaskDeferred as again:
            deferral = again


def run(task: Any) -> Any:
    return run_deferrable(task) if task.deferrable else task.execute({})


def me(task_class: type = ZDirectHttpOperator, **arguments: Any) -> Any:
    return task_class(**{"task_id": "me", "method": "GET", "endpoint": "/auth/me", **arguments})


# In the worker


@pytest.mark.parametrize(
    "task",
    [
        lambda: me(),
        lambda: me(HttpOperator, http_conn_id="zdirect_default"),
        lambda: me(HttpOperator, http_conn_id="zdirect_default", auth_type=ZDirectAuth),
        lambda: me(HttpOperator, http_conn_id="zdirect_default", retry_args={"stop": lambda state: True}),
    ],
    ids=["own", "plain", "plain with auth_type", "plain with retry_args"],
)
def test_an_operator_calls_an_endpoint_on_the_connection(task, emulator):
    assert json.loads(task().execute({}))["bpids"] == list(emulator.merchant_ids)


def test_all_share_one_token(emulator, monkeypatch):
    """Also an ``http`` connection with the app's login."""
    monkeypatch.setenv("AIRFLOW_CONN_PLAIN", json.dumps(connection_to(emulator, conn_type="http")))
    emulator.state.tokens.revoke_all()
    assert ZDirectHook().merchant_ids()
    for task in (me(), me(deferrable=True), me(HttpOperator, http_conn_id="zdirect_default")):
        run(task)
    requests.get(f"{emulator.url}/auth/me", auth=ZDirectAuth(), timeout=60).raise_for_status()
    HttpHook(method="GET", http_conn_id="plain", auth_type=ZDirectAuth).run("/auth/me")
    # The first one meets the token of the tests before, which is void.
    assert paths(emulator).count(("/auth/me", 200)) == 6
    assert paths(emulator).count(("/auth/token", 200)) == 1


def test_parameters_headers_bodies_and_checks_are_those_of_the_http_provider(emulator):
    merchant = emulator.merchant_ids[0]
    seen: list[int] = []
    names = me(
        endpoint="sales-channels",
        data={"merchant_ids": merchant},
        headers={"X-Flow-Id": "a-flow", "authorization": "Bearer another"},
        response_check=lambda response: not seen.append(response.status_code),
        response_filter=lambda response: len(response.json()["items"]),
    ).execute({})
    assert names > 0
    assert seen == [200]
    assert (emulator.requests[-1].flow_id, emulator.requests[-1].query) == ("a-flow", f"merchant_ids={merchant}")
    answer = ZDirectHttpHook("POST").run(
        f"/merchants/{merchant}/nowhere", json={"a": 1}, extra_options={"check_response": False}
    )
    assert answer.status_code == 404
    assert answer.request.body == b'{"a": 1}'
    assert answer.request.headers["User-Agent"].startswith("airflow-provider-zdirect/")


@pytest.mark.parametrize("deferrable", [False, True])
def test_after_a_401_the_token_is_renewed_once(emulator, deferrable):
    emulator.faults.add({"match": {"path": "/auth/me"}, "action": {"revoke_tokens": True}})
    task = me(deferrable=deferrable)
    assert "bpids" in run(task)
    assert paths(emulator)[-3:] == [("/auth/me", 401), ("/auth/token", 200), ("/auth/me", 200)]
    emulator.faults.add({"match": {"path": "/auth/me"}, "action": {"status": 401}, "times": None})
    with pytest.raises(AirflowException, match="401"):
        run(task)
    assert [status for path, status in paths(emulator)[-3:] if path == "/auth/me"] == [401, 401]


def test_a_body_is_sent_again_after_a_401(emulator):
    emulator.faults.add({"match": {"method": "POST", "path": "/stocks"}, "action": {"status": 401}})
    answer = ZDirectHttpHook("POST").run(
        f"/merchants/{emulator.merchant_ids[0]}/stocks", json={"items": []}, extra_options={"check_response": False}
    )
    assert answer.request.body == b'{"items": []}'
    assert [status == 401 for path, status in paths(emulator) if "stocks" in path] == [True, False]


# Not elsewhere


@pytest.mark.parametrize(
    ("endpoint", "path"),
    [
        ("auth/me", "/auth/me"),
        (None, "/"),
        ("/a?next=https://b.example/", "/a?next=https://b.example/"),
        ("https://api.example/zdirect/orders?page=2", "/orders?page=2"),
        ("@b.example/", "/@b.example/"),
        ("//b.example/", "//b.example/"),
        ("https://b.example/", None),
        ("http://api.example/zdirect/x", None),
        ("https://api.example/zdirecting", None),
        ("https://api.example/zdirect@b.example/", None),
        ("https://api.example:444/zdirect/", None),
    ],
)
def test_an_endpoint_is_a_path_or_a_url_below_the_address(endpoint, path):
    if path:
        assert path_below(endpoint, "https://api.example/zdirect") == path
    else:
        with pytest.raises(ZDirectConfigurationError, match="not sent there"):
            path_below(endpoint, "https://api.example/zdirect")


def test_a_request_elsewhere_is_refused_before_anything_is_sent(emulator, foreign):
    elsewhere = f"http://127.0.0.1:{foreign.server_port}/auth/me"
    with pytest.raises(AirflowFailException, match="not sent there"):
        me(endpoint=elsewhere).execute({})
    with pytest.raises(AirflowException, match="not sent there"):
        run(me(endpoint=elsewhere, deferrable=True))
    with pytest.raises(ZDirectConfigurationError, match="not sent there"):
        requests.get(elsewhere, auth=ZDirectAuth(), timeout=60)
    with pytest.raises(ZDirectConfigurationError, match="not an address of zDirect"):
        requests.get("https://zdirect.invalid/auth/me", auth=ZDirectAuth("demo", "demo-secret"), timeout=60)
    assert not foreign.heard
    assert not [path for path, _ in paths(emulator) if path != "/auth/token"]


@pytest.mark.parametrize("deferrable", [False, True])
def test_a_redirect_elsewhere_is_followed_without_the_token_and_its_401_renews_nothing(emulator, foreign, deferrable):
    foreign.heard.clear()
    location = f"http://127.0.0.1:{foreign.server_port}/taken"
    emulator.faults.add(
        {"match": {"path": "/auth/me"}, "action": {"status": 307, "headers": {"Location": location}}, "times": None}
    )
    with pytest.raises(AirflowException, match="401"):
        run(me(deferrable=deferrable))
    assert foreign.heard
    assert not [name for heard in foreign.heard for name in heard if name.lower() == "authorization"]
    assert "Bearer" not in str(foreign.heard)


@pytest.mark.parametrize("deferrable", [False, True])
def test_a_redirect_within_zdirect_is_followed_with_the_token(emulator, deferrable):
    moved = {"status": 307, "headers": {"Location": f"{emulator.url}/auth/me"}, "body": {"moved": True}}
    emulator.faults.add({"match": {"path": "/moved"}, "action": moved, "times": None})
    task = me(
        endpoint="/moved",
        deferrable=deferrable,
        response_filter=lambda answer: (
            answer.json()["username"],
            [(one.status_code, one.headers["location"], one.url) for one in answer.history],
        ),
    )
    (name, history) = run(task)
    assert name == username(emulator)
    assert history == [(307, f"{emulator.url}/auth/me", f"{emulator.url}/moved")]


# In the triggerer


def test_a_deferred_request_that_fails_is_sent_once(emulator):
    """Whether the first one was carried out is not known; the HTTP provider's own hook sends it three times."""
    emulator.faults.add({"match": {"path": "/stocks"}, "action": {"status": 500}, "times": None})
    task = me(endpoint=f"/merchants/{emulator.merchant_ids[0]}/stocks", deferrable=True)
    for task.method in ("POST", "PATCH", "GET"):
        emulator.state.log.clear()
        with pytest.raises(AirflowException, match="500"):
            run(task)
        assert [status for path, status in paths(emulator) if "stocks" in path] == [500]


@pytest.mark.parametrize("deferrable", [False, True])
def test_pages_are_followed_by_whole_urls(emulator, deferrable):
    url = f"{emulator.url}/sales-channels?merchant_ids={emulator.merchant_ids[0]}"
    task = me(
        deferrable=deferrable,
        pagination_function=lambda last: {"endpoint": url} if "/auth/me" in last.url else None,
        response_filter=lambda answers: [min(answer.json()) for answer in answers],
    )
    assert run(task) == ["bpids", "items"]


def test_the_http_providers_own_trigger_refuses_the_auth_and_says_what_to_use(emulator):
    # Before its version 5.3.3 the HTTP provider hands on the class itself.
    serialized = getattr(http_triggers, "serialize_auth_type", lambda auth: auth)(ZDirectAuth)
    trigger = http_triggers.HttpTrigger("zdirect_default", serialized, "GET", "/auth/me")
    event = what_it_fires(trigger)
    assert event["status"] == "error"
    assert "ZDirectHttpOperator" in event["message"]
    assert not emulator.requests


def centers_there(emulator: EmulatorServer, deferrable: bool) -> ZDirectHttpSensor:
    endpoint = f"/merchants/{emulator.merchant_ids[0]}/logistic-centers"
    return ZDirectHttpSensor(task_id="there", endpoint=endpoint, deferrable=deferrable, poke_interval=0.05, timeout=120)


@pytest.mark.parametrize("deferrable", [False, True])
def test_a_sensor_waits_while_there_is_nothing(emulator, deferrable):
    emulator.faults.add({"match": {"path": "logistic"}, "action": {"status": 404}, "times": 2})
    sensor = centers_there(emulator, deferrable)
    if deferrable:
        run_deferrable(sensor)
    else:
        while not sensor.poke({}):
            pass
    assert [status for path, status in paths(emulator) if "logistic" in path] == [404, 404, 200]


def test_a_sensors_check_looks_at_the_answer(emulator):
    sensor = ZDirectHttpSensor(
        task_id="granted", endpoint="/auth/me", response_check=lambda response: "bpids" in response.json()
    )
    assert sensor.poke({}) is True
    never = ZDirectHttpSensor(task_id="never", endpoint="/auth/me", response_check=lambda response: False)
    assert never.poke({}) is False


def test_a_deferred_sensor_fails_with_an_error_that_waiting_does_not_mend(emulator):
    """The HTTP provider's own trigger would ask again at once, and for ever."""
    emulator.faults.add({"match": {"path": "logistic"}, "action": {"status": 404}})
    emulator.faults.add({"match": {"path": "logistic"}, "action": {"status": 403}, "times": None})
    with pytest.raises(AirflowException, match="403"):
        run(centers_there(emulator, deferrable=True))
    assert [status for path, status in paths(emulator) if "logistic" in path] == [404, 403]


def test_in_a_coroutine_the_async_hook_works_and_the_auth_says_so(emulator):
    async def call() -> list[str]:
        with pytest.raises(ZDirectConfigurationError, match="ZDirectHttpAsyncHook"):
            ZDirectAuth()
        answers = await asyncio.gather(*(ZDirectHttpAsyncHook("GET").run(endpoint="/auth/me") for _ in range(5)))
        return [(await answer.json())["username"] for answer in answers]

    assert asyncio.run(call()) == [username(emulator)] * 5
    assert [path for path, _ in paths(emulator)].count("/auth/token") <= 1


# Errors and secrets


def test_another_auth_type_would_send_the_secret_and_is_refused_at_parse(emulator):
    from requests.auth import HTTPBasicAuth

    with pytest.raises(ZDirectConfigurationError, match="HTTPBasicAuth"):
        me(auth_type=HTTPBasicAuth)
    with pytest.raises(ZDirectConfigurationError, match="HTTPBasicAuth"):
        me(HttpOperator, http_conn_id="zdirect_default", auth_type=HTTPBasicAuth).execute({})
    with pytest.raises(TypeError, match="conection"):
        ZDirectHook(conection="typo")


@pytest.mark.parametrize("deferrable", [False, True])
def test_a_wrong_secret_fails_at_once_and_is_in_no_text(connect, emulator, caplog, deferrable):
    caplog.set_level(logging.DEBUG)
    connect(password="wrong-and-secret")
    with pytest.raises(AirflowException, match="refused the client id or the client secret") as caught:
        run(me(deferrable=deferrable))
    assert "wrong-and-secret" not in str(caught.value) + caplog.text


@pytest.mark.parametrize("share", [True, False])
def test_the_token_is_masked_and_in_no_log(connect, emulator, caplog, share):
    from airflow_provider_zdirect.airflow_sdk import redact

    caplog.set_level(logging.DEBUG)
    connect(extra={"share_access": share})
    emulator.state.tokens.revoke_all()
    if share:
        # The token that all share from here on.
        assert ZDirectHook().merchant_ids()
    emulator.faults.add({"match": {"path": "/auth/me"}, "action": {"status": 403, "body": "broken"}, "times": None})
    for deferrable in (False, True):
        with pytest.raises(AirflowException, match="403"):
            run(me(deferrable=deferrable))
    tokens = list(emulator.state.tokens._expires_at)
    assert tokens
    for token in tokens:
        assert token not in caplog.text
        assert redact(f"a {token} b") == "a *** b"
