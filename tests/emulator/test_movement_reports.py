"""Both kinds of reports of movements: pages, cursors, and when a report appears."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from airflow_provider_zdirect.emulator.catalog import warehouse_id
from airflow_provider_zdirect.emulator.server import EmulatorServer

from .test_stock_movements import NEW

ICM, CROSS_BORDER = "/zfs/intra-community-movements", "/zfs/cross-border-movements"
AT_ONCE = "/zfs/stock-movements/intra-community-movements"
DATASET = {
    ICM: "intra_community_movements",
    AT_ONCE: "intra_community_movements",
    CROSS_BORDER: "cross_border_movements",
}
DATES = {"from": "2026-02-20", "to": "2026-03-05"}
AFTER = "2026-03-06"


def get(api: httpx.Client, path: str, merchant_id: str, **query: Any) -> httpx.Response:
    return api.get(f"{path}/{merchant_id}", params=query)


def body(api: httpx.Client, path: str, merchant_id: str, **query: Any) -> dict[str, Any]:
    answer = get(api, path, merchant_id, **query)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def pages(
    api: httpx.Client, path: str, merchant_id: str, cursor: str | None = None, **query: Any
) -> list[dict[str, Any]]:
    found = []
    while True:
        answer = body(api, path, merchant_id, **query, **({"cursor": cursor} if cursor else {}))
        found.append(answer)
        assert answer.get("next") != cursor or not cursor
        cursor = answer.get("next")
        if not cursor:
            return found


def flat(groups: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{"transaction_date": g["transaction_date"], **movement} for g in groups for movement in g["movements"]]


def truth(server: EmulatorServer, path: str, start: str = DATES["from"], end: str = AFTER) -> list[dict[str, Any]]:
    """As the path shows it: the answers of Intra-Community Movements do not repeat the report date."""
    rows = server.truth(DATASET[path], server.merchant_ids[0], start, end)
    if path == CROSS_BORDER:
        return rows
    return [{name: value for name, value in row.items() if name != "report_date"} for row in rows]


def shown(api: httpx.Client, server: EmulatorServer, path: str, **query: Any) -> list[dict[str, Any]]:
    answer = body(api, path, server.merchant_ids[0], **query)
    if path == CROSS_BORDER:
        found: list[dict[str, Any]] = answer["items"]
        return found
    return flat(answer["reports" if path == AT_ONCE else "items"])


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


@pytest.mark.parametrize("path", [ICM, AT_ONCE, CROSS_BORDER])
def test_reports_end_100_days_ago(server: EmulatorServer, api: httpx.Client, path: str) -> None:
    oldest = (server.clock.now() - timedelta(days=100)).date()
    query = {"from": oldest.isoformat(), "to": (oldest + timedelta(days=1)).isoformat()}
    assert get(api, path, server.merchant_ids[0], **query).status_code == 200
    refused = get(api, path, server.merchant_ids[0], **{**query, "from": (oldest - timedelta(days=1)).isoformat()})
    assert refused.status_code == 400
    assert "100 days" in refused.json()["detail"]


@pytest.mark.parametrize("path", [ICM, AT_ONCE, CROSS_BORDER])
def test_drifted_and_bad_movements_are_shown_as_they_are_sent(
    server: EmulatorServer, api: httpx.Client, path: str
) -> None:
    server.set_options(drift=0.4, bad_records=0.1)
    sent = server.truth(DATASET[path], server.merchant_ids[0], DATES["from"], AFTER, as_sent=True)
    if path != CROSS_BORDER:
        sent = [{name: value for name, value in row.items() if name != "report_date"} for row in sent]
        assert {type(row["quantity"]) for row in sent} == {int, str}
        assert "many" in {row["quantity"] for row in sent}
    else:
        assert {"movement_id" in row for row in sent} == {True, False}
    assert shown(api, server, path, **DATES) == sent


@pytest.mark.parametrize("path", [ICM, CROSS_BORDER])
def test_paging_goes_on_into_a_report_that_appears_meanwhile(
    server: EmulatorServer, api: httpx.Client, path: str
) -> None:
    server.set_options(icm_page_size=4, empty_reports=0, rate_limits=False)
    query = {"from": "2026-03-07", "to": "2026-03-09", **({"limit": 4} if path == CROSS_BORDER else {})}
    server.clock.set(datetime(2026, 3, 10, 10, 29, tzinfo=UTC))
    first = body(api, path, server.merchant_ids[0], **query)
    server.clock.advance(60)
    answers = [first, *pages(api, path, server.merchant_ids[0], first["next"], **query)]
    rows = [row for a in answers for row in (a["items"] if path == CROSS_BORDER else flat(a["items"]))]
    assert rows == truth(server, path, "2026-03-07", "2026-03-10")
    assert truth(server, path, "2026-03-09", "2026-03-10") != []


@pytest.mark.parametrize("path", [ICM, AT_ONCE, CROSS_BORDER])
def test_a_report_appears_at_its_time_on_the_next_day(server: EmulatorServer, api: httpx.Client, path: str) -> None:
    server.set_options(empty_reports=0, rate_limits=False)
    query = {"from": "2026-03-08", "to": "2026-03-09"}
    first, both = truth(server, path, "2026-03-08", "2026-03-09"), truth(server, path, "2026-03-08", "2026-03-10")
    assert len(both) > len(first) > 0
    moments = {
        datetime(2026, 3, 9, 10, 29, 59, tzinfo=UTC): [],
        datetime(2026, 3, 9, 10, 30, tzinfo=UTC): first,
        datetime(2026, 3, 10, 10, 29, 59, tzinfo=UTC): first,
        datetime(2026, 3, 10, 10, 30, tzinfo=UTC): both,
    }
    for now, visible in moments.items():
        server.clock.set(now)
        assert shown(api, server, path, **query) == visible
    server.clock.set(datetime(2026, 3, 10, 10, 30, tzinfo=UTC))
    server.set_options(report_time="10:31")
    assert shown(api, server, path, **query) == first
