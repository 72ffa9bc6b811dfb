"""Erasures that are killed, and that run beside extractions and one another."""

from __future__ import annotations

import contextlib
import random
import shutil
import threading
import time
from collections.abc import Callable
from typing import Any

import pyarrow.parquet as pq
import pytest
from erasure_world import CUSTOMER, EVERYWHERE, FIRST, NOW, PERSON, SECOND, ErasureWorld
from killing import Killed

from airflow_provider_zdirect.erasure.erase import ErasureResult, ErasureRun
from airflow_provider_zdirect.erasure.ledger import ErasureLedger
from airflow_provider_zdirect.erasure.orders import OrderErasure
from airflow_provider_zdirect.erasure.proof import prove
from airflow_provider_zdirect.erasure.requests import DeletionRequests
from airflow_provider_zdirect.exceptions import ConcurrentRunError
from airflow_provider_zdirect.storage.object_store import ObjectStore

WRITES = ("write", "upload", "delete", "delete_folder")


def erase(world: ErasureWorld) -> ErasureResult:
    """With the requests as they are, without asking for them."""
    requests = DeletionRequests()
    for wish in world.emulator.state.customer_wishes.deletions(world.merchant_id):
        requests.take(wish.body)
    return ErasureRun(world.own_place, None, requests, world.clock().now()).run()


def rows_of_files(world: ErasureWorld) -> dict[str, int]:
    return {name: sum(pq.ParquetFile(path).metadata.num_rows for path in world.paths(name)) for name in EVERYWHERE}


@pytest.mark.parametrize("every", [pytest.param(5, id="some"), pytest.param(1, id="all", marks=pytest.mark.exhaustive)])
def test_killed_after_any_write_and_run_again_all_is_erased_and_reported(emulator, tmp_path, monkeypatch, every):
    filled = ErasureWorld(emulator, tmp_path / "filled")
    filled.fill(few=True)
    filled.request_deletion()
    rows, others = rows_of_files(filled), filled.rows_of_others()
    originals: dict[str, Callable[..., None]] = {name: getattr(ObjectStore, name) for name in WRITES}

    def run(number: int | None) -> tuple[ErasureWorld, list[tuple[str, str]]]:
        """In a copy of its own, killed after that write; what it has written, each by what it does and where."""
        world = ErasureWorld(emulator, tmp_path / str(number))
        world.orders = filled.orders
        shutil.copytree(filled.root, world.root)
        done: list[tuple[str, str]] = []

        def dying(name: str) -> Any:
            def write(store: ObjectStore, *arguments: Any) -> None:
                originals[name](store, *arguments)
                path = arguments[-1 if name == "upload" else 0]
                done.append((name, path.partition("/merchant_id=")[0]))
                if len(done) == number:
                    raise Killed

            return write

        with monkeypatch.context() as patched:
            for name in WRITES:
                patched.setattr(ObjectStore, name, dying(name))
            with contextlib.suppress(Killed):
                erase(world)
        return world, done

    _, writes = run(None)
    # Of several of one kind in a row, after the first.
    numbers = [number for number, write in enumerate(writes, 1) if number == 1 or write != writes[number - 2]]
    assert len(numbers) > 12
    for number in numbers[::every]:
        world, _ = run(number)
        was_reported = bool(world.certificates()) and not world.paths(f"{world.erasures}/begun")
        result = erase(world)
        assert result.changed is not was_reported, number
        assert not world.traces(), number
        assert rows_of_files(world) == rows, number
        assert result.certificate, number
        assert world.rows_of_others() == others, number
        shutil.rmtree(world.root)


def test_what_is_not_erased_is_found_by_the_proof(world):
    world.fill(few=True)
    ledger = ErasureLedger(world.store, world.merchant_id)
    ledger.add(at=NOW, customers={CUSTOMER: None})
    erasure = OrderErasure(ledger, NOW)
    while erasure.learn(ledger.people()):
        pass
    proof = prove(world.store, ledger.people())
    assert {path.partition("/merchant_id=")[0] for path in proof.found} == {
        path.partition("/merchant_id=")[0] for path in world.traces()
    }


def test_an_extraction_whose_staged_pages_are_erased_fetches_them_again(world, emulator):
    world.add(FIRST.start, 1, **PERSON)
    world.add(FIRST.start, 60)
    world.request_deletion()
    emulator.set_options(orders_page_limit=50)
    emulator.on_request("/orders", lambda number: erase(world) if number == 2 else None)
    with pytest.raises(ConcurrentRunError) as raised:
        world.fetch(FIRST)
    assert raised.value.retry_after
    assert not world.traces()
    world.fetch(FIRST)
    assert len(world.published("orders")) == 61
    assert not world.traces()
    world.is_erased()


def test_what_was_fetched_before_the_ledger_was_written_is_not_published_after_it(world, emulator):
    world.add(FIRST.start, 1, **PERSON)
    world.add(FIRST.start, 60)
    world.request_deletion()
    emulator.set_options(orders_page_limit=50)

    def enter(number: int) -> None:
        if number == 2:
            # The erasure has not come to the staged pages yet.
            ErasureRun(world.own_place, None, DeletionRequests(customers={CUSTOMER: None}), NOW).enter()

    emulator.on_request("/orders", enter)
    with pytest.raises(ConcurrentRunError, match="customers of some fetched orders have been erased since"):
        world.fetch(FIRST)
    assert not world.traces()
    assert not world.published("orders")
    world.fetch(FIRST)
    world.is_erased()
    assert not world.traces()


@pytest.mark.parametrize("place", ["_rejected/orders/", "orders/", "orders_current/"])
def test_an_erasure_that_comes_while_an_extraction_publishes_leaves_nothing(world, monkeypatch, place):
    """It deletes what is staged, looks before this file is published, and certifies that nothing is found."""
    world.add(FIRST.start, 1, **PERSON, order_date="yesterday")
    world.add(FIRST.start, 1, **PERSON)
    world.add(FIRST.start, 5)
    world.request_deletion()
    erased: list[ErasureResult] = []

    def with_erasure(name: str) -> Any:
        original = getattr(ObjectStore, name)

        def write(store: ObjectStore, *arguments: Any) -> None:
            if not erased and arguments[-1 if name == "upload" else 0].startswith(place):
                monkeypatch.undo()
                erased.append(erase(world))
            original(store, *arguments)

        return write

    for name in ("write", "upload"):
        monkeypatch.setattr(ObjectStore, name, with_erasure(name))
    with contextlib.suppress(ConcurrentRunError):
        world.fetch(FIRST)
    assert erased[0].certificate
    assert not world.traces()
    world.fetch(FIRST)
    assert len(world.published("orders")) == 6
    assert not world.traces()
    world.is_erased()


def test_erasures_and_extractions_at_once_come_to_the_same(world, emulator):
    for window in (FIRST, SECOND):
        world.add(window.start, 3, **PERSON)
        world.add(window.start, 9)
        world.fetch(window)
    counts, others = world.counts(), world.rows_of_others()
    world.request_deletion()
    failures: list[BaseException] = []
    deadline = time.monotonic() + 120

    def until_done(job: Callable[[], object]) -> None:
        while True:
            try:
                job()
                return
            except ConcurrentRunError as error:
                if time.monotonic() > deadline:
                    failures.append(error)
                    return
                # A retry comes later; at once and in step, two may keep meeting.
                time.sleep(random.uniform(0, 0.2))
            except BaseException as error:
                failures.append(error)
                return

    jobs = [lambda: erase(world)] * 2 + [lambda: world.fetch(FIRST, resume_key="a"), lambda: world.fetch(SECOND)]
    threads = [threading.Thread(target=until_done, args=(job,)) for job in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    assert not world.traces()
    assert (world.counts(), {name: set(rows) for name, rows in world.rows_of_others().items()}) == (
        counts,
        {name: set(rows) for name, rows in others.items()},
    )
    world.is_erased()
