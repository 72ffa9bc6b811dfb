"""What is there is published once: read once, again, by several at once, and in parts of any kind."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import timedelta
from itertools import count, pairwise
from pathlib import Path
from threading import Barrier, BrokenBarrierError
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from airflow_provider_zdirect.client import MemoryRateLimiter
from airflow_provider_zdirect.datasets.dataset import Dataset
from airflow_provider_zdirect.datasets.publication import Days, History, Once, Snapshots
from airflow_provider_zdirect.emulator.clock import DAY
from airflow_provider_zdirect.exceptions import ConcurrentRunError
from airflow_provider_zdirect.pipeline.extract import ExtractResult
from airflow_provider_zdirect.storage.object_store import ObjectStore
from airflow_provider_zdirect.windows import Window
from certification.case import LOOKS_BACK, PUBLISHED_ONCE, Situation, check_end, check_requests, requests_needed
from certification.protection import Protection
from certification.world import World

AT_ONCE = 4
EXAMPLES = 6
PATIENCE = 1.0


def windowed(dataset: Dataset) -> bool:
    return dataset.has_windows


def state(dataset: Dataset) -> bool:
    return not dataset.has_windows


def once(world: World) -> None:
    needed = requests_needed(world)
    outcome = world.task()
    check_end(world, outcome)
    check_requests(world, needed=needed)
    assert outcome.result
    manifest = world.manifest(outcome.result)
    name = world.dataset
    assert manifest["records"] == sum(count for row, count in world.expected().items() if row[0] == name)
    assert (manifest["dataset"], manifest["merchant_id"], manifest["rejected"]) == (name, world.merchant_id, 0)


def as_lines(world: World) -> None:
    check_end(world, world.task(format="jsonl"))


def again(world: World) -> None:
    world.fetch()
    before = world.files()
    result = world.fetch()
    assert world.files() == before, "nothing is written a second time"
    assert result.manifest.new_records == 0
    assert world.rows() == world.expected()


def two_merchants(world: World) -> None:
    world.fetch()
    others = world.emulator.merchant_ids[1]
    assert not world.task(merchant_id=others).errors
    assert world.rows() == world.expected() + world.expected(merchant_id=others)
    assert {f"merchant_id={merchant}" for merchant in world.emulator.merchant_ids} >= {
        path.relative_to(world.root).parts[1] for path in world.files()
    }


def nothing_there(world: World) -> None:
    """Of windows in which nothing happened."""
    world.emulator.set_options(volume=0)
    window = Window(world.emulator.clock.now() - 60 * DAY, world.emulator.clock.now() - 59 * DAY)
    window = Window.of_day(window.start.date()) if world.is_by_day else window
    outcome = world.task(window=window)
    assert not outcome.errors, outcome.errors
    assert outcome.result
    assert world.rows() == Counter()
    assert world.manifest(outcome.result)["records"] == 0, "the window is known to be complete"


def parts_of(world: World) -> list[Window]:
    """The interval, an hour or a day each."""
    assert world.window
    return list(world.window.split(DAY if world.is_by_day else timedelta(hours=1)))


def in_order(world: World) -> None:
    for part in parts_of(world):
        world.fetch(part)
    assert world.rows() == world.expected()


def in_reverse(world: World) -> None:
    for part in reversed(parts_of(world)):
        world.fetch(part)
    assert world.rows() == world.expected()


def at_once(world: World) -> None:
    _at_once(world, parts_of(world))
    assert world.rows() == world.expected()


def the_same_at_once(world: World) -> None:
    _at_once(world, [world.window] * AT_ONCE)
    assert world.rows() == world.expected()


def overlapping(world: World) -> None:
    parts = parts_of(world)
    assert world.window
    for window in (world.window, *parts, Window(parts[0].start, parts[1].end), world.window):
        world.fetch(window)
    assert world.rows() == world.expected()


def any_tiling(world: World) -> None:
    """Hypothesis chooses the cuts, the order, what runs at once, and what runs again."""
    assert world.window
    unit = DAY if world.is_by_day else timedelta(minutes=1)
    units = world.window.duration // unit

    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        derandomize=True,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(data=st.data())
    def tile(data: st.DataObject) -> None:
        cuts = sorted(data.draw(st.sets(st.integers(1, units - 1), max_size=4), label="cuts"))
        edges = [0, *cuts, units]
        assert world.window
        start = world.window.start
        windows = [Window(start + first * unit, start + last * unit) for first, last in pairwise(edges)]
        windows += data.draw(st.lists(st.sampled_from(windows), max_size=2), label="again")
        windows = data.draw(st.permutations(windows), label="order")
        shutil.rmtree(world.root, ignore_errors=True)
        if data.draw(st.booleans(), label="at once"):
            _at_once(world, windows)
        else:
            for window in windows:
                world.fetch(window)
        assert world.rows() == world.expected()

    tile()


def _at_once(world: World, windows: list[Any]) -> None:
    def fetch(number: int) -> ExtractResult | None:
        # Airflow tries again after a run that another one has overtaken.
        outcome = _another(world).task(window=windows[number], resume_key=f"run{number}")
        assert {type(error) for error in outcome.errors} <= {ConcurrentRunError}, outcome.errors
        return outcome.result

    with _meeting(min(AT_ONCE, len(windows))), ThreadPoolExecutor(max_workers=AT_ONCE) as pool:
        assert all(pool.map(fetch, range(len(windows))))


@contextmanager
def _meeting(runs: int) -> Iterator[None]:
    """Let them all have looked at what is published, before the first of them publishes something."""
    barrier, uploads, upload = Barrier(runs), count(), ObjectStore.upload

    def meet(store: ObjectStore, local: Path, path: str) -> None:
        if not path.startswith("_") and next(uploads) < runs:
            # Not all of them may have something to publish.
            with suppress(BrokenBarrierError):
                barrier.wait(PATIENCE)
        upload(store, local, path)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(ObjectStore, "upload", meet)
        yield


def _another(world: World) -> World:
    """The same for another task, with a pace of its own: all of them at once stay below the limit."""
    return replace(world, limiter=MemoryRateLimiter(world.clock()))


def asked_for_all(dataset: Dataset) -> bool:
    """Articles and deliveries that are asked for by name are another merchant's by other names."""
    return dataset.name not in ("item_quantities", "tours")


DAYS_APART = Protection("storage.layout:Layout.published", "date={day.isoformat()}", "date={day:%Y-%m}-01")
TILING = {
    Once: Protection("publish.late_records:publishable", "if not overlap", "if True", also=PUBLISHED_ONCE[Once]),
    Days: DAYS_APART,
}
"""What lets windows fit together."""
TILING_AT_ONCE = {**TILING, Once: LOOKS_BACK}
SAME_SNAPSHOT = Protection(
    "publish.snapshot:store_snapshot",
    "np.sort(rows.hashes).tobytes()",
    "str(id(rows)).encode()",
    also=Protection("publish.snapshot:_tidied", "for path in others", "for path in ()"),
)
ONE_FILE_A_DAY = Protection("publish.day:DayReplacer._clear_up", "if path not in stays", "if False")
ONE_HISTORY = Protection("publish.history:_Recording._keep_current", "h.files(h.layout) != [holder]", "False")
MEETING = {
    Once: LOOKS_BACK,
    Days: ONE_FILE_A_DAY,
    Snapshots: SAME_SNAPSHOT,
    History: Protection(
        "publish.history:_Recording._round",
        "not set(there) <= {*paths, holder.path}",
        "False",
        also=Protection("publish.history:_Recording._round", "path != holder.path", "False", also=ONE_HISTORY),
    ),
}
"""What runs of the same at the same time rely on."""
SITUATIONS = [
    Situation(
        "read/once",
        "Every row is published once, with the requests that it takes, and its manifest counts it.",
        Protection("datasets.answer:Answer.read", "lists[filled[0]]", "lists[filled[0]][1:]"),
        once,
    ),
    Situation(
        "read/as-lines",
        "JSON lines hold the same rows as Parquet.",
        Protection("storage.row_files:open_writer", 'suffix == "parquet"', "True"),
        as_lines,
    ),
    Situation("read/again", "A second run publishes nothing new and rewrites no file.", PUBLISHED_ONCE, again),
    Situation(
        "read/two-merchants",
        "Rows of two merchants do not mix.",
        Protection("storage.layout:Layout.merchant", "={self.merchant_id}", "=all"),
        two_merchants,
        asked_for_all,
    ),
    Situation(
        "read/nothing-there",
        "A window in which nothing happened is complete, with no rows and a manifest.",
        {
            Once: Protection("pipeline.extract:_publish_nothing", "run.write(manifest)", "pass"),
            Days: Protection("pipeline.publish_windows:publish_days", "run.write(manifest)\n    while", "while"),
        },
        nothing_there,
        windowed,
    ),
    Situation(
        "tiling/in-order",
        "Adjacent windows tile: what they publish together is the whole interval, once.",
        TILING,
        in_order,
        windowed,
    ),
    Situation(
        "tiling/in-reverse",
        "Adjacent windows tile in reverse order too, as a backfill may run them.",
        TILING,
        in_reverse,
        windowed,
    ),
    Situation(
        "tiling/at-once",
        "Adjacent windows tile when they run at the same time, too.",
        TILING_AT_ONCE,
        at_once,
        windowed,
    ),
    Situation(
        "tiling/the-same-at-once",
        "Four runs of the same at the same time publish it once.",
        MEETING,
        the_same_at_once,
    ),
    Situation(
        "tiling/overlapping",
        "Windows that overlap, and the same ones again, publish each row once.",
        TILING,
        overlapping,
        windowed,
    ),
    Situation(
        "tiling/any",
        "Any split, in any order, at once or not, with some of it again: the same union (Hypothesis).",
        TILING,
        any_tiling,
        windowed,
    ),
]
