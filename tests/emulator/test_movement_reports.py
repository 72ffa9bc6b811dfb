from __future__ import annotations

from datetime import timedelta
from typing import Any

import httpx
import pytest

from airflow_provider_zdirect.emulator.catalog import warehouse_id
from airflow_provider_zdirect.emulator.limits import LIMITS
from airflow_provider_zdirect.emulator.server import EmulatorServer

from .movement_answers import (
    AFTER,
    AT_ONCE,
    CROSS_BORDER,
    DATES,
    ICM,
    WITHOUT_PREFIX,
    body,
    flat,
    get,
    pages,
    shown,
    truth,
)
from .test_stock_movements import NEW

TOO_MANY = (
    "There are too many movements in the database for the requested period of time. Try requesting a shorter period."
)


@pytest.mark.parametrize("path", [ICM, AT_ONCE, CROSS_BORDER])
def test_answers_are_the_truth_of_both_dates_and_between(server: EmulatorServer, api: httpx.Client, path: str) -> None:
    found = shown(api, server, path, **DATES)
    assert found == truth(server, path)
    assert len(found) > 100
    one_day = shown(api, server, path, **{"from": "2026-03-05", "to": "2026-03-05"})
    assert one_day == truth(server, path, "2026-03-05", "2026-03-06")
    assert found[-len(one_day) :] == one_day != []
    assert min(row["transaction_date"] for row in found) < DATES["from"]


@pytest.mark.parametrize("size", [1, 7, 40, 1000])
@pytest.mark.parametrize("path", [ICM, CROSS_BORDER])
def test_pages_add_up_to_the_truth(server: EmulatorServer, api: httpx.Client, path: str, size: int) -> None:
    server.set_options(icm_page_size=size, rate_limits=False)
    found = pages(api, path, server.merchant_ids[0], **DATES, **({"limit": size} if path == CROSS_BORDER else {}))
    rows = [answer["items"] if path == CROSS_BORDER else flat(answer["items"]) for answer in found]
    assert [row for page in rows for row in page] == truth(server, path)
    assert [len(page) for page in rows[:-1]] == [size] * (len(rows) - 1)
    assert rows[-1]


def test_there_is_no_page_without_movements_behind_a_full_one(server: EmulatorServer, api: httpx.Client) -> None:
    count = len(truth(server, CROSS_BORDER))
    assert "next" not in body(api, CROSS_BORDER, server.merchant_ids[0], **DATES, limit=count)
    assert "next" in body(api, CROSS_BORDER, server.merchant_ids[0], **DATES, limit=count - 1)


def test_a_group_may_go_on_on_the_next_page(server: EmulatorServer, api: httpx.Client) -> None:
    server.set_options(icm_page_size=5, empty_reports=0)
    first, second, *_ = pages(api, ICM, server.merchant_ids[0], **{"from": "2026-03-05", "to": "2026-03-05"})
    assert first["items"][-1]["transaction_date"] == second["items"][0]["transaction_date"] == "2026-03-05"


def test_the_client_does_not_choose_the_size_of_intra_community_pages(
    server: EmulatorServer, api: httpx.Client
) -> None:
    server.set_options(icm_page_size=9)
    for limit in ("1", "many", "100000"):
        assert len(shown(api, server, ICM, **DATES, limit=limit)) == 9


def test_the_default_page_of_cross_border_movements_has_1000(server: EmulatorServer, api: httpx.Client) -> None:
    server.set_options(volume=20)
    answer = body(api, CROSS_BORDER, server.merchant_ids[0], **DATES)
    assert (len(answer["items"]), answer["query"]["limit"]) == (1000, 1000)
    largest = body(api, CROSS_BORDER, server.merchant_ids[0], **DATES, limit=10_000)
    assert len(largest["items"]) == len(truth(server, CROSS_BORDER)) > 3000
    assert largest["query"] == {**DATES, "limit": 10_000}


def test_the_query_shows_the_cursor_of_the_request(server: EmulatorServer, api: httpx.Client) -> None:
    merchant = server.merchant_ids[0]
    first = body(api, CROSS_BORDER, merchant, **DATES, limit=10)
    second = body(api, CROSS_BORDER, merchant, **DATES, limit=10, cursor=first["next"])
    assert "cursor" not in first["query"]
    assert second["query"] == {**DATES, "cursor": first["next"], "limit": 10}
    assert second["next"] != first["next"]


def test_cross_border_movements_are_filtered_by_source_or_destination(
    server: EmulatorServer, api: httpx.Client
) -> None:
    location = warehouse_id(7, 2)
    expected = [
        row
        for row in truth(server, CROSS_BORDER)
        if location in (row["source_stock_location"]["location_id"], row["destination_stock_location"]["location_id"])
    ]
    assert {row["source_stock_location"]["location_id"] == location for row in expected} == {True, False}
    assert shown(api, server, CROSS_BORDER, **DATES, location_id=location) == expected
    server.set_options(rate_limits=False)
    found = pages(api, CROSS_BORDER, server.merchant_ids[0], **DATES, location_id=location.upper(), limit=11)
    assert [row for answer in found for row in answer["items"]] == expected
    assert {len(answer["items"]) for answer in found[:-1]} == {11}
    assert shown(api, server, CROSS_BORDER, **DATES, location_id=server.merchant_ids[0]) == []
    assert shown(api, server, ICM, **DATES, location_id=location) == truth(server, ICM)


@pytest.mark.parametrize("path", [ICM, CROSS_BORDER])
def test_a_cursor_of_reports_is_good_only_for_its_own_request(
    server: EmulatorServer, api: httpx.Client, path: str
) -> None:
    server.set_options(icm_page_size=5, rate_limits=False)
    mine, other = server.merchant_ids
    limit = {"limit": 5} if path == CROSS_BORDER else {}
    cursor = body(api, path, mine, **DATES, **limit)["next"]
    assert get(api, path, mine, **DATES, cursor=cursor).status_code == 200
    assert get(api, path, other, **DATES, cursor=cursor).status_code == 400
    assert get(api, path, mine, **{**DATES, "to": "2026-03-04"}, cursor=cursor).status_code == 400
    assert get(api, path, mine, **{**DATES, "from": "2026-02-21"}, cursor=cursor).status_code == 400
    assert get(api, CROSS_BORDER if path == ICM else ICM, mine, **DATES, cursor=cursor).status_code == 400
    assert get(api, f"/zfs/stock-movements/{NEW}", mine, cursor=cursor).status_code == 400
    assert get(api, path, mine, cursor=cursor).status_code == 400
    if path == CROSS_BORDER:
        assert get(api, path, mine, **DATES, cursor=cursor, location_id=warehouse_id(7, 0)).status_code == 400
    for broken in (cursor[:-2], "nonsense", "bm9uc2Vuc2Ugbm9uc2Vuc2Ugbm9uc2Vuc2U", "ä"):
        assert get(api, path, mine, **DATES, cursor=broken).status_code == 400


def test_a_cursor_of_another_endpoint_is_refused(server: EmulatorServer, api: httpx.Client) -> None:
    received = get(api, f"/zfs/stock-movements/{NEW}", server.merchant_ids[0], limit=5).json()["next"]
    for path in (ICM, CROSS_BORDER):
        assert get(api, path, server.merchant_ids[0], **DATES, cursor=received).status_code == 400


def test_the_paginated_path_has_a_prefix_or_none(server: EmulatorServer, api: httpx.Client) -> None:
    merchant = server.merchant_ids[0]
    assert [get(api, path, merchant, **DATES).status_code for path in (ICM, WITHOUT_PREFIX)] == [200, 404]
    whole = body(api, ICM, merchant, **DATES)
    server.set_options(icm_prefix="")
    assert [get(api, path, merchant, **DATES).status_code for path in (ICM, WITHOUT_PREFIX)] == [404, 200]
    assert body(api, WITHOUT_PREFIX, merchant, **DATES) == whole
    assert get(api, AT_ONCE, merchant, **DATES).status_code == 200
    assert get(api, CROSS_BORDER, merchant, **DATES).status_code == 200
    assert api.get(f"{ICM}/{merchant}", headers={"Authorization": ""}).status_code == 404


def test_too_many_movements_at_once_are_a_500(server: EmulatorServer, api: httpx.Client) -> None:
    merchant, count = server.merchant_ids[0], len(truth(server, AT_ONCE))
    server.set_options(icm_max_movements=count)
    assert len(shown(api, server, AT_ONCE, **DATES)) == count
    server.set_options(icm_max_movements=count - 1)
    refused = get(api, AT_ONCE, merchant, **DATES)
    assert refused.status_code == 500
    assert refused.headers["Content-Type"] == "application/problem+json"
    assert refused.json()["title"] == TOO_MANY
    assert get(api, AT_ONCE, merchant, **{**DATES, "from": "2026-03-04"}).status_code == 200
    assert len(shown(api, server, ICM, **DATES)) == count


def test_the_most_movements_at_once_are_20000(server: EmulatorServer, api: httpx.Client) -> None:
    server.set_options(volume=150, rate_limits=False)
    statuses = {}
    for first in ("2026-02-20", "2026-02-26"):
        count = len(truth(server, AT_ONCE, first))
        statuses[count > 20_000] = get(api, AT_ONCE, server.merchant_ids[0], **{**DATES, "from": first}).status_code
    assert statuses == {True: 500, False: 200}


def test_the_truth_of_movements_is_told_over_http(server: EmulatorServer, anonymous: httpx.Client) -> None:
    server.set_options(bad_records=0.2)
    merchant = server.merchant_ids[0]
    query = {"merchant_id": merchant, "from": DATES["from"], "to": AFTER}
    for dataset in ("intra_community_movements", "cross_border_movements"):
        told = anonymous.get(f"/_emulator/truth/{dataset}", params=query).json()
        expected = server.truth(dataset, merchant, DATES["from"], AFTER)
        assert told == {"count": len(expected), "records": expected}
        assert 0 < sum("_bad" in row for row in expected) < len(expected)
        assert {row["report_date"] for row in expected} <= {f"2026-02-{d}" for d in range(20, 29)} | {
            f"2026-03-0{d}" for d in range(1, 6)
        }


@pytest.mark.parametrize("path", [ICM, AT_ONCE, CROSS_BORDER])
@pytest.mark.parametrize(
    "query",
    [
        {},
        {"from": DATES["from"]},
        {"to": DATES["to"]},
        {"from": "yesterday", "to": DATES["to"]},
        {"from": "2026-02-30", "to": DATES["to"]},
        {"from": "2026-03-01T00:00:00Z", "to": "2026-03-02T00:00:00Z"},
        {"from": DATES["to"], "to": DATES["from"]},
    ],
)
def test_a_malformed_request_for_reports_is_a_400_problem(
    server: EmulatorServer, api: httpx.Client, path: str, query: dict[str, str]
) -> None:
    answer = get(api, path, server.merchant_ids[0], **query)
    assert answer.status_code == 400
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert set(answer.json()) == {"type", "title", "status", "detail"}


@pytest.mark.parametrize("wrong", [{"limit": 0}, {"limit": 10_001}, {"limit": "many"}, {"location_id": "Erfurt"}])
def test_cross_border_movements_refuse_a_wrong_filter(
    server: EmulatorServer, api: httpx.Client, wrong: dict[str, Any]
) -> None:
    answer = get(api, CROSS_BORDER, server.merchant_ids[0], **DATES, **wrong)
    assert (answer.status_code, answer.headers["Content-Type"]) == (400, "application/problem+json")


@pytest.mark.parametrize("path", [ICM, AT_ONCE, CROSS_BORDER])
def test_reports_end_100_days_ago(server: EmulatorServer, api: httpx.Client, path: str) -> None:
    oldest = (server.clock.now() - timedelta(days=100)).date()
    query = {"from": oldest.isoformat(), "to": (oldest + timedelta(days=1)).isoformat()}
    assert get(api, path, server.merchant_ids[0], **query).status_code == 200
    refused = get(api, path, server.merchant_ids[0], **{**query, "from": (oldest - timedelta(days=1)).isoformat()})
    assert refused.status_code == 400
    assert "100 days" in refused.json()["detail"]


@pytest.mark.parametrize("path", [ICM, AT_ONCE, CROSS_BORDER])
def test_reports_have_their_merchants_and_tokens(server: EmulatorServer, api: httpx.Client, path: str) -> None:
    unknown = "11111111-2222-4333-8444-555555555555"
    statuses = [
        get(api, path, merchant, **DATES).status_code
        for merchant in (unknown, server.foreign_merchant_id, "not-a-uuid", server.merchant_ids[1].upper())
    ]
    assert statuses == [404, 403, 400, 200]
    url = f"{path}/{server.merchant_ids[0]}"
    assert api.get(url, params=DATES, headers={"Authorization": "Bearer nonsense"}).status_code == 401


@pytest.mark.parametrize(
    ("used", "refused", "free"),
    [(ICM, AT_ONCE, CROSS_BORDER), (AT_ONCE, ICM, CROSS_BORDER), (CROSS_BORDER,) * 2 + (ICM,)],
)
def test_the_eleventh_request_for_reports_in_a_second_is_refused(
    server: EmulatorServer, api: httpx.Client, used: str, refused: str, free: str
) -> None:
    merchant, limiter = server.merchant_ids[0], server.state.limiter
    operation = used.rsplit("/", 1)[-1]
    # Used up directly, but for one: a slow machine cannot send ten requests in a second.
    assert [limiter.refusal(operation, LIMITS[operation]) for _ in range(9)] == [None] * 9
    assert get(api, used, merchant, **DATES).status_code == 200
    answer = get(api, refused, merchant, **DATES)
    assert answer.status_code == 429
    assert (answer.headers["Retry-After"], answer.headers["X-Rate-Limit"]) == ("1", "10")
    assert get(api, free, merchant, **DATES).status_code == 200
    server.clock.advance(1)
    assert get(api, refused, merchant, **DATES).status_code == 200


@pytest.mark.parametrize("path", [ICM, AT_ONCE, CROSS_BORDER])
def test_a_far_end_of_reports_costs_nothing(server: EmulatorServer, api: httpx.Client, path: str) -> None:
    assert get(api, path, server.merchant_ids[0], **{"from": "2026-03-01", "to": "9999-12-31"}).status_code == 200
