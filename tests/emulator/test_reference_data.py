from __future__ import annotations

from typing import Any

import httpx

from airflow_provider_zdirect.emulator.server import EmulatorServer

LOCATIONS, CHANNELS = "/zfs/stock-locations", "/sales-channels"
GERMANY = "01924c48-49bb-40c2-9c32-ab582e6db6f4"
UNKNOWN = "11111111-2222-4333-8444-555555555555"


def channels(api: httpx.Client, *merchant_ids: str, **query: Any) -> list[dict[str, Any]]:
    answer = api.get(CHANNELS, params={"merchant_ids": ",".join(merchant_ids), **query})
    assert answer.status_code == 200, answer.text
    assert set(answer.json()) == {"items"}
    found: list[dict[str, Any]] = answer.json()["items"]
    return found


def test_channels_of_several_merchants_come_once_and_live_if_one_is(server: EmulatorServer, api: httpx.Client) -> None:
    first, second = (channels(api, merchant) for merchant in server.merchant_ids)
    both = channels(api, *server.merchant_ids, zalando_only="true")
    assert [item["sales_channel_id"] for item in both] == [item["sales_channel_id"] for item in first]
    live = [a["live"] or b["live"] for a, b in zip(first, second, strict=True)]
    assert [item["live"] for item in both] == live


def test_a_record_is_changed_added_and_removed(server: EmulatorServer, api: httpx.Client) -> None:
    before = api.get(LOCATIONS).json()
    first, second = before[0]["id"], before[1]["id"]
    server.change_reference("stock_locations", first, {"name": "Erfurt Nord", "type": "NEW_KIND"})
    server.change_reference("stock_locations", first, {"abbreviation": None})
    server.change_reference("stock_locations", second, None)
    server.change_reference("stock_locations", UNKNOWN, {"name": "Lodz"})
    after = api.get(LOCATIONS).json()
    assert after[0] == {**before[0], "name": "Erfurt Nord", "type": "NEW_KIND", "abbreviation": None}
    assert [location["id"] for location in after] == [first, before[2]["id"], before[3]["id"], UNKNOWN]
    assert after[3] == {**before[0], "id": UNKNOWN, "name": "Lodz"}
    assert server.reference("stock_locations", server.merchant_ids[0]) == after
    server.reset()
    assert server.reference("stock_locations", server.merchant_ids[0]) == before


def test_a_change_is_for_all_merchants_that_have_the_record_or_for_one(
    server: EmulatorServer, api: httpx.Client
) -> None:
    mine, other = server.merchant_ids
    before = [server.reference("logistic_centers", merchant) for merchant in (mine, other)]
    server.change_reference("logistic_centers", before[0][0]["logistic_center_id"], {"name": "Neu"})
    assert server.reference("logistic_centers", mine)[0]["name"] == "Neu"
    assert server.reference("logistic_centers", other) == before[1]
    server.change_reference("sales_channels", GERMANY, {"live": False})
    server.change_reference("sales_channels", GERMANY, {"live": True}, merchant_id=other)
    assert [channels(api, merchant)[0]["live"] for merchant in (mine, other)] == [False, True]
    server.change_reference("sales_channels", UNKNOWN, {"country_code": "lu"}, merchant_id=mine)
    assert [len(channels(api, merchant)) for merchant in (mine, other)] == [14, 13]
