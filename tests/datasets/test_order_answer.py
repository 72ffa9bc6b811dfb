"""JSON:API answers become records and what belongs to them; what is not whole is marked, not published."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from airflow_provider_zdirect.datasets.arrow import Lineage
from airflow_provider_zdirect.datasets.page import Page
from airflow_provider_zdirect.datasets.table import get_dataset
from airflow_provider_zdirect.exceptions import FilterIgnoredError, MalformedResponseError
from airflow_provider_zdirect.pipeline.validate import take_valid

NOW = datetime(2026, 11, 20, tzinfo=UTC)
AT = "2026-11-19T10:00:00.250+00:00"
ORDERS = get_dataset("orders")
ASKED = {"last_updated_after": NOW.isoformat()}
LEVELS = ("orders", "order_items", "order_lines")
ORDER, ITEM, LINE = (f"{digit * 8}-0000-4000-8000-000000000000" for digit in "abc")


def reference(kind: str, identity: str) -> dict[str, str]:
    return {"type": kind, "id": identity}


def order(**attributes: Any) -> dict[str, Any]:
    return {
        **reference("Order", ORDER),
        "attributes": {"order_number": "1", "order_date": AT, "modified_at": AT, **attributes},
        "relationships": {"order_items": {"data": [reference("OrderItem", ITEM)]}},
    }


def item(**more: Any) -> dict[str, Any]:
    return {
        **reference("OrderItem", ITEM),
        "attributes": {"article_id": "A", "modified_at": AT, "external_id": ""},
        "relationships": {"order_lines": {"data": [reference("OrderLine", LINE)]}},
        **more,
    }


def line(**more: Any) -> dict[str, Any]:
    return {
        **reference("OrderLine", LINE),
        "attributes": {"status": "shipped", "price": {"amount": 34.9, "currency": "EUR"}, "modified_at": AT},
        "relationships": {"order_line_transitions": {"data": [reference("OrderLineTransition", "t")]}},
        **more,
    }


STEP = {**reference("OrderLineTransition", "t"), "attributes": {"final_status": "shipped"}}


def parse(data: Any, included: Any = (), **more: Any) -> Page:
    body = json.dumps({"data": data, "included": list(included), **more}).encode()
    return ORDERS.read(body, ASKED)


def rows(page: Page, name: str = "orders") -> list[dict[str, Any]]:
    return [msgspec.json.decode(record) for record in (page.records if name == "orders" else page.parts[name])]


def validated(page: Page, name: str = "orders") -> tuple[list[dict[str, Any]], list[str]]:
    """The published rows, and why others are not."""
    found: list[Any] = []
    records = page.records if name == "orders" else page.parts[name]
    rejected = take_valid(get_dataset(name).model, records, Lineage("m", "p", NOW, NOW, NOW), found.append)
    return [row for table in found for row in table.to_pylist()], [bad.reason for bad in rejected]


def reasons(page: Page, name: str = "orders") -> list[str]:
    return validated(page, name)[1]


def published(page: Page, name: str = "orders") -> list[str]:
    return [row[f"{name.removesuffix('s')}_id"] for row in validated(page, name)[0]]


def test_what_belongs_together_is_joined() -> None:
    page = parse([order()], [STEP, line(), item()])
    (found,) = rows(page, "order_items")
    assert (found["order_id"], found["order_item_id"], found["order_modified_at"]) == (ORDER, ITEM, AT)
    (found,) = rows(page, "order_lines")
    assert (found["order_id"], found["order_item_id"], found["order_line_id"]) == (ORDER, ITEM, LINE)
    assert (found["order_date"], found["transitions"]) == (AT, [{"final_status": "shipped"}])
    assert [published(page, name) for name in LEVELS] == [[ORDER], [ITEM], [LINE]]


def test_fields_join_where_relationships_have_no_data() -> None:
    bare = order()
    bare["relationships"] = {"order_items": {"links": {"related": "https://example.com"}}}
    own = item(relationships=None)
    own["attributes"]["order_id"] = ORDER.upper()
    leaf = line(relationships=None)
    leaf["attributes"]["order_item_id"] = f" {ITEM} "
    page = parse([bare], [own, leaf])
    assert [row["order_id"] for row in rows(page, "order_lines")] == [ORDER]
    assert rows(page, "order_lines")[0].get("transitions") is None
    assert [published(page, name) for name in LEVELS] == [[ORDER], [ITEM], [LINE]]


def test_identities_in_another_case_are_the_same() -> None:
    loud = order()
    loud["id"] = ORDER.upper()
    loud["relationships"]["order_items"]["data"][0]["id"] = ITEM.upper()
    page = parse([loud], [item(), line(id=LINE.upper())])
    assert [row["order_line_id"] for row in rows(page, "order_lines")] == [LINE]


@pytest.mark.parametrize(
    ("included", "name", "reason"),
    [
        ([], "orders", f"the answer has not OrderItem {ITEM} that belongs to it"),
        ([item()], "order_items", f"the answer has not OrderLine {LINE} that belongs to it"),
        ([item()], "orders", f"the answer has not OrderLine {LINE} that belongs to it"),
        ([item(relationships={}), line(relationships={})], "order_items", "the answer has not any OrderLine"),
    ],
)
def test_half_an_order_is_rejected(included: list[Any], name: str, reason: str) -> None:
    (found,) = reasons(parse([order()], included), name)
    assert reason in found


def test_a_version_without_a_time_of_its_own_has_that_of_its_making_or_of_its_order() -> None:
    young = order(created_at="2026-11-18T00:00:00Z")
    del young["attributes"]["modified_at"]
    leaf = line()
    del leaf["attributes"]["modified_at"]
    page = parse([young], [item(), leaf])
    assert [row["modified_at"] for row in rows(page)] == ["2026-11-18T00:00:00Z"]
    assert [row["modified_at"] for row in rows(page, "order_lines")] == ["2026-11-18T00:00:00Z"]


def test_an_unsorted_answer_is_refused() -> None:
    later = {**order(modified_at="2026-11-18T00:00:00Z"), "id": ITEM}
    with pytest.raises(FilterIgnoredError, match="in order of modified_at"):
        parse([order(), later])


@pytest.mark.parametrize("body", [b"[]", b'{"data": {}}', b'{"data": [1}', b"<", b'{"orders": []}'])
def test_what_is_no_list_of_resources_is_malformed(body: bytes) -> None:
    with pytest.raises(MalformedResponseError, match=r"is not a (list|JSON object)|has no data"):
        ORDERS.read(body, ASKED)


@pytest.mark.parametrize("body", [b"{}", b'{"links": {}, "meta": {}}', b'{"data": null}', b'{"data": []}'])
def test_an_answer_that_says_nothing_else_is_empty(body: bytes) -> None:
    page = ORDERS.read(body, ASKED)
    assert (page.records, page.next_cursor) == ([], None)


def test_orders_without_a_time_count_for_the_size_of_a_page() -> None:
    page = [{**order(), "id": str(number)} for number in range(1000)]
    del page[0]["attributes"]["modified_at"]
    assert parse(page).next_cursor is not None
    for each in page:
        each["attributes"].pop("modified_at", None)
    assert parse(page[:60], links={"next": "https://example.com"}).next_cursor is not None


def test_an_order_with_fewer_lines_than_it_says_is_rejected() -> None:
    (found,) = reasons(parse([order(order_lines_count=2)], [item(), line(), STEP]))
    assert "1 of 2 order_lines" in found
    assert not reasons(parse([order(order_lines_count=1)], [item(), line(), STEP]))


def test_a_line_that_belongs_to_no_order_is_rejected() -> None:
    page = parse([order()], [item(), line(), line(id="stray", relationships=None)])
    (found,) = reasons(page, "order_lines")
    assert "the order_item_id" in found


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("delivery_end_date", "1970-01-01T00:00:00.000+00:00"),
        ("delivery_end_date", "0001-01-01T00:00:00Z"),
        ("delivery_end_date", "2019-01-01"),
        ("customer_phone", "+49 1"),
        ("shipping_address", {"city": "X", "service_point_details": [1]}),
        ("created_at", 5),
    ],
)
def test_a_strange_value_of_what_matters_little_is_kept_aside(name: str, value: Any) -> None:
    page = parse([order(**{name: value})], [item(), line()])
    ((row,), _) = validated(page)
    unknown = json.loads(row["_unknown_fields"])
    if name == "shipping_address":
        assert (row[name]["city"], unknown) == ("X", {name: {"service_point_details": [1]}})
    else:
        assert (row[name], unknown) == (None, {name: value})


def test_an_empty_text_is_null_whatever_the_field_is() -> None:
    empty = dict.fromkeys(("customer_phone", "billing_address", "delivery_end_date", "order_lines_count"), "")
    ((row,), _) = validated(parse([order(**empty)], [item(), line()]))
    assert ({row[name] for name in empty}, row["_unknown_fields"]) == ({None}, None)


@pytest.mark.parametrize("name", ["modified_at", "order_date", "order_lines_count", "order_lines_price_amount"])
def test_a_strange_value_of_what_matters_is_rejected(name: str) -> None:
    assert reasons(parse([order(**{name: "many"})], [item(), line()]))


OTHER, OTHER_ITEM, OTHER_LINE = (f"{digit * 8}-0000-4000-8000-000000000000" for digit in "def")


def renamed(resource: dict[str, Any]) -> dict[str, Any]:
    """The same of another order."""
    text = json.dumps(resource)
    for one, other in ((ORDER, OTHER), (ITEM, OTHER_ITEM), (LINE, OTHER_LINE)):
        text = text.replace(one, other)
    return json.loads(text)


def without_references(*resources: dict[str, Any]) -> list[dict[str, Any]]:
    """Resources that belong together by their fields alone."""
    bare = json.loads(json.dumps(resources))
    for each, owner in zip(bare, (None, ("order_id", ORDER), ("order_item_id", ITEM)), strict=True):
        each["relationships"] = {}
        if owner:
            each["attributes"][owner[0]] = owner[1]
    return bare


def parse_damaged(data: list[Any], included: list[Any], at: str, damage: bytes, **more: Any) -> Page:
    body = json.dumps({"data": data, "included": included, **more}).encode()
    assert body.count(at.encode()) == 1
    return ORDERS.read(body.replace(at.encode(), damage), ASKED)


@pytest.mark.parametrize("damage", [rb"\ud83d", b"\xfc", b"a\nb"])
@pytest.mark.parametrize("level", range(3))
def test_a_damaged_text_in_a_resource_is_repaired(level: int, damage: bytes) -> None:
    own = [order(), item(), line()]
    own[level]["attributes"]["created_by"] = "@@"
    page = parse_damaged([own[0]], own[1:], "@@", damage)
    assert [published(page, name) for name in LEVELS] == [[ORDER], [ITEM], [LINE]]
    assert (page.repaired, page.rejected) == (1, [])


@pytest.mark.parametrize("damage", [b"NaN", rb'"\x41"', b"[" * 5000 + b"]" * 5000, b"5"])
@pytest.mark.parametrize("by_reference", [True, False])
@pytest.mark.parametrize("level", range(3))
def test_half_an_order_is_none_if_a_resource_cannot_be_decoded(level: int, damage: bytes, by_reference: bool) -> None:
    """The resource is rejected, and so is whose it is; the other order and what belongs to it are published."""
    own = [order(), item(), line()] if by_reference else without_references(order(), item(), line())
    own[level]["relationships" if damage == b"5" else "mark"] = "@@"
    other = [renamed(each) for each in (order(), item(), line())]
    page = parse_damaged([own[0], other[0]], [*own[1:], *other[1:]], '"@@"', damage)
    assert [published(page, name)[-1:] for name in LEVELS] == [[OTHER], [OTHER_ITEM], [OTHER_LINE]]
    (bad,) = page.rejected
    assert bad.reason.startswith("resource: ")
    assert not {ORDER, *([ITEM] if level else [])} & {each for name in LEVELS[:2] for each in published(page, name)}


def test_an_item_that_cannot_be_decoded_is_missed_beside_its_sibling() -> None:
    bare_order, bare_item, bare_line = without_references(order(), item(), line())
    sibling = {**json.loads(json.dumps(bare_item)), "id": OTHER_ITEM, "mark": "@@"}
    page = parse_damaged([bare_order], [bare_item, bare_line, sibling], '"@@"', b"NaN")
    assert published(page) == []
    (found,) = reasons(page)
    assert "a readable OrderItem" in found


@pytest.mark.parametrize("resource", [b"1", b"null", b'"x"', b"[]", b'{"id":1.5}', b'{"attributes":[]}', b'{"id":NaN}'])
def test_what_is_not_a_resource_is_rejected_alone(resource: bytes) -> None:
    page = parse_damaged([order(), "@@"], [item(), line(), STEP], '"@@"', resource)
    assert [published(page, name) for name in LEVELS] == [[ORDER], [ITEM], [LINE]]
    assert [bad.record for bad in page.rejected] == [resource]


def test_orders_that_cannot_be_decoded_count_for_the_size_of_a_page() -> None:
    data: list[Any] = [{**order(), "id": str(number)} for number in range(1000)]
    data[7] = "@@"
    assert parse_damaged(data, [], '"@@"', b"NaN").next_cursor is not None
    assert parse_damaged(data[:49], [], '"@@"', b"NaN").next_cursor is None
    assert parse_damaged(data[:50], [], '"@@"', b"NaN").next_cursor is not None


@pytest.mark.parametrize("name", ["order_id", "order_item_id", "modified_at", "order_date"])
def test_a_part_is_not_known_by_a_damaged_text(name: str) -> None:
    leaf = line()
    leaf["attributes"][name] = "2026-11@@"
    page = parse_damaged([order()], [item(), leaf], "@@", rb"\ud83d")
    assert published(page, "order_lines") == []
    assert len(reasons(page, "order_lines")) == 1


@pytest.mark.parametrize("cut", [b"]", b"}", b'"', b","])
def test_an_answer_of_resources_that_breaks_off_is_malformed(cut: bytes) -> None:
    body = json.dumps({"data": [order(locale="@@")], "included": [item(), line()]}).encode().replace(b"@@", rb"\ud83d")
    with pytest.raises(MalformedResponseError):
        ORDERS.read(body[: body.rindex(cut)], ASKED)


def test_damaged_links_do_not_stop_the_orders() -> None:
    page = parse_damaged([order()], [item(), line()], "@@", rb"\ud83d", links={"self": "@@"})
    assert [published(page, name) for name in LEVELS] == [[ORDER], [ITEM], [LINE]]
