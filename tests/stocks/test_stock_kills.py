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
from killing import DeadlyTransport, Killed
from stock_world import DeadlyFiles, Meeting, StockWorld, ean

from airflow_provider_zdirect.emulator.server import EmulatorServer
from airflow_provider_zdirect.exceptions import ServerError
from airflow_provider_zdirect.stocks import stock_updates
from airflow_provider_zdirect.stocks.open_orders import OrdersWanted
from airflow_provider_zdirect.stocks.sent_log import SentLog
from airflow_provider_zdirect.stocks.update_plan import StockUpdateJob

A, B, C = "abc"


@pytest.fixture
def make(emulator: EmulatorServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], StockWorld]:
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
    files = DeadlyFiles()
    files.dies = fate  # type: ignore[method-assign]
    return replace(job, place=replace(job.place, fs=files)), DeadlyTransport(lambda _, when: when == "after" and fate())


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
    world.write("stock.csv", [{"ean": ean(number), "quantity": 3} for number in range(2)])
    world.run(world.job(run=B, orders=OrdersWanted()))
    world.emulator.set_options(stocks_failed=0.4)
    world.write(
        "stock.csv", [{"ean": ean(number), "quantity": 10} for number in range(3)] + [{"ean": "7", "quantity": 1}]
    )
    return world.job(run=A, minutes=5, max_rejected=1, orders=OrdersWanted())


@pytest.mark.parametrize("every", [9, pytest.param(1, marks=pytest.mark.exhaustive)])
def test_killed_at_any_request_and_any_write_and_retried_the_end_is_the_same(
    make: Callable[[], StockWorld], every: int
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
    for moment in range(every // 2 + 1, fate.moments + 1, every):
        world = make()
        job = eventful(world)
        with pytest.raises(Killed):
            world.run(*mortal(job, Fate(moment)))
        again = world.run_as_task(job)
        assert end(world) == undisturbed, f"killed at {moment}"
        counted = again["accepted"] + again["unchanged"]
        assert (counted, again["failed"], again["rejected"]) == (result["accepted"], 0, 1), f"killed at {moment}"


@pytest.mark.exhaustive
def test_killed_again_and_again_it_ends_the_same(make: Callable[[], StockWorld]) -> None:
    world = make()
    world.run(eventful(world))
    undisturbed = end(world)
    for seed in range(5):
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
    world.write("old.csv", [{"ean": ean(number), "quantity": 50} for number in range(3)])
    world.write("new.csv", [{"ean": ean(number), "quantity": 1} for number in range(3)])
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

    def overtaking() -> None:
        world.run(newer)
        if overtaken == "after":
            die()

    meeting = Meeting(before=overtaking, after=die) if overtaken == "before" else Meeting(after=overtaking)
    with pytest.raises(Killed):
        world.run(older, meeting)
    if who_comes == "its retry":
        world.emulator.clock.advance(120)
        world.run(older)
    else:
        if who_comes != "the next feed's run":
            world.emulator.clock.advance(timedelta(days=2).total_seconds())
            world.write("other.csv", [{"ean": ean(9), "quantity": 1}])
            world.run(world.job("other.csv", run="d", minutes=3))
            assert len(list(world.root.glob("_sent/**/*.parquet"))) == 1
        world.run(world.job("new.csv", run=C, minutes=2))
    assert set(world.levels().values()) == {1}
    assert len([code for _, code in world.levels() if code != ean(9)]) == 6


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


def three_feeds(world: StockWorld) -> tuple[StockUpdateJob, StockUpdateJob]:
    """The oldest was sent; of the two others, the newest says the same as it."""
    for name, quantity in (("first", 5), ("older", 9), ("newest", 5)):
        world.write(f"{name}.csv", [{"ean": ean(number), "quantity": quantity} for number in range(2)])
    world.run(world.job("first.csv", run=C))
    # They ask for the sales channels, which is after they have read their feeds and before they send.
    older, newest = (
        world.job(f"{name}.csv", run=run, minutes=minutes, sales_channel_ids=())
        for name, run, minutes in (("older", A, 1), ("newest", B, 2))
    )
    return older, newest


@pytest.mark.parametrize("moments", [(None, 3), pytest.param((1, 2, 4, 5), marks=pytest.mark.exhaustive)])
@pytest.mark.parametrize("meeting", ["older waits", "newest waits", "newest waits with its confirmation"])
def test_a_newest_feed_that_equals_what_zdirect_has_wins_wherever_it_meets_an_older_one_and_dies(
    make: Callable[[], StockWorld], monkeypatch: pytest.MonkeyPatch, meeting: str, moments: tuple[int | None, ...]
) -> None:
    confirm = SentLog.confirm
    for moment in moments:
        world = make()
        older, newest = three_feeds(world)
        fate = Fate(moment)
        met: list[str] = []

        def run_older(world: StockWorld = world, job: StockUpdateJob = older, met: list[str] = met) -> None:
            met.append("older")
            world.run(job)

        def run_newest(world: StockWorld = world, job: StockUpdateJob = newest, fate: Fate = fate) -> None:
            with contextlib.suppress(Killed):
                world.run(*mortal(job, fate))

        def confirm_late(log: SentLog, levels: Any, now: Any, run: Any = run_older, met: list[str] = met) -> Any:
            if not met:
                run_elsewhere(run)
            return confirm(log, levels, now)

        other = run_newest if meeting == "older waits" else run_older
        if meeting == "newest waits with its confirmation":
            monkeypatch.setattr(SentLog, "confirm", confirm_late)
        else:
            looks = [other]
            world.emulator.on_request("/sales-channels", lambda n, looks=looks: looks and run_elsewhere(looks.pop()))
        (run_older if meeting == "older waits" else run_newest)()
        if moment is not None:
            world.emulator.clock.advance(120)
            world.run(newest)
        assert met or moment is not None
        assert set(world.levels().values()) == {5}, f"killed at {moment}"
        monkeypatch.setattr(SentLog, "confirm", confirm)


def run_elsewhere(what: Callable[[], None]) -> None:
    """In a thread, since asyncio has one loop in each."""
    thread = threading.Thread(target=what)
    thread.start()
    thread.join()


def test_runs_at_once_end_with_the_newest_feed(make: Callable[[], StockWorld]) -> None:
    world = make()
    for number in range(4):
        world.write(f"{number}.csv", [{"ean": ean(n), "quantity": 10 + number} for n in range(4)])

    async def at_once() -> None:
        jobs = [world.job(f"{number}.csv", run=str(number), minutes=number) for number in range(4)]
        await asyncio.gather(*(world.update(job) for job in jobs))

    asyncio.run(at_once())
    assert set(world.levels().values()) == {13}
    current = world.results("quantity, outcome", "stock_updates_current")
    assert current == [(13, "accepted")] * 8


def test_the_books_of_a_run_that_nobody_retries_are_closed_by_another(make: Callable[[], StockWorld]) -> None:
    world = make()
    world.write("stock.csv", [{"ean": ean(number), "quantity": 5} for number in range(2)])
    world.emulator.faults.add({"match": {"path": "/stocks", "nth": 2}, "action": {"status": 503}})
    with pytest.raises(ServerError):
        world.run(world.job(run=A))
    assert sorted(row[3] or "open" for row in world.results()) == ["accepted", "accepted", "open", "open"]
    world.emulator.clock.advance(timedelta(days=2).total_seconds())
    world.write("other.csv", [{"ean": ean(9), "quantity": 5}])
    world.run(world.job("other.csv", run=B, minutes=9))
    assert len(world.results()) == 6
    assert [path.name.partition("-")[0] for path in world.root.glob("_sent/**/*.*")] == ["levels"]
    again = world.run(world.job(run=C))
    assert (again["sent"], again["unchanged"]) == (2, 2), "what nobody knows of is sent again"


@pytest.mark.parametrize("seed", [0, 18, *(pytest.param(n, marks=pytest.mark.exhaustive) for n in range(100, 130))])
def test_runs_that_meet_and_die_anywhere_leave_the_newest_feed_once_all_were_retried(
    make: Callable[[], StockWorld], seed: int
) -> None:
    dice, world = random.Random(seed), make()
    jobs, feeds = [], []
    for number in range(4):
        feeds.append({ean(n): dice.choice([5, 9]) for n in range(3)})
        world.write(f"{number}.csv", [{"ean": code, "quantity": quantity} for code, quantity in feeds[-1].items()])
        jobs.append(world.job(f"{number}.csv", run=str(number), minutes=number, sales_channel_ids=()))
    world.run(jobs[0])

    async def at_once() -> list[Any]:
        mortals = [mortal(job, Fate(dice.choice([None, *range(1, 16)]))) for job in jobs[1:]]
        return await asyncio.gather(*(world.update(*each) for each in mortals), return_exceptions=True)

    died = [job for job, end in zip(jobs[1:], asyncio.run(at_once()), strict=True) if isinstance(end, Killed)]
    dice.shuffle(died)
    for job in died:
        world.run_as_task(job)
    levels = {(channel, code): quantity for channel in world.channels for code, quantity in feeds[-1].items()}
    assert world.levels() == levels
