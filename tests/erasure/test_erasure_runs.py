"""Erasures that are killed, and that run beside extractions and one another."""

from __future__ import annotations

import contextlib
import itertools
import random
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from erasure_world import CUSTOMER, EVERYWHERE, FIRST, NOW, PERSON, SECOND, ErasureWorld
from exhaustive import exhaustive
from killing import Killed, before_changes, kill_at

from airflow_provider_zdirect.erasure import proof, tables
from airflow_provider_zdirect.erasure.erase import ErasureResult, ErasureRun
from airflow_provider_zdirect.erasure.ledger import ErasureLedger
from airflow_provider_zdirect.erasure.proof import Proof, prove
from airflow_provider_zdirect.erasure.requests import DeletionRequests
from airflow_provider_zdirect.erasure.rows import order_tables
from airflow_provider_zdirect.erasure.tables import OrderErasure
from airflow_provider_zdirect.exceptions import ConcurrentRunError
from airflow_provider_zdirect.publish.compact import compact_date, dates_to_compact
from airflow_provider_zdirect.storage.object_store import ObjectStore


def erase(world: ErasureWorld) -> ErasureResult:
    """With the requests as they are, without asking for them."""
    requests = DeletionRequests()
    for wish in world.emulator.state.customer_wishes.deletions(world.merchant_id):
        requests.take(wish.body)
    return ErasureRun(world.own_place, None, requests, world.clock().now()).run()


def rows_of_files(world: ErasureWorld) -> dict[str, int]:
    return {name: sum(pq.ParquetFile(path).metadata.num_rows for path in world.paths(name)) for name in EVERYWHERE}


@pytest.mark.parametrize("every", [pytest.param(5, id="some"), pytest.param(1, id="all", marks=pytest.mark.exhaustive)])
def test_killed_at_any_change_and_run_again_all_is_erased_and_reported(emulator, tmp_path, monkeypatch, every, sparse):
    filled = ErasureWorld(emulator, tmp_path / "filled")
    filled.fill(few=True)
    filled.request_deletion()
    rows, others = rows_of_files(filled), filled.rows_of_others()
    for change in itertools.count(1, every * sparse):
        world = ErasureWorld(emulator, tmp_path / "killed")
        world.orders = filled.orders
        shutil.copytree(filled.root, world.root)
        was_killed = False
        with monkeypatch.context() as patched:
            kill_at(change, patched)
            try:
                erase(world)
            except Killed:
                was_killed = True
        was_reported = bool(world.certificates()) and not world.paths(f"{world.erasures}/begun")
        result = erase(world)
        assert result.changed is not was_reported, change
        assert result.certificate, change
        assert not world.traces(), change
        assert rows_of_files(world) == rows, change
        assert world.rows_of_others() == others, change
        shutil.rmtree(world.root)
        if not was_killed:
            break
    assert change > 12


def test_what_is_not_erased_is_found_by_the_proof(world):
    world.fill(few=True)
    ledger = ErasureLedger(world.store, world.merchant_id)
    ledger.add(at=NOW, customers={CUSTOMER: None})
    erasure = OrderErasure(ledger, NOW)
    while erasure.learn(ledger.people()):
        pass
    found = prove(world.store, ledger.people(), Proof()).found
    assert {path.partition("/merchant_id=")[0] for path in found} == {
        path.partition("/merchant_id=")[0] for path in world.traces()
    }


def test_a_proof_beside_runs_that_replace_files_reads_each_file_once(world, monkeypatch):
    for window in (FIRST, SECOND):
        world.add(window.start, 3)
        world.fetch(window)
    ErasureLedger(world.store, world.merchant_id).add(at=NOW, orders={"somebody's": None})
    looked: list[str] = []

    def read_columns(store: ObjectStore, path: str) -> Iterator[pa.Table]:
        first, last = world.paths("orders")
        if path.endswith(first.name) and path not in looked:
            # Another run replaces a file that comes later.
            shutil.copy(last, last.with_name(last.name.replace(".parquet", "0.parquet")))
            last.unlink()
        yield from tables.read_columns(store, path)
        looked.append(path)

    monkeypatch.setattr(proof, "read_columns", read_columns)
    assert erase(world).certificate
    assert len(looked) == len(set(looked)) == world.certificates()[0]["files_checked"]


def wait_until_staged(world: ErasureWorld) -> None:
    """The first page is saved while the second one is requested; the limit is for a product that does not save it."""
    for _ in range(6_000):
        if world.paths("_staging"):
            return
        time.sleep(0.01)
    raise AssertionError("no page was staged within a minute")


@pytest.mark.parametrize("what_is_done", ["all of it", "only the ledger"])
def test_what_was_fetched_before_an_erasure_is_not_published_after_it(world, emulator, what_is_done):
    world.add(FIRST.start, 1, **PERSON)
    world.add(FIRST.start, 60)
    world.request_deletion()
    emulator.set_options(orders_page_limit=50)
    run = ErasureRun(world.own_place, None, DeletionRequests(customers={CUSTOMER: None}), NOW)
    # Before the second page is answered. In the second case the erasure has not come to the staged pages yet.
    does = {"all of it": lambda: erase(world), "only the ledger": run.enter}[what_is_done]

    def on_request(number: int) -> None:
        if number == 2:
            wait_until_staged(world)
            does()

    emulator.on_request("/orders", on_request)
    with pytest.raises(ConcurrentRunError) as raised:
        world.fetch(FIRST)
    assert raised.value.retry_after
    assert "customers of some fetched orders" in str(raised.value)
    assert not world.traces()
    assert not world.published("orders")
    world.fetch(FIRST)
    assert len(world.published("orders")) == 61
    assert not world.traces()
    world.is_erased()


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
    assert world.erase().changed, "what the extraction has erased is reported"
    world.fetch(FIRST)
    assert len(world.published("orders")) == 6
    assert not world.traces()
    world.is_erased()


@pytest.mark.parametrize(
    ("name", "change"),
    exhaustive(
        [("orders", 1), ("orders_current", 2), ("orders", 3), ("orders", 2), *(("orders_current", n) for n in (1, 3))],
        3,
    ),
)
def test_an_erasure_that_comes_while_a_date_is_compacted_leaves_nothing(world, monkeypatch, name, change):
    """Before the compacted file is written, which has the personal data, or before one of the others is deleted."""
    table = next(each for each in order_tables() if each.name == name)
    for window in (FIRST, SECOND):
        world.add(window.start, 1, **PERSON)
        world.add(window.start, 3)
        world.fetch(window)
    counts, others = world.counts(), world.rows_of_others()
    world.request_deletion()
    erased: list[ErasureResult] = []
    changes = itertools.count(1)

    def erase_at(number: int) -> None:
        if number == change:
            monkeypatch.undo()
            erased.append(erase(world))

    before_changes(monkeypatch, lambda: erase_at(next(changes)))
    compact_date(world.own_place, table, FIRST.start.date())
    assert [each.changed for each in erased] == [True]
    assert not world.traces()
    assert world.counts() == counts
    assert world.rows_of_others() == others
    assert not dates_to_compact(world.own_place, table, NOW.date())
    world.is_erased()


def test_of_two_erasures_at_once_each_reports_what_it_has_erased(world, monkeypatch):
    world.fill(few=True)
    world.request_deletion()
    others: list[ErasureResult] = []
    upload = ObjectStore.upload

    def with_another(store: ObjectStore, *arguments: Any) -> None:
        monkeypatch.undo()
        others.append(erase(world))
        upload(store, *arguments)

    monkeypatch.setattr(ObjectStore, "upload", with_another)
    result = erase(world)
    assert [(each.changed, each.erased > 0) for each in (*others, result)] == [(True, True)] * 2
    assert not world.paths(f"{world.erasures}/begun")
    assert not world.erase().changed


def test_erasures_extractions_and_compaction_at_once_come_to_the_same(world, emulator):
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

    def compact() -> None:
        for table in order_tables():
            for day in dates_to_compact(world.own_place, table, NOW.date()):
                compact_date(world.own_place, table, day)

    fetches = [lambda: world.fetch(FIRST, resume_key="a"), lambda: world.fetch(SECOND)]
    jobs = [lambda: erase(world)] * 2 + fetches + [compact]
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
