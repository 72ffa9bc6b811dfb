"""Labels and delivery slips of Zalando Shipping Solution."""

from __future__ import annotations

import httpx
import pytest

from airflow_provider_zdirect.emulator.server import EmulatorServer
from airflow_provider_zdirect.emulator.shipping_documents import pdf

from .order_calls import truth

DOCUMENTS = "/zss/shipping-documents"


@pytest.fixture
def order_id(server: EmulatorServer) -> str:
    server.set_options(order_days=0, zss_orders=1.0)
    return server.add_orders(server.merchant_ids[0], 1)[0]


def test_an_order_has_two_labels_and_a_slip(server: EmulatorServer, api: httpx.Client, order_id: str) -> None:
    answer = api.get(DOCUMENTS, params={"order_id": order_id.upper()})
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")
    documents = answer.json()["documents"]
    assert documents == server.shipping_documents(order_id)
    assert [document["type"] for document in documents] == ["OUTBOUND_LABEL", "RETURN_LABEL", "DELIVERY_SLIP"]
    assert ["tracking_id" in document for document in documents] == [True, True, False]
    shipment = truth(server, order_id)["shipments"][0]
    for document in documents:
        assert document["order_id"] == order_id
        assert (document["shipment_id"], document["shipment_number"]) == (
            shipment["shipment_id"],
            shipment["shipment_number"],
        )
    assert len({document["id"] for document in documents}) == 3


def test_an_order_without_documents_has_an_empty_list(server: EmulatorServer, api: httpx.Client, order_id: str) -> None:
    server.set_options(zss_orders=0.0)
    assert api.get(DOCUMENTS, params={"order_id": order_id}).json() == {"documents": []}


def test_a_document_is_a_pdf_with_the_address(server: EmulatorServer, api: httpx.Client, order_id: str) -> None:
    for document in server.shipping_documents(order_id):
        answer = api.get(f"{DOCUMENTS}/{document['id']}")
        assert (answer.status_code, answer.headers["content-type"]) == (200, "application/pdf")
        assert answer.content.startswith(b"%PDF-1.4")
        assert answer.content.endswith(b"%%EOF\n")
        address = truth(server, order_id)["shipping_address"]
        assert address["last_name"].encode("latin-1", "replace") in answer.content
        assert document["type"].encode() in answer.content
        assert api.get(f"{DOCUMENTS}/{document['id']}").content == answer.content
    server.set_options(document_path="/zss/documents/{document_id}/file.pdf")
    assert api.get(f"{DOCUMENTS}/{document['id']}").status_code == 404
    assert api.get(f"/zss/documents/{document['id']}/file.pdf").content == answer.content


def test_a_pdf_lists_where_its_objects_are() -> None:
    content = pdf(["(Łódź)", "a\\b"])
    assert b"(\\(?\xf3d?\\)) Tj" in content
    start = int(content.split(b"startxref\n")[1].split(b"\n")[0])
    assert content[start:].startswith(b"xref\n0 6\n")
    places = [int(line[:10]) for line in content[start:].splitlines()[3:8]]
    for number, place in enumerate(places, 1):
        assert content[place:].startswith(b"%d 0 obj" % number)


def test_refusals(server: EmulatorServer, api: httpx.Client, order_id: str) -> None:
    (foreign,) = server.add_orders(server.foreign_merchant_id, 1)
    (other,) = server.add_orders(server.merchant_ids[1], 1)
    expected = {"nonsense": 400, server.merchant_ids[0]: 404, foreign: 403, other: 200}
    assert {id: api.get(DOCUMENTS, params={"order_id": id}).status_code for id in expected} == expected
    of_foreign = server.shipping_documents(foreign)[0]["id"]
    for document_id in (of_foreign, order_id):
        assert api.get(f"{DOCUMENTS}/{document_id}").status_code == 404
    document_id = server.shipping_documents(order_id)[0]["id"]
    server.set_options(missing_scopes=["zss/shipping-document/read"])
    for path in (f"{DOCUMENTS}?order_id={order_id}", f"{DOCUMENTS}/{document_id}"):
        answer = api.get(path)
        assert (answer.status_code, answer.headers["content-type"]) == (403, "application/problem+json")
