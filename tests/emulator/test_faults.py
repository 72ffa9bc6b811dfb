from __future__ import annotations

import time
import zlib
from typing import Any

import httpx
import pytest

from airflow_provider_zdirect.emulator.faults import FaultPlan
from airflow_provider_zdirect.emulator.server import EmulatorServer

from .test_stock_movements import BASE, DAY


def fault(server: EmulatorServer, action: dict[str, Any], **plan: Any) -> None:
    server.faults.set([{"match": plan.pop("match", {}), "action": action, **plan}])


def received(api: httpx.Client, server: EmulatorServer, **query: Any) -> httpx.Response:
    url = f"{BASE}/reports/received-items/{server.merchant_ids[0]}"
    return api.get(url, params={**DAY, "limit": 20, **query})


def test_a_status_is_answered_once_with_its_headers_and_body(server: EmulatorServer, api: httpx.Client) -> None:
    fault(server, {"status": 503, "headers": {"Retry-After": "3"}})
    answer = received(api, server)
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "3")
    assert answer.json()["status"] == 503
    assert answer.headers["X-Flow-Id"]
    assert received(api, server).status_code == 200
    fault(server, {"status": 500, "body": {"title": "There are too many movements"}})
    assert received(api, server).json() == {"title": "There are too many movements"}
    fault(server, {"status": 502, "body": "<html>Bad Gateway</html>"})
    assert received(api, server).text == "<html>Bad Gateway</html>"


def test_a_reset_connection_gives_no_answer(server: EmulatorServer, api: httpx.Client) -> None:
    fault(server, {"reset": True})
    with pytest.raises(httpx.TransportError):
        received(api, server)
    assert server.requests[-1].status is None
    assert received(api, server).status_code == 200


@pytest.mark.parametrize("kept", [0, 100, True])
def test_a_cut_body_begins_with_a_good_answer(server: EmulatorServer, api: httpx.Client, kept: int | bool) -> None:
    whole = received(api, server).content
    fault(server, {"cut_body": kept})
    url, part = f"{BASE}/reports/received-items/{server.merchant_ids[0]}", []
    with api.stream("GET", url, params={**DAY, "limit": 20}) as answer:
        assert (answer.status_code, answer.headers["Content-Length"]) == (200, str(len(whole)))
        with pytest.raises(httpx.RemoteProtocolError):
            part.extend(answer.iter_bytes(1))
    assert b"".join(part) == whole[: len(whole) // 2 if kept is True else kept]
    assert received(api, server).status_code == 200


def test_a_malformed_or_empty_body_is_complete_http(server: EmulatorServer, api: httpx.Client) -> None:
    for action, kept in (("malformed_json", 2 / 3), ("empty_body", 0)):
        whole = received(api, server).content
        fault(server, {action: True})
        answer = received(api, server)
        assert (answer.status_code, answer.content) == (200, whole[: int(len(whole) * kept)])


def test_a_compressed_body_is_cut_and_complete_http(server: EmulatorServer, api: httpx.Client) -> None:
    whole = received(api, server).content
    fault(server, {"cut_gzip": True})
    url, raw = f"{BASE}/reports/received-items/{server.merchant_ids[0]}", b""
    with api.stream("GET", url, params={**DAY, "limit": 20}) as answer:
        raw = b"".join(answer.iter_raw())
        assert (answer.headers["Content-Encoding"], answer.headers["Content-Length"]) == ("gzip", str(len(raw)))
    unpacked = zlib.decompressobj(16 + zlib.MAX_WBITS)
    assert whole.startswith(unpacked.decompress(raw))
    assert not unpacked.eof


def test_a_body_trickles_in(server: EmulatorServer, api: httpx.Client) -> None:
    whole = received(api, server).content
    fault(server, {"trickle": 0.001})
    url = f"{BASE}/reports/received-items/{server.merchant_ids[0]}"
    with api.stream("GET", url, params={**DAY, "limit": 20}) as answer:
        assert b"".join(answer.iter_raw()) == whole


def test_records_are_duplicated_within_the_page(server: EmulatorServer, api: httpx.Client) -> None:
    plain = received(api, server).json()
    fault(server, {"duplicate": 3})
    doubled = received(api, server).json()
    assert doubled["received_items"] == plain["received_items"] + plain["received_items"][:3]
    assert doubled["next"] == plain["next"]


def test_a_cursor_is_repeated(server: EmulatorServer, api: httpx.Client) -> None:
    cursor = received(api, server).json()["next"]
    fault(server, {"repeat_cursor": True})
    assert received(api, server, cursor=cursor).json()["next"] == cursor
    assert received(api, server, cursor=cursor).json()["next"] != cursor


def test_cursors_never_end(server: EmulatorServer, api: httpx.Client) -> None:
    first = received(api, server).json()
    fault(server, {"endless_cursor": True}, times=None)
    pages = [received(api, server).json()]
    pages += [received(api, server, cursor=pages[0]["next"]).json() for _ in range(2)]
    assert len({page["next"] for page in pages}) == 3
    assert [page["received_items"] for page in pages] == [first["received_items"]] * 3


def test_revoked_tokens_cause_a_401_in_the_middle_of_paging(server: EmulatorServer, api: httpx.Client) -> None:
    fault(server, {"revoke_tokens": True}, match={"path": "received-items", "nth": 2})
    assert [received(api, server).status_code for _ in range(3)] == [200, 401, 401]


def test_a_delay_and_a_hang_take_real_time(server: EmulatorServer, api: httpx.Client) -> None:
    fault(server, {"delay": 0.2})
    began = time.monotonic()
    assert received(api, server).status_code == 200
    assert time.monotonic() - began >= 0.2
    fault(server, {"hang": True})
    url = f"{server.url}/auth/me"
    with pytest.raises(httpx.ReadTimeout):
        httpx.get(url, timeout=httpx.Timeout(60, read=0.2))
    fault(server, {"hang": 0.1})
    with pytest.raises(httpx.TransportError):
        httpx.get(url, timeout=60)


def test_a_fault_hits_only_what_it_matches(server: EmulatorServer, api: httpx.Client) -> None:
    match = {"path": r"returned-items/.*", "method": "get", "query": {"from": "2026-03-09"}}
    fault(server, {"status": 500}, match=match, times=None)
    url = f"{BASE}/returned-items/{server.merchant_ids[0]}"
    assert received(api, server).status_code == 200
    assert api.get(url, params=DAY).status_code == 500
    assert api.get(url, params={**DAY, "from": "2026-03-08T00:00:00Z"}).status_code == 200
    assert api.get(url, params=DAY).status_code == 500


@pytest.mark.parametrize(
    ("plan", "hit"),
    [
        ({}, [1]),
        ({"times": 3}, [1, 2, 3]),
        ({"match": {"nth": 2}}, [2]),
        ({"match": {"nth": 4}, "times": 2}, [4, 5]),
        ({"match": {"nth": 5}, "times": None}, [5, 6, 7]),
        ({"match": {"every": 3}}, [3, 6]),
        ({"match": {"every": 3}, "times": 1}, [3]),
    ],
)
def test_nth_every_and_times_choose_the_requests(plan: dict[str, Any], hit: list[int]) -> None:
    faults = FaultPlan([{"action": {"reset": True}, **plan}])
    assert [count for count in range(1, 8) if faults.take("GET", "/x", {})] == hit


def test_the_first_fault_that_fires_wins_and_all_count() -> None:
    faults = FaultPlan([{"action": {"status": 500}}, {"action": {"status": 503}, "match": {"nth": 2}}])
    actions = [faults.take("GET", "/x", {}) for _ in range(3)]
    assert [action and action.status for action in actions] == [500, 503, None]


@pytest.mark.parametrize(
    "plan",
    [
        {"match": {}},
        {"action": {"explode": True}},
        {"action": {"reset": True}, "match": {"path": "("}},
        {"action": {"reset": True}, "match": {"nth": 0}},
        {"action": {"status": "503"}},
        {"action": {"body": "x"}},
        {"action": {"reset": True}, "time": 3},
    ],
)
def test_a_plan_that_means_nothing_is_refused(plan: dict[str, Any]) -> None:
    with pytest.raises(ValueError):
        FaultPlan([plan])
