from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import httpx
import pytest

from airflow_provider_zdirect.emulator.catalog import articles
from airflow_provider_zdirect.emulator.server import EmulatorServer

from .conftest import NOW, log_in

SNAPSHOTS, QUANTITIES = "item-quantity-snapshots", "item-quantities"
HOUR = timedelta(hours=1)


def get(api: httpx.Client, path: str, merchant_id: str, **query: Any) -> httpx.Response:
    return api.get(f"/zfs/{path}/{merchant_id}", params=query)


def snapshot(api: httpx.Client, merchant_id: str) -> dict[str, Any]:
    answer = get(api, SNAPSHOTS, merchant_id)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def items(api: httpx.Client, merchant_id: str, **query: Any) -> list[dict[str, Any]]:
    answer = get(api, QUANTITIES, merchant_id, **query)
    assert answer.status_code == 200, answer.text
    assert set(answer.json()) == {"item_quantities"}
    found: list[dict[str, Any]] = answer.json()["item_quantities"]
    return found


def by_place(found: list[dict[str, Any]]) -> dict[tuple[str, str], tuple[int, int]]:
    return {
        (item["ean"], place["stock_location_id"]): (
            place["quantities_by_state"]["offerable"],
            place["quantities_by_state"]["non_offerable"],
        )
        for item in found
        for place in item["quantities_by_location"]
    }


@pytest.fixture
def sandbox() -> Iterator[tuple[EmulatorServer, httpx.Client]]:
    with EmulatorServer(seed=7, now=NOW, environment="sandbox") as server:
        with httpx.Client(base_url=server.url) as client:
            yield server, log_in(client)


def test_the_snapshot_is_the_stock_of_the_moment_it_was_made(server: EmulatorServer, api: httpx.Client) -> None:
    for merchant in server.merchant_ids:
        answer = snapshot(api, merchant)
        assert set(answer) == {"item_quantity_snapshot", "created"}
        assert answer["created"] == "2026-03-09T22:00:00Z"
        found = answer["item_quantity_snapshot"]["item_quantities"]
        assert by_place(found) == server.quantities(merchant, answer["created"])
        assert 150 < len(found) < 250
        assert len({item["ean"] for item in found}) == len(found)


def test_a_snapshot_is_made_once_a_day(server: EmulatorServer, api: httpx.Client) -> None:
    merchant, made = server.merchant_ids[0], datetime(2026, 3, 10, 22, tzinfo=UTC)
    server.clock.set(made - timedelta(microseconds=1))
    log_in(api)
    before = snapshot(api, merchant)
    server.clock.set(made)
    log_in(api)
    after = snapshot(api, merchant)
    assert (before["created"], after["created"]) == ("2026-03-09T22:00:00Z", "2026-03-10T22:00:00Z")
    assert before["item_quantity_snapshot"] != after["item_quantity_snapshot"]
    server.clock.advance(23 * 3600)
    log_in(api)
    assert snapshot(api, merchant) == after
    server.set_options(snapshot_time="05:30")
    answer = snapshot(api, merchant)
    assert answer["created"] == "2026-03-11T05:30:00Z"
    found = answer["item_quantity_snapshot"]["item_quantities"]
    assert by_place(found) == server.quantities(merchant, "2026-03-11T05:00:00Z")


def test_named_eans_are_answered_in_order_with_zeros_and_without_unknown_ones(
    server: EmulatorServer, api: httpx.Client
) -> None:
    merchant = server.merchant_ids[0]
    truth = server.quantities(merchant, server.clock.now())
    there = {ean for ean, _ in truth}
    every = [article.ean for article in articles(7, merchant)]
    zero = next(ean for ean in every if ean not in there)
    stocked = [ean for ean in every if ean in there][:3]
    found = items(api, merchant, eans=",".join([stocked[2], zero, "4006381333931", stocked[0], zero]))
    assert [item["ean"] for item in found] == [stocked[2], zero, stocked[0]]
    assert found[1] == {
        "ean": zero,
        "total_quantity": 0,
        "quantities_by_state": {"offerable": 0, "non_offerable": 0},
        "quantities_by_location": [],
    }
    expected = {key: value for key, value in truth.items() if key[0] in (stocked[0], stocked[2])}
    assert by_place(found) == expected


def test_eans_are_limited_in_number(server: EmulatorServer, api: httpx.Client) -> None:
    merchant = server.merchant_ids[0]
    every = [article.ean for article in articles(7, merchant)]
    assert len(items(api, merchant, eans=",".join(every[:100]))) == 100
    refused = get(api, QUANTITIES, merchant, eans=",".join(every[:101]))
    assert (refused.status_code, refused.headers["Content-Type"]) == (400, "application/problem+json")
    server.set_options(most_eans=400)
    assert by_place(items(api, merchant, eans=",".join(every))) == server.quantities(merchant, server.clock.now())


def test_changed_since_is_every_article_that_changed_and_with_its_stock_of_now(
    server: EmulatorServer, api: httpx.Client
) -> None:
    server.set_options(most_eans=400)
    merchant, now = server.merchant_ids[0], server.clock.now()
    sizes = []
    for hours in (0, 1, 6, 24):
        since = now - hours * HOUR
        found = items(api, merchant, **{"from": since.isoformat()})
        moments = [server.quantities(merchant, since + number * HOUR) for number in range(hours + 1)]
        changed = {key[0] for before, after in pairwise(moments) for key, _ in before.items() ^ after.items()}
        assert {item["ean"] for item in found} == changed
        assert by_place(found) == {key: value for key, value in moments[-1].items() if key[0] in changed}
        sizes.append(len(found))
    assert sizes[0] == 0 < sizes[1] < sizes[2] < sizes[3]
    # Articles that were sold out since then are among them.
    assert any(item["total_quantity"] == 0 for item in found)


@pytest.mark.parametrize(
    "query",
    [
        {},
        {"eans": "4006381333931", "from": "2026-03-10T12:00:00Z"},
        {"eans": ""},
        {"from": "2026-03-09T12:29:59Z"},
        {"from": "2026-03-10"},
        {"from": "2026-03-10T12:00:00"},
    ],
)
def test_a_malformed_request_is_a_400_problem(server: EmulatorServer, api: httpx.Client, query: dict[str, str]) -> None:
    answer = get(api, QUANTITIES, server.merchant_ids[0], **query)
    assert answer.status_code == 400
    assert answer.headers["Content-Type"] == "application/problem+json"


def test_the_sandbox_is_always_empty_and_has_its_own_limits(sandbox: tuple[EmulatorServer, httpx.Client]) -> None:
    server, api = sandbox
    merchant = server.merchant_ids[0]
    assert snapshot(api, merchant) == {"item_quantity_snapshot": {"item_quantities": []}}
    statuses = [get(api, QUANTITIES, merchant, eans="1").status_code for _ in range(11)]
    assert statuses == [200] * 10 + [429]
    assert get(api, QUANTITIES, merchant, eans="1").headers["X-Rate-Limit"] == "10"
    assert get(api, SNAPSHOTS, merchant).status_code == 200
    server.clock.advance(60)
    assert get(api, QUANTITIES, merchant, eans="1").json() == {"item_quantities": []}
