from __future__ import annotations

import json
import tracemalloc
from typing import Any

import msgspec
import pytest

from airflow_provider_zdirect.datasets.table import get_dataset
from airflow_provider_zdirect.exceptions import MalformedResponseError

RECEIVED = get_dataset("received_items")
RETURNED = get_dataset("returned_items")
LIQUIDATED = get_dataset("liquidated_items")


def test_records_stay_raw() -> None:
    page = RECEIVED.read(bytearray(b'{"received_items": [{"ean":"0191476239145" }, {"ean":"2"}], "next": "abc"}'))
    assert [bytes(record) for record in page.records] == [b'{"ean":"0191476239145" }', b'{"ean":"2"}']
    assert page.next_cursor == "abc"
    assert page.size == 74


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
def test_the_next_cursor(end: dict[str, Any], cursor: str | None) -> None:
    assert RECEIVED.read(json.dumps({"received_items": [{}], **end}).encode()).next_cursor == cursor


@pytest.mark.parametrize(
    "body", ["{}", ' {"received_items":null} ', '{"received_items":[]}', '{"next":""}', '{"next":null}']
)
def test_an_empty_page(body: str) -> None:
    page = RECEIVED.read(body.encode())
    assert page.records == []
    assert page.next_cursor is None


def test_an_empty_page_may_have_a_next_one() -> None:
    assert RECEIVED.read(b'{"received_items":[],"next":"abc"}').next_cursor == "abc"


@pytest.mark.parametrize("key", ["liquidated_items", "received_items"])
def test_either_key_of_the_records(key: str) -> None:
    assert len(LIQUIDATED.read(json.dumps({key: [{}, {}]}).encode()).records) == 2


def test_the_filled_one_of_two_keys() -> None:
    assert len(LIQUIDATED.read(b'{"liquidated_items":[],"received_items":[{}]}').records) == 1


def test_unknown_keys_beside_the_records_do_no_harm() -> None:
    assert len(RECEIVED.read(b'{"received_items":[{}],"total":1,"links":{}}').records) == 1


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b" ",
        b"null",
        b"[]",
        b"7",
        b'"text"',
        b"<html></html>",
        b'{"received_items":[{}',
        b'{"received_items":[{}]} trailing',
        b'{"received_items":{}}',
        b'{"received_items":"none"}',
        b'{"received_items":7}',
        b'{"items":[{}]}',
        b'{"items":[{}],"next":"abc"}',
        b'{"title":"Internal error","status":500}',
        b'{"error":"x"}',
        b'{"received_items":[],"next":{"a":1}}',
        b'{"received_items":[],"next":true}',
        b'{"received_items":[],"next":["a"]}',
        b"\xff\xfe{}",
    ],
)
def test_anything_else_is_malformed(body: bytes) -> None:
    with pytest.raises(MalformedResponseError) as caught:
        RECEIVED.read(body)
    assert caught.value.retry_after == RECEIVED.endpoint.refetch_delay


def test_two_filled_keys_are_malformed() -> None:
    with pytest.raises(MalformedResponseError, match="more than one key"):
        LIQUIDATED.read(b'{"liquidated_items":[{}],"received_items":[{}]}')


def test_a_next_page_of_an_endpoint_that_does_not_page_is_not_ignored() -> None:
    with pytest.raises(MalformedResponseError, match="next page"):
        RETURNED.read(b'{"returned_items":[{}],"next":"abc"}')
    assert RETURNED.read(b'{"returned_items":[{}],"next":""}').next_cursor is None


def test_the_next_key_is_the_datasets_own() -> None:
    other = RECEIVED.but(paging={"next_key": "forward"})
    assert other.read(b'{"received_items":[],"forward":"abc"}').next_cursor == "abc"


def test_a_large_page_costs_little_more_than_its_bytes() -> None:
    record = b'{"ean":"0191476239145","quality_label":"' + b"x" * 260 + b'"}'
    body = bytearray(b'{"received_items":[' + b",".join([record] * 100_000) + b'],"next":"abc"}')
    tracemalloc.start()
    page = RECEIVED.read(body)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(page.records) == 100_000
    assert isinstance(page.records[0], msgspec.Raw)
    assert peak < 0.5 * len(body)


ICM = get_dataset("intra_community_movements")


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
    )
    assert icm_page(*groups) == [
        b'{"transaction_date":"2026-11-19","report_date":"2026-11-20","quantity": 1 }',
        b'{"transaction_date":"2026-11-19","report_date":"2026-11-20"}',
        b'{"transaction_date":"2026-11-18","report_date":"2026-11-20","quantity":-2}',
        b'{"transaction_date":"2026-11-17","report_date":"2026-11-20","quantity":3}',
        b'{"report_date":"2026-11-20","quantity":4}',
    ]


def test_what_else_a_group_says_is_said_of_its_records_unless_they_say_otherwise() -> None:
    group = '{"transaction_date":"2026-11-19","a\\"b":{"c":1},"ean":"1","report_date":"x","movements":[{"ean":"2"},{}]}'
    given = {"transaction_date": "2026-11-19", "report_date": "2026-11-20", 'a"b': {"c": 1}}
    assert [json.loads(record) for record in icm_page(group)] == [{**given, "ean": "2"}, {**given, "ean": "1"}]


def test_what_is_not_an_object_in_a_group_is_left_to_the_validation() -> None:
    assert icm_page('{"transaction_date":"2026-11-19","movements":[null,7,"x"]}') == [b"null", b"7", b'"x"']


@pytest.mark.parametrize(
    ("group", "said"),
    [
        ('{"transaction_date":"2026-11-19","moves":[{}]}', "has no movements, but moves, transaction_date"),
        ('{"transaction_date":"2026-11-19","movements":{}}', "movements is not a list"),
        ("[]", "is not a JSON object"),
        ("null", "is not a JSON object"),
    ],
)
def test_a_group_in_another_shape_is_malformed_and_not_empty(group: str, said: str) -> None:
    with pytest.raises(MalformedResponseError, match=said):
        icm_page(group)


def test_texts_that_are_added_are_escaped() -> None:
    (record,) = ICM.read(b'{"items":[{"movements":[{}]}]}', {"from": 'a"b'}).records
    assert json.loads(bytes(record)) == {"report_date": 'a"b'}


def test_a_next_page_that_is_named_by_its_address_gives_its_cursor() -> None:
    """A plus is a plus, and the host is of no interest."""
    link = "https://elsewhere.example/merchants/m/announced-returns?limit=50&cursor=ab+c%3D%2B"
    page = get_dataset("announced_returns").read(json.dumps({"data": [], "links": {"next": link}}).encode())
    assert page.next_cursor == "ab+c=+"
    for links in ({}, None, {"next": ""}, {"next": None}):
        body = json.dumps({"data": [], "links": links}).encode()
        assert get_dataset("announced_returns").read(body).next_cursor is None
    with pytest.raises(MalformedResponseError, match="has no cursor"):
        get_dataset("announced_returns").read(b'{"data": [], "links": {"next": "https://x/?page=2"}}')


def test_a_damaged_group_does_not_stop_the_others() -> None:
    good = '{"transaction_date":"2026-11-19","movements":[{"quantity":1}]}'
    for bad in ("null", "1", "{}", '{"transaction_date":"2026-11-19"}', '{"movements":NaN}'):
        page = ICM.read(f'{{"items":[{good},{bad},{good},]}}'.encode())
        assert len(page.records) == 2
        assert [(each.record.decode(), "group" in each.reason or "list" in each.reason) for each in page.rejected] == [
            (bad, True)
        ]
    with pytest.raises(MalformedResponseError, match="has no movements, but nothing"):
        icm_page("{}")


def test_a_byte_order_mark_is_skipped() -> None:
    assert len(RECEIVED.read(b'\xef\xbb\xbf{"received_items":[{}]}').records) == 1


def test_a_record_whose_identity_is_damaged_is_rejected_as_it_came_and_not_counted_as_repaired() -> None:
    bad = rb'{"quality_label":"Q\ud83d","received_timestamp":"2026-11-19T10:00:00Z"}'
    page = RECEIVED.read(b'{"received_items":[' + bad + b"]}")
    assert (page.records, page.repaired, [each.record for each in page.rejected]) == ([], 0, [bad])
