from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import httpx

from airflow_provider_zdirect.emulator.server import EmulatorServer

BASE = "/zfs/stock-movements"
DAY = {"from": "2026-03-09T00:00:00Z", "to": "2026-03-10T00:00:00Z"}
DATES = {"from": "2026-02-20", "to": "2026-03-05"}
NEW, OLD, RETURNED, LIQUIDATED = ("reports/received-items", "received-items", "returned-items", "liquidated-items")


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


def test_returned_items_end_100_days_ago(server: EmulatorServer, api: httpx.Client) -> None:
    oldest = server.clock.now() - timedelta(days=100)
    to = (oldest + timedelta(minutes=15)).isoformat()
    merchant = server.merchant_ids[0]
    assert get(api, RETURNED, merchant, **{"from": oldest.isoformat(), "to": to}).status_code == 200
    earlier = (oldest - timedelta(seconds=1)).isoformat()
    refused = get(api, RETURNED, merchant, **{"from": earlier, "to": to})
    assert refused.status_code == 400
    assert "100 days" in refused.json()["detail"]


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


def test_a_cursor_is_good_only_for_its_own_request(server: EmulatorServer, api: httpx.Client) -> None:
    mine, other = server.merchant_ids
    cursor = get(api, NEW, mine, **DAY, limit=5).json()["next"]
    assert get(api, NEW, mine, cursor=cursor, limit=7).status_code == 200
    assert get(api, NEW, other, cursor=cursor).status_code == 400
    assert get(api, NEW, mine, **{**DAY, "to": DAY["from"]}, cursor=cursor).status_code == 400
    assert get(api, NEW, mine, cursor=cursor, zalando_advice_ids="12345678").status_code == 400
    assert get(api, NEW, mine, cursor=cursor[:-2]).status_code == 400


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
