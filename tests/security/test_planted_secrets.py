"""Secrets are planted in connections, a real Airflow runs tasks of every kind and ending, with debug logs; then
everything that was written is searched for them."""

from __future__ import annotations

import base64
import json
import socket
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import airflow_home
import pytest
import real_time
from own_emulator import own_emulator
from secret_search import cells, contents, holding

from airflow_provider_zdirect.airflow_sdk import AIRFLOW_V_3_3_PLUS

sys.path.insert(0, str(airflow_home.PROJECT / "scripts"))

from local_airflow import LocalAirflow

if not AIRFLOW_V_3_3_PLUS:
    pytest.skip("LocalAirflow is an Airflow 3", allow_module_level=True)

# Letters that are written otherwise in URLs and in JSON.
CLIENT_SECRET = 'pl4nted/cl1ent+secret&of"shop=ü~7Kq'
WRONG_SECRET = 'pl4nted/wr0ng+secret&of"shop=ü~9Xz'
PERSONAL_KEY = 'pl4nted/pers0nal+key&of"shop=ü~3Vw'

DAG_FILE = """
import logging

from airflow.sdk import DAG, task
from airflow_provider_zdirect.hooks.zdirect import ZDirectHook
from airflow_provider_zdirect.operators.extract import ZDirectExtractOperator
from airflow_provider_zdirect.operators.http import ZDirectHttpOperator
from airflow_provider_zdirect.sensors.http import ZDirectHttpSensor
from airflow_provider_zdirect.sensors.report import ZDirectReportReadySensor

COMMON = {{"base_path": {base!r}, "merchant_id": {merchant!r}}}
WINDOW = {{"window_from": {start!r}, "window_to": {end!r}}}

with DAG("leaks", schedule=None, is_paused_upon_creation=False, max_active_tasks=3):
    def extract(task_id, dataset, conn_id="shop", **options):
        ZDirectExtractOperator(
            task_id=task_id, dataset=dataset, conn_id=conn_id, **{{"deferrable": False, **COMMON, **options}}
        )

    extract("good", "received_items", **WINDOW)
    extract("hashed", "orders", personal_data="hash", **WINDOW)
    extract("denied", "returned_items", **WINDOW)
    extract("broken", "stock_locations")
    extract("waiting", "logistic_centers", deferrable=True)
    extract("wrong_secret", "received_items", conn_id="wrong", **WINDOW)
    extract("refused", "received_items", conn_id="closed", **WINDOW)
    ZDirectHttpOperator(task_id="http", endpoint="/auth/me", method="GET", http_conn_id="shop", deferrable=True)
    ZDirectHttpSensor(
        task_id="http_waiting", endpoint="/nothing-here", http_conn_id="shop", deferrable=True, poke_interval=600
    )
    ZDirectReportReadySensor(
        task_id="report_waiting", dataset="intra_community_movements", merchant_id={merchant!r}, conn_id="shop",
        report_date={today!r}, not_before="23:59:59", deferrable=True,
    )

    @task
    def careless():
        hook = ZDirectHook("shop")
        log = logging.getLogger("airflow.task")
        log.warning("settings %r, config %r, client %r", hook.settings, hook.config(), hook.client())
        log.warning("secret: %s", hook.config().client_secret)
        raise RuntimeError(f"secret in an error: {{hook.config().client_secret}}")

    careless()
"""
ENDS = {
    **dict.fromkeys(("good", "hashed", "http"), "success"),
    **dict.fromkeys(("denied", "wrong_secret", "refused", "careless"), "failed"),
    "broken": "up_for_retry",
    **dict.fromkeys(("waiting", "http_waiting", "report_waiting"), "deferred"),
}


def echo(status: int, app: str) -> dict[str, Any]:
    """An answer of a server that repeats what it must not."""
    basic = base64.b64encode(f"{app}:{CLIENT_SECRET}".encode()).decode()
    said = {"title": f"refused {CLIENT_SECRET}", "detail": f"{CLIENT_SECRET} of {app}"}
    return {"status": status, "body": said, "headers": {"X-Debug": f"Basic {basic}", "X-Flow-Id": "a-flow"}}


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What was written, by kind, and the secrets; after all tasks of the DAG have come to their ends."""
    home = tmp_path_factory.mktemp("planted")
    (home / "dags").mkdir()
    (home / "tmp").mkdir()
    hour = real_time.this_hour() - timedelta(hours=6)
    with (
        pytest.MonkeyPatch.context() as patch,
        socket.socket() as closed,
        own_emulator(seed=7, client_secret=CLIENT_SECRET, rate_limits=False) as emulator,
    ):
        closed.bind(("127.0.0.1", 0))
        app = emulator.state.settings.client_id
        merchant = emulator.merchant_ids[0]
        dag = DAG_FILE.format(
            base=f"file://{home / 'base'}",
            merchant=merchant,
            start=hour.isoformat(),
            end=(hour + timedelta(hours=1)).isoformat(),
            today=real_time.today().date().isoformat(),
        )
        (home / "dags" / "leaks.py").write_text(dag)
        for path, status in (("returned", 403), ("stock-locations", 500), ("logistic", 500)):
            emulator.faults.add({"match": {"path": path}, "action": echo(status, app), "times": None})
        patch.setenv("TMPDIR", str(home / "tmp"))
        settings = {"CORE__DAGS_FOLDER": str(home / "dags"), "LOGGING__LOGGING_LEVEL": "DEBUG"}
        airflow = LocalAirflow(home / "airflow-home", settings)
        extra = {"environment": "production", "personal_data_secret": PERSONAL_KEY}
        answers: dict[str, Any] = {}
        with airflow.running():
            for name, secret, host in (
                ("shop", CLIENT_SECRET, emulator.url),
                ("wrong", WRONG_SECRET, emulator.url),
                ("closed", CLIENT_SECRET, f"http://127.0.0.1:{closed.getsockname()[1]}"),
            ):
                fields = {"conn_type": "zdirect", "login": app, "password": secret, "host": host}
                airflow.api("/connections", {"connection_id": name, **fields, "extra": json.dumps(extra)})
            answers["test"] = airflow.api(
                "/connections/test",
                {"connection_id": "shop", "conn_type": "zdirect", "login": app, "password": CLIENT_SECRET,
                 "host": emulator.url, "extra": json.dumps(extra)},
            )  # fmt: skip
            airflow.start_scheduling()
            airflow.wait_for("the DAG", lambda: not airflow.api("/dags/leaks")["is_paused"])
            run = airflow.api("/dags/leaks/dagRuns", {"logical_date": None})["dag_run_id"]
            tasks = f"/dags/leaks/dagRuns/{run}/taskInstances"

            def states() -> dict[str, str]:
                return {task["task_id"]: task["state"] for task in airflow.api(tasks)["task_instances"]}

            try:
                airflow.wait_for("the tasks", lambda: states() == ENDS, 240)
            finally:
                answers["states"] = states()
            for path in ("/connections", "/connections/shop", "/variables", tasks, "/eventLogs?limit=1000"):
                answers[path] = airflow.api(path)
            for name in ENDS:
                answers[f"xcom of {name}"] = airflow.api(f"{tasks}/{name}/xcomEntries")
                answers[f"log of {name}"] = airflow.api(f"{tasks}/{name}/logs/1?full_content=true")
        tokens = list(emulator.state.tokens._expires_at)
    return {
        "secrets": [CLIENT_SECRET, WRONG_SECRET, PERSONAL_KEY, *tokens],
        "tokens": tokens,
        "app": app,
        "merchant": merchant,
        "home": home,
        "database": next(home.rglob("airflow.db")),
        "answers": [(name, json.dumps(answer, ensure_ascii=False).encode()) for name, answer in answers.items()],
    }


pytestmark = pytest.mark.exhaustive


def test_nothing_that_a_run_writes_holds_a_secret(places: dict[str, Any]) -> None:
    home: Path = places["home"]
    assert len(places["tokens"]) == 1
    written = (
        (name, _without_careless(data) if name.endswith("scheduler.log") else data) for name, data in contents(home)
    )
    found = holding(places["secrets"], written) | holding(places["secrets"], places["answers"])
    assert found == set()


def _without_careless(log: bytes) -> bytes:
    """What the LocalExecutor copies to the scheduler's output is not masked by Airflow 3.3 (SECURITY.md)."""
    return b"\n".join(line for line in log.splitlines() if b"task_id=careless" not in line)


def test_the_search_finds_what_is_no_secret_where_a_secret_could_be(places: dict[str, Any]) -> None:
    """Else the search could pass because it looks at nothing."""
    found = holding([places["app"], places["merchant"]], contents(places["home"]))
    logs = {name.partition("task_id=")[2].partition("/")[0] for name in found if "task_id=" in name}
    assert {"good", "hashed", "denied", "broken", "waiting", "careless", "report_waiting"} <= logs
    assert "connection.login" in found
    everything = dict(cells(places["database"]))
    for column in ("trigger.kwargs", "xcom.value", "rendered_task_instance_fields.rendered_fields", "variable.val"):
        assert column in everything
    names = {name for name, _ in contents(places["home"])}
    for part in ("base/_manifests/", ".parquet", "airflow-home/logs/scheduler.log", "airflow-home/logs/triggerer.log"):
        assert any(part in name for name in names), part
    assert any(name.startswith("tmp/airflow-provider-zdirect-") for name in names)


def test_connections_and_the_token_are_stored_encrypted(places: dict[str, Any]) -> None:
    stored = list(cells(places["database"]))
    for column in ("connection.password", "connection.extra", "variable.val"):
        values = [value for name, value in stored if name == column]
        assert values
        # A Fernet token of version 128 begins so.
        assert all(value.startswith(b"gAAAA") for value in values)


def test_a_task_that_logs_its_secrets_shows_asterisks(places: dict[str, Any]) -> None:
    (log,) = [answer.decode() for name, answer in places["answers"] if name == "log of careless"]
    assert "secret: ***" in log
    assert "secret in an error: ***" in log


def test_failures_say_what_to_do_without_what_the_server_repeated(places: dict[str, Any]) -> None:
    logs = {name: answer.decode() for name, answer in places["answers"]}
    assert "refused ***" in logs["log of denied"]
    assert "refused ***" in logs["log of broken"]
    assert "refused the client id or the client secret" in logs["log of wrong_secret"]
    assert "refused: nothing listens on that port" in logs["log of refused"]
