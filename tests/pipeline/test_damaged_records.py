"""A damaged record among good ones, over HTTP: the good ones are published, it is repaired or rejected and counted."""

from __future__ import annotations

import asyncio
import base64
import gzip
import itertools
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from state_extraction import StateExtraction

from airflow_provider_zdirect.client import ZDirectClient
from airflow_provider_zdirect.datasets.arrow import Lineage, to_table
from airflow_provider_zdirect.datasets.personal_data import PersonalData
from airflow_provider_zdirect.datasets.table import get_dataset
from airflow_provider_zdirect.emulator.server import EmulatorServer
from airflow_provider_zdirect.erasure.requests import fetch_requests
from airflow_provider_zdirect.exceptions import MalformedResponseError, RejectedRecordsError
from airflow_provider_zdirect.inbound.notices import ShippingNotices
from airflow_provider_zdirect.pipeline import validate
from airflow_provider_zdirect.reports.wait import ReportStatus, ask_for_report
from airflow_provider_zdirect.stocks.channels import live_channels
from airflow_provider_zdirect.windows import Window

NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)
EMULATOR = {"seed": 3, "now": NOW}
DAY = date(2026, 11, 27)
HOUR = Window(datetime(2026, 11, 27, 10, tzinfo=UTC), datetime(2026, 11, 27, 11, tzinfo=UTC))
AT = "2026-11-27T10:30:00Z"
HERE = "@@"
"""Stands in the text of a record that is damaged."""


@dataclass(frozen=True)
class Shape:
    """A dataset, and what its answers look like.

    :param path: of its requests.
    :param record: the nth record; ``HERE`` is in a text that identifies nothing.
    :param body: the answer with these records.
    :param key: of a published row, which says which record it is.
    """

    path: str
    record: Callable[[int], dict[str, Any]]
    body: Callable[[Sequence[bytes]], bytes]
    key: str
    window: Window | None = None


def uuid(number: int) -> str:
    return f"{number:08x}-0000-4000-8000-000000000000"


def ean(number: int) -> str:
    return f"{number:013d}"


def listed(key: str) -> Callable[[Sequence[bytes]], bytes]:
    return lambda records: b'{"%s":[%s]}' % (key.encode(), b",".join(records))


SHAPES = {
    "returned_items": Shape(
        "returned-items",
        lambda n: {"quality_label": f"Q{n}", "consumed_timestamp": AT, "ean": ean(n), "destination": {"city": HERE}},
        listed("returned_items"),
        "quality_label",
        HOUR,
    ),
    "received_items": Shape(
        "received-items",
        lambda n: {"quality_label": f"Q{n}", "received_timestamp": AT, "merchant_article_id": HERE, "new": [HERE]},
        listed("received_items"),
        "quality_label",
        HOUR,
    ),
    "liquidated_items": Shape(
        "liquidated-items",
        lambda n: {"liquidation_date": str(DAY), "ean": ean(n), "merchant_name": HERE, "quantity": n},
        listed("liquidated_items"),
        "ean",
        Window.of_day(DAY),
    ),
    "intra_community_movements": Shape(
        "intra-community-movements",
        lambda n: {"ean": ean(n), "quantity": 1, "order_number": HERE},
        lambda records: b'{"items":[{"transaction_date":"2026-11-26","movements":[%s]}]}' % b",".join(records),
        "ean",
        Window.of_day(DAY),
    ),
    "cross_border_movements": Shape(
        "cross-border-movements",
        lambda n: {
            "movement_id": f"M{n}",
            "report_date": str(DAY),
            "transaction_date": str(DAY),
            "source_stock_location": {"name": HERE},
        },
        listed("items"),
        "movement_id",
        Window.of_day(DAY),
    ),
    "announced_returns": Shape(
        "announced-returns",
        lambda n: {"announced_return_id": uuid(n), "return_registered_at": AT, "type": HERE},
        listed("data"),
        "announced_return_id",
        HOUR,
    ),
    "stock_locations": Shape(
        "stock-locations",
        lambda n: {"id": uuid(n), "location": {"street": HERE}},
        lambda records: b" [%s]" % b",".join(records),
        "id",
    ),
    "sales_channels": Shape(
        "sales-channels",
        lambda n: {"sales_channel_id": uuid(n), "country_name": HERE},
        listed("items"),
        "sales_channel_id",
    ),
    "item_quantity_snapshots": Shape(
        "item-quantity-snapshots",
        lambda n: {"stock_location_id": uuid(n), "quantities_by_state": {"offerable": 1}, "new": HERE},
        lambda records: (
            b'{"item_quantity_snapshot":{"created":"2026-11-28T01:00:00Z","item_quantities":[{"ean":"%s",'
            b'"total_quantity":3,"quantities_by_location":[%s]}]}}' % (ean(1).encode(), b",".join(records))
        ),
        "stock_location_id",
    ),
}

ROOTS = itertools.count()
REPAIRED = [rb"\ud83d", rb"a \udc00 b", b"\xff", b"M\xfcller", b"\xe2\x82", b"\xed\xa0\xbd", b"a\nb", b"\t", b"\x00"]
"""In the place of a text."""
REJECTED = [rb"\x41", rb"\u12G4", rb"\ud8"]
REJECTED_VALUES = [
    b"NaN",
    b"-Infinity",
    b"Infinity",
    b"007",
    b"undefined",
    b"1e400",
    b"9" * 5000,
    b"[" * 3000 + b"]" * 3000,
]
"""In the place of the text and its quotes; what a text field cannot be is rejected, too."""
NO_RECORDS = [b"null", b"5", b'"x"', b"[]", b"[{}]", b"true"]


def answer_with(emulator: EmulatorServer, shape: Shape, body: bytes) -> None:
    text = body.decode("utf-8", "surrogateescape")
    emulator.reset()
    emulator.faults.set([{"match": {"path": shape.path}, "action": {"status": 200, "body": text}, "times": None}])


def run(runs: StateExtraction, name: str, **options: Any) -> Any:
    window = SHAPES[name].window
    # One request, as every one is given the same answer.
    return runs.run(name, window, overlap=timedelta(0), **options) if window else runs.observe(name, **options)


def rejected(runs: StateExtraction) -> list[dict[str, Any]]:
    """Every line, read as strictly as any reader of JSON lines may be."""
    lines = [gzip.decompress(path.read_bytes()).decode() for path in runs.paths("_rejected")]
    return [json.loads(line, parse_constant=pytest.fail) for text in lines for line in text.splitlines()]


def raw(shape: Shape, number: int, damage: bytes = b"ok") -> bytes:
    return json.dumps(shape.record(number)).encode().replace(HERE.encode(), damage)


def key_of(shape: Shape, number: int) -> Any:
    return shape.record(number)[shape.key]


def check(
    emulator: EmulatorServer, root: Path, name: str, records: Sequence[bytes], published: Sequence[int], repaired: int
) -> None:
    """The answer with these records publishes those with these numbers, and rejects all others."""
    shape, rejects = SHAPES[name], len(records) - len(published)
    answer_with(emulator, shape, shape.body(records))
    runs = StateExtraction(emulator, root)
    result = run(runs, name, max_rejected=rejects)
    assert {row[shape.key] for row in runs.published(name)} == {key_of(shape, number) for number in published}
    manifest, reported = runs.manifest(result), result.as_dict()
    assert (reported["rejected"], reported["repaired"]) == (manifest["rejected"], manifest["repaired"])
    assert (reported["rejected"], reported["repaired"]) == (rejects, repaired)
    assert [bool(line["reason"]) for line in rejected(runs)] == [True] * rejects


@pytest.mark.parametrize(("number", "name"), list(enumerate(SHAPES)))
def test_damaged_records_are_repaired_or_rejected_alone(
    shared_emulator: EmulatorServer, tmp_path: Path, number: int, name: str
) -> None:
    shape = SHAPES[name]
    good, repaired = [raw(shape, 1), raw(shape, 2)], raw(shape, 3, REPAIRED[number])
    bad = [b"null", raw(shape, 4, REJECTED[0]), raw(shape, 5).replace(b'"ok"', REJECTED_VALUES[0])]
    records = [*good, repaired, *bad]
    check(shared_emulator, tmp_path, name, records[number % 6 :] + records[: number % 6], (1, 2, 3), 1)


@st.composite
def undecodable(draw: st.DrawFn, name: str) -> bytes:
    shape = SHAPES[name]
    kind = draw(st.sampled_from(["text", "value", "name", "no record"]))
    if kind == "no record":
        return draw(st.sampled_from(NO_RECORDS))
    if kind == "name":
        members = raw(shape, 9)[1:]
        return b'{"' + draw(st.sampled_from([rb"\ud83d", b"\xff", rb"ean\udc00"])) + b'":1,' + members
    if kind == "value":
        return raw(shape, 9).replace(b'"ok"', draw(st.sampled_from(REJECTED_VALUES)))
    return raw(shape, 9, draw(st.sampled_from(REJECTED)))


@pytest.mark.exhaustive
@pytest.mark.parametrize("name", SHAPES)
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(damages=st.lists(st.sampled_from(REPAIRED), max_size=3), data=st.data())
def test_any_damaged_records_anywhere_are_repaired_or_rejected_alone(
    shared_emulator: EmulatorServer, tmp_path: Path, name: str, damages: list[bytes], data: st.DataObject
) -> None:
    repaired = [raw(SHAPES[name], 3 + number, damage) for number, damage in enumerate(damages)]
    bad = data.draw(st.lists(undecodable(name), max_size=3))
    records = data.draw(st.permutations([raw(SHAPES[name], 1), raw(SHAPES[name], 2), *repaired, *bad]))
    numbers = range(1, 3 + len(repaired))
    check(shared_emulator, tmp_path / str(next(ROOTS)), name, records, numbers, len(repaired))


def test_half_a_surrogate_pair_in_one_text_is_published_as_a_replacement_character(runs: StateExtraction) -> None:
    shape = SHAPES["returned_items"]
    answer_with(runs.emulator, shape, shape.body([raw(shape, 1, rb"Haus \ud83d")]))
    result = run(runs, "returned_items")
    (row,) = runs.published("returned_items")
    assert (row["quality_label"], row["ean"], row["destination"]["city"]) == ("Q1", ean(1), "Haus \ufffd")
    assert (result.manifest.records, result.manifest.rejected, result.manifest.repaired) == (1, 0, 1)
    assert result.as_dict()["repaired"] == runs.manifest(result)["repaired"] == 1
    # Fetched once more it is the same record, not a second version of it.
    again = run(runs, "returned_items", resume_key="again")
    assert (again.manifest.new_records, len(runs.published("returned_items"))) == (0, 1)


@pytest.mark.parametrize(
    ("name", "field"),
    [
        ("returned_items", "quality_label"),
        ("cross_border_movements", "movement_id"),
        ("announced_returns", "announced_return_id"),
        ("stock_locations", "id"),
    ],
)
def test_a_record_is_not_known_by_a_damaged_text(runs: StateExtraction, name: str, field: str) -> None:
    """Two of them would become one."""
    shape = SHAPES[name]
    bad = [
        json.dumps({**shape.record(3), field: f"Q{HERE}"}).encode().replace(b"@@", half)
        for half in (rb"\ud83d", rb"\udc00")
    ]
    answer_with(runs.emulator, shape, shape.body([raw(shape, 1), *bad]))
    result = run(runs, name, max_rejected=2)
    assert [row[field] for row in runs.published(name)] == [shape.record(1)[field]]
    assert result.as_dict()["rejected"] == 2
    assert all(f"{field}: " in line["reason"] and "damaged" in line["reason"] for line in rejected(runs))


def test_a_damaged_record_that_cannot_be_repaired_counts_against_max_rejected(runs: StateExtraction) -> None:
    shape = SHAPES["liquidated_items"]
    answer_with(runs.emulator, shape, shape.body([raw(shape, 1), raw(shape, 2, rb"\x41")]))
    with pytest.raises(RejectedRecordsError, match=r"1 invalid .*Reasons: record: it is not valid JSON"):
        run(runs, "liquidated_items")
    assert not runs.paths("liquidated_items")


def test_rejected_lines_are_json_lines_and_hold_every_byte(runs: StateExtraction) -> None:
    """Also for what is not UTF-8, not JSON, out of range, or written over several lines."""
    shape = SHAPES["received_items"]
    pretty = b'{\n "received_timestamp": "soon",\r\n "price": 1.50\n}'
    kept = [pretty, rb'{"new":"\x41"}', b'{"new":"\xff\xfe" NaN}', b'{"new":1e400}', b'{"new":NaN,"x":"\xfc"}']
    broken = kept.pop(2)
    answer_with(runs.emulator, shape, shape.body([raw(shape, 1), *kept]))
    result = run(runs, "received_items", max_rejected=9)
    assert (result.manifest.records, result.manifest.rejected) == (1, len(kept))
    lines = {str(line["record"]): line for line in rejected(runs)}
    assert lines.pop("{'received_timestamp': 'soon', 'price': 1.5}")["reason"]
    assert lines.pop(r'{"new":"\x41"}')
    assert lines.pop('{"new":1e400}')
    (line,) = lines.values()
    assert line["record"] == '{"new":NaN,"x":"\ufffd"}'
    assert base64.b64decode(line["base64"]) == kept[-1]
    answer_with(runs.emulator, shape, shape.body([raw(shape, 1), broken]))
    with pytest.raises(MalformedResponseError):
        run(runs, "received_items", max_rejected=9, resume_key="again")


@pytest.mark.parametrize("cut", [b'"ok', b"}", b"]", b",{"])
def test_a_page_that_breaks_off_behind_a_damaged_record_is_not_taken_by_half(runs: StateExtraction, cut: bytes) -> None:
    shape = SHAPES["returned_items"]
    body = shape.body([raw(shape, 3, rb"\ud83d"), raw(shape, 1), raw(shape, 2)])
    answer_with(runs.emulator, shape, body[: body.rindex(cut)])
    with pytest.raises(MalformedResponseError):
        run(runs, "returned_items", max_rejected=9)
    assert not runs.paths("returned_items")


@pytest.mark.parametrize("damage", [rb"\ud83d", b"\xfc", b"NaN"])
def test_personal_data_is_left_out_of_damaged_records_too(runs: StateExtraction, damage: bytes) -> None:
    shape = SHAPES["returned_items"]
    bad = json.dumps({**shape.record(3), "destination": {"city": "Entenhausen " + HERE}}).encode()
    bad = (
        bad.replace(b'"Entenhausen @@"', b'NaN, "street": "Entenhausen"')
        if damage == b"NaN"
        else bad.replace(b"@@", damage)
    )
    answer_with(runs.emulator, shape, shape.body([raw(shape, 1), bad]))
    result = run(runs, "returned_items", max_rejected=1, personal_data=PersonalData("drop"))
    assert result.manifest.rejected == (damage == b"NaN")
    assert "Entenhausen" not in json.dumps([rejected(runs), [str(row) for row in runs.published("returned_items")]])


def resource(
    kind: str, identity: str, belongs: tuple[str, str, str] | None = None, **attributes: Any
) -> dict[str, Any]:
    references = {belongs[0]: {"data": [{"type": belongs[1], "id": belongs[2]}]}} if belongs else {}
    stated = {"order_date": AT, "modified_at": AT, "order_lines_count": 1, **attributes}
    return {"type": kind, "id": identity, "attributes": stated, "relationships": references}


def order_of(number: int) -> list[dict[str, Any]]:
    """An order, its item and its line."""
    ids = [uuid(number * 16 + level) for level in range(3)]
    return [
        resource("Order", ids[0], ("order_items", "OrderItem", ids[1]), customer_email=f"{HERE}@example.com"),
        resource("OrderItem", ids[1], ("order_lines", "OrderLine", ids[2]), description=HERE),
        resource("OrderLine", ids[2], status=HERE),
    ]


def test_a_damaged_order_item_or_line_spoils_no_other_order(runs: StateExtraction) -> None:
    """Half an order is none: what belongs to what cannot be read is rejected, and so is what that belongs to."""
    damages = {(1, 1): b"\xfc", (3, 0): rb"\x41", (4, 2): rb"\x41"}
    orders = [
        [
            json.dumps(each).encode().replace(b"@@", damages.get((number, level), b"ok"))
            for level, each in enumerate(order_of(number))
        ]
        for number in (1, 2, 3, 4)
    ]
    included = b",".join(each for _, *others in orders for each in others)
    body = b'{"data":[%s],"included":[%s]}' % (b",".join(order for order, *_ in orders), included)
    answer_with(runs.emulator, Shape("/orders", lambda n: {}, listed("data"), "order_id"), body)
    result = runs.run("orders", HOUR, overlap=timedelta(0), max_rejected=6)
    assert [len(runs.published(name)) for name in ("orders", "order_items", "order_lines")] == [2, 2, 2]
    assert {row["order_id"] for row in runs.published("orders_current")} == {uuid(16), uuid(32)}
    assert (result.manifest.rejected, result.manifest.repaired) == (6, 1)
    assert len(rejected(runs)) == 6
    (of_lines,) = (runs.root / "_manifests" / "order_lines").rglob("*.json")
    assert json.loads(of_lines.read_text())["rejected"] == 0, "counted once, with the orders"


ON_REQUEST = {"order_id": uuid(1), "customer_number": "K1234567", "requested_at": AT}


@pytest.mark.parametrize(
    "damaged",
    [b'{"order_id":NaN}', rb'{"order_id":"\ud83d"}', b'{"order_id":1e400}', rb'{"customer_number":"K\ud83d"}', b"null"],
)
def test_a_deletion_request_that_cannot_be_read_is_counted_and_the_others_are_known(
    runs: StateExtraction, damaged: bytes
) -> None:
    shape = Shape("deletion-requests", lambda n: {}, listed("items"), "order_id")
    answer_with(runs.emulator, shape, shape.body([json.dumps(ON_REQUEST).encode(), damaged]))
    requests = asyncio.run(with_client(runs, lambda client: fetch_requests(client, runs.merchant_id)))
    assert (requests.count, requests.unreadable, list(requests.orders)) == (2, 1, [uuid(1)])


async def with_client(runs: StateExtraction, use: Callable[[ZDirectClient], Any]) -> Any:
    async with runs.client() as client:
        return await use(client)


def test_damaged_deletion_requests_are_stored_without_what_they_say_of_the_customer(runs: StateExtraction) -> None:
    shape = Shape("deletion-requests", lambda n: {}, listed("items"), "order_id")
    address = b'"shipping_address":{"city":"Entenhausen %s"}'
    bad = [
        b'{"order_id":"%s",%s}' % (uuid(n).encode(), address % each) for n, each in enumerate((rb"\ud83d", rb"\x41"))
    ]
    answer_with(runs.emulator, shape, shape.body(bad))
    result = runs.observe("order_deletion_requests", max_rejected=1)
    assert [row["order_id"] for row in runs.published("order_deletion_requests")] == [uuid(0)]
    assert (result.manifest.rejected, result.manifest.repaired) == (1, 1)
    assert [line["record"] for line in rejected(runs)] == [None]


def test_a_notice_whose_merchant_is_damaged_is_not_taken_for_another_merchants(runs: StateExtraction) -> None:
    shape = Shape("shipping-notices", lambda n: {}, listed("shipping-notices"), "shipping_notice_id")
    notice = {"shipping_notice_id": uuid(1), "zalando_merchant_id": runs.merchant_id}
    bad = [
        json.dumps({**notice, "zalando_merchant_id": runs.merchant_id[:-1] + HERE}).encode().replace(b"@@", rb"\ud83d"),
        b'{"shipping_notice_id":"x","announced_item_count":1e400}',
    ]
    answer_with(runs.emulator, shape, shape.body([json.dumps(notice).encode(), *bad]))
    result = runs.observe("shipping_notices", max_rejected=2)
    assert (result.manifest.records, runs.manifest(result)["state"]["of_others"], result.manifest.rejected) == (1, 0, 2)


def test_whether_a_notice_or_a_channel_is_there_is_not_said_by_a_list_that_cannot_be_read(
    runs: StateExtraction,
) -> None:
    """What is looked up in a list must not be taken for missing: a notice would be created twice."""
    notices = Shape("shipping-notices", lambda n: {}, listed("shipping-notices"), "shipping_notice_id")
    answer_with(runs.emulator, notices, notices.body([b'{"comments":NaN}']))
    with pytest.raises(MalformedResponseError, match="1 of them cannot be read"):
        asyncio.run(with_client(runs, lambda client: ShippingNotices(client).find(runs.merchant_id, "B2B-1")))
    channels = SHAPES["sales_channels"]
    answer_with(runs.emulator, channels, channels.body([raw(channels, 1), raw(channels, 2, rb"\x41")]))
    with pytest.raises(MalformedResponseError, match="cannot be read"):
        asyncio.run(with_client(runs, lambda client: live_channels(client, runs.merchant_id)))


def test_a_report_whose_only_movement_is_damaged_is_not_empty(runs: StateExtraction) -> None:
    shape = SHAPES["intra_community_movements"]
    answer_with(runs.emulator, shape, shape.body([raw(shape, 1, rb"\x41")]))
    dataset = get_dataset("intra_community_movements")
    look = with_client(runs, lambda client: ask_for_report(client, dataset, runs.merchant_id, DAY))
    assert asyncio.run(look).status is ReportStatus.MOVEMENTS


def test_a_damaged_text_in_a_single_answer_does_not_stop_what_it_is_asked_for(runs: StateExtraction) -> None:
    shape = Shape("/auth/me", lambda n: {}, listed("bpids"), "bpids")
    answer_with(runs.emulator, shape, rb'{"username":"Haus \ud83d","bpids":["%s"]}' % runs.merchant_id.encode())
    identity = asyncio.run(with_client(runs, lambda client: client.me()))
    assert (identity.username, identity.merchant_ids) == ("Haus \ufffd", (runs.merchant_id,))


def test_many_invalid_records_of_a_page_cost_no_more_than_a_look_at_each(monkeypatch: pytest.MonkeyPatch) -> None:
    tables: list[pa.Table] = []

    def made(*args: Any) -> pa.Table:
        tables.append(to_table(*args))
        return tables[-1]

    monkeypatch.setattr(validate, "to_table", made)
    hour = Lineage("merchant", "production", HOUR.start, HOUR.end, NOW)
    sources = [b"5" if number % 20 == 0 else b'{"sales_channel_id": %d}' % number for number in range(1_000)]
    taken: list[int] = []
    rejected = validate.take_valid(
        get_dataset("sales_channels").model, sources, hour, lambda table: taken.append(table.num_rows)
    )
    assert (len(rejected), sum(taken), len(tables)) == (50, 950, 1)
