from __future__ import annotations

import httpx

from airflow_provider_zdirect.emulator.server import EmulatorServer

from .conftest import ask_token
from .test_stock_movements import BASE, DAY


def test_requests_are_logged_without_secrets(server: EmulatorServer, api: httpx.Client) -> None:
    path = f"{BASE}/returned-items/{server.merchant_ids[0]}"
    api.get(path, params=DAY, headers={"X-Flow-Id": "mine"})
    answer = api.get("/_emulator/requests")
    token, items = answer.json()["requests"]
    assert (token["method"], token["path"], token["client_id"]) == ("POST", "/auth/token", "demo")
    assert (items["path"], items["status"], items["client_id"], items["flow_id"]) == (path, 200, "demo", "mine")
    assert items["query"] == "from=2026-03-09T00%3A00%3A00Z&to=2026-03-10T00%3A00%3A00Z"
    assert items["elapsed"] >= token["elapsed"]
    assert "demo-secret" not in answer.text
    assert api.headers["Authorization"] not in answer.text
    assert [entry.path for entry in server.requests] == ["/auth/token", path]
    assert api.delete("/_emulator/requests").status_code == 204
    assert server.requests == []


def test_faults_are_set_over_http(server: EmulatorServer, anonymous: httpx.Client) -> None:
    plan = [{"match": {"path": "/auth"}, "action": {"status": 500}, "times": 2}]
    assert anonymous.put("/_emulator/faults", json=plan).status_code == 200
    assert [ask_token(anonymous).status_code for _ in range(3)] == [500, 500, 200]
    shown = anonymous.get("/_emulator/faults").json()
    assert (shown[0]["seen"], shown[0]["hits"]) == (3, 2)
    assert anonymous.put("/_emulator/faults", json=shown).status_code == 200
    assert anonymous.delete("/_emulator/faults").status_code == 204
    assert anonymous.get("/_emulator/faults").json() == []
    for bad in ({"action": {}}, [1], [{"action": {"nonsense": 1}}]):
        assert anonymous.put("/_emulator/faults", json=bad).status_code == 400


def test_the_truth_is_shown_over_http(server: EmulatorServer, anonymous: httpx.Client) -> None:
    server.set_options(bad_records=0.2, drift=0.5)
    merchant = server.merchant_ids[0]
    query = {"merchant_id": merchant, "from": "2026-03-09", "to": "2026-03-10"}
    shown = anonymous.get("/_emulator/truth/received_items", params=query).json()
    truth = server.truth("received_items", merchant, "2026-03-09", "2026-03-10")
    assert shown == {"count": len(truth), "records": truth}
    assert 0 < sum("_bad" in record for record in truth) < len(truth)
    sent = anonymous.get("/_emulator/truth/received_items", params={**query, "as_sent": "true"}).json()
    assert sent["records"] == server.truth("received_items", merchant, "2026-03-09", "2026-03-10", as_sent=True)
    assert sent["records"] != truth
    assert anonymous.get("/_emulator/truth/orders", params=query).status_code == 400
    assert anonymous.get("/_emulator/truth/received_items").status_code == 400


def test_the_clock_is_moved_over_http(server: EmulatorServer, anonymous: httpx.Client) -> None:
    assert anonymous.get("/_emulator/clock").json() == {"now": "2026-03-10T12:30:00+00:00", "frozen": True}
    moved = anonymous.put("/_emulator/clock", json={"advance": 90}).json()
    assert moved["now"] == "2026-03-10T12:31:30+00:00"
    set_to = anonymous.put("/_emulator/clock", json={"now": "2026-01-01T01:00:00+01:00"}).json()
    assert set_to == {"now": "2026-01-01T00:00:00+00:00", "frozen": True}
    assert anonymous.put("/_emulator/clock", json={"now": None}).json()["frozen"] is False
    assert anonymous.put("/_emulator/clock", json={"advance": 3600}).json()["frozen"] is False
    for bad in ({}, [], {"now": "soon"}, {"advance": "far"}, {"now": None, "advance": 1}):
        assert anonymous.put("/_emulator/clock", json=bad).status_code == 400
    assert anonymous.put("/_emulator/clock", content=b"{").status_code == 400


def test_tokens_are_revoked_over_http(api: httpx.Client) -> None:
    assert api.get("/auth/me").status_code == 200
    assert api.post("/_emulator/tokens/revoke").json() == {"revoked": 1}
    assert api.get("/auth/me").status_code == 401


def test_options_are_changed_over_http(server: EmulatorServer, anonymous: httpx.Client) -> None:
    before = anonymous.get("/_emulator/options").json()
    after = anonymous.patch("/_emulator/options", json={"drift": 0.2, "to_inclusive": True}).json()
    assert after == {**before, "drift": 0.2, "to_inclusive": True}
    assert server.options.drift == 0.2
    for bad in ({"drfit": 1}, {"drift": 2}, {"last_page_next": "maybe"}, {"rate_limits": "no"}, [1]):
        assert anonymous.patch("/_emulator/options", json=bad).status_code == 400
    assert server.options.as_dict() == after


def test_reset_puts_everything_back(server: EmulatorServer, api: httpx.Client) -> None:
    server.set_options(drift=1.0)
    server.clock.set(None)
    server.faults.add({"action": {"reset": True}})
    server.reset()
    assert server.options.drift == 0
    assert server.clock.now().isoformat() == "2026-03-10T12:30:00+00:00"
    assert server.faults.as_list() == []
    assert api.get("/auth/me").status_code == 401
