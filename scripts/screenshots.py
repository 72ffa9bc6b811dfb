"""``make screenshots``: takes docs/images/*.png from a running Airflow, with a headless Chromium.

``docs/images/screenshots.json`` records the version of Airflow, and for each picture a fingerprint of what it shows;
``tests/docs/test_screenshots.py`` fails when that has changed since.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import runpy
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

ROOT = Path(__file__).resolve().parent.parent
IMAGES = ROOT / "docs" / "images"
RECORD = IMAGES / "screenshots.json"
DAG_ID = "zdirect_stock_movements"
HOURS = 4
MERCHANT_NAMES = ("shop-de", "shop-pl")
COVERED_DAYS = 40
GAP = timedelta(days=21), timedelta(days=20, hours=19)
"""How long ago it begins and ends; the picture of the coverage shows it."""
DIALOG = "[role=dialog][aria-modal=true][data-state=open]"
ARGUMENTS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
# Anybody may look at the pictures: no folder of whoever takes them.
HOME = Path(tempfile.gettempdir()) / "zdirect-demo"


@dataclass(frozen=True)
class Camera:
    """A page of the UI, and where the pictures go."""

    page: Page
    emulator_url: str

    def open(self, path: str, text: str) -> None:
        """Open a page, and wait until it shows a text."""
        self.page.goto(path)
        self.page.get_by_text(text).first.wait_for()
        self._settle()

    def dialog(self) -> Locator:
        self.page.locator(DIALOG).wait_for()
        self._settle()
        return self.page.locator(DIALOG)

    def take(self, name: str, of: Locator | None = None) -> None:
        self._settle()
        file = IMAGES / f"{name}.png"
        (of or self.page).screenshot(path=file, animations="disabled", caret="hide")
        print(f"{file.relative_to(ROOT)}: {file.stat().st_size // 1024} KB", flush=True)

    def height(self, pixels: int) -> None:
        self.page.set_viewport_size({"width": 1280, "height": pixels})

    def _settle(self) -> None:
        self.page.wait_for_load_state("networkidle")
        self.page.wait_for_timeout(700)  # what the UI slides and fades


def dag_list(camera: Camera) -> None:
    camera.height(1060)
    camera.open("/dags", DAG_ID)
    camera.page.get_by_label("Show table view").click()
    camera.take("dag-list")
    camera.page.get_by_label("Show card view").click()


def connection_form(camera: Camera) -> None:
    camera.height(900)
    camera.open("/connections", "Add Connection")
    camera.page.get_by_role("button", name="Add Connection").click()
    form = camera.dialog()
    # Not zdirect_default, which the environment defines here.
    form.locator("input[name=connection_id]").fill("zdirect_shop")
    form.get_by_role("combobox").first.click()
    camera.page.keyboard.type("zdirect", delay=30)
    camera.page.wait_for_timeout(500)
    camera.page.keyboard.press("Enter")
    form.get_by_text("Client secret").first.wait_for()
    camera.take("connection-form-empty", form)
    fields = {
        "login": "demo",
        "password": "demo-secret",
        "host": camera.emulator_url,
        "port": camera.emulator_url.rpartition(":")[2],
    }
    for name, value in fields.items():
        form.locator(f"input[name={name}]").fill(value)
    camera.take("connection-form", form)
    camera.height(2200)
    form.get_by_role("button", name="Extra Fields", exact=True).click()
    camera.take("connection-extra", form)
    form.get_by_role("button", name="Save").click()
    camera.height(360)
    camera.page.get_by_text("zdirect_shop").first.wait_for()
    with camera.page.expect_response("**/connections/test") as answer:
        camera.page.get_by_role("button", name="Test Connection").first.click()
    if not answer.value.ok or not answer.value.json()["status"]:
        raise RuntimeError(f"The Test button does not work: {answer.value.text()}")
    camera.take("connection-test")


def dialogs(camera: Camera) -> None:
    camera.height(1300)
    camera.open(f"/dags/{DAG_ID}", "Trigger")
    camera.page.get_by_role("button", name="Trigger Dag").click()
    dialog = camera.dialog()
    dialog.get_by_text("Base path").first.wait_for()
    camera.take("trigger-dialog", dialog)
    dialog.get_by_text("Run this Dag for a range of dates").click()
    dialog.get_by_text("Reprocess Behavior").wait_for()
    camera.height(1700)
    camera.take("backfill-dialog", dialog)


def runs(camera: Camera) -> None:
    camera.height(640)
    camera.open(f"/dags/{DAG_ID}/runs", "backfill")
    links = camera.page.locator(f"a[href*='/dags/{DAG_ID}/runs/'][href$='/tasks/returned_items/mapped']")
    address = links.first.get_attribute("href")
    camera.open(str(address), "returned_items")
    camera.take("run")


def asset(camera: Camera) -> None:
    camera.height(640)
    camera.open("/assets", "zdirect://")
    camera.page.get_by_role("link", name="zdirect://returned_items", exact=True).first.click()
    camera.page.get_by_text("Asset Events").first.wait_for()
    camera.take("asset")


def coverage(camera: Camera) -> None:
    camera.height(780)
    camera.open("/", "Browse")
    camera.page.get_by_role("button", name="Browse").first.click()
    camera.page.get_by_role("menuitem", name="zDirect coverage").click()
    frame = camera.page.frame_locator("iframe[title='zDirect coverage']")
    frame.locator("tr[data-gap]").first.wait_for()
    camera.take("coverage")


PICTURES: Mapping[str, Callable[[Camera], None]] = {
    "dag-list": dag_list,
    "connection-form-empty connection-form connection-extra connection-test": connection_form,
    "trigger-dialog backfill-dialog": dialogs,
    "run": runs,
    "asset": asset,
    "coverage": coverage,
}
"""Names of pictures, and what takes them. A page of one's own is one more row here, and in ``fingerprints``."""


def pictures_of(take: Callable[[Camera], None]) -> list[str]:
    return next(names.split() for names, taken_by in PICTURES.items() if taken_by is take)


def fingerprints() -> dict[str, str]:
    """What each picture shows of this project, as a hash."""
    from airflow_provider_zdirect.hooks import connection_form as form

    for variable in [name for name in os.environ if name.startswith("ZDIRECT_")]:
        del os.environ[variable]
    dags = {path.stem: runpy.run_path(str(path))["dag"] for path in sorted((ROOT / "dags").glob("zdirect_*.py"))}
    fields = [form.HOOK_NAME, form.conn_fields(), form.ui_field_behaviour()]
    shown = dags[DAG_ID]
    params = [(name, shown.params.get_param(name).schema) for name in shown.params]
    tasks = [(task.task_id, str(getattr(task, "map_index_template", ""))) for task in shown.tasks]
    page = ROOT / "airflow_provider_zdirect" / "coverage"
    showing: dict[str, Any] = {
        "dag-list": [(name, sorted(dag.tags), schedule_of(dag)) for name, dag in dags.items()],
        **dict.fromkeys(pictures_of(connection_form), fields),
        **dict.fromkeys(pictures_of(dialogs), params),
        "run": tasks,
        "asset": tasks,
        "coverage": [path.read_text(encoding="utf-8") for path in (page / "page.py", *sorted(page.glob("assets/*")))],
    }
    texts = {name: json.dumps(what, default=str) for name, what in showing.items()}
    return {name: hashlib.sha256(text.encode()).hexdigest()[:16] for name, text in sorted(texts.items())}


def schedule_of(dag: Any) -> str:
    return str(getattr(dag.timetable, "_expression", type(dag.timetable).__name__))


@contextmanager
def running() -> Iterator[tuple[str, str]]:
    """An Airflow in which a few weeks were fetched, the last hours by a DAG; its address and the emulator's."""
    sys.path.insert(0, str(Path(__file__).parent))
    from local_airflow import LocalAirflow

    from airflow_provider_zdirect.emulator.catalog import merchant_id
    from airflow_provider_zdirect.emulator.state import Settings

    merchants = {name: merchant_id(Settings.seed, index) for index, name in enumerate(MERCHANT_NAMES)}
    shutil.rmtree(HOME, ignore_errors=True)
    airflow = LocalAirflow(HOME, {"SCHEDULER__USE_JOB_SCHEDULE": "False"}, merchants)
    with airflow.running():
        asyncio.run(fetch_weeks(airflow.emulator_url, airflow.data, list(merchants.values())))
        dags = len(list((ROOT / "dags").glob("zdirect_*.py")))
        airflow.wait_for("the DAGs", lambda: airflow.api("/dags?limit=100")["total_entries"] >= dags)
        end = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) - timedelta(hours=1)
        airflow.unpause(DAG_ID)
        airflow.backfill(DAG_ID, end - timedelta(hours=HOURS), end - timedelta(hours=1), max_active_runs=2)
        airflow.start_scheduling()
        runs = f"/dags/{DAG_ID}/dagRuns?state=success"
        airflow.wait_for("the runs", lambda: airflow.api(runs)["total_entries"] >= HOURS, seconds=600)
        yield airflow.url, airflow.emulator_url
    shutil.rmtree(HOME, ignore_errors=True)


async def fetch_weeks(emulator_url: str, data: Path, merchant_ids: list[str]) -> None:
    """Publish what the picture of the coverage shows: all merchants' weeks, but for a gap of the first one."""
    import fsspec

    from airflow_provider_zdirect.client import ClientConfig, ZDirectClient
    from airflow_provider_zdirect.datasets.table import get_dataset
    from airflow_provider_zdirect.pipeline.extract import ExtractJob, extract
    from airflow_provider_zdirect.publish.place import Place
    from airflow_provider_zdirect.windows import Window

    today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    start, end = today - timedelta(days=COVERED_DAYS), today
    gap = Window(today - GAP[0], today - GAP[1])
    async with ZDirectClient(ClientConfig("demo", "demo-secret", base_url=emulator_url)) as client:
        for merchant_id in merchant_ids:
            place = Place(fsspec.filesystem("file"), str(data), f"file://{data}", merchant_id, environment="production")
            with_gap = merchant_id == merchant_ids[0]
            windows = [Window(start, gap.start), Window(gap.end, end)] if with_gap else [Window(start, end)]
            days = [start + timedelta(days=days) for days in range(COVERED_DAYS)]
            fetched = {
                "received_items": windows,
                "returned_items": [Window(today - timedelta(days=6), today)],
                "liquidated_items": [Window(day, day + timedelta(days=1)) for day in days],
            }
            for dataset, its_windows in fetched.items():
                for window in its_windows:
                    await extract(ExtractJob(place, get_dataset(dataset), window), client)


def take_all(url: str, emulator_url: str, names: list[str]) -> None:
    """Take the pictures with these names, or all."""
    from playwright.sync_api import sync_playwright

    browser_path = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=browser_path, args=ARGUMENTS)
        page = browser.new_page(base_url=url, color_scheme="light", viewport={"width": 1280, "height": 800})
        page.set_default_timeout(60_000)
        for pictures, take in PICTURES.items():
            if not names or set(names) & set(pictures.split()):
                take(Camera(page, emulator_url))
        browser.close()


def main() -> None:
    from airflow import __version__

    IMAGES.mkdir(exist_ok=True)
    with running() as (url, emulator_url):
        take_all(url, emulator_url, sys.argv[1:])
    record = {"airflow": __version__, "pictures": fingerprints()}
    RECORD.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
