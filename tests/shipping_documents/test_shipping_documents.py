"""Shipping documents against the emulator: each fetched once, whole, of the right order; no code is guessed."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import re
from pathlib import Path

import duckdb
import pytest
from killing import DeadlyTransport, Killed, kill_at
from shipping_documents.document_world import NOBODY, TYPES, DocumentWorld

from airflow_provider_zdirect.exceptions import (
    DocumentsNotReadyError,
    FilterIgnoredError,
    MalformedResponseError,
    PermissionDeniedError,
    RateLimitedError,
    ServerError,
    ShippingDocumentsError,
)
from airflow_provider_zdirect.orders.few_at_once import IN_VAIN
from airflow_provider_zdirect.shipping_documents.documents import tracking_codes
from airflow_provider_zdirect.shipping_documents.job import fetch_documents
from airflow_provider_zdirect.storage.object_store import ObjectStore

PDF = "%PDF-1.4 any %%EOF"

# Fetching


def test_every_document_of_an_order_lies_in_its_folder_and_in_the_results(world):
    order_id = world.order()
    result = world.fetch(order_id)
    assert (result.orders["fetched"], result.documents, result.downloaded) == (1, 3, 3)
    pdfs = world.pdfs(order_id)
    assert tuple(pdfs) == TYPES
    street = world.truth(order_id)["shipping_address"]["address_line_1"].encode("latin-1")
    assert all(pdf.startswith(b"%PDF-") and street in pdf for pdf in pdfs.values())
    assert world.results() == [(order_id, "fetched", type) for type in TYPES]
    _, (_, path, size, code), _ = world.results("type, path, bytes, tracking_id")
    assert (world.base / path).stat().st_size == size
    assert code == world.label_codes(order_id)[0]


def test_the_query_of_the_document_finds_the_labels(world):
    document = Path(__file__).parents[2] / "docs" / "shipping-documents.md"
    (query,) = re.findall(r'duckdb -c "(.*)"', document.read_text())
    order_id = world.order()
    world.fetch(order_id)
    world.fetch(order_id, run="another-run")
    rows = duckdb.sql(query.replace("zdirect/", f"{world.base}/")).fetchall()
    assert [row[:3] for row in rows] == [
        (order_id, kind, code) for kind, code in zip(TYPES[1:], world.label_codes(order_id), strict=True)
    ]
    assert all((world.base / row[3]).exists() for row in rows)


def test_what_was_fetched_is_not_fetched_again_by_another_run(world):
    order_id = world.order()
    world.fetch(order_id)
    before = len(world.asked())
    result = world.fetch(order_id, run="another-run")
    assert world.asked()[before:] == ["/zss/shipping-documents"]
    assert (result.orders["already"], result.documents, result.downloaded) == (1, 3, 0)
    next(world.folder(order_id).glob("*OUTBOUND_LABEL.pdf")).unlink()
    assert world.fetch(order_id, run="a-third-run").downloaded == 1
    assert tuple(world.pdfs(order_id)) == TYPES


def test_orders_without_documents_are_counted_and_listed_and_only_an_error_if_they_must_have_some(world):
    one, other = world.order(), world.order()
    world.emulator.set_options(zss_orders=0.0)
    result = world.fetch(one, other)
    assert (result.orders["missing"], result.missing_orders) == (2, [one, other])
    assert world.results() == sorted((order_id, "missing", None) for order_id in (one, other))
    with pytest.raises(DocumentsNotReadyError, match=one) as caught:
        world.fetch(one, require_documents=True)
    assert caught.value.retry_after == 600
    world.emulator.set_options(zss_orders=1.0)
    assert world.fetch(one, other).orders["fetched"] == 2
    assert len(world.results()) == 6


def test_an_order_that_zdirect_does_not_know_fails_and_the_others_are_fetched(world):
    order_id = world.order()
    with pytest.raises(ShippingDocumentsError, match=f"(?s)1 of 2 orders.*{NOBODY}.*no_documents") as caught:
        world.fetch(NOBODY, order_id)
    assert "shipping_document_results" in str(caught.value)
    assert (NOBODY, "failed", None) in world.results()
    assert tuple(world.pdfs(order_id)) == TYPES
    assert world.fetch(NOBODY, order_id, max_failed=1).orders["failed"] == 1
    world.assumptions = {"no_documents": "not_found"}
    assert world.fetch(NOBODY).orders["missing"] == 1


def test_documents_of_unknown_types_and_with_wild_names_are_kept_apart(world):
    order_id = world.order()
    documents = [
        {"id": 17, "order_id": order_id.upper(), "type": "CUSTOMS ../FORM"},
        {"id": 17, "order_id": order_id, "type": "CUSTOMS ../FORM 2"},
        {"id": "18", "order_id": order_id},
    ]
    world.fail("documents$", 200, times=1, body={"documents": documents})
    world.fail("documents/", 200, body=PDF)
    assert world.fetch(order_id).downloaded == 3
    folder = world.folder(order_id)
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
def test_what_is_not_a_pdf_is_an_error_that_quotes_nothing_and_leaves_nothing(world, body, why):
    order_id, other = world.order(), world.order()
    world.fail(world.document_id(order_id, "OUTBOUND_LABEL"), 200, times=1, body=body)
    with pytest.raises(MalformedResponseError, match=why) as caught:
        world.fetch(order_id, other)
    assert "Jane" not in str(caught.value)
    assert "OUTBOUND_LABEL" not in world.pdfs(order_id)
    assert tuple(world.pdfs(other)) == TYPES
    assert (order_id, "failed", None) in world.results()
    assert world.fetch(order_id, other).orders["fetched"] == 2


def test_an_answer_about_another_order_ends_the_task_before_a_label_is_taken_for_this_ones(world):
    order_id, other = world.order(), world.order()
    world.fail("documents$", 200, times=1, body={"documents": world.emulator.shipping_documents(other)})
    with pytest.raises(FilterIgnoredError, match="order_parameter"):
        world.fetch(order_id)
    assert not world.pdfs(order_id)


def test_an_order_whose_documents_do_not_name_it_fails_alone_unless_that_is_trusted(world):
    order_id, other = world.order(), world.order()
    documents = world.emulator.shipping_documents(order_id)
    del documents[1]["order_id"]
    answer = {"status": 200, "body": {"documents": documents}}
    asking = {"path": "documents$", "query": {"order_id": order_id}}
    world.emulator.faults.add({"match": asking, "action": answer, "times": None})
    with pytest.raises(ShippingDocumentsError, match=f"(?s)1 of 2 orders.*{order_id}.*unnamed_order"):
        world.fetch(order_id, other)
    assert (tuple(world.pdfs(order_id)), tuple(world.pdfs(other))) == ((), TYPES)
    world.assumptions = {"unnamed_order": "trust"}
    assert world.fetch(order_id, other).orders["fetched"] == 2
    assert tuple(world.pdfs(order_id)) == TYPES
    documents[0]["order_id"] = other
    with pytest.raises(FilterIgnoredError):
        world.fetch(order_id, run="another-run")


# When things go wrong


def test_a_failure_leaves_the_others_and_the_retry_fetches_the_rest_only(world):
    orders = [world.order() for _ in range(3)]
    world.emulator.faults.add({"match": {"query": {"order_id": orders[1]}}, "action": {"status": 503}})
    with pytest.raises(ServerError, match="1 of 3 orders") as caught:
        world.fetch(*orders)
    assert caught.value.retry_after >= 120
    assert [outcome for _, outcome, _ in world.results()].count("fetched") == 6
    before = len(world.asked())
    assert world.fetch(*orders).orders["fetched"] == 3
    assert len(world.asked()) - before == 4
    assert len(world.results()) == 9


def test_a_missing_permission_is_reported_as_such(world):
    order_id = world.order()
    world.emulator.set_options(missing_scopes=["zss/shipping-document/read"])
    with pytest.raises(PermissionDeniedError, match="403"):
        world.fetch(order_id)


def test_an_outage_ends_the_run_soon_and_a_used_up_limit_at_once(world):
    orders = [world.order() for _ in range(40)]
    world.fail("documents", 503)
    with pytest.raises(ServerError):
        world.fetch(*orders)
    assert IN_VAIN <= len(world.asked()) < len(orders)
    world.emulator.faults.clear()
    world.fail("documents", 429, headers={"Retry-After": "90"})
    with pytest.raises(RateLimitedError) as caught:
        world.fetch(*orders, run="another-run")
    assert caught.value.retry_after >= 60


def test_orders_that_always_fail_do_not_keep_the_others_from_being_fetched(world):
    orders = [world.order() for _ in range(30)]
    broken, good = orders[:13], orders[13:]
    for order_id in broken:
        match = {"query": {"order_id": order_id}}
        world.emulator.faults.add({"match": match, "action": {"status": 503}, "times": None})
    for run in ("a-run", "a-run", "another-run"):
        with pytest.raises(ServerError):
            world.fetch(*orders, run=run)
        world.emulator.clock.advance(3600)
    assert all(tuple(world.pdfs(order_id)) == TYPES for order_id in good)


@pytest.mark.exhaustive
def test_killed_before_or_after_any_request_the_retry_comes_to_the_same_end(world):
    for kills, (number, when) in enumerate(itertools.product(range(1, 40), ("before", "after"))):
        order_id, run = world.order(), f"run-{kills}"
        transport = DeadlyTransport(lambda n, w: (n, w) == (number, when))  # noqa: B023
        with contextlib.suppress(Killed):
            world.fetch(order_id, fill_tracking=True, transport=transport, run=run)
            break
        assert world.fetch(order_id, fill_tracking=True, run=run).orders["fetched"] == 1
        _check_end(world, order_id, run)
    # The token, the list, three documents, a read of the order, both codes at once, and whether they are there.
    assert kills == 2 * (1 + 1 + 3 + 3)


def test_killed_before_any_change_of_the_storage_nothing_half_written_is_seen(world, monkeypatch):
    for kills in range(40):
        order_id, run = world.order(), f"run-{kills}"
        with contextlib.suppress(Killed), monkeypatch.context() as patched:
            kill_at(kills + 1, patched)
            world.fetch(order_id, fill_tracking=True, run=run)
            break
        for pdf in world.pdfs(order_id).values():
            assert pdf.endswith(b"%%EOF\n")
        assert world.fetch(order_id, fill_tracking=True, run=run).orders["fetched"] == 1
        _check_end(world, order_id, run)
    assert kills >= 10


def _check_end(world: DocumentWorld, order_id: str, run: str) -> None:
    assert tuple(world.pdfs(order_id)) == TYPES
    assert world.codes(order_id) == world.label_codes(order_id)
    assert len(world.writes(order_id)) == 1
    assert world.results(run=run) == [(order_id, "fetched", type) for type in TYPES]


def test_two_runs_at_once_come_to_the_same_end(world):
    order_ids = [world.order() for _ in range(3)]

    async def both() -> None:
        async with world.client() as one, world.client() as other:
            jobs = [world.documents_job(*order_ids, fill_tracking=True, run=run) for run in ("a-run", "another-run")]
            await asyncio.gather(*(fetch_documents(job, c, world.clock) for job, c in zip(jobs, (one, other))))  # noqa: B905

    asyncio.run(both())
    for order_id in order_ids:
        assert tuple(world.pdfs(order_id)) == TYPES
        assert world.codes(order_id) == world.label_codes(order_id)
    assert len(world.results()) == 18


# Tracking codes


def test_both_codes_of_the_labels_become_those_of_the_order_once(world):
    order_id = world.order()
    assert world.fetch(order_id, fill_tracking=True).as_dict()["tracking"]["done"] == 1
    assert world.codes(order_id) == world.label_codes(order_id)
    again = world.fetch(order_id, fill_tracking=True, run="another-run")
    assert again.as_dict()["tracking"]["already"] == 1
    assert len(world.writes(order_id)) == 1


def test_without_the_wish_or_with_a_pdf_that_failed_no_code_is_filled_in(world):
    order_id, other = world.order(), world.order()
    assert world.fetch(order_id).tracking is None
    world.fail(world.emulator.shipping_documents(other)[0]["id"], 404, times=1)
    with pytest.raises(ShippingDocumentsError, match="document_path"):
        world.fetch(other, fill_tracking=True)
    assert not any((*world.codes(order_id), *world.codes(other)))


def test_other_codes_at_zdirect_are_a_conflict_unless_they_may_be_replaced(world):
    order_id = world.order(tracking_number="ELSE")
    with pytest.raises(ShippingDocumentsError, match=r"(?s)1 of 1 order .*tracking codes could not.*conflict"):
        world.fetch(order_id, fill_tracking=True)
    assert world.codes(order_id)[0] == "ELSE"
    world.fetch(order_id, fill_tracking=True, overwrite_tracking=True)
    assert world.codes(order_id) == world.label_codes(order_id)


def test_labels_with_several_codes_are_reported_and_none_is_guessed(world):
    order_id = world.order()
    documents = world.emulator.shipping_documents(order_id)
    documents.append({**documents[0], "id": NOBODY, "tracking_id": "SECOND"})
    world.fail("documents$", 200, body={"documents": documents})
    world.fail(NOBODY, 200, times=1, body=PDF)
    with pytest.raises(ShippingDocumentsError, match=r"several codes for tracking_number.*SECOND"):
        world.fetch(order_id, fill_tracking=True)
    assert {outcome for _, outcome, _ in world.results()} == {"conflict"}
    assert not any(world.codes(order_id))
    assert len(world.pdfs(order_id)) == 3


def test_codes_come_from_labels_of_their_kind_only_and_each_once():
    labels = [(kind, f"{kind[0]}{number}") for kind in (*TYPES, "outbound_label", "X") for number in (1, 2, 1)]
    found = tracking_codes({"type": kind, "tracking_id": code} for kind, code in [*labels, ("RETURN_LABEL", None)])
    assert found == {"tracking_number": ["O1", "O2", "o1", "o2"], "return_tracking_number": ["R1", "R2"]}
    assert tracking_codes([{"type": "RETURN_LABEL", "tracking_id": None}]) == {}


# Erasure


def test_an_erased_orders_documents_never_come_back(world):
    order_id, other = world.order(), world.order()
    world.fetch(order_id, other)
    world.erase(order_id)
    before = len(world.asked())
    for run in ("a-run", "another-run"):
        assert world.fetch(order_id, run=run, fill_tracking=True).orders["erased"] == 1
    assert len(world.asked()) == before
    assert not world.folder(order_id).exists()
    assert tuple(world.pdfs(other)) == TYPES


@pytest.mark.parametrize("number", range(3))
def test_an_erasure_while_documents_are_being_fetched_wins_and_ends_it(world, number):
    order_id = world.order()
    document_id = world.emulator.shipping_documents(order_id)[number]["id"]
    world.emulator.on_request(document_id, lambda _: world.erase(order_id))
    assert world.fetch(order_id).orders["erased"] == 1
    assert len([path for path in world.asked() if "documents/" in path]) == number + 1
    assert not world.folder(order_id).exists()


@pytest.mark.parametrize("next_run", ["a-run", "another-run"])
def test_a_document_that_a_killed_task_wrote_after_the_erasure_goes_with_the_next_try(world, monkeypatch, next_run):
    order_id = world.order()
    write = ObjectStore.write

    def dying(store: ObjectStore, path: str, data: bytes) -> None:
        if path.endswith(".pdf"):
            world.erase(order_id)
        write(store, path, data)
        if path.endswith(".pdf"):
            raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(ObjectStore, "write", dying)
        with pytest.raises(Killed):
            world.fetch(order_id)
    assert len(world.pdfs(order_id)) == 1
    assert world.fetch(order_id, run=next_run).orders["erased"] == 1
    assert not world.folder(order_id).exists()
