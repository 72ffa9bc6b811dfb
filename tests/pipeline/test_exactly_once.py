"""The promise: every record of a merchant and a window is published once. Against the emulator, over HTTP."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import base_paths
import pytest
from exhaustive import exhaustive
from extraction import Extraction, hourly, whole
from killing import Killed, kill_at

from airflow_provider_zdirect.emulator.server import EmulatorServer
from airflow_provider_zdirect.exceptions import ConcurrentRunError, ServerError, ZDirectConfigurationError
from airflow_provider_zdirect.windows import Window

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
HOURS = hourly(NOON, 6)
EVENING = NOON + timedelta(hours=9)
EMULATOR = {"seed": 7, "now": EVENING}

ITEM_DATASETS = pytest.mark.parametrize("dataset", ["received_items", "returned_items"])


def at_once(run: Callable[[Any], object], what: Iterable[Any]) -> None:
    """Run for each of ``what``, six at the same time, each in a thread and with a client of its own."""
    with ThreadPoolExecutor(max_workers=6) as pool:
        for done in [pool.submit(run, item) for item in what]:
            done.result()


@ITEM_DATASETS
@pytest.mark.parametrize("windows", [HOURS, HOURS[::-1]], ids=["in order", "in reverse order"])
def test_adjacent_windows_tile(runs: Extraction, dataset: str, windows: list[Window]) -> None:
    results = [runs.run(dataset, window) for window in windows]
    assert runs.keys(dataset) == runs.truth(dataset, whole(HOURS))
    assert [result.manifest.records for result in results] == [len(runs.truth(dataset, window)) for window in windows]
    assert not runs.paths("_staging")


@ITEM_DATASETS
@pytest.mark.parametrize("overlap_hours", exhaustive([1, 0, 3]))
def test_all_windows_at_once(runs: Extraction, dataset: str, overlap_hours: int) -> None:
    at_once(lambda window: runs.run(dataset, window, overlap=timedelta(hours=overlap_hours)), HOURS)
    assert runs.keys(dataset) == runs.truth(dataset, whole(HOURS))


@ITEM_DATASETS
def test_the_same_window_twice_at_once(runs: Extraction, dataset: str) -> None:
    at_once(lambda n: runs.run(dataset, HOURS[0], resume_key=f"run{n}"), range(4))
    assert runs.keys(dataset) == runs.truth(dataset, HOURS[0])


@ITEM_DATASETS
@pytest.mark.parametrize("format", ["parquet", "jsonl"])
def test_a_window_run_twice_writes_nothing_new(runs: Extraction, dataset: str, format: str) -> None:
    first = runs.run(dataset, HOURS[0], format=format)
    before = {path: path.stat().st_mtime_ns for path in runs.paths(dataset)}
    second = runs.run(dataset, HOURS[0], format=format)
    assert {path: path.stat().st_mtime_ns for path in runs.paths(dataset)} == before
    assert runs.keys(dataset) == runs.truth(dataset, HOURS[0])
    assert (second.manifest.records, second.manifest.new_records, second.manifest.files) == (
        first.manifest.records,
        0,
        first.manifest.files,
    )


@ITEM_DATASETS
def test_hours_run_as_they_end_catch_what_becomes_visible_late(runs: Extraction, dataset: str) -> None:
    runs.emulator.set_options(late_share=0.3)
    late = 0
    for window in HOURS:
        runs.emulator.clock.set(window.end)
        late += runs.run(dataset, window).manifest.late_records
    assert late > 0
    # The last window's own late records come with the run after it.
    after = Window(HOURS[-1].end, HOURS[-1].end + timedelta(hours=1))
    runs.emulator.clock.set(after.end)
    runs.run(dataset, after)
    everything = whole([*HOURS, after])
    visible = {
        (record.label, record.event_time)
        for record in runs.emulator.records(dataset, runs.merchant_id, everything.start, everything.end)
        if record.visible_at <= after.end
    }
    assert runs.keys(dataset) == sorted(visible)
    assert set(runs.truth(dataset, whole(HOURS))) <= visible


@ITEM_DATASETS
def test_late_records_found_while_their_own_window_is_still_running(runs: Extraction, dataset: str) -> None:
    """The earlier window has fetched, and not published, when the later one finds its late records."""
    runs.emulator.set_options(late_share=0.4)
    earlier, later = HOURS[0], HOURS[1]
    runs.emulator.clock.set(earlier.end)
    paused = runs.fault(dataset.replace("_", "-"), {"delay": 1.5}, nth=1)

    async def overtaken() -> None:
        slow = asyncio.create_task(runs.extract(dataset, earlier))
        while not paused.hits:
            await asyncio.sleep(0.02)
        # The emulator has answered the slow run's request with what is visible now; time goes on for the other.
        runs.emulator.clock.set(later.end)
        fast = asyncio.create_task(runs.extract(dataset, later))
        await asyncio.gather(slow, fast)

    asyncio.run(overtaken())
    truth = runs.truth(dataset, whole([earlier, later]))
    missing = set(truth) - set(runs.keys(dataset))
    assert {key for key in missing if key[1] < earlier.end} == set()
    assert len(runs.keys(dataset)) == len(set(runs.keys(dataset)))


def test_merchants_do_not_mix(runs: Extraction) -> None:
    for merchant_id in runs.emulator.merchant_ids:
        runs.run("received_items", HOURS[0], merchant_id=merchant_id)
    truth = itertools.chain(
        *(runs.truth("received_items", HOURS[0], merchant_id) for merchant_id in runs.emulator.merchant_ids)
    )
    assert runs.keys("received_items") == sorted(truth)


def test_a_retry_goes_on_where_the_first_try_failed(runs: Extraction, small_pages: None) -> None:
    path = "reports/received-items"
    runs.fault(path, {"status": 503}, nth=6)
    with pytest.raises(ServerError) as failed:
        runs.run("received_items", whole(HOURS))
    assert failed.value.retry_after >= 120
    assert not runs.paths("received_items"), "nothing is published before all is fetched"
    fetched_before = runs.requests(path)
    runs.run("received_items", whole(HOURS))
    assert runs.keys("received_items") == runs.truth("received_items", whole(HOURS))
    cursors = [query.get("cursor") for query in runs.requests(path)]
    assert len(fetched_before) == 5
    assert len(cursors) == len(set(cursors)), "a page was fetched twice"


def test_a_retry_of_request_windows_fetches_only_what_is_missing(runs: Extraction) -> None:
    runs.fault("returned-items", {"status": 500}, nth=3)
    with pytest.raises(ServerError):
        runs.run("returned_items", whole(HOURS))
    runs.run("returned_items", whole(HOURS))
    assert runs.keys("returned_items") == runs.truth("returned_items", whole(HOURS))
    asked = [(query["from"], query["to"]) for query in runs.requests("returned-items")]
    assert len(asked) == len(set(asked)) == len(HOURS) + 1, "six hours and the overlap, each once"


@pytest.mark.parametrize("damaged", ["checkpoint.json", "request-*.json"])
@pytest.mark.parametrize("content", [b"", b'{"fingerprint', b"[1]", b'{"progress": {"records": "many"}}'])
def test_a_damaged_checkpoint_costs_requests_and_no_rows(
    runs: Extraction, small_pages: None, damaged: str, content: bytes
) -> None:
    runs.fault("received-items", {"status": 503}, nth=4)
    with pytest.raises(ServerError):
        runs.run("received_items", whole(HOURS))
    (path,) = (runs.root / "_staging").rglob(damaged)
    path.write_bytes(content)
    runs.run("received_items", whole(HOURS))
    assert runs.keys("received_items") == runs.truth("received_items", whole(HOURS))
    first_pages = [query for query in runs.requests("received-items") if "cursor" not in query]
    assert len(first_pages) == 2


def test_another_run_does_not_take_over_a_foreign_checkpoint(runs: Extraction, small_pages: None) -> None:
    runs.fault("received-items", {"status": 503}, nth=4)
    with pytest.raises(ServerError):
        runs.run("received_items", whole(HOURS), resume_key="one")
    runs.run("received_items", whole(HOURS), resume_key="two")
    first_pages = [query for query in runs.requests("received-items") if "cursor" not in query]
    assert len(first_pages) == 2
    assert runs.keys("received_items") == runs.truth("received_items", whole(HOURS))


def test_a_cursor_that_is_no_longer_taken_starts_the_request_again(runs: Extraction, small_pages: None) -> None:
    runs.fault("received-items", {"status": 503}, nth=4)
    with pytest.raises(ServerError):
        runs.run("received_items", whole(HOURS))
    runs.fault("received-items", {"status": 400}, nth=1)
    runs.run("received_items", whole(HOURS))
    assert runs.keys("received_items") == runs.truth("received_items", whole(HOURS))


def test_a_token_that_dies_between_pages_costs_nothing(runs: Extraction, small_pages: None) -> None:
    runs.fault("received-items", {"revoke_tokens": True}, nth=4)
    runs.run("received_items", whole(HOURS))
    assert runs.keys("received_items") == runs.truth("received_items", whole(HOURS))
    cursors = [query.get("cursor") for query in runs.requests("received-items")]
    assert len(cursors) == len(set(cursors)) > 10
    assert sum(request.path == "/auth/token" for request in runs.emulator.requests) == 2


def test_records_that_an_answer_repeats_are_published_once(runs: Extraction, small_pages: None) -> None:
    runs.fault("received-items", {"duplicate": 7}, every=2)
    result = runs.run("received_items", whole(HOURS))
    assert runs.keys("received_items") == runs.truth("received_items", whole(HOURS))
    assert result.manifest.records == len(runs.truth("received_items", whole(HOURS)))


@pytest.mark.parametrize("seed", exhaustive(range(4)))
def test_any_order_of_overlapping_windows_at_once_and_again(runs: Extraction, seed: int) -> None:
    dice = random.Random(seed)
    windows = [*hourly(NOON - timedelta(hours=6), 12), whole(HOURS), HOURS[2], Window(NOON, NOON + timedelta(hours=3))]
    dice.shuffle(windows)
    at_once(lambda number: runs.run("returned_items", windows[number], resume_key=f"run{number}"), range(len(windows)))
    assert runs.keys("returned_items") == runs.truth("returned_items", whole(windows))


PROGRAM = """
import asyncio, sys
sys.path.insert(0, sys.argv[1])
from pathlib import Path
from datetime import datetime
from airflow_provider_zdirect.client import ClientConfig, MemoryRateLimiter, ZDirectClient
from airflow_provider_zdirect.datasets.table import get_dataset
from airflow_provider_zdirect.pipeline.extract import ExtractJob, extract
from airflow_provider_zdirect.publish.place import Place
from airflow_provider_zdirect.windows import Window, parse_instant
from clocks import FakeClock
import fsspec, json

url, storage, merchant, start, end, now, run = sys.argv[2:]
protocol, options, root = json.loads(storage)
clock = FakeClock(datetime.fromisoformat(now))
dataset = get_dataset("received_items")
dataset = dataset.but(paging={"limit": 10})
job = ExtractJob(
    Place(fsspec.filesystem(protocol, **options), root, f"{protocol}://{root}", merchant, "production"),
    dataset, Window(parse_instant(start, name="from"), parse_instant(end, name="to")), resume_key=run,
)

async def main():
    config = ClientConfig("demo", "demo-secret", base_url=url)
    async with ZDirectClient(config, clock=clock, limiter=MemoryRateLimiter(clock)) as client:
        await extract(job, client, clock=clock)

print("ready", flush=True)
sys.stdin.readline()
asyncio.run(main())
"""


def program(runs: Extraction, window: Window, run: str = "task") -> list[str]:
    """The command of a process that publishes a window."""
    return [
        sys.executable,
        "-c",
        PROGRAM,
        str(Path(__file__).parents[1]),
        runs.emulator.url,
        json.dumps(base_paths.storage.for_another_process(runs.root)),
        runs.merchant_id,
        window.start.isoformat(),
        window.end.isoformat(),
        EVENING.isoformat(),
        run,
    ]


@pytest.mark.parametrize("killed_at_page", exhaustive([4, 1, 9]))
def test_a_process_that_is_killed_and_run_again(runs: Extraction, killed_at_page: int) -> None:
    window = whole(HOURS)
    path = "reports/received-items"
    runs.fault(path, {"hang": 60}, nth=killed_at_page)
    arguments = program(runs, window)
    process = subprocess.Popen(arguments, stdin=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while sum(path in request.path for request in runs.emulator.requests) < killed_at_page:
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.05)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    base_paths.storage.refresh()
    assert not runs.paths("received_items")
    subprocess.run(arguments, check=True, timeout=120, stdin=subprocess.DEVNULL)
    base_paths.storage.refresh()
    assert runs.keys("received_items") == runs.truth("received_items", window)
    cursors = [query.get("cursor") for query in runs.requests(path)]
    assert len(cursors) - len(set(cursors)) <= 1, "more than the page that was being staged was fetched again"
    assert not runs.paths("_staging")


def test_processes_that_publish_the_same_window_at_once(runs: Extraction) -> None:
    """And one that publishes a part of it; all begin when all are ready."""
    windows = [whole(HOURS), whole(HOURS), whole(HOURS[1:3])]
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    processes = [subprocess.Popen(program(runs, window, f"run{n}"), **pipes) for n, window in enumerate(windows)]
    assert {process.stdout.readline() for process in processes if process.stdout} == {b"ready\n"}
    for process in processes:
        assert process.stdin
        process.stdin.close()
    assert [process.wait(timeout=120) for process in processes] == [0, 0, 0]
    base_paths.storage.refresh()
    assert runs.keys("received_items") == runs.truth("received_items", whole(HOURS))
    assert not runs.paths("_staging")


def test_a_base_path_whose_name_looks_like_a_pattern_holds_it_too(
    shared_emulator: EmulatorServer, tmp_path: Path
) -> None:
    shared_emulator.reset()
    runs = Extraction(shared_emulator, tmp_path / "ERP [prod] a?b*c 100% a%20b+#ü")
    runs.fault("returned-items", {"status": 503}, nth=4)
    with pytest.raises(ServerError):
        runs.run("returned_items", whole(HOURS))
    assert runs.paths("_staging")
    before = runs.requests("returned-items")
    runs.run("returned_items", whole(HOURS))
    assert not [query for query in runs.requests("returned-items")[len(before) :] if query in before]
    runs.run("returned_items", HOURS[2])
    assert runs.keys("returned_items") == runs.truth("returned_items", whole(HOURS))
    assert not runs.paths("_staging")
    assert list(tmp_path.iterdir()) == [runs.root]


@pytest.mark.parametrize("moments", exhaustive([range(6, 10), range(1, 101)]))
def test_a_process_that_is_killed_at_any_change_of_the_base_path_and_run_again(
    shared_emulator: EmulatorServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    small_pages: None,
    moments: range,
    sparse: int,
) -> None:
    """Dies at the n-th change of the base path, for every n that there is, whatever that change is."""
    shared_emulator.reset()
    window = whole(HOURS[:3])
    for moment in moments[::sparse]:
        runs = Extraction(shared_emulator, tmp_path / str(moment))
        runs.run("received_items", HOURS[0])
        with monkeypatch.context() as patched, contextlib.suppress(Killed):
            kill_at(moment, patched)
            runs.run("received_items", window)
            break
        runs.run("received_items", window)
        assert runs.keys("received_items") == runs.truth("received_items", window), f"killed at change {moment}"
    assert moment < moments[-1] or moment == 9, "no run was left alone"
    assert moment > 7, "there are more changes than that in a run"


def test_an_attempt_that_finishes_beside_its_retry_does_no_harm(runs: Extraction, small_pages: None) -> None:
    """A task that Airflow believes dead goes on: both have the same checkpoint, and one clears up before the other."""
    window = whole(HOURS)

    def attempt(number: int) -> None:
        with contextlib.suppress(ConcurrentRunError):
            runs.run("received_items", window)

    at_once(attempt, range(3))
    runs.run("received_items", window)
    assert runs.keys("received_items") == runs.truth("received_items", window)


def test_a_retry_after_the_edge_of_retention_has_moved_on_keeps_to_the_first_plan(runs: Extraction) -> None:
    start = EVENING - timedelta(days=100)
    window = Window(start, start + timedelta(hours=6))
    runs.fault("returned-items", {"status": 503}, nth=6)
    with pytest.raises(ServerError):
        runs.run("returned_items", window, clip_to_retention=True)
    before = runs.requests("returned-items")
    runs.emulator.clock.advance(125)
    result = runs.run("returned_items", window, clip_to_retention=True)
    again = runs.requests("returned-items")[len(before) :]
    assert len(before) == 5
    assert len(again) == 1, "what was fetched is not fetched again"
    clipped_to = datetime.fromisoformat(runs.manifest(result)["clipped"]["to"])
    assert runs.keys("returned_items") == runs.truth("returned_items", Window(clipped_to, window.end))


def test_the_old_path_takes_no_fields_from_what_the_new_one_gave(runs: Extraction) -> None:
    runs.run("received_items", HOURS[0])
    before = runs.published("received_items")
    runs.run("received_items", whole(HOURS[:3]), variant="legacy")
    assert runs.keys("received_items") == runs.truth("received_items", whole(HOURS[:3]))
    after = runs.published("received_items")
    assert [row for row in before if row not in after] == []
    assert any(row["merchant_article_id"] for row in before)


def test_a_day_does_not_mix_formats(runs: Extraction) -> None:
    runs.run("received_items", HOURS[0], format="jsonl")
    with pytest.raises(ZDirectConfigurationError, match="format"):
        runs.run("received_items", HOURS[0], format="parquet")
    assert runs.keys("received_items") == runs.truth("received_items", HOURS[0])


@pytest.fixture
def tmp_path(tmp_path: Path, storage: str) -> Path:
    """Where every test has its base path."""
    return tmp_path


@pytest.fixture
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages of 10 records instead of 100,000, so that few records need many pages."""
    import extraction

    from airflow_provider_zdirect.datasets.table import get_dataset

    def with_small_pages(*row: str | None) -> object:
        dataset = get_dataset(*row)
        return dataset if dataset.paging.is_single else dataset.but(paging={"limit": 10})

    monkeypatch.setattr(extraction, "get_dataset", with_small_pages)
