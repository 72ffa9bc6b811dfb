"""JSON:API answers become orders and what belongs to them; what is not whole is marked, not published."""

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
AT, EARLIER = "2026-11-19T10:00:00.250+00:00", "2026-11-18T00:00:00Z"
ORDERS = get_dataset("orders")
ASKED = {"last_updated_after": NOW.isoformat()}
LEVELS = ("orders", "order_items", "order_lines")
ORDER, ITEM, LINE, OTHER, OTHER_ITEM, OTHER_LINE = (f"{digit * 8}-0000-4000-8000-000000000000" for digit in "abcdef")
HERE = "@@"
"""Stands in the text of an answer that is damaged."""


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


def without_references() -> list[dict[str, Any]]:
    """An order, its item and its line, which belong together by their fields alone."""
    resources = [order(), item(), line()]
    resources[0]["relationships"] = {"order_items": {"links": {"related": "https://example.com"}}}
    for resource, name, owner in zip(resources[1:], ("order_id", "order_item_id"), (ORDER, ITEM), strict=True):
        resource["relationships"] = None
        resource["attributes"][name] = f" {owner.upper()} "
    return resources


def renamed(resource: dict[str, Any]) -> dict[str, Any]:
    """The same of another order."""
    text = json.dumps(resource)
    for one, other in ((ORDER, OTHER), (ITEM, OTHER_ITEM), (LINE, OTHER_LINE)):
        text = text.replace(one, other)
    return json.loads(text)


def parse(data: Any, included: Any = (), *, here: str = HERE, damage: bytes = b"", **more: Any) -> Page:
    """The page of an answer, with ``damage`` in one place."""
    body = json.dumps({"data": data, "included": list(included), **more}).encode()
    assert body.count(here.encode()) == bool(damage)
    return ORDERS.read(body.replace(here.encode(), damage), ASKED)


def raw(page: Page, name: str = "orders") -> list[msgspec.Raw]:
    return page.records if name == "orders" else page.parts[name]


def row(page: Page, name: str = "orders") -> dict[str, Any]:
    (record,) = raw(page, name)
    return msgspec.json.decode(record)


def validated(page: Page, name: str = "orders") -> tuple[list[dict[str, Any]], list[str]]:
    """The published rows, and why others are not."""
    found: list[Any] = []
    rejected = take_valid(get_dataset(name).model, raw(page, name), Lineage("m", "p", NOW, NOW, NOW), found.append)
    return [row for table in found for row in table.to_pylist()], [bad.reason for bad in rejected]


def reasons(page: Page, name: str = "orders") -> list[str]:
    return validated(page, name)[1]


def published(page: Page) -> list[list[str]]:
    """The identities of what is published, by level."""
    return [[row[f"{name.removesuffix('s')}_id"] for row in validated(page, name)[0]] for name in LEVELS]


def test_what_belongs_together_is_joined() -> None:
    page = parse([order()], [STEP, line(), item()])
    found = row(page, "order_items")
    assert (found["order_id"], found["order_item_id"], found["order_modified_at"]) == (ORDER, ITEM, AT)
    found = row(page, "order_lines")
    assert (found["order_id"], found["order_item_id"], found["order_line_id"]) == (ORDER, ITEM, LINE)
    assert (found["order_date"], found["transitions"]) == (AT, [{"final_status": "shipped"}])
    assert published(page) == [[ORDER], [ITEM], [LINE]]


def test_an_order_that_changes_alone_changes_no_hash_of_its_items_and_lines() -> None:
    included, later = [STEP, line(), item()], "2026-11-19T12:00:00+00:00"
    first, second = parse([order()], included), parse([order(modified_at=later)], included)
    # Some writers of JSON escape a plus sign.
    second.parts["order_items"][:] = [
        msgspec.Raw(bytes(each).replace(b"12:00:00+", rb"12:00:00\u002b")) for each in second.parts["order_items"]
    ]
    for name in LEVELS[1:]:
        (before,), (after,) = validated(first, name)[0], validated(second, name)[0]
        assert before["order_modified_at"] != after["order_modified_at"]
        assert before["_record_hash"] == after["_record_hash"]


@pytest.mark.parametrize("empty", ["", None])
def test_an_empty_attribute_does_not_hide_what_a_record_is_given(empty: str | None) -> None:
    emptied = item(
        attributes={"order_id": empty, "modified_at": empty, "article_id": "null", "quantity_initial": empty}
    )
    page = parse([order(order_id=empty, created_at=EARLIER)], [STEP, line(), emptied])
    assert row(page, "order_items") == {
        "order_id": ORDER,
        "order_item_id": ITEM,
        "order_date": AT,
        "order_modified_at": AT,
        "modified_at": AT,
        "article_id": "null",
    }
    assert row(page) == {
        "order_id": ORDER,
        "order_number": "1",
        "order_date": AT,
        "modified_at": AT,
        "created_at": EARLIER,
    }


@pytest.mark.parametrize("attributes", [{}, None])
def test_a_resource_may_have_no_attributes(attributes: Any) -> None:
    page = parse([order()], [STEP, line(), item(attributes=attributes)])
    assert published(page)[1] == [ITEM]


def test_fields_join_where_relationships_have_no_data() -> None:
    main, *included = without_references()
    page = parse([main], included)
    assert published(page) == [[ORDER], [ITEM], [LINE]]
    assert row(page, "order_lines").get("transitions") is None


def test_identities_in_another_case_are_the_same() -> None:
    loud = json.loads(json.dumps(order()).replace(ORDER, ORDER.upper()).replace(ITEM, ITEM.upper()))
    assert published(parse([loud], [item(), line(id=LINE.upper())])) == [[ORDER], [ITEM], [LINE]]


@pytest.mark.parametrize(
    ("included", "name", "reason"),
    [
        ([], "orders", f"the answer has not OrderItem {ITEM} that belongs to it"),
        ([item()], "order_items", f"the answer has not OrderLine {LINE} that belongs to it"),
        ([item()], "orders", f"the answer has not OrderLine {LINE} that belongs to it"),
        ([item(relationships={}), line(relationships={})], "order_items", "the answer has not any OrderLine"),
        ([item(), line(), line(id="stray", relationships=None)], "order_lines", "the order_item_id"),
    ],
)
def test_half_an_order_and_what_belongs_to_none_are_rejected(included: list[Any], name: str, reason: str) -> None:
    (found,) = reasons(parse([order()], included), name)
    assert reason in found


def test_an_order_with_fewer_lines_than_it_says_is_rejected() -> None:
    (found,) = reasons(parse([order(order_lines_count=2)], [item(), line(), STEP]))
    assert "1 of 2 order_lines" in found
    assert not reasons(parse([order(order_lines_count=1)], [item(), line(), STEP]))


def test_a_version_without_a_time_of_its_own_has_that_of_its_making_or_of_its_order() -> None:
    young, leaf = order(created_at=EARLIER), line()
    del young["attributes"]["modified_at"], leaf["attributes"]["modified_at"]
    page = parse([young], [item(), leaf])
    assert (row(page)["modified_at"], row(page, "order_lines")["modified_at"]) == (EARLIER, EARLIER)


def test_an_unsorted_answer_is_refused() -> None:
    with pytest.raises(FilterIgnoredError, match="in order of modified_at"):
        parse([order(), {**order(modified_at=EARLIER), "id": ITEM}])


@pytest.mark.parametrize("body", [b"[]", b'{"data": {}}', b'{"data": [1}', b"<", b'{"orders": []}'])
def test_what_is_no_list_of_resources_is_malformed(body: bytes) -> None:
    with pytest.raises(MalformedResponseError, match=r"is not a (list|JSON object)|has no data"):
        ORDERS.read(body, ASKED)


@pytest.mark.parametrize("cut", [b"]", b"}", b'"', b","])
def test_an_answer_that_breaks_off_behind_damage_is_malformed(cut: bytes) -> None:
    body = json.dumps({"data": [order(locale=HERE)], "included": [item(), line()]}).encode()
    with pytest.raises(MalformedResponseError):
        ORDERS.read(body[: body.rindex(cut)].replace(b"@@", rb"\ud83d"), ASKED)


@pytest.mark.parametrize("body", [b"{}", b'{"links": {}, "meta": {}}', b'{"data": null}', b'{"data": []}'])
def test_an_answer_that_says_nothing_else_is_empty(body: bytes) -> None:
    page = ORDERS.read(body, ASKED)
    assert (page.records, page.next_cursor) == ([], None)


@pytest.mark.parametrize(
    ("bad", "count", "more", "goes_on"),
    [
        (HERE, 1000, False, True),
        (HERE, 50, False, True),
        (HERE, 49, False, False),
        ({**reference("Order", "7"), "attributes": {"order_date": AT}}, 1000, False, True),
        ({**reference("Order", "7"), "attributes": {"order_date": AT}}, 1, True, True),
    ],
)
def test_orders_without_a_time_and_undecodable_ones_count_for_the_size_of_a_page(
    bad: Any, count: int, more: bool, goes_on: bool
) -> None:
    data = [bad, *({**order(), "id": str(number)} for number in range(1, count))]
    links = {"next": "https://example.com"} if more else {}
    page = parse(data, here=f'"{HERE}"', damage=b"NaN" if bad == HERE else b"", links=links)
    assert (page.next_cursor is not None) == goes_on


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("delivery_end_date", "1970-01-01T00:00:00.000+00:00"),
        ("delivery_end_date", "0001-01-01T00:00:00Z"),
        ("delivery_end_date", "2019-01-01"),
        ("customer_phone", "+49 1"),
        ("created_at", 5),
    ],
)
def test_a_strange_value_of_what_matters_little_is_kept_aside(name: str, value: Any) -> None:
    ((found,), _) = validated(parse([order(**{name: value})], [item(), line()]))
    assert (found[name], json.loads(found["_unknown_fields"])) == (None, {name: value})


def test_a_strange_value_within_an_address_leaves_the_address() -> None:
    address = {"city": "X", "service_point_details": [1]}
    ((found,), _) = validated(parse([order(shipping_address=address)], [item(), line()]))
    unknown = {"shipping_address": {"service_point_details": [1]}}
    assert (found["shipping_address"]["city"], json.loads(found["_unknown_fields"])) == ("X", unknown)


def test_an_empty_text_is_null_whatever_the_field_is() -> None:
    empty = dict.fromkeys(("customer_phone", "billing_address", "delivery_end_date", "order_lines_count"), "")
    ((found,), _) = validated(parse([order(**empty)], [item(), line()]))
    assert ({found[name] for name in empty}, found["_unknown_fields"]) == ({None}, None)


@pytest.mark.parametrize("name", ["modified_at", "order_date", "order_lines_count", "order_lines_price_amount"])
def test_a_strange_value_of_what_matters_is_rejected(name: str) -> None:
    assert reasons(parse([order(**{name: "many"})], [item(), line()]))


@pytest.mark.parametrize("damage", [rb"\ud83d", b"\xfc", b"a\nb"])
@pytest.mark.parametrize("level", range(4))
def test_a_damaged_text_is_repaired(level: int, damage: bytes) -> None:
    own = [order(), item(), line(), STEP]
    own[level] = {**own[level], "attributes": {**own[level]["attributes"], "created_by": HERE}}
    page = parse(own[:1], own[1:], damage=damage)
    assert (published(page), page.repaired, page.rejected) == ([[ORDER], [ITEM], [LINE]], 1, [])


def test_damaged_links_do_not_stop_the_orders() -> None:
    page = parse([order()], [item(), line()], damage=rb"\ud83d", links={"self": HERE})
    assert published(page) == [[ORDER], [ITEM], [LINE]]


@pytest.mark.parametrize("damage", [b"NaN", rb'"\x41"', b"[" * 100_000 + b"]" * 100_000, b"5"])
@pytest.mark.parametrize("by_reference", [True, False])
@pytest.mark.parametrize("level", range(3))
def test_half_an_order_is_none_if_a_resource_cannot_be_decoded(level: int, damage: bytes, by_reference: bool) -> None:
    """The resource is rejected, and so is whose it is; the other order and what belongs to it are published."""
    own = [order(), item(), line()] if by_reference else without_references()
    own[level]["relationships" if damage == b"5" else "mark"] = HERE
    other = [renamed(each) for each in (order(), item(), line())]
    page = parse([own[0], other[0]], [*own[1:], *other[1:]], here=f'"{HERE}"', damage=damage)
    found = published(page)
    assert [identities[-1:] for identities in found] == [[OTHER], [OTHER_ITEM], [OTHER_LINE]]
    assert [bad.reason[:10] for bad in page.rejected] == ["resource: "]
    assert not {ORDER, *([ITEM] if level else [])} & {*found[0], *found[1]}


def test_an_item_that_cannot_be_decoded_is_missed_beside_its_sibling() -> None:
    main, sound, leaf = without_references()
    page = parse([main], [sound, leaf, {**sound, "id": OTHER_ITEM, "mark": HERE}], here=f'"{HERE}"', damage=b"NaN")
    assert published(page)[0] == []
    (found,) = reasons(page)
    assert "a readable OrderItem" in found


@pytest.mark.parametrize("resource", [b"1", b"null", b'"x"', b"[]", b'{"id":1.5}', b'{"attributes":[]}', b'{"id":NaN}'])
def test_what_is_not_a_resource_is_rejected_alone(resource: bytes) -> None:
    page = parse([order(), HERE], [item(), line(), STEP], here=f'"{HERE}"', damage=resource)
    assert published(page) == [[ORDER], [ITEM], [LINE]]
    assert [bad.record for bad in page.rejected] == [resource]


@pytest.mark.parametrize("name", ["order_id", "order_item_id", "modified_at", "order_date"])
def test_a_part_is_not_known_by_a_damaged_text(name: str) -> None:
    leaf = line()
    leaf["attributes"][name] = f"2026-11{HERE}"
    page = parse([order()], [item(), leaf], damage=rb"\ud83d")
    assert published(page)[2] == []
    assert len(reasons(page, "order_lines")) == 1
