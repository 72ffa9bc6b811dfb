"""Shipping documents against the emulator: each fetched once, whole, of the right order; no code is guessed."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import re
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from order_world import DeadlyTransport, Killed, OrderWorld

from airflow_provider_zdirect.emulator.server import EmulatorServer
from airflow_provider_zdirect.erasure.people import ErasureLedger
from airflow_provider_zdirect.exceptions import (
    DocumentsNotReadyError,
    FilterIgnoredError,
    MalformedResponseError,
    PermissionDeniedError,
    RateLimitedError,
    ServerError,
    ShippingDocumentsError,
    ZDirectConfigurationError,
)
from airflow_provider_zdirect.shipping_documents.documents import (
    DocumentCalls,
    ShippingDocument,
    documents_folder,
    erase_documents,
    tracking_codes,
)
from airflow_provider_zdirect.shipping_documents.job import IN_VAIN, DocumentsJob, DocumentsResult, fetch_documents
from airflow_provider_zdirect.shipping_documents.listed import listed_orders, orders_file, orders_of_file
from airflow_provider_zdirect.shipping_documents.orders import orders_without_codes
from airflow_provider_zdirect.storage.object_store import ObjectStore

TYPES = ("DELIVERY_SLIP", "OUTBOUND_LABEL", "RETURN_LABEL")
NOBODY = "00000000-0000-4000-8000-000000000000"


@pytest.fixture(scope="module")
def one_emulator() -> Iterator[EmulatorServer]:
    with EmulatorServer(seed=7, now="2026-03-10T08:00:00+00:00", order_days=0, zss_orders=1.0) as server:
        yield server


@pytest.fixture
def world(one_emulator: EmulatorServer, tmp_path: Path) -> OrderWorld:
    one_emulator.reset()
    return OrderWorld(one_emulator, tmp_path)


def job(world: OrderWorld, *order_ids: str, **changes: Any) -> DocumentsJob:
    fields: dict[str, Any] = {"run": "a-run", "fill_tracking": False, **changes}
    return DocumentsJob(
        world.merchant_id, order_ids, fsspec.filesystem("file"), str(world.base), world.base.as_uri(), **fields
    )


def fetch(
    world: OrderWorld, *order_ids: str, transport: DeadlyTransport | None = None, **changes: Any
) -> DocumentsResult:
    async def go() -> DocumentsResult:
        async with world.client(transport) as client:
            return await fetch_documents(job(world, *order_ids, **changes), client, world.clock)

    return asyncio.run(go())


def there(world: OrderWorld, order_id: str) -> dict[str, bytes]:
    """The PDFs of an order by type."""
    folder = world.base / documents_folder(world.merchant_id, order_id)
    return dict(sorted((path.stem.rpartition("-")[2], path.read_bytes()) for path in folder.glob("*.pdf")))


def told(world: OrderWorld) -> list[tuple[Any, ...]]:
    """Order, outcome and type of every published row, by DuckDB: independent of the code under test."""
    files = f"{world.base}/shipping_document_results/**/*.parquet"
    return duckdb.sql(f"SELECT order_id, outcome, type FROM read_parquet('{files}') ORDER BY ALL").fetchall()


def asked(world: OrderWorld) -> list[str]:
    """The paths that were asked for, without tokens."""
    return [request.path for request in world.emulator.requests if "/auth/" not in request.path]


def codes(world: OrderWorld, order_id: str) -> tuple[str | None, str | None]:
    truth = world.truth(order_id)
    return truth["tracking_number"], truth["return_tracking_number"]


def label_codes(world: OrderWorld, order_id: str) -> tuple[str, str]:
    by_type = {one["type"]: one for one in world.emulator.shipping_documents(order_id)}
    return by_type["OUTBOUND_LABEL"]["tracking_id"], by_type["RETURN_LABEL"]["tracking_id"]


# Fetching


def test_every_document_of_an_order_lies_in_its_folder_and_in_the_results(world):
    order_id = world.order()
    result = fetch(world, order_id)
    assert (result.orders["fetched"], result.documents, result.downloaded) == (1, 3, 3)
    pdfs = there(world, order_id)
    assert tuple(pdfs) == TYPES
    street = world.truth(order_id)["shipping_address"]["address_line_1"].encode("latin-1")
    assert all(pdf.startswith(b"%PDF-") and street in pdf for pdf in pdfs.values())
    assert told(world) == [(order_id, "fetched", type) for type in TYPES]
    (path, size, code) = duckdb.sql(
        f"SELECT path, bytes, tracking_id FROM read_parquet('{world.base}/shipping_document_results/**/*.parquet') "
        "WHERE type = 'OUTBOUND_LABEL'"
    ).fetchall()[0]
    assert (world.base / path).stat().st_size == size
    assert code == label_codes(world, order_id)[0]


def test_the_query_of_the_document_finds_the_labels(world):
    document = Path(__file__).parent.parent.parent / "docs" / "shipping-documents.md"
    (query,) = re.findall(r'duckdb -c "(.*)"', document.read_text())
    order_id = world.order()
    fetch(world, order_id)
    fetch(world, order_id, run="another-run")
    rows = duckdb.sql(query.replace("zdirect/", f"{world.base}/")).fetchall()
    assert [(row[0], row[1], row[2]) for row in rows] == [
        (order_id, kind, code) for kind, code in zip(TYPES[1:], label_codes(world, order_id), strict=True)
    ]
    assert all((world.base / row[3]).exists() for row in rows)


def test_what_lies_there_is_not_fetched_again_by_another_run(world):
    order_id = world.order()
    fetch(world, order_id)
    before = len(asked(world))
    result = fetch(world, order_id, run="another-run")
    assert asked(world)[before:] == ["/zss/shipping-documents"]
    assert (result.orders["already"], result.documents, result.downloaded) == (1, 3, 0)
    label = next((world.base / documents_folder(world.merchant_id, order_id)).glob("*OUTBOUND_LABEL.pdf"))
    label.unlink()
    assert fetch(world, order_id, run="a-third-run").downloaded == 1
    assert tuple(there(world, order_id)) == TYPES


def test_orders_without_documents_are_counted_and_listed_and_only_an_error_if_they_must_have_some(world):
    one, other = world.order(), world.order()
    world.emulator.set_options(zss_orders=0.0)
    result = fetch(world, one, other)
    assert (result.orders["missing"], result.missing) == (2, (one, other))
    assert told(world) == sorted((order_id, "missing", None) for order_id in (one, other))
    with pytest.raises(DocumentsNotReadyError, match=one) as caught:
        fetch(world, one, require_documents=True)
    assert caught.value.retry_after == 600
    world.emulator.set_options(zss_orders=1.0)
    assert fetch(world, one, other).orders["fetched"] == 2
    assert len(told(world)) == 6


def test_an_order_that_zdirect_does_not_know_fails_and_the_others_are_fetched(world):
    order_id = world.order()
    with pytest.raises(ShippingDocumentsError, match=f"(?s)1 of 2 orders.*{NOBODY}.*no_documents") as caught:
        fetch(world, NOBODY, order_id)
    assert "shipping_document_results" in str(caught.value)
    assert (NOBODY, "failed", None) in told(world)
    assert tuple(there(world, order_id)) == TYPES
    assert fetch(world, NOBODY, order_id, max_failed=1).orders["failed"] == 1
    world.assumptions = {"no_documents": "not_found"}
    lenient = fetch(world, NOBODY)
    assert lenient.orders["missing"] == 1


def test_documents_of_unknown_types_and_with_wild_names_are_kept_apart(world):
    order_id = world.order()
    body = {
        "documents": [
            {"id": 17, "order_id": order_id.upper(), "type": "CUSTOMS ../FORM"},
            {"id": 17, "order_id": order_id, "type": "CUSTOMS ../FORM 2"},
            {"id": "18", "order_id": order_id},
        ]
    }
    world.emulator.faults.add({"match": {"path": "documents$"}, "action": {"status": 200, "body": body}})
    world.emulator.faults.add(
        {"match": {"path": "documents/"}, "action": {"status": 200, "body": "%PDF-1.4 any %%EOF"}, "times": None}
    )
    assert fetch(world, order_id).downloaded == 3
    folder = world.base / documents_folder(world.merchant_id, order_id)
    assert len(list(folder.iterdir())) == 4
    assert not [path for path in world.base.rglob("*FORM*") if path.parent != folder]


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ("", "empty"),
        ("<html>Jane Doe</html>", "a page"),
        ('{"error": "Jane Doe"}', "JSON"),
        ("%PDF-1.4 x", "breaks off"),
    ],
)
def test_what_is_no_pdf_is_an_error_that_quotes_nothing_and_leaves_nothing(world, body, why):
    order_id, other = world.order(), world.order()
    label = next(one["id"] for one in world.emulator.shipping_documents(order_id) if one["type"] == "OUTBOUND_LABEL")
    world.emulator.faults.add({"match": {"path": label}, "action": {"status": 200, "body": body}})
    with pytest.raises(MalformedResponseError, match=why) as caught:
        fetch(world, order_id, other)
    assert "Jane" not in str(caught.value)
    assert "OUTBOUND_LABEL" not in there(world, order_id)
    assert tuple(there(world, other)) == TYPES
    assert (order_id, "failed", None) in told(world)
    assert fetch(world, order_id, other).orders["fetched"] == 2


def test_an_answer_about_another_order_ends_the_task_before_a_label_is_taken_for_this_ones(world):
    order_id, other = world.order(), world.order()
    body = {"documents": world.emulator.shipping_documents(other)}
    world.emulator.faults.add({"match": {"path": "documents$"}, "action": {"status": 200, "body": body}})
    with pytest.raises(FilterIgnoredError, match="order_parameter"):
        fetch(world, order_id)
    assert not there(world, order_id)


def test_an_order_whose_documents_do_not_name_it_fails_alone_unless_that_is_trusted(world):
    order_id, other = world.order(), world.order()
    documents = world.emulator.shipping_documents(order_id)
    del documents[1]["order_id"]
    answer = {"status": 200, "body": {"documents": documents}}
    asking = {"path": "documents$", "query": {"order_id": order_id}}
    world.emulator.faults.add({"match": asking, "action": answer, "times": None})
    with pytest.raises(ShippingDocumentsError, match=f"(?s)1 of 2 orders.*{order_id}.*unnamed_order"):
        fetch(world, order_id, other)
    assert (tuple(there(world, order_id)), tuple(there(world, other))) == ((), TYPES)
    world.assumptions = {"unnamed_order": "trust"}
    assert fetch(world, order_id, other).orders["fetched"] == 2
    assert tuple(there(world, order_id)) == TYPES
    documents[0]["order_id"] = other
    with pytest.raises(FilterIgnoredError):
        fetch(world, order_id, run="another-run")


def test_parameter_path_and_limit_are_assumptions(world):
    world.emulator.set_options(documents_order_parameter="order", document_path="/zss/documents/{document_id}/pdf")
    order_id = world.order()
    world.assumptions = {"documents_order_parameter": "order"}
    with pytest.raises(ShippingDocumentsError, match="document_path"):
        fetch(world, order_id)
    world.assumptions["document_path"] = "/zss/documents/{document_id}/pdf"
    assert fetch(world, order_id).downloaded == 3


@pytest.mark.parametrize(
    ("environment", "assumptions", "limit"),
    [("production", {}, 400), ("sandbox", {}, 40), ("production", {"documents_per_minute": 7}, 7)],
)
def test_the_rate_limit_is_that_of_the_environment_or_of_the_assumption(world, environment, assumptions, limit):
    world.assumptions = assumptions
    assert DocumentCalls(world.client(environment=environment)).rate.limit == limit


# When things go wrong


def test_a_failure_leaves_the_others_and_the_retry_fetches_the_rest_only(world):
    orders = [world.order() for _ in range(3)]
    world.emulator.faults.add({"match": {"query": {"order_id": orders[1]}}, "action": {"status": 503}})
    with pytest.raises(ServerError, match="1 of 3 orders") as caught:
        fetch(world, *orders)
    assert caught.value.retry_after >= 120
    assert [outcome for _, outcome, _ in told(world)].count("fetched") == 6
    before = len(asked(world))
    assert fetch(world, *orders).orders["fetched"] == 3
    assert len(asked(world)) - before == 4
    assert len(told(world)) == 9


def test_a_missing_permission_is_told_as_such(world):
    order_id = world.order()
    world.emulator.set_options(missing_scopes=["zss/shipping-document/read"])
    with pytest.raises(PermissionDeniedError, match="403"):
        fetch(world, order_id)


def test_an_outage_ends_the_run_soon_and_a_used_up_limit_at_once(world):
    orders = [world.order() for _ in range(40)]
    world.emulator.faults.add({"match": {"path": "documents"}, "action": {"status": 503}, "times": None})
    with pytest.raises(ServerError):
        fetch(world, *orders)
    assert IN_VAIN <= len(asked(world)) < len(orders)
    world.emulator.faults.clear()
    action = {"status": 429, "headers": {"Retry-After": "90"}}
    world.emulator.faults.add({"match": {"path": "documents"}, "action": action, "times": None})
    with pytest.raises(RateLimitedError) as caught:
        fetch(world, *orders, run="another-run")
    assert caught.value.retry_after >= 60


def test_orders_that_always_fail_do_not_keep_the_others_from_being_fetched(world):
    orders = [world.order() for _ in range(40)]
    broken, good = orders[:16], orders[16:]
    for order_id in broken:
        match = {"query": {"order_id": order_id}}
        world.emulator.faults.add({"match": match, "action": {"status": 503}, "times": None})
    for run in ("a-run", "a-run", "another-run"):
        with pytest.raises(ServerError):
            fetch(world, *orders, run=run)
        world.emulator.clock.advance(3600)
    assert all(tuple(there(world, order_id)) == TYPES for order_id in good)


def test_killed_before_or_after_any_request_the_retry_comes_to_the_same_end(world):
    for kills, (number, when) in enumerate(itertools.product(range(1, 40), ("before", "after"))):
        order_id = world.order()
        run = f"run-{kills}"
        transport = DeadlyTransport(lambda n, w: (n, w) == (number, when))  # noqa: B023
        with contextlib.suppress(Killed):
            fetch(world, order_id, fill_tracking=True, transport=transport, run=run)
            break
        assert fetch(world, order_id, fill_tracking=True, run=run).orders["fetched"] == 1
        _check_end(world, [order_id], run)
    # The token, the list, three documents, a look at the order, both codes at once, and a look whether they are there.
    assert kills == 2 * (1 + 1 + 3 + 3)


def test_killed_before_or_after_any_write_nothing_half_written_is_seen(world, monkeypatch):
    write, kills = ObjectStore.write, 0
    for deadly in range(1, 40):
        order_id, count = world.order(), 0

        def dying(store: ObjectStore, path: str, data: bytes) -> None:
            nonlocal count
            count += 1
            if 2 * count - 1 == deadly:  # noqa: B023
                raise Killed
            write(store, path, data)
            if 2 * count == deadly:  # noqa: B023
                raise Killed

        with monkeypatch.context() as patch:
            patch.setattr(ObjectStore, "write", dying)
            try:
                fetch(world, order_id, fill_tracking=True, run=f"run-{deadly}")
            except Killed:
                kills += 1
            else:
                break
        for pdf in there(world, order_id).values():
            assert pdf.endswith(b"%%EOF\n")
        result = fetch(world, order_id, fill_tracking=True, run=f"run-{deadly}")
        assert result.orders["fetched"] == 1
        _check_end(world, [order_id], run=f"run-{deadly}")
    assert kills >= 8


def _check_end(world: OrderWorld, order_ids: list[str], run: str) -> None:
    for order_id in order_ids:
        assert tuple(there(world, order_id)) == TYPES
        assert codes(world, order_id) == label_codes(world, order_id)
        assert len(world.writes(order_id)) == 1
    files = f"{world.base}/shipping_document_results/**/*.parquet"
    rows = duckdb.sql(f"SELECT order_id, type FROM read_parquet('{files}') WHERE run = '{run}' ORDER BY ALL").fetchall()
    assert rows == sorted((order_id, type) for order_id in order_ids for type in TYPES)


def test_two_runs_at_once_come_to_the_same_end(world):
    order_ids = [world.order() for _ in range(3)]

    async def both() -> None:
        async with world.client() as one, world.client() as other:
            await asyncio.gather(
                fetch_documents(job(world, *order_ids, fill_tracking=True), one, world.clock),
                fetch_documents(job(world, *order_ids, fill_tracking=True, run="another-run"), other, world.clock),
            )

    asyncio.run(both())
    for order_id in order_ids:
        assert tuple(there(world, order_id)) == TYPES
        assert codes(world, order_id) == label_codes(world, order_id)
    assert len(told(world)) == 18


# Tracking codes


def test_both_codes_of_the_labels_become_those_of_the_order_once(world):
    order_id = world.order()
    result = fetch(world, order_id, fill_tracking=True)
    assert codes(world, order_id) == label_codes(world, order_id)
    assert result.as_dict()["tracking"]["done"] == 1
    again = fetch(world, order_id, fill_tracking=True, run="another-run")
    assert again.as_dict()["tracking"]["already"] == 1
    assert len(world.writes(order_id)) == 1


def test_without_the_wish_or_with_a_pdf_that_failed_no_code_is_filled_in(world):
    order_id, other = world.order(), world.order()
    assert fetch(world, order_id).tracking is None
    label = world.emulator.shipping_documents(other)[0]["id"]
    world.emulator.faults.add({"match": {"path": label}, "action": {"status": 404}})
    with pytest.raises(ShippingDocumentsError, match="document_path"):
        fetch(world, other, fill_tracking=True)
    assert codes(world, order_id) == codes(world, other) == (None, None) or not any(codes(world, other))


def test_other_codes_at_zdirect_are_a_conflict_unless_they_may_be_replaced(world):
    order_id = world.order(tracking_number="ELSE")
    with pytest.raises(ShippingDocumentsError, match=r"(?s)the tracking codes of 1 could not.*conflict"):
        fetch(world, order_id, fill_tracking=True)
    assert codes(world, order_id)[0] == "ELSE"
    fetch(world, order_id, fill_tracking=True, overwrite_tracking=True)
    assert codes(world, order_id) == label_codes(world, order_id)


def test_labels_with_several_codes_are_reported_and_none_is_guessed(world):
    order_id = world.order()
    documents = world.emulator.shipping_documents(order_id)
    documents.append({**documents[0], "id": NOBODY, "tracking_id": "SECOND"})
    answer = {"status": 200, "body": {"documents": documents}}
    world.emulator.faults.add({"match": {"path": "documents$"}, "action": answer, "times": None})
    pdf = {"status": 200, "body": "%PDF-1.4 any %%EOF"}
    world.emulator.faults.add({"match": {"path": NOBODY}, "action": pdf})
    with pytest.raises(ShippingDocumentsError, match=r"several codes for tracking_number.*SECOND"):
        fetch(world, order_id, fill_tracking=True)
    assert {outcome for _, outcome, _ in told(world)} == {"conflict"}
    assert not any(codes(world, order_id))
    assert len(there(world, order_id)) == 3


@given(st.lists(st.tuples(st.sampled_from([*TYPES, "outbound_label", "X"]), st.sampled_from([None, "A", "B"]))))
def test_codes_come_from_labels_of_their_kind_only_and_each_once(labels):
    documents = [ShippingDocument(str(n), NOBODY, type, code) for n, (type, code) in enumerate(labels)]
    for name, kind in (("tracking_number", "OUTBOUND_LABEL"), ("return_tracking_number", "RETURN_LABEL")):
        wanted = {code for type, code in labels if type.upper() == kind and code}
        found = tracking_codes(documents)[name]
        assert set(found) == wanted
        assert len(found) == len(wanted)


# Erasure


def test_an_erased_orders_documents_go_and_never_come_back(world):
    order_id, other = world.order(), world.order()
    fetch(world, order_id, other)
    store = ObjectStore(fsspec.filesystem("file"), str(world.base))
    assert erase_documents(store, world.merchant_id, order_id, world.clock.now()) == 4
    assert erase_documents(store, world.merchant_id, order_id, world.clock.now()) == 0
    before = len(asked(world))
    for run in ("a-run", "another-run"):
        assert fetch(world, order_id, run=run, fill_tracking=True).orders["erased"] == 1
    assert len(asked(world)) == before
    assert not (world.base / documents_folder(world.merchant_id, order_id)).exists()
    assert tuple(there(world, other)) == TYPES


def test_documents_of_an_order_that_the_ledger_names_are_not_fetched(world):
    """An extraction has entered it, and no erasure has come by yet."""
    order_id, other = world.order(), world.order()
    store = ObjectStore(fsspec.filesystem("file"), str(world.base))
    ErasureLedger(store, world.merchant_id).add(at=world.clock.now(), orders={order_id: None})
    assert fetch(world, order_id, other).orders["erased"] == 1
    assert not there(world, order_id)
    assert tuple(there(world, other)) == TYPES


def test_an_erasure_while_documents_are_being_fetched_wins(world):
    order_id = world.order()
    store = ObjectStore(fsspec.filesystem("file"), str(world.base))
    label = world.emulator.shipping_documents(order_id)[-1]["id"]
    world.emulator.on_request(
        label,
        lambda number: erase_documents(store, world.merchant_id, order_id, datetime(2026, 3, 10)),  # noqa: DTZ001
    )
    assert fetch(world, order_id).orders["erased"] == 1
    assert not there(world, order_id)


@pytest.mark.parametrize("next_run", ["a-run", "another-run"])
def test_a_document_that_a_killed_task_wrote_after_the_erasure_goes_with_the_next_try(world, monkeypatch, next_run):
    order_id = world.order()
    write = ObjectStore.write

    def dying(store: ObjectStore, path: str, data: bytes) -> None:
        if path.endswith(".pdf"):
            erase_documents(store, world.merchant_id, order_id, world.clock.now())
        write(store, path, data)
        if path.endswith(".pdf"):
            raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(ObjectStore, "write", dying)
        with pytest.raises(Killed):
            fetch(world, order_id)
    assert len(there(world, order_id)) == 1
    assert fetch(world, order_id, run=next_run).orders["erased"] == 1
    assert not (world.base / documents_folder(world.merchant_id, order_id)).exists()


def test_an_erasure_between_two_documents_ends_the_fetching(world):
    order_id = world.order()
    store = ObjectStore(fsspec.filesystem("file"), str(world.base))
    label = world.emulator.shipping_documents(order_id)[0]["id"]
    world.emulator.on_request(
        label, lambda number: erase_documents(store, world.merchant_id, order_id, world.clock.now())
    )
    assert fetch(world, order_id).orders["erased"] == 1
    assert len([path for path in asked(world) if "documents/" in path]) == 1
    assert not (world.base / documents_folder(world.merchant_id, order_id)).exists()


# Which orders


def publish_orders(base: Path, merchant_id: str, day: str, rows: list[dict[str, Any]], name: str = "a") -> None:
    folder = base / "orders_current" / f"merchant_id={merchant_id}" / f"date={day}"
    folder.mkdir(parents=True, exist_ok=True)
    usual = {"order_type": "PartnerFulfilled", "status": "approved", "tracking_number": None}
    full = [
        {**usual, "return_tracking_number": None, "modified_at": datetime.fromisoformat(f"{day}T10:00:00+00:00"), **row}
        for row in rows
    ]
    pq.write_table(pa.Table.from_pylist(full), folder / f"{name}.parquet")


def test_by_default_the_published_orders_that_lack_a_code_are_asked_for(tmp_path):
    ids = [f"00000000-0000-4000-8000-00000000000{number}" for number in range(8)]
    later = datetime.fromisoformat("2026-03-02T12:00:00+00:00")
    publish_orders(
        tmp_path,
        NOBODY,
        "2026-03-01",
        [
            {"order_id": ids[0]},
            {"order_id": ids[1], "tracking_number": "T"},
            {"order_id": ids[2], "tracking_number": "T", "return_tracking_number": "R"},
            {"order_id": ids[3], "order_type": "ZalandoFulfilled"},
            {"order_id": ids[4], "status": "initial"},
            {"order_id": ids[5], "status": "fulfilled"},
        ],
    )
    # While a file is replaced, a reader may meet both.
    publish_orders(tmp_path, NOBODY, "2026-03-02", [{"order_id": ids[6]}, {"order_id": ids[7], "tracking_number": ""}])
    done = {"tracking_number": "T", "return_tracking_number": "R", "modified_at": later}
    publish_orders(tmp_path, NOBODY, "2026-03-02", [{"order_id": ids[6], **done}, {"order_id": ids[7]}], name="b")
    store = ObjectStore(fsspec.filesystem("file"), str(tmp_path))
    assert orders_without_codes(store, NOBODY) == [ids[0], ids[1], ids[7]]
    with pytest.raises(ZDirectConfigurationError, match="zdirect_orders"):
        orders_without_codes(store, ids[1])


def test_orders_are_named_by_a_list_or_a_file(tmp_path):
    one, other = NOBODY, NOBODY.replace("8000", "9000")
    assert listed_orders([one.upper(), other, one], name="order_ids") == [one, other]
    assert listed_orders(f"{one}, {other}", name="order_ids") == [one, other]
    file = tmp_path / "orders.csv"
    file.write_text(f"Order ID,merchant_id\n{one},{NOBODY}\n{other},\n{other},{other}\n")
    table = orders_file(fsspec.filesystem("file"), str(file), file.as_uri(), "orders_path")
    assert orders_of_file(table, NOBODY) == [one, other]
    file.write_text(f"order_id\n{one}\n10103434\n")
    with pytest.raises(ZDirectConfigurationError, match=r"orders.csv.*row 3 \('10103434'\)"):
        orders_of_file(table, NOBODY)
    for wrong in (5, {"a": 1}, ["x"], [NOBODY] * 1001):
        with pytest.raises(ZDirectConfigurationError, match="order_ids"):
            listed_orders(wrong, name="order_ids")
