from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Any

import httpx
import pytest

from airflow_provider_zdirect.emulator.server import EmulatorServer

from .conftest import log_in
from .notice_calls import announce, create, post

TOURS = "/zfs/tours"
# What becomes of a tour depends on the id of its notice.
NEITHER_CANCELED_NOR_REJECTED = "8d9a4b0e-63c5-4f7a-9d3b-2f1c5e6a7b01"


@pytest.fixture(autouse=True)
def without_limits(server: EmulatorServer) -> None:
    server.set_options(rate_limits=False)


def tours(api: httpx.Client, **query: Any) -> list[dict[str, Any]]:
    answer = api.get(TOURS, params=query)
    assert answer.status_code == 200, answer.text
    assert set(answer.json()) == {"tours"}
    found: list[dict[str, Any]] = answer.json()["tours"]
    return found


def test_there_is_a_tour_for_each_notice_whose_delivery_date_is_set(server: EmulatorServer, api: httpx.Client) -> None:
    found = tours(api)
    notices = {notice["id"]: notice for merchant in server.merchant_ids for notice in server.notices(merchant)}
    expected = {id for id, n in notices.items() if n["state"] in ("ready_for_dispatch", "ready_for_receive")}
    assert {tour["shipping_notice_id"] for tour in found} == expected
    for tour in found:
        assert tour["type"] == "NEW_GOODS"
        notice = notices[tour["shipping_notice_id"]]
        assert tour["zalando_advice_id"] == notice["zalando_advice_id"]
        assert re.fullmatch(r"\d{8}-\d{4}-BR-[A-Z]{3}", tour["tour_number"])
        assert tour["planned_amount_of_loading_units"]["pallets"] == notice["fields"]["pallets_count"]
        yard, dock = (datetime.fromisoformat(tour[f"planned_arrival_time_at_{place}"]) for place in ("yard", "dock"))
        assert yard < dock
        assert yard.date().isoformat() == notice["fields"]["earliest_delivery_date"]
    both = [tour for merchant in server.merchant_ids for tour in server.tours(merchant)]
    assert sorted(map(str, both)) == sorted(map(str, found))
    assert len({tour["tour_number"] for tour in found}) == len(found)


def test_tours_are_found_by_advice(server: EmulatorServer, api: httpx.Client) -> None:
    found = tours(api)
    assert tours(api, zalando_advice_id=found[3]["zalando_advice_id"]) == [found[3]]
    foreign = server.tours(server.foreign_merchant_id)
    assert foreign
    assert tours(api, zalando_advice_id="99999999") == []
    assert not {tour["shipping_notice_id"] for tour in foreign} & {tour["shipping_notice_id"] for tour in found}
    assert api.get(TOURS, params={"zalando_advice_id": "9200"}).status_code == 400
    api.headers.pop("Authorization")
    assert api.get(TOURS).status_code == 401


def test_a_tour_moves_on_with_the_day(server: EmulatorServer) -> None:
    merchant, start = server.merchant_ids[0], datetime.fromisoformat("2026-03-09T23:59:00Z")
    seen: dict[str, list[str]] = {}
    for minutes in range(0, 3 * 24 * 60, 30):
        server.clock.set(start + timedelta(minutes=minutes))
        for tour in server.tours(merchant):
            statuses = seen.setdefault(tour["shipping_notice_id"], [])
            status = tour["current_status"]
            if status["status"] not in statuses:
                statuses.append(status["status"])
            assert datetime.fromisoformat(status["last_updated"]) <= server.clock.now()
            planned, actual = tour["planned_amount_of_loading_units"], tour["actual_amount_of_loading_units"]
            if status["status"] == "unloaded":
                assert planned["pallets"] - 1 <= actual["pallets"] <= planned["pallets"]
            else:
                assert set(actual.values()) == {0}
    assert ["initialized", "arrived", "unloading", "unloaded"] in seen.values()


def test_a_created_notice_gets_a_tour_that_waits_for_its_dispatch(server: EmulatorServer, api: httpx.Client) -> None:
    server.set_options(notice_days=0, token_seconds=10**7)
    log_in(api)
    id = create(server, api, id=NEITHER_CANCELED_NOR_REJECTED, earliest_delivery_date="2026-03-11")
    announce(api, id)
    assert tours(api) == []
    server.confirm_delivery_date(id)
    (tour,) = tours(api)
    assert tour["shipping_notice_id"] == id
    server.clock.advance(3 * 24 * 3600)
    assert tours(api)[0]["current_status"]["status"] == "initialized"
    assert post(api, id, "dispatch-confirmations").status_code == 201
    assert tours(api)[0]["current_status"]["status"] == "arrived"
    server.clock.advance(4 * 3600)
    assert tours(api)[0]["current_status"]["status"] == "unloaded"
