"""Writing to orders, lines and shipments, and every refusal."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from airflow_provider_zdirect.emulator.server import EmulatorServer

from .order_calls import base, detail, line_paths, patch_line, patch_order, send, truth

WEIGHT = {"value": 1250, "unit": "g"}


@pytest.fixture(autouse=True)
def without_limits_and_other_orders(server: EmulatorServer) -> None:
    server.set_options(rate_limits=False, order_days=0)


def add(server: EmulatorServer, lines: int = 2, **attributes: Any) -> str:
    (id,) = server.add_orders(server.merchant_ids[0], 1, items=1, lines=lines, **attributes)
    return id


def paths(server: EmulatorServer, id: str) -> list[str]:
    return list(line_paths(server, id).values())


def possible(api: httpx.Client, path: str) -> list[str]:
    order, line_id = path.partition("/items/")[0], path.rpartition("/")[2]
    included = api.get(order, params={"include": "order_lines"}).json()["included"]
    (shown,) = (line["meta"]["possible_status_transitions"] for line in included if line["id"] == line_id)
    return list(shown)


def test_tracking_numbers_take_effect_some_time_later(server: EmulatorServer, api: httpx.Client) -> None:
    id = add(server)
    assert patch_order(server, api, id, tracking_number="T1", return_tracking_number="R1").status_code == 204
    for advance, expected in ((2.9, ("", "")), (0.1, ("T1", "R1"))):
        server.clock.advance(advance)
        known, shown = truth(server, id), api.get(f"{base(server)}/{id}").json()["data"]["attributes"]
        assert (known["tracking_number"], known["return_tracking_number"]) == expected
        assert (shown["tracking_number"], shown["return_tracking_number"]) == expected
    assert truth(server, id)["modified_at"] == "2026-03-10T12:30:03.000+00:00"
    assert truth(server, id)["shipments"][0]["tracking_number"] == "T1"
    server.set_options(order_update_seconds=0)
    patch_order(server, api, id, tracking_number="T2")
    assert truth(server, id)["tracking_number"] == "T2"
    server.set_options(first_tracking_counts=True)
    patch_order(server, api, id, tracking_number="T3")
    assert truth(server, id)["tracking_number"] == "T2"


@pytest.mark.parametrize("wait", [0, 5])
def test_what_is_shipped_too_early_is_shipped_without_tracking(
    server: EmulatorServer, api: httpx.Client, wait: float
) -> None:
    id = add(server, lines=1)
    (path,) = paths(server, id)
    patch_order(server, api, id, tracking_number="T1")
    server.clock.advance(wait)
    assert patch_line(api, path, "shipped").status_code == 204
    server.clock.advance(10)
    known = truth(server, id)
    assert (known["status"], known["tracking_number"]) == ("fulfilled", "T1")
    assert known["shipped_without_tracking"] is (wait == 0)


def test_a_line_goes_through_its_states_and_everything_else_is_a_conflict(
    server: EmulatorServer, api: httpx.Client
) -> None:
    id = add(server, lines=1, status="initial", merchant_order_id="M1", exported=True)
    (path,) = paths(server, id)
    for status, allowed in (
        ("initial", ["reserved"]),
        ("reserved", ["shipped", "canceled"]),
        ("shipped", ["returned"]),
    ):
        assert possible(api, path) == allowed
        for other in {"initial", "reserved", "shipped", "returned", "canceled"} - set(allowed):
            refused = patch_line(api, path, other)
            assert (refused.status_code, detail(refused)["title"]) == (409, "Conflict")
            assert status in detail(refused)["detail"]
        server.clock.advance(60)
        answer = patch_line(api, path, allowed[0])
        assert (answer.status_code, answer.headers["Location"]) == (204, f"{server.url}{path}")
    assert possible(api, path) == []
    known = truth(server, id)
    (item,) = known["items"]
    (line,) = item["lines"]
    assert [step["final_status"] for step in line["transitions"]] == ["reserved", "shipped", "returned"]
    assert line["modified_at"] == item["modified_at"] == known["modified_at"] == "2026-03-10T12:33:00.000+00:00"
    assert (item["quantity_initial"], item["quantity_shipped"], item["quantity_returned"]) == (1, 0, 1)
    assert [step["final_status"] for step in known["transitions"]] == ["fulfilled"]
    assert known["shipments"][0]["status"] == "shipped"


def test_an_order_that_is_not_paid_allows_reservation_only(server: EmulatorServer, api: httpx.Client) -> None:
    id = add(server, lines=1, status="initial")
    (path,) = paths(server, id)
    assert possible(api, path) == ["reserved"]
    assert patch_line(api, path, "canceled").status_code == 409
    assert patch_line(api, path, "reserved").status_code == 204
    assert possible(api, path) == []
    assert patch_line(api, path, "canceled").status_code == 409
    server.approve_order(id)
    assert patch_line(api, path, "canceled").status_code == 204
    known = truth(server, id)
    assert (known["status"], known["shipments"][0]["status"]) == ("fulfilled", "canceled")


def test_orders_of_zalando_cannot_be_written(server: EmulatorServer, api: httpx.Client) -> None:
    id = add(server, lines=1, order_type="ZalandoFulfilled")
    (path,) = paths(server, id)
    assert possible(api, path) == []
    content = {"order_lines": [{"order_line_id": path.rpartition("/")[2]}], "weight": WEIGHT}
    for answer in (
        patch_order(server, api, id, tracking_number="T1"),
        patch_line(api, path, "shipped"),
        send(api, "POST", f"{base(server)}/{id}/shipments", content),
    ):
        assert "fulfilled by Zalando" in detail(answer)["detail"]
        assert answer.status_code == 403
