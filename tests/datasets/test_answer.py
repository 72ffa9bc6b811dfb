"""Pages: which records an answer holds, where the next one is, and what is not an answer at all."""

from __future__ import annotations

import json
import tracemalloc
from typing import Any

import msgspec
import pytest

from airflow_provider_zdirect.datasets.page import Page
from airflow_provider_zdirect.datasets.table import get_dataset
from airflow_provider_zdirect.exceptions import MalformedResponseError

RECEIVED, ICM = get_dataset("received_items"), get_dataset("intra_community_movements")
CREATED = "2026-11-21T22:00:00Z"
ITEM: dict[str, Any] = {
    "ean": "4260612848605",
    "total_quantity": 808,
    "quantities_by_state": {"offerable": 797, "non_offerable": 11},
    "quantities_by_location": [
        {"stock_location_id": "a", "quantities_by_state": {"offerable": 541, "non_offerable": 1}},
        {"stock_location_id": "b", "quantities_by_state": {"offerable": 256, "non_offerable": 10}},
    ],
}


def read(name: str, content: Any) -> Page:
    return get_dataset(name).read(content if isinstance(content, bytes) else json.dumps(content).encode())


def records(page: Page) -> list[Any]:
    return [msgspec.json.decode(record) for record in page.records]


def test_records_stay_raw() -> None:
    page = RECEIVED.read(bytearray(b'{"received_items": [{"ean":"0191476239145" }, {"ean":"2"}], "next": "abc"}'))
    assert [bytes(record) for record in page.records] == [b'{"ean":"0191476239145" }', b'{"ean":"2"}']
    assert (page.next_cursor, page.size) == ("abc", 74)


@pytest.mark.parametrize(
    ("end", "cursor"),
    [
        ({}, None),
        ({"next": None}, None),
        ({"next": ""}, None),
        ({"next": "abc"}, "abc"),
        ({"next": "0"}, "0"),
        ({"next": 0}, "0"),
        ({"next": 12345678901234567890123}, "12345678901234567890123"),
        ({"next": "täg/=+&"}, "täg/=+&"),
    ],
)
@pytest.mark.parametrize("items", [[], [{}]])
def test_the_next_cursor(end: dict[str, Any], items: list[Any], cursor: str | None) -> None:
    assert read("received_items", {"received_items": items, **end}).next_cursor == cursor


def test_the_next_key_is_the_datasets_own() -> None:
    other = RECEIVED.but(paging={"next_key": "forward"})
    assert other.read(b'{"received_items":[],"forward":"abc"}').next_cursor == "abc"


def test_a_next_page_that_is_named_by_its_address_gives_its_cursor() -> None:
    """A plus is a plus, and the host is of no interest."""
    link = "https://elsewhere.example/merchants/m/announced-returns?limit=50&cursor=ab+c%3D%2B"
    links = [{"next": link}, {}, None, {"next": ""}, {"next": None}]
    pages = [read("announced_returns", {"data": [], "links": each}) for each in links]
    assert [page.next_cursor for page in pages] == ["ab+c=+", None, None, None, None]


@pytest.mark.parametrize(
    ("name", "body", "count"),
    [
        ("received_items", b"{}", 0),
        ("received_items", b' {"received_items":null} ', 0),
        ("received_items", b'{"received_items":[]}', 0),
        ("received_items", b'{"next":null}', 0),
        ("received_items", b'{"received_items":[{}],"total":1,"links":{}}', 1),
        ("received_items", b'\xef\xbb\xbf{"received_items":[{}]}', 1),
        ("returned_items", b'{"returned_items":[{}],"next":""}', 1),
        ("liquidated_items", b'{"liquidated_items":[{},{}]}', 2),
        ("liquidated_items", b'{"received_items":[{},{}]}', 2),
        ("liquidated_items", b'{"liquidated_items":[],"received_items":[{}]}', 1),
        ("stock_locations", b' \n[{"id": "a"}]', 1),
        ("stock_locations", b"\xef\xbb\xbf[]", 0),
        ("stock_locations", b'{"stock_locations": [{"id": "a"}]}', 1),
    ],
)
def test_where_the_records_are(name: str, body: bytes, count: int) -> None:
    page = read(name, body)
    assert (len(page.records), page.next_cursor, page.repaired, page.rejected) == (count, None, 0, [])


@pytest.mark.parametrize(
    ("name", "body", "said"),
    [
        *(
            ("received_items", body, "the answer is not a JSON object")
            for body in (b"", b" ", b"null", b"[]", b"7", b'"text"', b"<html></html>", b"\xff\xfe{}")
        ),
        ("received_items", b'{"received_items":[{}', "not a JSON object"),
        ("received_items", b'{"received_items":[{}]} trailing', "not a JSON object"),
        # The cursor must not get lost.
        ("received_items", b'{"received_items":[],"query":{}:"next":"abc"}', "not a JSON object"),
        ("received_items", b'{"received_items":[],"merchant_id":"m":"next":"abc"}', "not a JSON object"),
        ("received_items", b'{"received_items":[],"n\xffxt":"abc"}', "name of a member is damaged"),
        ("received_items", b'{"received_items":{}}', "received_items is not a list"),
        ("received_items", b'{"received_items":"none"}', "received_items is not a list"),
        ("received_items", b'{"received_items":7}', "received_items is not a list"),
        ("received_items", b'{"items":[{}],"next":"abc"}', "has no received_items, but items"),
        ("received_items", b'{"title":"Internal error","status":500}', "has no received_items, but status, title"),
        ("received_items", b'{"received_items":[],"next":{"a":1}}', "the cursor is a dict"),
        ("received_items", b'{"received_items":[],"next":true}', "the cursor is a bool"),
        ("returned_items", b'{"returned_items":[{}],"next":"abc"}', "not known to page"),
        ("liquidated_items", b'{"liquidated_items":[{}],"received_items":[{}]}', "more than one key"),
        ("announced_returns", b'{"data": [], "links": {"next": "https://x/?page=2"}}', "has no cursor"),
        ("sales_channels", b'[{"id": "a"}]', "not a JSON object"),
        ("item_quantity_snapshots", b'{"item_quantity_snapshot": {"stock": []}}', "but stock"),
        ("item_quantity_snapshots", b'{"snapshot": {}}', "but snapshot"),
        ("item_quantity_snapshots", b'{"item_quantity_snapshot": [{}]}', "not a JSON object"),
        ("intra_community_movements", b'{"items":[{"moves":[{}],"a":1}]}', "has no movements, but a, moves"),
        ("intra_community_movements", b'{"items":[{}]}', "has no movements, but nothing"),
        ("intra_community_movements", b'{"items":[{"movements":{}}]}', "movements is not a list"),
        ("intra_community_movements", b'{"items":[[]]}', "is not a JSON object"),
        ("intra_community_movements", b'{"items":[null]}', "is not a JSON object"),
    ],
)
def test_anything_else_is_malformed_and_not_empty(name: str, body: bytes, said: str) -> None:
    with pytest.raises(MalformedResponseError, match=said) as caught:
        read(name, body)
    assert caught.value.retry_after == get_dataset(name).endpoint.refetch_delay


def test_a_large_page_costs_little_more_than_its_bytes() -> None:
    record = b'{"ean":"0191476239145","quality_label":"' + b"x" * 260 + b'"}'
    body = bytearray(b'{"received_items":[' + b",".join([record] * 100_000) + b'],"next":"abc"}')
    tracemalloc.start()
    page = RECEIVED.read(body)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(page.records) == 100_000
    assert peak < 0.5 * len(body)


def test_a_record_whose_identity_is_damaged_is_rejected_as_it_came_and_not_counted_as_repaired() -> None:
    bad = rb'{"quality_label":"Q\ud83d","received_timestamp":"2026-11-19T10:00:00Z"}'
    page = RECEIVED.read(b'{"received_items":[' + bad + b"]}")
    assert (page.records, page.repaired, [each.record for each in page.rejected]) == ([], 0, [bad])


# ---------------------------------------------------------------------------------------------------- groups


def icm_page(*groups: str) -> list[bytes]:
    body = '{"merchant_id":"m","items":[' + ",".join(groups) + '],"next":"","query":{}}'
    return [bytes(record) for record in ICM.read(body.encode(), {"from": "2026-11-20"}).records]


def test_every_record_of_a_group_has_what_the_group_has_in_common() -> None:
    groups = (
        '{"transaction_date":"2026-11-19","movements":[{"quantity": 1 },{}]}',
        '{"report_date":"2026-11-18","movements":[{"quantity":-2}]}',
        '{"transaction_date":"2026-11-17","report_date":"2026-11-01","movements":[ {"quantity":3} ]}',
        '{"movements":[{"quantity":4}]}',
        '{"transaction_date":"2026-11-16","movements":null}',
        '{"transaction_date":"2026-11-19","movements":[null,7,"x"]}',
    )
    assert icm_page(*groups) == [
        b'{"transaction_date":"2026-11-19","report_date":"2026-11-20","quantity": 1 }',
        b'{"transaction_date":"2026-11-19","report_date":"2026-11-20"}',
        b'{"transaction_date":"2026-11-18","report_date":"2026-11-20","quantity":-2}',
        b'{"transaction_date":"2026-11-17","report_date":"2026-11-20","quantity":3}',
        b'{"report_date":"2026-11-20","quantity":4}',
        # Left to the validation.
        *(b"null", b"7", b'"x"'),
    ]


def test_what_else_a_group_says_is_said_of_its_records_unless_they_say_otherwise() -> None:
    group = '{"transaction_date":"2026-11-19","a\\"b":{"c":1},"ean":"1","report_date":"x","movements":[{"ean":"2"},{}]}'
    given = {"transaction_date": "2026-11-19", "report_date": "2026-11-20", 'a"b': {"c": 1}}
    assert [json.loads(record) for record in icm_page(group)] == [{**given, "ean": "2"}, {**given, "ean": "1"}]


def test_a_damaged_group_does_not_stop_the_others() -> None:
    good = '{"transaction_date":"2026-11-19","movements":[{"quantity":1}]}'
    damaged_name = '{"transaction_date\\ud83d":"2026-11-19","movements":[{"quantity":1}]}'
    for bad in ("null", "1", "{}", '{"transaction_date":"2026-11-19"}', '{"movements":NaN}', damaged_name):
        page = ICM.read(f'{{"items":[{good},{bad},{good},]}}'.encode())
        assert len(page.records) == 2
        (rejected,) = page.rejected
        assert rejected.record.decode() == bad
        assert "group" in rejected.reason or "list" in rejected.reason


def test_a_snapshot_is_a_record_per_location_with_what_its_ean_has_and_the_time() -> None:
    page = read("item_quantity_snapshots", {"item_quantity_snapshot": {"item_quantities": [ITEM]}, "created": CREATED})
    common = {"created": CREATED, "ean": ITEM["ean"], "total_quantity": 808}
    common["total_quantities_by_state"] = ITEM["quantities_by_state"]
    assert page.snapshot_time == CREATED
    assert records(page) == [{**common, **place} for place in ITEM["quantities_by_location"]]


@pytest.mark.parametrize("places", [{}, {"quantities_by_location": []}, {"quantities_by_location": None}])
def test_an_ean_without_locations_is_one_record(places: dict[str, Any]) -> None:
    page = read("item_quantities", {"item_quantities": [{"ean": "1", "total_quantity": 0, **places}]})
    assert records(page) == [{"ean": "1", "total_quantity": 0}]


@pytest.mark.parametrize(
    ("content", "time"),
    [
        ({}, None),
        ({"item_quantity_snapshot": None}, None),
        ({"item_quantity_snapshot": {}}, None),
        ({"item_quantity_snapshot": {"item_quantities": None}, "created": None}, None),
        ({"item_quantity_snapshot": {"item_quantities": []}, "created": ""}, None),
        ({"item_quantity_snapshot": {"item_quantities": []}, "created": CREATED}, CREATED),
    ],
)
def test_a_page_without_records_has_the_time_if_there_is_one(content: dict[str, Any], time: str | None) -> None:
    page = read("item_quantity_snapshots", content)
    assert (page.records, page.snapshot_time) == ([], time)
