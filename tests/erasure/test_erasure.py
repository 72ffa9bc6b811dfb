"""Erased customers: nothing of them is left anywhere, nothing of anybody else is touched, and nothing comes back."""

from __future__ import annotations

import os
import re
import shutil
from datetime import timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import real_time
from erasure_world import CUSTOMER, EVERYWHERE, FIRST, NOW, PERSON, SECOND, THIRD, ErasureWorld, all_texts
from fsspec.implementations.local import LocalFileSystem

from airflow_provider_zdirect.emulator.customer_wishes import Wish
from airflow_provider_zdirect.erasure.erase import last_erasure
from airflow_provider_zdirect.erasure.ledger import ErasureLedger
from airflow_provider_zdirect.exceptions import RejectedRecordsError, StorageUnavailableError, TracesLeftError


@pytest.mark.parametrize(
    ("mode", "format", "folder"), [("keep", "parquet", "ERP [prod] a?b*"), ("hash", "jsonl", "plain")]
)
def test_nothing_of_an_erased_customer_is_left_anywhere_and_nobody_else_is_touched(
    emulator, tmp_path, mode, format, folder
):
    world = ErasureWorld(emulator, tmp_path / folder, mode, format)
    world.fill()
    places = {path.partition("/")[0] for path in world.traces()}
    assert places == {"orders", "orders_current", "_rejected", "_staging", "shipping_documents"}
    counts, others = world.counts(), world.rows_of_others()
    world.request_deletion()
    result = world.erase()
    assert not world.traces()
    assert (world.counts(), world.rows_of_others()) == (counts, others)
    world.is_erased()
    assert result.changed
    (certificate,) = world.certificates()
    assert (certificate["found"], certificate["orders"]) == (0, len(world.orders))
    assert certificate["files_checked"] > 20
    # A second run finds nothing to do, and writes nothing.
    before = world.files()
    again = world.erase()
    assert (again.changed, again.erased, again.certificate) == (False, 0, result.certificate)
    assert world.files() == before
    # Parked rows are taken up, the broken-off window is fetched, past ones are fetched again: nothing comes back.
    world.fetch(THIRD)
    before = {path: at for path, at in world.files().items() if path.relative_to(world.root).parts[0] in EVERYWHERE}
    for window in (FIRST, SECOND):
        world.fetch(window)
    assert before.items() <= world.files().items(), "what is fetched again is known again"
    assert not world.traces()
    world.is_erased()
    assert not world.erase().changed


def test_orders_that_the_request_does_not_name_are_found_by_the_customer_and_those_fetched_later_too(world, emulator):
    world.add(FIRST.start, 2, **PERSON)
    world.fetch(FIRST)
    world.request_deletion()
    world.add(FIRST.start + timedelta(minutes=9), 1, **PERSON)
    world.fetch(FIRST)
    world.erase()
    assert not world.traces()
    later = world.add(SECOND.start, 1, **{**PERSON, "customer_email": "another@unheard-of.example"})
    world.fetch(SECOND)
    assert not world.traces()
    assert len(world.published("orders")) == 4
    world.is_erased()
    # Nobody asks any more after 30 days; the ledger does, and a window that is fetched again is as before.
    emulator.clock.advance(31 * 86_400)
    again = world.erase()
    assert (again.requests, again.orders) == (0, 4)
    ledger = " ".join(path.read_text() for path in world.paths("_erasures"))
    assert all(order_id in ledger for order_id in (*world.orders, *later))


@pytest.mark.parametrize("storage", ["file"], indirect=True)
@pytest.mark.parametrize("error", [OSError("503 SlowDown"), PermissionError("403"), FileNotFoundError("404")])
def test_a_ledger_that_cannot_be_read_stops_the_extraction_and_the_erasure(world, monkeypatch, error):
    world.add(FIRST.start, 1, **PERSON)
    read = LocalFileSystem.cat_file
    failed: list[str] = []

    def failing_once(self: LocalFileSystem, path: str, *arguments: object, **options: object) -> bytes:
        if "/ledger/" in path and not failed:
            failed.append(path)
            raise error
        return read(self, path, *arguments, **options)

    ErasureLedger(world.store, world.merchant_id).add(at=NOW, customers={CUSTOMER: None})
    monkeypatch.setattr(LocalFileSystem, "cat_file", failing_once)
    for job in (lambda: world.fetch(FIRST), world.erase):
        failed.clear()
        with pytest.raises(StorageUnavailableError if isinstance(error, FileNotFoundError) else type(error)):
            job()
        assert failed
        job()
    assert not world.traces()
    world.is_erased()


@pytest.mark.parametrize("mode", ["keep", "hash"])
def test_an_order_that_is_placed_after_the_request_can_be_shipped_until_its_customer_asks_again(
    emulator, tmp_path, mode
):
    world = ErasureWorld(emulator, tmp_path, mode)
    world.add(FIRST.start, 1, **PERSON)
    world.fetch(FIRST)
    emulator.request_deletion(world.merchant_id, CUSTOMER, FIRST.end)
    (later,) = world.add(SECOND.start + timedelta(minutes=30), 1, **PERSON)
    world.fetch(SECOND)
    world.erase()
    left = {row["order_id"]: row for row in world.published("orders_current")}
    assert left[later]["shipping_address"]["last_name"]
    assert left[later]["customer_number"]
    assert left[world.orders[0]]["customer_number"] is None
    assert len(world.certificates()) == 1
    world.fetch(FIRST)
    assert not world.erase().changed
    emulator.request_deletion(world.merchant_id, CUSTOMER, SECOND.end)
    world.erase()
    assert not world.traces()
    world.is_erased()


def test_rows_with_hashes_of_a_key_that_is_gone_are_found_by_those_that_the_request_names(emulator, tmp_path):
    world = ErasureWorld(emulator, tmp_path, "hash")
    world.add(FIRST.start, 1, **PERSON)
    world.request_deletion()
    world.add(SECOND.start, 1, **PERSON)
    for window in (FIRST, SECOND):
        world.fetch(window)
    world.erase(with_key=False)
    assert not world.traces()
    world.is_erased()


def test_dropped_data_leave_nothing_to_erase_and_the_certificate_says_so(emulator, tmp_path):
    world = ErasureWorld(emulator, tmp_path, "drop")
    world.add(FIRST.start, 2, **PERSON)
    world.fetch(FIRST)
    world.request_deletion()
    result = world.erase()
    assert (result.changed, result.orders) == (False, 2)
    assert len(world.certificates()) == 1


@pytest.mark.parametrize("storage", ["file"], indirect=True)
def test_writes_that_were_killed_leave_nothing(world):
    world.add(FIRST.start, 2, **PERSON)
    world.fetch(FIRST)
    (whole,) = world.paths("orders")
    beside = world.root / "_staging" / "_tmp"
    shutil.copy(whole, beside / "0-whole.parquet")
    half = whole.read_bytes()[: whole.stat().st_size // 2]
    for name, days in (("1-half.parquet", 2), ("2-now.parquet", 0)):
        (beside / name).write_bytes(half)
        written = (real_time.now() - timedelta(days=days)).timestamp()
        os.utime(beside / name, (written, written))
    world.request_deletion()
    world.erase()
    # What may still be being written is somebody's; it is looked at the next time.
    assert [path.name for path in beside.iterdir()] == ["2-now.parquet"]


def test_with_nobody_to_erase_nothing_is_written(world):
    world.add(FIRST.start, 2)
    world.fetch(FIRST)
    before = world.files()
    assert last_erasure(world.store.fs, world.store.root, world.merchant_id) is None
    result = world.erase()
    assert (result.changed, result.certificate, result.requests) == (False, None, 0)
    assert last_erasure(world.store.fs, world.store.root, world.merchant_id) == NOW
    assert world.files() == before


def test_unknown_fields_of_items_lines_and_returns_go_too(world):
    (order_id,) = world.add(FIRST.start, 1, **PERSON)
    (other,) = world.add(FIRST.start + timedelta(minutes=1), 1)
    for each in (order_id, other):
        world.emulator.announce_return(each, at=FIRST.start + timedelta(minutes=2))
    world.fetch(FIRST)
    world.run("announced_returns", FIRST)
    for name in ("order_items", "order_items_current", "order_lines", "order_lines_current", "announced_returns"):
        (path,) = world.paths(name)
        rows = pq.ParquetFile(path).read()
        notes = pa.array(['{"gift_note": "for Zebulonia Quastenflosser"}'] * rows.num_rows)
        pq.write_table(rows.set_column(rows.schema.get_field_index("_unknown_fields"), "_unknown_fields", notes), path)
    world.request_deletion()
    world.erase()
    for name in ("order_items", "order_items_current", "order_lines", "order_lines_current"):
        noted = {row["order_id"]: row["_unknown_fields"] is not None for row in world.published(name)}
        assert noted == {order_id: False, other: True}, name
    returns = {row["orders"][0]["order_id"]: row for row in world.published("announced_returns")}
    assert [returns[each]["_unknown_fields"] is None for each in (order_id, other)] == [True, False]


def copied(path: Path, beside: Path) -> Path:
    beside.parent.mkdir(parents=True, exist_ok=True)
    return Path(shutil.copy(path, beside))


@pytest.mark.parametrize(
    ("kind", "beside"),
    [
        ("orders", "orders/{}/date=2026-11-18/copy.parquet"),
        ("orders_current", "_revisions/orders_current/{}/date=2026-11-18/any.parquet"),
        ("orders", "orders_export/{}/some.parquet"),
        ("jsonl", "order_mails/{}/some.jsonl.gz"),
    ],
)
def test_what_cannot_be_erased_fails_the_proof_and_the_file_is_named(emulator, tmp_path, kind, beside):
    world = ErasureWorld(emulator, tmp_path, format="jsonl" if kind == "jsonl" else "parquet")
    world.add(FIRST.start, 1, **PERSON)
    world.fetch(FIRST)
    (path,) = world.paths("orders" if kind == "jsonl" else kind)
    copy = copied(path, tmp_path / beside.format(f"merchant_id={world.merchant_id}"))
    world.request_deletion()
    for _ in range(2):
        with pytest.raises(TracesLeftError, match=re.escape(str(copy.relative_to(world.root)))) as raised:
            world.erase()
        assert not any(text in str(raised.value) for text in all_texts("keep"))
    assert not world.certificates()
    copy.unlink()
    # The erasure itself was done by the first run, and is reported by the one that proves it.
    assert world.erase().changed
    assert not world.traces()


def test_another_customer_with_the_same_contact_is_left(world):
    world.add(FIRST.start, 1, **PERSON)
    (other,) = world.add(FIRST.start, 1, **{**PERSON, "customer_number": "10000000001"})
    world.fetch(FIRST)
    world.request_deletion()
    world.erase()
    left = {row["order_id"]: row["customer_email"] for row in world.published("orders")}
    assert left == {world.orders[0]: None, other: PERSON["customer_email"]}


@pytest.mark.parametrize("same", ["customer_email", "shipping_address"])
def test_an_order_that_names_no_customer_and_has_their_contact_is_theirs(world, same):
    world.add(FIRST.start, 1, **PERSON)
    nobody = dict.fromkeys(PERSON, None) | {"customer_number": "", same: PERSON[same]}
    world.add(FIRST.start, 1, **nobody)
    world.add(FIRST.start, 1, **nobody, order_date="yesterday")
    (other,) = world.add(FIRST.start, 1, customer_number="")
    world.fetch(FIRST)
    world.break_off(SECOND, nobody)
    world.request_deletion()
    assert world.erase().orders == 3
    left = {row["order_id"]: row["customer_email"] is not None for row in world.published("orders")}
    assert sorted(left.values()) == [False, False, True]
    assert left[other]
    assert not world.traces()
    assert not world.erase().changed


def test_another_merchants_orders_of_the_same_customer_stay(world, emulator):
    other = emulator.merchant_ids[1]
    for merchant_id in (world.merchant_id, other):
        emulator.add_orders(merchant_id, 1, start=FIRST.start, items=1, lines=1, **PERSON)
        world.fetch(FIRST, merchant_id=merchant_id)
    world.request_deletion()
    before = {path: at for path, at in world.files().items() if f"merchant_id={other}" in path.parts}
    assert before
    world.erase()
    assert before.items() <= world.files().items()
    assert {f"merchant_id={other}" in path for path in world.traces()} == {True}


def test_a_request_that_names_nobody_fails_the_task_and_all_others_are_carried_out(world, emulator):
    world.add(FIRST.start, 1, **PERSON)
    world.fetch(FIRST)
    world.request_deletion()
    emulator.state.customer_wishes.want_deletion(Wish(NOW, "0", world.merchant_id, {"sales_channel_id": None}))
    with pytest.raises(RejectedRecordsError, match="1 of 2 deletion requests came with neither"):
        world.erase()
    assert not world.traces()
    assert len(world.certificates()) == 1
    # What the failed task erased is reported once, by the next that succeeds.
    emulator.clock.advance(31 * 86_400)
    assert [world.erase().changed for _ in range(2)] == [True, False]
