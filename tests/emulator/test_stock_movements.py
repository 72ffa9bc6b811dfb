from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from airflow_provider_zdirect.emulator.limits import LIMITS
from airflow_provider_zdirect.emulator.server import EmulatorServer

BASE = "/zfs/stock-movements"
DAY = {"from": "2026-03-09T00:00:00Z", "to": "2026-03-10T00:00:00Z"}
DATES = {"from": "2026-02-20", "to": "2026-03-05"}
NEW, OLD, RETURNED, LIQUIDATED = (
    "reports/received-items",
    "received-items",
    "returned-items",
    "liquidated-items",
)


def get(api: httpx.Client, path: str, merchant_id: str, **query: Any) -> httpx.Response:
    return api.get(f"{BASE}/{path}/{merchant_id}", params=query)


def rows(answer: httpx.Response, key: str) -> list[dict[str, Any]]:
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()[key]
    return found


def pages(api: httpx.Client, merchant_id: str, **query: Any) -> list[list[dict[str, Any]]]:
    found, cursor = [], None
    while True:
        answer = get(api, NEW, merchant_id, **query, **({"cursor": cursor} if cursor else {}))
        found.append(rows(answer, "received_items"))
        cursor = answer.json().get("next")
        if not cursor:
            return found


def test_pages_of_received_items_add_up_to_the_truth(server: EmulatorServer, api: httpx.Client) -> None:
    server.set_options(rate_limits=False)
    merchant = server.merchant_ids[0]
    truth = server.truth("received_items", merchant, DAY["from"], DAY["to"])
    assert len(truth) > 300
    for limit in (37, len(truth), 200_000):
        found = pages(api, merchant, **DAY, limit=limit)
        assert [item for page in found for item in page] == truth
        assert [len(page) for page in found[:-1]] == [limit] * (len(found) - 1)
        assert found[-1]


def test_the_last_page_can_end_in_three_ways(server: EmulatorServer, api: httpx.Client) -> None:
    ends = {}
    for way in ("absent", "empty", "null"):
        server.set_options(last_page_next=way)
        ends[way] = get(api, NEW, server.merchant_ids[0], **DAY).json().get("next", "no key")
    assert ends == {"absent": "no key", "empty": "", "null": None}


def test_without_times_received_items_are_those_of_the_last_100_days(server: EmulatorServer, api: httpx.Client) -> None:
    server.set_options(volume=0.1, late_share=0)
    merchant, now = server.merchant_ids[0], server.clock.now()
    truth = server.truth("received_items", merchant, now - timedelta(days=100), now)
    assert rows(get(api, NEW, merchant), "received_items") == truth


def test_a_pass_that_began_without_times_keeps_its_range(server: EmulatorServer, api: httpx.Client) -> None:
    server.set_options(volume=0.1, late_share=0, rate_limits=False)
    merchant, now = server.merchant_ids[0], server.clock.now()
    truth = server.truth("received_items", merchant, now - timedelta(days=100), now)
    first = get(api, NEW, merchant, limit=len(truth) - 5).json()
    server.clock.advance(3600)
    rest = rows(get(api, NEW, merchant, cursor=first["next"]), "received_items")
    assert first["received_items"] + rest == truth


def test_received_items_are_filtered_by_advice(server: EmulatorServer, api: httpx.Client) -> None:
    merchant = server.merchant_ids[0]
    truth = server.truth("received_items", merchant, DAY["from"], DAY["to"])
    first, second = sorted({item["zalando_advice_id"] for item in truth})[:2]
    expected = [item for item in truth if item["zalando_advice_id"] in (first, second)]
    commas = get(api, NEW, merchant, **DAY, zalando_advice_ids=f"{first},{second}")
    repeated = get(api, NEW, merchant, **DAY, zalando_advice_ids=[first, second])
    assert rows(commas, "received_items") == rows(repeated, "received_items") == expected
    assert sum(map(len, pages(api, merchant, **DAY, zalando_advice_ids=first, limit=50))) < len(expected)


def test_a_late_record_appears_when_its_time_has_come(server: EmulatorServer, api: httpx.Client) -> None:
    server.set_options(late_share=0.3, rate_limits=False)
    merchant = server.merchant_ids[0]
    end = datetime(2026, 3, 9, 11, tzinfo=UTC)
    query = {"from": "2026-03-09T08:00:00Z", "to": end.isoformat()}
    records = server.records("received_items", merchant, query["from"], end)
    for minutes in (0, 1, 10, 60):
        server.clock.set(end + timedelta(minutes=minutes))
        visible = [record.body for record in records if record.visible_at <= server.clock.now()]
        assert rows(get(api, NEW, merchant, **query), "received_items") == visible
        assert len(visible) == len(records) or minutes < 45
    server.clock.set(end)
    assert len(rows(get(api, NEW, merchant, **query), "received_items")) < len(records)


def test_paging_stays_exact_while_late_records_appear(server: EmulatorServer, api: httpx.Client) -> None:
    server.set_options(late_share=0.5, rate_limits=False)
    merchant, end = server.merchant_ids[0], datetime(2026, 3, 9, 11, tzinfo=UTC)
    query = {"from": "2026-03-09T08:00:00Z", "to": end.isoformat(), "limit": 7}
    early = datetime(2026, 3, 9, 8, 20, tzinfo=UTC)
    server.clock.set(early)
    first = get(api, NEW, merchant, **query).json()
    server.clock.set(end + timedelta(hours=1))
    seen, cursor = list(first["received_items"]), first["next"]
    while cursor:
        answer = get(api, NEW, merchant, **query, cursor=cursor).json()
        seen += answer["received_items"]
        cursor = answer.get("next")
    labels = [item["quality_label"] for item in seen]
    records = server.records("received_items", merchant, query["from"], end)
    last_of_first = next(r.key for r in records if r.label == first["received_items"][-1]["quality_label"])
    missed = {r.label for r in records if r.key < last_of_first and r.visible_at > early}
    assert missed
    assert len(labels) == len(set(labels))
    assert set(labels) == {record.label for record in records} - missed


def test_from_belongs_to_the_range_and_to_does_not(server: EmulatorServer, api: httpx.Client) -> None:
    merchant = server.merchant_ids[0]
    item = server.records("returned_items", merchant, DAY["from"], DAY["to"])[5]
    moment = item.event_time
    later = moment + timedelta(seconds=1)

    def found(start: datetime, end: datetime) -> bool:
        answer = get(api, RETURNED, merchant, **{"from": start.isoformat(), "to": end.isoformat()})
        return item.label in [row["quality_label"] for row in rows(answer, "returned_items")]

    assert found(moment, later)
    assert not found(moment - timedelta(seconds=1), moment)
    assert not found(moment, moment)
    server.set_options(to_inclusive=True)
    assert found(moment - timedelta(seconds=1), moment)


def test_returned_items_are_the_truth(server: EmulatorServer, api: httpx.Client) -> None:
    for merchant in server.merchant_ids:
        truth = server.truth("returned_items", merchant, DAY["from"], DAY["to"])
        assert rows(get(api, RETURNED, merchant, **DAY), "returned_items") == truth
    assert len(truth) > 200


def test_flawless_items_can_have_null_defect_levels(server: EmulatorServer, api: httpx.Client) -> None:
    server.set_options(null_defect_levels=True)
    found = rows(get(api, RETURNED, server.merchant_ids[0], **DAY), "returned_items")
    assert None in [row["defect_levels"] for row in found]
    assert found == server.truth("returned_items", server.merchant_ids[0], DAY["from"], DAY["to"])


def test_returned_items_end_100_days_ago(server: EmulatorServer, api: httpx.Client) -> None:
    oldest = server.clock.now() - timedelta(days=100)
    to = (oldest + timedelta(minutes=15)).isoformat()
    merchant = server.merchant_ids[0]
    assert get(api, RETURNED, merchant, **{"from": oldest.isoformat(), "to": to}).status_code == 200
    earlier = (oldest - timedelta(seconds=1)).isoformat()
    refused = get(api, RETURNED, merchant, **{"from": earlier, "to": to})
    assert refused.status_code == 400
    assert "100 days" in refused.json()["detail"]


def test_received_items_begin_with_the_previous_year(server: EmulatorServer, api: httpx.Client) -> None:
    merchant = server.merchant_ids[0]
    query = {"from": "2024-12-31T00:00:00Z", "to": "2025-01-01T03:00:00Z"}
    truth = server.truth("received_items", merchant, "2025-01-01", query["to"])
    assert rows(get(api, NEW, merchant, **query), "received_items") == truth
    assert truth


def test_the_old_received_items_have_the_old_shape(server: EmulatorServer, api: httpx.Client) -> None:
    merchant = server.merchant_ids[0]
    found = rows(get(api, OLD, merchant, **DAY), "received_items")
    truth = server.truth("received_items", merchant, DAY["from"], DAY["to"])
    assert [row["quality_label"] for row in found] == [item["quality_label"] for item in truth]
    assert {"parent", "consumed_timestamp", "tour_number"} <= set(found[0])
    assert isinstance(found[0]["zalando_advice_id"], int)
    assert "merchant_article_id" not in {name for row in found for name in row}
    assert get(api, OLD, merchant).status_code == 400


def test_liquidated_items_are_those_of_both_dates_and_between(server: EmulatorServer, api: httpx.Client) -> None:
    merchant = server.merchant_ids[0]
    truth = server.truth("liquidated_items", merchant, "2026-02-20", "2026-03-06")
    assert rows(get(api, LIQUIDATED, merchant, **DATES), "liquidated_items") == truth
    one_day = get(api, LIQUIDATED, merchant, **{"from": "2026-02-20", "to": "2026-02-20"})
    assert {row["liquidation_date"] for row in rows(one_day, "liquidated_items")} <= {"2026-02-20"}
    assert {row["liquidation_date"] for row in truth} >= {"2026-02-21", "2026-03-05"}


def test_liquidated_items_can_be_selected_by_reporting_date(server: EmulatorServer, api: httpx.Client) -> None:
    server.set_options(liquidated_by="reporting_date")
    merchant = server.merchant_ids[0]
    truth = server.truth("liquidated_items", merchant, "2026-02-20", "2026-03-06")
    found = rows(get(api, LIQUIDATED, merchant, **DATES), "liquidated_items")
    assert found == truth
    assert {"2026-02-20" <= row["reporting_date"] <= "2026-03-05" for row in found} == {True}
    assert min(row["liquidation_date"] for row in found) < "2026-02-20"


def test_only_the_chosen_spelling_of_the_purchase_order_filter_counts(
    server: EmulatorServer, api: httpx.Client
) -> None:
    merchant = server.merchant_ids[0]
    everything = rows(get(api, LIQUIDATED, merchant, **DATES), "liquidated_items")
    order = everything[0]["purchase_order_number"]
    some = [row for row in everything if row["purchase_order_number"] == order]
    hyphens, underscores = {"purchase-order-number": order}, {"purchase_order_number": order}
    assert rows(get(api, LIQUIDATED, merchant, **DATES, **hyphens), "liquidated_items") == some
    assert rows(get(api, LIQUIDATED, merchant, **DATES, **underscores), "liquidated_items") == everything
    server.set_options(purchase_order_parameter="purchase_order_number")
    assert rows(get(api, LIQUIDATED, merchant, **DATES, **underscores), "liquidated_items") == some


def test_liquidated_items_can_have_the_old_shape(server: EmulatorServer, api: httpx.Client) -> None:
    server.set_options(liquidated_shape="seed")
    found = rows(get(api, LIQUIDATED, server.merchant_ids[0], **DATES), "received_items")
    assert found
    assert {type(row["quantity"]) for row in found} == {str}


@pytest.mark.parametrize(
    ("path", "query"),
    [
        (RETURNED, {}),
        (RETURNED, {"from": DAY["from"]}),
        (RETURNED, {"from": "yesterday", "to": DAY["to"]}),
        (RETURNED, {"from": "2026-03-09", "to": DAY["to"]}),
        (RETURNED, {"from": "2026-03-09T00:00:00", "to": DAY["to"]}),
        (RETURNED, {"from": "2026-03-09T00:00:00 01:00", "to": DAY["to"]}),
        (RETURNED, {"from": DAY["to"], "to": DAY["from"]}),
        (LIQUIDATED, {}),
        (LIQUIDATED, DAY),
        (LIQUIDATED, {"from": "2025-11-01", "to": "2026-01-01"}),
        (LIQUIDATED, {"from": DATES["to"], "to": DATES["from"]}),
        (NEW, {"from": DAY["to"], "to": DAY["from"]}),
        (NEW, {"limit": 0}),
        (NEW, {"limit": 200_001}),
        (NEW, {"limit": "many"}),
        (NEW, {"cursor": "nonsense"}),
        (NEW, {"cursor": "bm9uc2Vuc2Ugbm9uc2Vuc2Ugbm9uc2Vuc2U"}),
        (NEW, {"zalando_advice_ids": "1234"}),
    ],
)
def test_a_malformed_request_is_a_400_problem(
    server: EmulatorServer, api: httpx.Client, path: str, query: dict[str, Any]
) -> None:
    answer = get(api, path, server.merchant_ids[0], **query)
    assert answer.status_code == 400
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert set(answer.json()) == {"type", "title", "status", "detail"}


def test_a_cursor_is_good_only_for_its_own_request(server: EmulatorServer, api: httpx.Client) -> None:
    mine, other = server.merchant_ids
    cursor = get(api, NEW, mine, **DAY, limit=5).json()["next"]
    assert get(api, NEW, mine, cursor=cursor, limit=7).status_code == 200
    assert get(api, NEW, other, cursor=cursor).status_code == 400
    assert get(api, NEW, mine, **{**DAY, "to": DAY["from"]}, cursor=cursor).status_code == 400
    assert get(api, NEW, mine, cursor=cursor, zalando_advice_ids="12345678").status_code == 400
    assert get(api, NEW, mine, cursor=cursor[:-2]).status_code == 400


def test_merchants_are_told_apart(server: EmulatorServer, api: httpx.Client) -> None:
    unknown = "11111111-2222-4333-8444-555555555555"
    statuses = {
        merchant: get(api, RETURNED, merchant, **DAY).status_code
        for merchant in (unknown, server.foreign_merchant_id, "not-a-uuid", server.merchant_ids[1].upper())
    }
    assert list(statuses.values()) == [404, 403, 400, 200]


@pytest.mark.parametrize(
    ("path", "operation", "query", "limit"),
    [
        (LIQUIDATED, "liquidated-items", DATES, 5),
        (NEW, "received-items", DAY, 20),
        (OLD, "received-items", DAY, 20),
        (RETURNED, "returned-items", DAY, 100),
    ],
)
def test_more_requests_a_second_than_documented_are_refused(
    server: EmulatorServer, api: httpx.Client, path: str, operation: str, query: dict[str, str], limit: int
) -> None:
    # Used up directly: a slow machine cannot send a hundred requests in a second.
    merchant, limiter = server.merchant_ids[0], server.state.limiter
    used = [limiter.refusal(operation, LIMITS[operation]) for _ in range(limit)]
    refused = get(api, path, merchant, **query)
    assert used == [None] * limit
    assert refused.status_code == 429
    assert refused.headers["Retry-After"] == "1"
    assert refused.headers["X-Rate-Limit"] == str(limit)
    server.clock.advance(1)
    assert get(api, path, merchant, **query).status_code == 200
    server.set_options(rate_limits=False)
    assert get(api, path, merchant, **query).status_code == 200


def test_every_answer_has_a_flow_id_and_a_date(server: EmulatorServer, api: httpx.Client) -> None:
    given = {"X-Flow-Id": "my-flow"}
    for path in ("/auth/me", "/nowhere", f"{BASE}/{RETURNED}/x", "/_emulator/clock"):
        assert api.get(path, headers=given).headers["X-Flow-Id"] == "my-flow"
        answer = api.get(path)
        assert answer.headers["X-Flow-Id"]
        assert answer.headers["Date"] == "Tue, 10 Mar 2026 12:30:00 GMT"
    unknown = api.get("/nowhere")
    assert (unknown.status_code, unknown.json()["status"]) == (404, 404)
    assert api.post("/auth/me").status_code == 405


def test_a_far_end_costs_nothing(server: EmulatorServer, api: httpx.Client) -> None:
    merchant = server.merchant_ids[0]
    far = {"from": "2026-03-10T00:00:00Z", "to": "9999-12-31T23:59:59.999999Z"}
    server.set_options(to_inclusive=True)
    assert rows(get(api, RETURNED, merchant, **far), "returned_items")
    assert get(api, LIQUIDATED, merchant, **{"from": "2026-03-01", "to": "9999-12-31"}).status_code == 200
    assert get(api, NEW, merchant, **{"from": "0001-01-01T00:00:00Z", "limit": 3}).status_code == 200
