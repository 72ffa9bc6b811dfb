"""How a run fetches: one page ahead, a few requests at once, as fast as the rate limit allows, and tidy if it fails."""

from __future__ import annotations

import asyncio
import gc
import json
import tempfile
import threading
import time
import weakref
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from emulated_time import EmulatedTime
from extraction import Extraction, hourly, whole
from own_emulator import config_of

from airflow_provider_zdirect.client import MemoryRateLimiter, Page, Transport, ZDirectClient
from airflow_provider_zdirect.emulator.server import EmulatorServer
from airflow_provider_zdirect.exceptions import ServerError
from airflow_provider_zdirect.pipeline import fetch
from airflow_provider_zdirect.pipeline.extract import ExtractJob, extract
from airflow_provider_zdirect.storage.checkpoint import Checkpoint, Progress
from airflow_provider_zdirect.windows import Window

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
HOURS = whole(hourly(NOON, 6))
EMULATOR = {"seed": 7, "now": NOON + timedelta(hours=9)}
RECEIVED, RETURNED, QUANTITIES = "received_items", "returned_items", "item_quantities"
PATH = "reports/received-items"
PATIENCE = 60.0

Staged = Callable[[int, Page], object]


class Runs(Extraction):
    """Received items come ten on a page."""

    def job(self, dataset: str, window: Window | None = None, **options: Any) -> ExtractJob:
        job = super().job(dataset, window, **options)
        return replace(job, dataset=job.dataset.but(paging={"limit": 10})) if dataset == RECEIVED else job


@pytest.fixture
def runs(shared_emulator: EmulatorServer, tmp_path: Path) -> Runs:
    shared_emulator.reset()
    return Runs(shared_emulator, tmp_path)


def before_staging(patched: pytest.MonkeyPatch, call: Staged) -> None:
    """Call in the staging thread, with number (from 1) and page, before a page is staged."""
    stage, number = fetch.stage_page, 0

    def staged(run: Any, request: Any, done: Any, page: Page, at: datetime) -> None:
        nonlocal number
        number += 1
        call(number, page)
        stage(run, request, done, page, at)

    patched.setattr(fetch, "stage_page", staged)


def until(is_so: Callable[[], object]) -> None:
    """Wait for what happens in another thread."""
    deadline = time.monotonic() + PATIENCE
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.001)


def asked(runs: Runs) -> int:
    return sum(PATH in request.path for request in runs.emulator.requests)


def saved_pages(runs: Runs) -> int:
    found = (json.loads(path.read_bytes()) for path in (runs.root / "_staging").rglob("request-*.json"))
    return sum(request["progress"]["pages"] for request in found)


def test_a_page_comes_in_while_the_one_before_is_staged_and_the_next_one_only_when_that_is_saved_and_gone(
    runs: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    saved: list[int] = []
    pages: list[weakref.ref[Page]] = []

    def look(number: int, page: Page) -> None:
        until(lambda: all(before() is None for before in pages))
        pages.append(weakref.ref(page))
        if page.next_cursor is not None:
            until(lambda: asked(runs) == number + 1)

    before_staging(monkeypatch, look)
    runs.emulator.on_request(PATH, lambda number: saved.append(saved_pages(runs)))
    runs.run(RECEIVED, HOURS)
    assert runs.keys(RECEIVED) == runs.truth(RECEIVED, HOURS)
    assert saved == [0, *range(len(saved) - 1)]
    assert len(saved) > 10


def test_rows_have_the_time_at_which_their_page_came_however_long_it_waited(
    runs: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock, arrived, coming = runs.clock(), [], fetch.Fetcher._next
    monkeypatch.setattr(runs, "clock", lambda: clock)

    async def came(self: fetch.Fetcher, pages: Any) -> tuple[Page, datetime]:
        found = await coming(self, pages)
        arrived.append(found[1])
        return found

    def look(number: int, page: Page) -> None:
        if number == 1:
            until(lambda: len(arrived) == 2)
            clock.advance(3600)

    monkeypatch.setattr(fetch.Fetcher, "_next", came)
    before_staging(monkeypatch, look)
    late = clock.now() + timedelta(hours=1)
    runs.run(RECEIVED, HOURS, overlap=timedelta(0))
    times = sorted(row["_extracted_at"] for row in runs.published(RECEIVED))
    assert [at < late for at in times] == [number < 20 for number in range(len(times))]


def test_a_page_that_is_being_staged_is_kept_if_the_next_one_fails(runs: Runs, monkeypatch: pytest.MonkeyPatch) -> None:
    runs.fault(PATH, {"status": 503}, nth=4)
    with monkeypatch.context() as patched:
        before_staging(patched, lambda number, page: number < 3 or until(lambda: asked(runs) == 4))
        with pytest.raises(ServerError):
            runs.run(RECEIVED, HOURS)
    assert saved_pages(runs) == 3
    runs.run(RECEIVED, HOURS)
    assert runs.keys(RECEIVED) == runs.truth(RECEIVED, HOURS)
    cursors = [query.get("cursor") for query in runs.requests(PATH)]
    assert len(cursors) == len(set(cursors)) > 10


def test_a_page_that_is_under_way_is_given_up_if_the_one_before_cannot_be_staged(
    runs: Runs, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    runs.fault(PATH, {"hang": 2 * PATIENCE}, nth=3)

    def fail(number: int, page: Page) -> None:
        if number == 2:
            until(lambda: asked(runs) == 3)
            raise OSError("no space left")

    async def attempt() -> None:
        async with runs.client() as client:
            with pytest.raises(OSError, match="no space left"):
                await extract(runs.job(RECEIVED, HOURS), client, clock=runs.clock())
            assert asyncio.all_tasks() == {asyncio.current_task()}
            # The client can go on, and the server has noticed.
            await client.me()
            await asyncio.to_thread(until, lambda: len(runs.emulator._connections) == 1)

    with monkeypatch.context() as patched:
        before_staging(patched, fail)
        asyncio.run(attempt())
    gc.collect()
    assert not [record for record in caplog.records if record.name == "asyncio"]
    assert saved_pages(runs) == 1
    runs.run(RECEIVED, HOURS)
    assert runs.keys(RECEIVED) == runs.truth(RECEIVED, HOURS)


def test_a_run_that_is_cancelled_ends_when_the_page_in_hand_is_staged_and_leaves_no_files_on_the_local_disk(
    runs: Runs, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(scratch))
    is_staging, are_there = threading.Event(), []

    def look(number: int, page: Page) -> None:
        (folder,) = scratch.iterdir()
        is_staging.set()
        time.sleep(0.5)
        are_there.append(folder.exists())

    async def attempt() -> None:
        async with runs.client() as client:
            run = asyncio.create_task(extract(runs.job(RECEIVED, HOURS), client, clock=runs.clock()))
            await asyncio.to_thread(is_staging.wait, PATIENCE)
            run.cancel()
            with pytest.raises(asyncio.CancelledError):
                await run

    before_staging(monkeypatch, look)
    asyncio.run(attempt())
    assert are_there == [True]
    assert not list(scratch.iterdir())


class CountingTransport(Transport):
    """Counts requests whose address holds ``part``: those under way, and those whose answer is not being staged yet."""

    def __init__(self, part: str) -> None:
        super().__init__()
        self.part = part
        self.under_way = self.in_memory = self.most_under_way = self.most_in_memory = 0

    async def send(self, method: str, url: str, **options: Any) -> Any:
        counts = self.part in url
        self.under_way += counts
        self.in_memory += counts
        self.most_under_way = max(self.most_under_way, self.under_way)
        self.most_in_memory = max(self.most_in_memory, self.in_memory)
        try:
            return await super().send(method, url, **options)
        finally:
            self.under_way -= counts


def counted(
    runs: Runs, patched: pytest.MonkeyPatch, job: ExtractJob, part: str, pile: int | None = None
) -> CountingTransport:
    """Run the job with answers that take a while.

    :param pile: let so many requests pile up, one of them with a page that is being staged.
    """
    runs.fault(part, {"delay": 0.05}, every=1)
    transport, clock = CountingTransport(part), runs.clock()

    def staged(number: int, page: Page) -> None:
        if number == 20:
            until(lambda: transport.in_memory == pile)
        transport.in_memory -= 1

    async def run() -> None:
        config, limiter = config_of(runs.emulator, environment=runs.environment), MemoryRateLimiter(clock)
        async with ZDirectClient(config, clock=clock, limiter=limiter, transport=transport) as client:
            await extract(job, client, clock=clock)

    before_staging(patched, staged)
    asyncio.run(run())
    return transport


@pytest.mark.parametrize(("large", "pile"), [(fetch.LARGE, fetch.SMALL_IN_MEMORY), (0, fetch.LARGE_IN_MEMORY)])
def test_the_larger_answers_are_the_fewer_are_in_memory(
    runs: Runs, monkeypatch: pytest.MonkeyPatch, large: int, pile: int
) -> None:
    monkeypatch.setattr(fetch, "LARGE", large)
    days = Window(NOON - timedelta(hours=48), NOON)
    transport = counted(runs, monkeypatch, runs.job(RETURNED, days), "returned-items", pile)
    assert transport.most_in_memory <= pile
    assert transport.most_under_way == min(fetch.REQUESTS_AT_ONCE, pile)
    assert runs.keys(RETURNED) == runs.truth(RETURNED, days)


def test_no_more_requests_are_under_way_at_once_than_the_rate_limit_is_good_for(
    runs: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ten a minute: of several, some would wait for longer than a request may."""
    runs.environment = "sandbox"
    job = runs.job(QUANTITIES, filters={"ean": ",".join(f"40063813{number:05d}" for number in range(900))})
    assert counted(runs, monkeypatch, job, "item-quantities").most_under_way == 1


@pytest.mark.parametrize("dataset", [RECEIVED, RETURNED])
def test_all_pages_but_the_very_last_one_are_saved(runs: Runs, monkeypatch: pytest.MonkeyPatch, dataset: str) -> None:
    saved: list[str] = []
    save = Checkpoint.save

    def saving(self: Checkpoint, progress: Progress, request: str) -> None:
        saved.append(request)
        save(self, progress, request)

    monkeypatch.setattr(Checkpoint, "save", saving)
    result = runs.run(dataset, HOURS)
    assert runs.keys(dataset) == runs.truth(dataset, HOURS)
    assert len(saved) == result.manifest.pages - 1 > 5


class Distant(Transport):
    """Answers take 200 ms, by the emulator's clock."""

    def __init__(self, emulator: EmulatorServer) -> None:
        super().__init__()
        self._emulator = emulator

    async def send(self, *arguments: Any, **options: Any) -> Any:
        answer = await super().send(*arguments, **options)
        self._emulator.clock.advance(0.2)
        return answer


def test_a_long_extraction_of_orders_uses_its_rate_limit_and_never_exceeds_it(tmp_path: Path) -> None:
    day = Window(NOON - timedelta(days=1), NOON)
    with EmulatorServer(now=NOON + timedelta(hours=1), order_days=0, orders_page_limit=20) as emulator:
        runs, clock = Extraction(emulator, tmp_path), EmulatedTime(emulator)
        orders = emulator.add_orders(runs.merchant_id, 1040, start=day.start, step_seconds=80, items=1, lines=1)

        async def run() -> None:
            limiter = MemoryRateLimiter(clock)
            async with ZDirectClient(
                config_of(emulator), clock=clock, limiter=limiter, transport=Distant(emulator)
            ) as client:
                await extract(runs.job("orders", day), client, clock=clock)

        asyncio.run(run())
        requests = [request for request in emulator.requests if request.path.endswith("/orders")]
    assert len(runs.published("orders_current", "order_id")) == len(orders)
    assert {request.status for request in requests} == {200}
    sent = [request.time for request in requests]
    minutes = (sent[-1] - sent[0]) / timedelta(minutes=1)
    assert len(sent) > 50
    assert (len(sent) - 1) / minutes >= 0.95 * 40
    assert all(late - early > timedelta(minutes=1) for early, late in zip(sent, sent[40:], strict=False))


async def entered(room: fetch._Room, most: int = 100) -> int:
    """How many more may enter, and do."""
    for number in range(most):
        try:
            await asyncio.wait_for(room.__aenter__(), 0.01)
        except TimeoutError:
            return number
    return most


def test_room_grows_at_once_and_shrinks_as_places_get_free() -> None:
    async def main() -> None:
        room = fetch._Room()
        assert await entered(room) == fetch.LARGE_IN_MEMORY
        for _ in range(2):
            room.fit(1)
            assert await entered(room) == fetch.SMALL_IN_MEMORY - fetch.LARGE_IN_MEMORY
            room.fit(fetch.LARGE + 1)
            for _ in range(fetch.SMALL_IN_MEMORY - fetch.LARGE_IN_MEMORY):
                await room.__aexit__()
            assert await entered(room) == 0, "as many are left as there is room for now"
        await room.__aexit__()
        assert await entered(room) == 1

    asyncio.run(main())
