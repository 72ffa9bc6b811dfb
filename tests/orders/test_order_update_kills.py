"""Killed between any two requests, before any object is written, and run again: the same end, and nothing twice."""

from __future__ import annotations

import os
import threading
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from random import Random
from typing import Any

import pytest
import real_time
from killing import DeadlyTransport, Killed, kill_at
from orders.order_world import OrderWorld, tracked

from airflow_provider_zdirect.emulator.server import EmulatorServer
from airflow_provider_zdirect.orders import few_at_once, order_updates
from airflow_provider_zdirect.orders.update_job import OrderUpdateJob, OrderUpdateResult

MOST = 60


@pytest.fixture(autouse=True)
def one_after_the_other(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is under way at the moment of death may be carried out or not; here it is known which."""
    monkeypatch.setitem(few_at_once.AT_ONCE, "production", 1)


class Scene:
    """Orders of every kind, and the rows that change them: the same in every scene."""

    def __init__(self, emulator: EmulatorServer, base: Path) -> None:
        emulator.reset()
        self.world = world = OrderWorld(emulator, base)
        self.shipped, self.numbered, self.parcels = world.order(), world.order(items=1), world.order()
        number = world.truth(self.numbered)["order_number"]
        first, second = world.lines(self.parcels)
        parcel = {"order_id": self.parcels, "weight_grams": 900, "status": "shipped"}
        self.rows: list[dict[str, Any]] = [
            tracked(self.shipped),
            {"order_number": number, "status": "canceled"},
            {**parcel, "order_line_id": first, "shipment": "A", **_codes("A")},
            {**parcel, "order_line_id": second, "shipment": "B", **_codes("B")},
        ]

    @property
    def job(self) -> OrderUpdateJob:
        return self.world.job(self.rows, split_shipments=True)

    def run_and_kill(self, transport: DeadlyTransport | None = None) -> bool:
        try:
            self.world.run(self.job, transport)
        except Killed:
            return True
        return False

    def check(self) -> None:
        world = self.world
        assert set(world.lines(self.shipped).values()) == {"shipped"}
        assert set(world.lines(self.numbered).values()) == {"canceled"}
        assert set(world.lines(self.parcels).values()) == {"shipped"}
        parcels = {
            one["merchant_specified_shipment_id"]: (len(one["order_lines"]), one["tracking_number"], one["status"])
            for one in world.truth(self.parcels)["shipments"]
            if one["order_lines"]
        }
        assert parcels == {"A": (1, "OUT-1000A", "shipped"), "B": (1, "OUT-1000B", "shipped")}
        assert not any(world.truth(one)["shipped_without_tracking"] for one in (self.shipped, self.parcels))
        # Of each of the two parcels: made, numbers, shipped.
        assert Counter(world.writes()) == {
            "PATCH order 204": 2,
            "PATCH line 204": 3,
            "POST shipments 201": 2,
            "PATCH shipment 204": 4,
        }, "nothing was carried out twice"
        assert Counter(world.published()) == {
            **{(2, what, "done"): 1 for what in ("export", "tracking_number", "return_tracking_number")},
            (2, "shipped", "done"): 2,
            (3, "canceled", "done"): 1,
            **{
                (row, what, "done"): 1
                for row in (4, 5)
                for what in ("shipment", "tracking_number", "return_tracking_number", "shipped")
            },
        }, "each thing once, as done by this run, whichever of its tries did it"
        assert not list(world.base.glob("_staging/order_updates/**/*.json"))


def _codes(number: str) -> dict[str, str]:
    return {"tracking_number": f"OUT-1000{number}", "return_tracking_number": f"BACK-1000{number}"}


def kill_at_each(emulator: EmulatorServer, base: Path, pause: float, run_and_kill: Callable[[Scene, int], bool]) -> int:
    """Kill a run at its first, second, ... event, and run it again after ``pause`` seconds; the number of events."""
    for number in range(1, MOST):
        scene = Scene(emulator, base / str(number))
        was_killed = run_and_kill(scene, number)
        emulator.clock.advance(pause)
        if was_killed:
            assert not scene.run_and_kill()
        scene.check()
        if not was_killed:
            return number - 1
    raise AssertionError("it never ended")


@pytest.mark.exhaustive
@pytest.mark.parametrize("moment", ["before", "after"])
def test_killed_around_any_request_and_run_again_all_is_done_once(
    emulator: EmulatorServer, tmp_path: Path, moment: str
) -> None:
    def run_and_kill(scene: Scene, number: int) -> bool:
        return scene.run_and_kill(DeadlyTransport(lambda *at: at == (number, moment)))

    assert kill_at_each(emulator, tmp_path, 120, run_and_kill) >= 20, "each request had its turn"


def test_killed_before_any_change_of_the_storage_and_run_again_all_is_done_once(
    emulator: EmulatorServer, tmp_path: Path
) -> None:
    def run_and_kill(scene: Scene, number: int) -> bool:
        with pytest.MonkeyPatch.context() as patched:
            kill_at(number, patched)
            return scene.run_and_kill()

    assert kill_at_each(emulator, tmp_path, 86_400, run_and_kill) >= 5


def test_killed_after_the_numbers_the_next_try_still_leaves_five_seconds(world: OrderWorld) -> None:
    job = world.job([tracked(world.order(items=1), merchant_order_id=None)])
    with pytest.raises(Killed):
        world.run(job, DeadlyTransport(lambda *_: bool(world.writes())))
    world.emulator.clock.advance(3.5)  # they are shown by then
    world.run(job)
    numbers, line = (request.time for request in world.emulator.requests if request.method == "PATCH")
    assert (line - numbers).total_seconds() >= order_updates.SHIP_AFTER


@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.exhaustive) for seed in range(1, 8))])
def test_killed_again_and_again_it_comes_to_the_same(emulator: EmulatorServer, tmp_path: Path, seed: int) -> None:
    scene, rng = Scene(emulator, tmp_path), Random(seed)
    deaths = iter([(rng.randint(1, 25), rng.choice(["before", "after"])) for _ in range(100)])
    death = next(deaths)
    while scene.run_and_kill(DeadlyTransport(lambda *at, death=death: at == death)):  # type: ignore[misc]
        emulator.clock.advance(120)
        death = next(deaths)
    scene.check()


class Beside(DeadlyTransport):
    """Before the first such request, something else runs to its end."""

    def __init__(self, method: str, path: str, other: Callable[[], object]) -> None:
        super().__init__(lambda *_: False)
        self._before = (method, path)
        # In a thread, because the other run has a loop of its own.
        self._other: threading.Thread | None = threading.Thread(target=other)

    async def send(self, method: str, url: str, **options: Any) -> Any:
        if self._other and method == self._before[0] and self._before[1] in url:
            other, self._other = self._other, None
            other.start()
            other.join()
        return await super().send(method, url, **options)


def test_two_runs_that_make_the_same_parcel(world: OrderWorld) -> None:
    order_id = world.order(items=1)
    row = {"order_id": order_id, "shipment": "A", "weight_grams": 9, "status": "shipped", **_codes("A")}
    other: list[OrderUpdateResult] = []
    quicker = world.job([row], split_shipments=True, run="quicker")
    transport = Beside("POST", "/shipments", lambda: other.append(world.run(quicker)))
    result = world.runs(row, split_shipments=True, transport=transport)
    assert (result.failed, other[0].failed) == (0, 0)
    assert len(world.truth(order_id)["shipments"]) == 2


def test_two_tries_at_the_same_time_come_to_the_same_end(emulator: EmulatorServer, tmp_path: Path) -> None:
    """One that was believed dead goes on beside its retry."""
    scene = Scene(emulator, tmp_path)
    assert not scene.run_and_kill(Beside("PATCH", "/lines/", scene.run_and_kill))
    world = scene.world
    assert set(world.lines(scene.shipped).values()) == {"shipped"}
    assert set(world.lines(scene.parcels).values()) == {"shipped"}
    assert len(world.truth(scene.parcels)["shipments"]) == 3
    rows = world.published()
    assert {outcome for _, _, outcome in rows} == {"done"}
    assert len(rows) == 14
    assert len(list(world.base.glob("order_updates/**/*.parquet"))) == 1


def test_what_an_abandoned_run_has_left_is_removed_by_a_later_one_after_a_day(world: OrderWorld) -> None:
    first, second, third = world.order(), world.order(), world.order()
    with pytest.raises(Killed):
        world.run(world.job([tracked(first)], run="abandoned"), DeadlyTransport(lambda number, _: number == 6))
    left = [path for path in world.base.glob("_staging/order_updates/**/*") if path.is_file()]
    assert left
    world.run(world.job([tracked(second)], run="another"))
    assert all(path.exists() for path in left)
    written = (real_time.now() - timedelta(days=1.1)).timestamp()
    for path in left:
        os.utime(path, (written, written))
    world.run(world.job([tracked(third)], run="yet another"))
    assert not any(path.exists() for path in left)
