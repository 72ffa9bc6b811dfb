"""JSON:API answers become records and what belongs to them; what is not whole is marked, not published."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from airflow_provider_zdirect.client.paging import Page
from airflow_provider_zdirect.client.resources import parse_resources
from airflow_provider_zdirect.client.time_walk import Position
from airflow_provider_zdirect.dataset_row import TimeWalk
from airflow_provider_zdirect.datasets import get_dataset
from airflow_provider_zdirect.exceptions import FilterIgnoredError, MalformedResponseError
from airflow_provider_zdirect.models.arrow import Lineage
from airflow_provider_zdirect.validation import take_valid

NOW = datetime(2026, 11, 20, tzinfo=UTC)
AT = "2026-11-19T10:00:00.250+00:00"
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
    dataset = get_dataset("orders")
    assert isinstance(dataset.paging, TimeWalk)
    body = json.dumps({"data": data, "included": list(included), **more}).encode()
    return parse_resources(body, dataset, dataset.paging, Position(NOW))


def rows(page: Page, name: str = "orders") -> list[dict[str, Any]]:
    return [msgspec.json.decode(record) for record in (page.records if name == "orders" else page.parts[name])]


def reasons(page: Page, name: str) -> list[str]:
    records = page.records if name == "orders" else page.parts[name]
    lineage = Lineage("m", "production", NOW, NOW, NOW)
    return [bad.reason for bad in take_valid(get_dataset(name).model, records, lineage, lambda table: None)]


def test_what_belongs_together_is_joined() -> None:
    page = parse([order()], [STEP, line(), item()])
    (found,) = rows(page, "order_items")
    assert (found["order_id"], found["order_item_id"], found["order_modified_at"]) == (ORDER, ITEM, AT)
    (found,) = rows(page, "order_lines")
    assert (found["order_id"], found["order_item_id"], found["order_line_id"]) == (ORDER, ITEM, LINE)
    assert (found["order_date"], found["transitions"]) == (AT, [{"final_status": "shipped"}])
    for name in ("orders", "order_items", "order_lines"):
        assert not reasons(page, name)


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
    assert not reasons(page, "orders") + reasons(page, "order_items") + reasons(page, "order_lines")


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


@pytest.mark.parametrize("body", [b"[]", b"{}", b'{"data": {}}', b'{"data": [1]}', b'{"data": [{"id": null}]}', b"<"])
def test_what_is_no_list_of_resources_is_malformed(body: bytes) -> None:
    dataset = get_dataset("orders")
    assert isinstance(dataset.paging, TimeWalk)
    with pytest.raises(MalformedResponseError, match="orders: the answer is no list of resources"):
        parse_resources(body, dataset, dataset.paging, Position(NOW))


def test_an_answer_without_orders_is_empty() -> None:
    page = parse([])
    assert (page.records, page.next_cursor) == ([], None)
    assert parse(None).records == []
