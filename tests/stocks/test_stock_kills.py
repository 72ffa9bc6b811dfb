"""A run that dies at any moment and is retried, and runs that meet: the same end, and each pair once in the results."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import random
import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from exhaustive import exhaustive
from killing import DeadlyTransport, Killed
from stock_world import Meeting, StockWorld, deadly_files, ean

from airflow_provider_zdirect.emulator.server import EmulatorServer
from airflow_provider_zdirect.exceptions import ServerError
from airflow_provider_zdirect.stocks import stock_updates
from airflow_provider_zdirect.stocks.open_orders import OrdersWanted
from airflow_provider_zdirect.stocks.sent_log import SentLog
from airflow_provider_zdirect.stocks.update_plan import StockUpdateJob

A, B, C = "abc"


@pytest.fixture
def make(
    emulator: EmulatorServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, storage: str
) -> Callable[[], StockWorld]:
    """Worlds in which nothing has happened yet, and batches are small."""
    monkeypatch.setattr(stock_updates, "BATCH", 2)
    numbers = itertools.count()

    def world() -> StockWorld:
        emulator.reset()
        emulator.set_options(tokens_per_minute=10_000)
        return StockWorld(emulator, tmp_path / f"zdirect{next(numbers)}")

    return world


class Fate:
    """Death at the n-th moment."""

    def __init__(self, at: int | None) -> None:
        self.at = at
        self.moments = 0

    def __call__(self) -> bool:
        self.moments += 1
        return self.moments == self.at


def mortal(job: StockUpdateJob, fate: Callable[[], bool]) -> tuple[StockUpdateJob, DeadlyTransport]:
    """The job on a disk, and a network, that die."""
    place = replace(job.place, fs=deadly_files(fate))
    return replace(job, place=place), DeadlyTransport(lambda _, when: when == "after" and fate())


def end(world: StockWorld) -> dict[str, Any]:
    """All that is left of a run, but the times."""
    return {
        "levels": world.levels(),
        "results": world.results(),
        "current": world.results(table="stock_updates_current"),
        "rejected": world.rejected(),
        "log": [path.name.partition("-")[0] for path in world.root.glob("_sent/**/*.*")],
    }


def eventful(world: StockWorld) -> StockUpdateJob:
    """Several batches, some of which fail; a bad row; orders that are subtracted; an earlier run."""
    world.write_orders({"lines": [(ean(1), "initial"), (ean(1), "reserved")]})
    world.feed("stock.csv", {0: 3, 1: 3})
    world.run(world.job(run=B, orders=OrdersWanted()))
    world.emulator.set_options(stocks_failed=0.4)
    world.feed("stock.csv", {0: 10, 1: 10, 2: 10, 3: "x"})
    return world.job(run=A, minutes=5, max_rejected=1, orders=OrdersWanted())


@pytest.mark.parametrize("every", exhaustive([9, 1]))
def test_killed_at_any_request_and_any_write_and_retried_the_end_is_the_same(
    make: Callable[[], StockWorld], every: int, sparse: int
) -> None:
    world = make()
    job, fate = eventful(world), Fate(None)
    result = world.run(*mortal(job, fate))
    undisturbed = end(world)
    assert undisturbed["levels"] == {
        (channel, ean(number)): quantity
        for channel in world.channels[:2]
        for number, quantity in ((0, 10), (1, 8), (2, 10))
    }
    assert len(undisturbed["results"]) == 4 + 6
    assert undisturbed["log"] == ["levels"]
    assert fate.moments > 25
    for moment in range(every // 2 + 1, fate.moments + 1, sparse if every == 1 else every):
        world = make()
        job = eventful(world)
        with pytest.raises(Killed):
            world.run(*mortal(job, Fate(moment)))
        again = world.run_as_task(job)
        assert end(world) == undisturbed, f"killed at {moment}"
        counted = again["accepted"] + again["unchanged"]
        assert (counted, again["failed"], again["rejected"]) == (result["accepted"], 0, 1), f"killed at {moment}"


@pytest.mark.exhaustive
def test_killed_again_and_again_it_ends_the_same(make: Callable[[], StockWorld], sparse: int) -> None:
    world = make()
    world.run(eventful(world))
    undisturbed = end(world)
    for seed in range(0, 5, sparse):
        dice, world = random.Random(seed), make()
        job = eventful(world)
        for _ in range(30):
            try:
                world.run(*mortal(job, Fate(dice.randint(1, 14))))
            except Killed:
                continue
            break
        world.run_as_task(job)
        assert end(world) == undisturbed


def die() -> None:
    raise Killed


def two_feeds(world: StockWorld) -> tuple[StockUpdateJob, StockUpdateJob]:
    """An older and a newer one of the same articles."""
    world.feed("old.csv", dict.fromkeys(range(3), 50))
    world.feed("new.csv", dict.fromkeys(range(3), 1))
    return world.job("old.csv", run=A, minutes=1), world.job("new.csv", run=B, minutes=2)


def is_newer(world: StockWorld) -> bool:
    return set(world.levels().values()) == {1} and len(world.levels()) == 6


@pytest.mark.parametrize("when", ["before", "after"])
def test_an_older_feed_that_is_overtaken_does_not_stay(make: Callable[[], StockWorld], when: str) -> None:
    world = make()
    older, newer = two_feeds(world)
    result = world.run(older, Meeting(**{when: lambda: world.run(newer)}))
    assert is_newer(world)
    assert result["outdated"] == 4, "the pairs of the other batches were not sent; those of the first were mended"


@pytest.mark.parametrize("overtaken", ["before", "after"])
@pytest.mark.parametrize("who_comes", ["its retry", "the next feed's run", "it days after its batches were compacted"])
def test_an_older_feed_that_is_overtaken_and_dies_is_mended(
    make: Callable[[], StockWorld], overtaken: str, who_comes: str
) -> None:
    world = make()
    older, newer = two_feeds(world)

    def overtake_and_die() -> None:
        world.run(newer)
        die()

    meeting = Meeting(after=overtake_and_die)
    if overtaken == "before":
        meeting = Meeting(before=lambda: world.run(newer), after=die)
    with pytest.raises(Killed):
        world.run(older, meeting)
    if who_comes == "its retry":
        world.emulator.clock.advance(120)
        world.run(older)
    else:
        if who_comes != "the next feed's run":
            world.emulator.clock.advance(timedelta(days=2).total_seconds())
            world.feed("other.csv", {9: 1})
            world.run(world.job("other.csv", run="d"))
            assert len(list(world.root.glob("_sent/**/*.parquet"))) == 1
        world.run(world.job("new.csv", run=C, minutes=2))
    assert set(world.levels().values()) == {1}


def test_what_a_retry_no_longer_has_in_its_feed_stays_doubtful_for_the_next_run(make: Callable[[], StockWorld]) -> None:
    world = make()
    older, newer = two_feeds(world)
    with pytest.raises(Killed):
        world.run(older, Meeting(before=lambda: world.run(newer), after=die))
    world.feed("old.csv", {9: 1})
    world.run(replace(older, max_rejected=6))
    world.run(world.job("new.csv", run=C, minutes=2))
    assert {level for (_, code), level in world.levels().items() if code != ean(9)} == {1}


def test_a_newer_feed_that_died_before_its_answer_is_not_replaced_by_an_older_one(
    make: Callable[[], StockWorld],
) -> None:
    world = make()
    older, newer = two_feeds(world)
    with pytest.raises(Killed):
        world.run(newer, Meeting(after=die))
    assert world.run(older)["outdated"] == 2
    assert world.run(newer)["accepted"] == 6
    assert is_newer(world)


@pytest.mark.parametrize("moment", exhaustive([None, 3, 1, 2, 4, 5, 6, 7], representatives=2))
@pytest.mark.parametrize("meeting", ["older waits", "newest waits", "newest waits with its confirmation"])
def test_a_newest_feed_that_equals_what_zdirect_has_wins_wherever_it_meets_an_older_one_and_dies(
    make: Callable[[], StockWorld], monkeypatch: pytest.MonkeyPatch, meeting: str, moment: int | None
) -> None:
    world, confirm, met = make(), SentLog.confirm, []
    for name, quantity in (("first", 5), ("older", 9), ("newest", 5)):
        world.feed(f"{name}.csv", {0: quantity, 1: quantity})
    world.run(world.job("first.csv", run=C))
    # They ask for the sales channels, which is after they have read their feeds and before they send.
    older = world.job("older.csv", run=A, minutes=1, sales_channel_ids=())
    newest = world.job("newest.csv", run=B, minutes=2, sales_channel_ids=())

    def run_older() -> None:
        met.append("older")
        world.run(older)

    def run_newest() -> None:
        with contextlib.suppress(Killed):
            world.run(*mortal(newest, Fate(moment)))

    def confirm_late(*arguments: Any) -> Any:
        if not met:
            run_elsewhere(run_older)
        return confirm(*arguments)

    first, other = (run_older, run_newest) if meeting == "older waits" else (run_newest, run_older)
    if meeting == "newest waits with its confirmation":
        monkeypatch.setattr(SentLog, "confirm", confirm_late)
    else:
        looks = [other]
        world.emulator.on_request("/sales-channels", lambda _: looks and run_elsewhere(looks.pop()))
    first()
    if moment is not None:
        world.emulator.clock.advance(120)
        world.run(newest)
    assert met or moment is not None
    assert set(world.levels().values()) == {5}


def run_elsewhere(what: Callable[[], None]) -> None:
    """In a thread, since asyncio has one loop in each."""
    thread = threading.Thread(target=what)
    thread.start()
    thread.join()


def test_runs_at_once_end_with_the_newest_feed(make: Callable[[], StockWorld]) -> None:
    world = make()
    for number in range(4):
        world.feed(f"{number}.csv", dict.fromkeys(range(4), 10 + number))

    async def at_once() -> None:
        jobs = [world.job(f"{number}.csv", run=str(number), minutes=number) for number in range(4)]
        await asyncio.gather(*(world.update(job) for job in jobs))

    asyncio.run(at_once())
    assert set(world.levels().values()) == {13}
    assert world.results("quantity, outcome", "stock_updates_current") == [(13, "accepted")] * 8


def test_the_books_of_a_run_that_nobody_retries_are_closed_by_another(make: Callable[[], StockWorld]) -> None:
    world = make()
    world.feed("stock.csv", {0: 5, 1: 5})
    world.emulator.faults.add({"match": {"path": "/stocks", "nth": 2}, "action": {"status": 503}})
    with pytest.raises(ServerError):
        world.run(world.job(run=A))
    assert sorted(row[3] or "open" for row in world.results()) == ["accepted", "accepted", "open", "open"]
    world.emulator.clock.advance(timedelta(days=2).total_seconds())
    world.feed("other.csv", {9: 5})
    world.run(world.job("other.csv", run=B, minutes=9))
    assert len(world.results()) == 6
    assert [path.name.partition("-")[0] for path in world.root.glob("_sent/**/*.*")] == ["levels"]
    again = world.run(world.job(run=C))
    assert (again["sent"], again["unchanged"]) == (2, 2), "what nobody knows of is sent again"


@pytest.mark.parametrize("seed", exhaustive([0, 18, *range(100, 130)], representatives=2))
def test_runs_that_meet_and_die_anywhere_leave_the_newest_feed_once_all_were_retried(
    make: Callable[[], StockWorld], seed: int
) -> None:
    dice, world = random.Random(seed), make()
    jobs, feeds = [], []
    for number in range(4):
        feeds.append({n: dice.choice([5, 9]) for n in range(3)})
        world.feed(f"{number}.csv", feeds[-1])
        jobs.append(world.job(f"{number}.csv", run=str(number), minutes=number, sales_channel_ids=()))
    world.run(jobs[0])

    async def at_once() -> list[Any]:
        mortals = [mortal(job, Fate(dice.choice([None, *range(1, 16)]))) for job in jobs[1:]]
        return await asyncio.gather(*(world.update(*each) for each in mortals), return_exceptions=True)

    died = [job for job, end in zip(jobs[1:], asyncio.run(at_once()), strict=True) if isinstance(end, Killed)]
    dice.shuffle(died)
    for job in died:
        world.run_as_task(job)
    assert world.levels() == {(channel, ean(n)): count for channel in world.channels for n, count in feeds[-1].items()}
