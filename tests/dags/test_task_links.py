"""From a task to its data: names of merchants, links and the page with a task's files, after a real run."""

from __future__ import annotations

import gzip
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest
import real_time
from airflow.utils.session import create_session
from dag_runner import dag_runner
from own_emulator import own_emulator
from sqlalchemy import text

from airflow_provider_zdirect.airflow_sdk import AIRFLOW_V_3_0_PLUS, AIRFLOW_V_3_1_PLUS
from airflow_provider_zdirect.assets import dataset_asset
from airflow_provider_zdirect.emulator.server import EmulatorServer
from airflow_provider_zdirect.operators.links import FILES_PAGE, PublishedFilesLink

HOUR = timedelta(hours=1)
DAG_ID = "zdirect_stock_movements"
only_with_pages = pytest.mark.skipif(not AIRFLOW_V_3_1_PLUS, reason="no pages of plugins before Airflow 3.1")


def xcoms(run_id: str, task_id: str, map_index: int) -> dict[str, Any]:
    """What the task instance has left in the database, by key."""
    with create_session() as session:
        rows = session.execute(
            text("SELECT key, value FROM xcom WHERE run_id = :run AND task_id = :task AND map_index = :index"),
            {"run": run_id, "task": task_id, "index": map_index},
        ).fetchall()
    return {key: json.loads(value) for key, value in rows}


@dataclass(frozen=True)
class Named:
    """A run for which one of two merchants has a name.

    :param base: the base path.
    """

    run: Any
    base: Path
    hour: datetime
    emulator: EmulatorServer

    @property
    def page(self) -> str:
        """The address of the page with the files of its first task."""
        return f"/{DAG_ID}/{quote(self.run.run_id, safe='')}/received_items/0"


@pytest.fixture(scope="module")
def named(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Named]:
    with own_emulator(seed=7, volume=0.5) as emulator:
        base = tmp_path_factory.mktemp("base")
        before = real_time.this_hour() - 3 * HOUR
        start = real_time.latest_with_records(emulator, "received_items", before=before, length=HOUR)
        run_dag = dag_runner(emulator, base, tmp_path_factory.mktemp("dags"))
        run = run_dag(DAG_ID, start + HOUR, merchants={"shop-de": emulator.merchant_ids[0]})
        assert run.state == "success", run.log[-5000:]
        yield Named(run, base, start, emulator)


def test_a_merchants_name_is_shown_and_its_id_is_stored(named):
    run, hour, base = named.run, named.hour, named.base
    one, other = named.emulator.merchant_ids
    shown = ["shop-de", other[:8]]
    assert [name for _, _, name in run.names] == [f"{name} {hour.date()}" for name in shown] * 2
    assert not [path for path in base.rglob("*") if "shop-de" in path.name]
    (manifest,) = base.glob(f"_manifests/received_items/merchant_id={one}/*/*.json")
    assert "shop-de" not in manifest.read_text()
    events = {extra["merchant_id"]: extra for uri, extra, _ in run.events if uri == dataset_asset("received_items").uri}
    assert {merchant: extra.get("merchant") for merchant, extra in events.items()} == {one: "shop-de", other: None}
    assert f"merchant shop-de ({one}): base path" in run.log
    assert f"merchant shop-de ({one[:8]}): " in run.log
    result = xcoms(run.run_id, "received_items", 0)["return_value"]
    assert (result["merchant_id"], result["merchant"]) == (one, "shop-de")


def test_a_run_keeps_to_its_merchants_whatever_they_are_called_when_a_task_is_cleared(named):
    assert xcoms(named.run.run_id, "merchants", -1)["return_value"] == list(named.emulator.merchant_ids)


def test_a_name_that_the_connection_does_not_have_fails_the_run_with_those_that_it_has(run_dag, hour, emulator):
    run = run_dag(DAG_ID, hour + HOUR, merchants={"shop-de": emulator.merchant_ids[0]}, merchant_ids=["shop-fr"])
    assert run.state == "failed"
    assert "'shop-fr' is not a UUID, and the connection 'zdirect_default' has no merchant of that name" in run.log
    assert "It names shop-de" in run.log
    assert not emulator.requests


@pytest.mark.skipif(not AIRFLOW_V_3_0_PLUS, reason="the webserver of Airflow 2 makes the links")
def test_the_worker_leaves_the_links_of_what_was_published(named):
    left = xcoms(named.run.run_id, "received_items", 0)
    links = {key: value for key, value in left.items() if key.startswith("_link_")}
    page = f"{FILES_PAGE}/{DAG_ID}/{quote(named.run.run_id, safe='')}/received_items/0" if AIRFLOW_V_3_1_PLUS else None
    assert links == {
        "_link_PublishedFilesLink": page or "",
        "_link_ManifestLink": f"{page}#manifest" if page else "",
        "_link_RejectedRecordsLink": "",
        "_link_PortalLink": "https://partner.zalando.com",
    }


@pytest.mark.skipif(AIRFLOW_V_3_0_PLUS, reason="the worker makes the links")
def test_the_webserver_has_no_link_to_a_file_of_its_workers_disk(named, dags):
    from airflow.models.taskinstancekey import TaskInstanceKey

    task = dags[DAG_ID].get_task("received_items")
    key = TaskInstanceKey(DAG_ID, "received_items", named.run.run_id, 1, 0)
    assert PublishedFilesLink().get_link(task, ti_key=key) == ""
    assert "Published files" in task.extra_links


@contextmanager
def served(app: Any) -> Iterator[str]:
    """The app over HTTP; its address."""
    import uvicorn

    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="warning"))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        while not server.started:
            thread.join(0.01)
            assert thread.is_alive()
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()


@pytest.fixture(scope="module")
def page() -> Iterator[Any]:
    """Asks for the page of a task instance as a user with a role."""
    from airflow.api_fastapi.app import create_auth_manager
    from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser
    from fastapi import FastAPI

    from airflow_provider_zdirect.plugins.files_app import files_app

    auth = create_auth_manager()
    auth.init()
    root = FastAPI()
    root.mount(FILES_PAGE, files_app())
    with served(root) as address, httpx.Client(base_url=address, timeout=60) as client:

        def get(path: str, role: str | None = "viewer") -> httpx.Response:
            user = SimpleAuthManagerUser(username="somebody", role=role)
            token = {"_token": auth.generate_jwt(user)} if role != "anonymous" else {}
            return client.get(FILES_PAGE + path, headers={"Cookie": "; ".join(f"{k}={v}" for k, v in token.items())})

        yield get


@contextmanager
def changed_result(run_id: str, **values: Any) -> Iterator[None]:
    """The result of the first task, changed as somebody could who may edit XComs."""
    before = xcoms(run_id, "received_items", 0)["return_value"]
    for result in ({**before, **values}, before):
        with create_session() as session:
            session.execute(
                text(
                    "UPDATE xcom SET value = :value WHERE run_id = :run AND task_id = 'received_items' "
                    "AND map_index = 0 AND key = 'return_value'"
                ),
                {"value": json.dumps(result), "run": run_id},
            )
        if result is not before:
            yield


@only_with_pages
def test_the_page_shows_the_files_of_a_task_to_those_who_may_read_it(named, page):
    one = named.emulator.merchant_ids[0]
    shown = page(named.page)
    assert shown.status_code == 200, shown.text
    (file,) = named.base.glob(f"received_items/merchant_id={one}/*/*.parquet")
    assert str(file.relative_to(named.base)) in shown.text
    rows = len(named.emulator.truth("received_items", one, named.hour, named.hour + HOUR))
    assert f'<td class="n">{rows:,}</td><td class="n">{file.stat().st_size:,}</td>' in shown.text
    assert "shop-de" in shown.text
    assert "&#34;merchant_id&#34;" in shown.text
    assert "default-src 'none'" in shown.headers["content-security-policy"]
    moved = file.rename(file.with_name("moved"))
    assert "replaced since" in page(named.page).text
    moved.rename(file)
    assert page(named.page, role="anonymous").status_code == 401
    assert page(named.page, role=None).status_code == 403
    assert page(named.page.replace("received_items/0", "received_items/7")).status_code == 404
    assert page(named.page.replace("received_items/0", "merchants/-1")).status_code == 404


@only_with_pages
def test_a_result_that_somebody_has_changed_opens_no_other_file_and_is_not_taken_for_html(named, page):
    base = named.base.as_uri()
    secret = named.base / "secret" / "_manifests"
    secret.mkdir(parents=True)
    (secret / "a.json").write_text('{"secret": "of another"}')
    (named.base / "secret" / "name-of-another").touch()
    folder = f"merchant_id={named.emulator.merchant_ids[0]}"
    for uri in (
        f"{base}/secret",
        f"{base}/secret/_manifests/a.json",
        f"{base}/_manifests/received_items/{folder}/../../../secret/_manifests/a.json",
        f"{base}/received_items/{folder}/../../secret",
        "file:///etc",
        "<script>alert(1)</script>",
    ):
        with changed_result(named.run.run_id, uri=uri, manifest=uri, rejected_uri=uri, dataset="<script>2</script>"):
            answer = page(named.page)
        assert answer.status_code == 200
        assert "of another" not in answer.text
        assert "name-of-another" not in answer.text
        assert "<script" not in answer.text


@only_with_pages
def test_rejected_records_are_shown_by_reason_without_their_content(named, page):
    path = f"_rejected/received_items/merchant_id={named.emulator.merchant_ids[0]}/date=2026-01-01/a.jsonl.gz"
    (named.base / path).parent.mkdir(parents=True)
    lines = [{"reason": f"<b>{number % 2}</b>", "record": {"name": "Erika Mustermann"}} for number in range(5)]
    (named.base / path).write_bytes(gzip.compress(b"".join(json.dumps(line).encode() + b"\n" for line in lines)))
    with changed_result(named.run.run_id, rejected_uri=f"{named.base.as_uri()}/{path}", rejected=5):
        text = page(named.page).text
    assert "5 records were rejected" in text
    assert '<td>&lt;b&gt;0&lt;/b&gt;</td><td class="n">3</td>' in text
    assert "Mustermann" not in text


@only_with_pages
def test_a_storage_that_cannot_be_read_is_said_on_the_page(named, page):
    uri = f"s3://my_aws@bucket/zdirect/orders/merchant_id={named.emulator.merchant_ids[0]}"
    with changed_result(named.run.run_id, manifest=None, uri=uri):
        answer = page(named.page)
    assert answer.status_code == 200
    assert "my_aws" in answer.text
    assert "does not exist" in answer.text
