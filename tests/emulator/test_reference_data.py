from __future__ import annotations

from typing import Any

import httpx
import pytest

from airflow_provider_zdirect.emulator.catalog import warehouse_id
from airflow_provider_zdirect.emulator.limits import LIMITS, limit_of
from airflow_provider_zdirect.emulator.server import EmulatorServer

LOCATIONS, CHANNELS = "/zfs/stock-locations", "/sales-channels"
KINDS = {"FULFILLMENT_CENTER", "RETURN_CENTER", "INBOUND_DISTRIBUTION_CENTER"}
COUNTRIES = {"de", "nl", "fr", "it", "uk", "at", "ch", "pl", "be", "se", "fi", "dk", "es"}
GERMANY = "01924c48-49bb-40c2-9c32-ab582e6db6f4"
UNKNOWN = "11111111-2222-4333-8444-555555555555"


def centers_path(server: EmulatorServer, number: int = 0) -> str:
    return f"/merchants/{server.merchant_ids[number]}/logistic-centers"


def channels(api: httpx.Client, *merchant_ids: str, **query: Any) -> list[dict[str, Any]]:
    answer = api.get(CHANNELS, params={"merchant_ids": ",".join(merchant_ids), **query})
    assert answer.status_code == 200, answer.text
    assert set(answer.json()) == {"items"}
    found: list[dict[str, Any]] = answer.json()["items"]
    return found


def test_stock_locations_are_the_warehouses_of_the_other_apis(server: EmulatorServer, api: httpx.Client) -> None:
    found = api.get(LOCATIONS).json()
    assert [location["id"] for location in found] == [warehouse_id(7, number) for number in range(4)]
    assert {location["type"] for location in found} == KINDS
    for location in found:
        assert set(location) == {"id", "name", "type", "location", "abbreviation", "valid_from", "capabilities"}
        assert set(location["location"]) == {
            *("name", "postal_code", "country_code", "street", "city", "latitude", "longitude"),
        }
        assert isinstance(location["capabilities"], list)
    places = {location["name"]: location["location"]["country_code"] for location in found}
    assert places == {"Erfurt": "DE", "Gardno": "PL", "Nogarole Rocca": "IT", "Bleiswijk": "NL"}
    assert found == server.reference("stock_locations", server.merchant_ids[1])


def test_stock_locations_come_as_array_or_object(server: EmulatorServer, api: httpx.Client) -> None:
    found = api.get(LOCATIONS).json()
    server.set_options(stock_locations_shape="object")
    assert api.get(LOCATIONS).json() == {"stock_locations": found}
    server.faults.set([{"match": {"path": LOCATIONS}, "action": {"duplicate": 1}, "times": 2}])
    assert api.get(LOCATIONS).json() == {"stock_locations": [*found, found[0]]}
    server.set_options(stock_locations_shape="array")
    assert api.get(LOCATIONS).json() == [*found, found[0]]


def test_one_stock_location_is_found_by_id(server: EmulatorServer, api: httpx.Client) -> None:
    second = api.get(LOCATIONS).json()[1]
    assert api.get(f"{LOCATIONS}/{second['id']}").json() == second
    assert api.get(f"{LOCATIONS}/{second['id'].upper()}").json() == second
    unknown = api.get(f"{LOCATIONS}/{UNKNOWN}")
    assert (unknown.status_code, unknown.headers["Content-Type"]) == (404, "application/problem+json")


def test_sales_channels_are_the_known_ones_and_some_not_live(server: EmulatorServer, api: httpx.Client) -> None:
    first, second = (channels(api, merchant) for merchant in server.merchant_ids)
    assert len(first) == len(second) == 13
    assert first[0]["sales_channel_id"] == GERMANY
    assert {frozenset(item) for item in first} == {
        frozenset({"sales_channel_id", "country_name", "country_code", "live"})
    }
    assert {item["country_code"] for item in first} == COUNTRIES
    assert {item["live"] for item in first} == {True, False}
    assert [item["live"] for item in first] != [item["live"] for item in second]
    assert first == server.reference("sales_channels", server.merchant_ids[0])


def test_channels_of_several_merchants_come_once_and_live_if_one_is(server: EmulatorServer, api: httpx.Client) -> None:
    first, second = (channels(api, merchant) for merchant in server.merchant_ids)
    both = channels(api, *server.merchant_ids, zalando_only="true")
    assert [item["sales_channel_id"] for item in both] == [item["sales_channel_id"] for item in first]
    live = [a["live"] or b["live"] for a, b in zip(first, second, strict=True)]
    assert [item["live"] for item in both] == live


def test_errors_of_sales_channels_are_json_api_as_plain_json(server: EmulatorServer, api: httpx.Client) -> None:
    mine = server.merchant_ids[0]
    queries: list[tuple[dict[str, str], int]] = [
        ({}, 400),
        ({"merchant_ids": ""}, 400),
        ({"merchant_ids": "x"}, 400),
        ({"merchant_ids": mine, "zalando_only": "maybe"}, 400),
        ({"merchant_ids": f"{mine},{server.foreign_merchant_id}"}, 403),
        ({"merchant_ids": UNKNOWN}, 404),
    ]
    for query, status in queries:
        answer = api.get(CHANNELS, params=query)
        assert (answer.status_code, answer.headers["Content-Type"]) == (status, "application/json")
        (error,) = answer.json()["errors"]
        assert error["status"] == str(status)
        assert error["detail"]
    api.headers.pop("Authorization")
    assert api.get(CHANNELS).json()["errors"][0]["status"] == "401"


def test_logistic_centers_belong_to_a_merchant(server: EmulatorServer, api: httpx.Client) -> None:
    mine, others = (api.get(centers_path(server, number)).json()["items"] for number in (0, 1))
    ids = [{center["logistic_center_id"] for center in found} for found in (mine, others)]
    assert not ids[0] & ids[1]
    for center in (*mine, *others):
        assert set(center) == {"logistic_center_id", "name", "type", "address"}
        assert center["type"] == "OUTBOUND_WAREHOUSE"
        assert set(center["address"]) - {"additional"} == {"street", "city", "zip", "country_code"}
    one = mine[0]["logistic_center_id"]
    assert api.get(f"{centers_path(server)}/{one}").json() == mine[0]
    assert api.get(f"{centers_path(server, 1)}/{one}").status_code == 404
    assert api.get(f"/merchants/{server.foreign_merchant_id}/logistic-centers").status_code == 403
    assert api.get(f"/merchants/{server.foreign_merchant_id}/logistic-centers/{one}").status_code == 403
    assert api.get(f"/merchants/{UNKNOWN}/logistic-centers").status_code == 404
    assert mine == server.reference("logistic_centers", server.merchant_ids[0])


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
    assert api.get(f"{LOCATIONS}/{UNKNOWN}").json() == after[3]
    assert api.get(f"{LOCATIONS}/{second}").status_code == 404
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


def test_references_of_an_unknown_kind_or_merchant_are_refused(server: EmulatorServer) -> None:
    with pytest.raises(ValueError, match="dataset"):
        server.change_reference("orders", UNKNOWN, {})
    with pytest.raises(ValueError, match="dataset"):
        server.reference("orders", server.merchant_ids[0])
    with pytest.raises(ValueError, match="merchant"):
        server.reference("stock_locations", UNKNOWN)
    with pytest.raises(ValueError, match="merchant"):
        server.change_reference("sales_channels", GERMANY, {}, merchant_id=UNKNOWN)
    with pytest.raises(ValueError):
        server.set_options(stock_locations_shape="list")


def test_drift_meets_optional_fields_and_never_identity(server: EmulatorServer, api: httpx.Client) -> None:
    mine = server.merchant_ids[0]
    keys = {"stock_locations": "id", "sales_channels": "sales_channel_id", "logistic_centers": "logistic_center_id"}
    plain = {dataset: server.reference(dataset, mine) for dataset in keys}
    server.set_options(drift=1.0)
    for dataset, key in keys.items():
        drifted = server.reference(dataset, mine)
        assert drifted != plain[dataset]
        assert [record[key] for record in drifted] == [record[key] for record in plain[dataset]]
    assert channels(api, mine) == server.reference("sales_channels", mine)
    assert {type(channel["live"]) for channel in channels(api, mine)} == {bool}
    assert {"country_name" in channel for channel in channels(api, mine)} == {True, False}


@pytest.mark.parametrize(
    ("operation", "requests"), [("stock-locations", 100), ("sales-channels", 40), ("logistic-centers", 40)]
)
def test_each_api_has_its_limit(server: EmulatorServer, api: httpx.Client, operation: str, requests: int) -> None:
    limits = [limit_of(operation, environment) for environment in ("production", "sandbox")]
    assert [(limit.requests, limit.seconds) for limit in limits] == [(requests, 60), (10, 60)]
    for _ in range(requests - 1):
        assert server.state.limiter.refusal(operation, LIMITS[operation]) is None
    path = {"stock-locations": LOCATIONS, "sales-channels": CHANNELS, "logistic-centers": centers_path(server)}
    query = {"merchant_ids": server.merchant_ids[0]}
    answers = [api.get(path[operation], params=query) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [200, 429]
    assert answers[1].headers["X-Rate-Limit"] == str(requests)
    server.clock.advance(60)
    assert api.get(path[operation], params=query).status_code == 200
