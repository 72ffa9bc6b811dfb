"""The coverage page in a real Airflow: who sees it, who may fill gaps, and a gap that is filled from end to end."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import unquote

import fsspec
import pytest
from airflow_with_users import PASSWORDS, AirflowWithUsers
from demo import Span, published_rows, true_rows
from playwright.sync_api import Browser, FrameLocator, Page, expect
from real_time import this_hour

from airflow_provider_zdirect.client import ClientConfig, ZDirectClient
from airflow_provider_zdirect.datasets.table import get_dataset
from airflow_provider_zdirect.pipeline.extract import ExtractJob, extract
from airflow_provider_zdirect.publish.place import Place
from airflow_provider_zdirect.windows import Window

pytestmark = pytest.mark.browser

DATASET, DAG_ID = "received_items", "zdirect_backfill"
RUN_SECONDS = 400.0
"""Far more than the run takes, for a machine that has much else to do."""

OpenAirflow = Callable[..., Page]


@pytest.fixture(scope="module")
def gap() -> Window:
    """Three hours that are older than the time in which windows may still be on their way."""
    hour = this_hour()
    return Window(hour - timedelta(hours=40), hour - timedelta(hours=37))


@pytest.fixture(scope="module")
def airflow(tmp_path_factory: pytest.TempPathFactory, gap: Window) -> Iterator[AirflowWithUsers]:
    """Airflow, and two days of received items but for the gap of one merchant."""
    running = AirflowWithUsers(tmp_path_factory.mktemp("airflow"))
    with running.running():
        in_a_thread(asyncio.run, land(running, gap))
        running.wait_for(DAG_ID, lambda: any(dag["dag_id"] == DAG_ID for dag in running.api("/dags")["dags"]))
        running.start_scheduling()
        yield running


def in_a_thread(function: Callable[..., Any], *arguments: Any) -> Any:
    """What it returns; in this thread Playwright has an event loop, beside which no other may run."""
    with ThreadPoolExecutor(1) as threads:
        return threads.submit(function, *arguments).result()


async def land(airflow: AirflowWithUsers, gap: Window) -> None:
    start, end = gap.start - timedelta(hours=20), gap.end + timedelta(hours=35)
    async with ZDirectClient(ClientConfig("demo", "demo-secret", base_url=airflow.emulator_url)) as client:
        for number, merchant_id in enumerate((await client.me()).merchant_ids):
            fs = fsspec.filesystem("file")
            place = Place(fs, str(airflow.data), f"file://{airflow.data}", merchant_id, environment="production")
            windows = [Window(start, gap.start), Window(gap.end, end)] if number == 0 else [Window(start, end)]
            for window in windows:
                await extract(ExtractJob(place, get_dataset(DATASET), window), client)


@pytest.fixture
def open_airflow(chromium: Browser, airflow: AirflowWithUsers) -> Iterator[OpenAirflow]:
    """Airflow's UI for a user who has logged in."""
    contexts = []

    def open_for(user: str) -> Page:
        contexts.append(chromium.new_context())
        page = contexts[-1].new_page()
        page.set_default_timeout(60_000)
        page.goto(airflow.url)
        page.get_by_label("Username").or_(page.locator("input[name=username]")).first.fill(user)
        page.locator("input[type=password]").fill(PASSWORDS[user])
        page.locator("button[type=submit]").click()
        page.wait_for_url(lambda url: "/auth/" not in url)
        return page

    yield open_for
    for context in contexts:
        context.close()


def open_coverage(page: Page) -> FrameLocator:
    """As a person does: by Airflow's navigation."""
    page.get_by_role("button", name="Browse").first.click()
    page.get_by_role("menuitem", name="zDirect coverage").click()
    frame = page.frame_locator("iframe[title='zDirect coverage']")
    expect(frame.locator("#grid .cell").first).to_be_attached()
    return frame


def runs(airflow: AirflowWithUsers) -> list[dict[str, Any]]:
    return list(airflow.api(f"/dags/{DAG_ID}/dagRuns?limit=100")["dag_runs"])


def test_nobody_reads_coverage_without_logging_in(airflow: AirflowWithUsers) -> None:
    assert airflow.status("/zdirect/coverage/data") == 401
    assert airflow.status("/zdirect/coverage/data", user="viewer") == 200
    # The page itself says nothing about the deployment.
    assert airflow.status("/zdirect/coverage/") == 200


def test_the_app_changes_nothing_whatever_it_is_sent(airflow: AirflowWithUsers) -> None:
    for path in ("/zdirect/coverage/", "/zdirect/coverage/data"):
        for method in ("POST", "PUT", "PATCH", "DELETE"):
            assert airflow.status(path, user="admin", body={}, method=method) == 405


def test_a_viewer_sees_the_gap_and_has_no_button(open_airflow: OpenAirflow, airflow: AirflowWithUsers) -> None:
    frame = open_coverage(open_airflow("viewer"))
    expect(frame.locator("[data-gap]")).to_have_count(1)
    expect(frame.get_by_role("button", name="Copy the command")).to_have_count(1)
    expect(frame.get_by_role("button", name=re.compile("^Fill"))).to_have_count(0)
    body = {"logical_date": None, "conf": {}}
    assert airflow.status(f"/api/v2/dags/{DAG_ID}/dagRuns", user="viewer", body=body) == 403
    assert runs(airflow) == []


def test_another_site_cannot_fill_a_gap_with_a_users_session(
    open_airflow: OpenAirflow, airflow: AirflowWithUsers
) -> None:
    page = open_airflow("admin")
    target = f"{airflow.url}/api/v2/dags/{DAG_ID}/dagRuns"
    with other_site() as site:
        page.goto(site)
        outcome = page.evaluate(
            """async (target) => {
              const body = JSON.stringify({logical_date: null, conf: {}}), outcomes = [];
              for (const [mode, type] of [["cors", "application/json"], ["no-cors", "text/plain"]]) {
                const options = {method: "POST", mode, body, credentials: "include", headers: {"Content-Type": type}};
                outcomes.push(await fetch(target, options).then((answer) => answer.type, () => "refused"));
              }
              return outcomes;
            }""",
            target,
        )
    assert outcome[0] == "refused"
    assert runs(airflow) == []


@contextmanager
def other_site() -> Iterator[str]:
    """The address of another site than that of Airflow: the name differs, not only the port."""

    class Blank(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Blank) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://localhost:{server.server_port}/"
        server.shutdown()


def test_the_button_fills_the_gap_from_end_to_end(
    open_airflow: OpenAirflow, airflow: AirflowWithUsers, gap: Window
) -> None:
    page = open_airflow("admin")
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    frame = open_coverage(page)
    keys = frame.locator("[data-gap]").evaluate_all("lines => lines.map(line => line.dataset.gap)")
    assert len(keys) == 1
    assert keys[0].split("|")[1:] == [DATASET, gap.start.isoformat(), gap.end.isoformat()]
    landed = Span(gap.start - timedelta(hours=20), gap.end + timedelta(hours=35))
    before, expected = published_rows(airflow.data, DATASET), in_a_thread(true_rows, airflow, DATASET, landed)
    missing = in_a_thread(true_rows, airflow, DATASET, Span(gap.start, gap.end))
    merchant_id = keys[0].split("|")[0]
    assert expected - before == {key: number for key, number in missing.items() if key[0] == merchant_id}

    frame.get_by_role("button", name=re.compile(f"^Fill {DATASET}")).click()
    dialog = frame.get_by_role("dialog")
    expect(dialog).to_contain_text("zdirect_backfill is paused. Filling unpauses it")
    dialog.get_by_role("button", name="Cancel").click()
    assert runs(airflow) == []
    frame.get_by_role("button", name=re.compile(f"^Fill {DATASET}")).click()
    dialog.get_by_role("button", name="Unpause and fill").click()
    expect(frame.locator("tr[data-gap] a")).to_have_text("Open the run")
    airflow.wait_for("run", lambda: {run["state"] for run in runs(airflow)} & {"success", "failed"}, RUN_SECONDS)
    expect(frame.locator("#summary .headline")).to_have_text("Everything has landed")
    expect(frame.locator("[data-gap]")).to_have_count(0)

    (run,) = [run for run in runs(airflow) if run["run_type"] == "manual"]
    assert run["state"] == "success"
    assert run["conf"]["from"] == gap.start.isoformat()
    expect(frame.locator("#filled")).to_contain_text("is filled.")
    assert published_rows(airflow.data, DATASET) == expected

    frame.locator("#filled a").click()
    page.wait_for_url(lambda url: unquote(url) == f"{airflow.url}/dags/{DAG_ID}/runs/{run['dag_run_id']}")
    assert complaints == []
