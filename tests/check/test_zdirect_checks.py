"""What the command says about zDirect, over HTTP."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from clocks import NOON
from own_emulator import connection_to, own_emulator

from airflow_provider_zdirect.datasets.table import DATASETS
from airflow_provider_zdirect.emulator.server import EmulatorServer

ALONE = [name for name, dataset in DATASETS.items() if dataset.part_of is None]


def sent(emulator: EmulatorServer, part: str = "") -> list[str]:
    return [f"{each.method} {each.path}" for each in emulator.requests if part in each.path]


def test_one_page_of_every_dataset_is_read_and_nothing_is_changed(check: Any, emulator: EmulatorServer) -> None:
    done = check()
    assert sent(emulator)[:2] == ["POST /auth/token", "GET /auth/me"]
    assert len(sent(emulator)) == 2 + len(ALONE)
    assert all(request.startswith("GET ") for request in sent(emulator)[1:])
    assert {request.status for request in emulator.requests} == {200}
    for name in ALONE:
        assert done.line(f"read {name}").startswith(f"OK read {name}"), done.lines
    assert "10 of 10 scopes" in done.line("scopes")


def test_reads_are_small_and_within_what_zdirect_keeps(check: Any, emulator: EmulatorServer) -> None:
    done = check("--datasets", "received_items, returned_items,orders")
    received, returned, orders = [request.query for request in emulator.requests[2:]]
    assert "limit=50" in received
    assert "from=2026-11-18T12%3A00%3A00Z&to=2026-11-18T13%3A00%3A00Z" in returned
    assert "page%5Bsize%5D=50" in orders
    assert "2026-11-18 00:00-24:00 UTC, merchant " in done.line("read received_items")
    assert "50 records, and there are more" in done.line("read received_items")


def test_no_reads_asks_for_the_app_only(check: Any, emulator: EmulatorServer) -> None:
    assert check("--no-reads").line("reads") == "SKIP reads Not checked: --no-reads."
    assert sent(emulator) == ["POST /auth/token", "GET /auth/me"]


def test_a_missing_scope_is_a_warning_that_says_what_to_grant(check: Any, emulator: EmulatorServer) -> None:
    emulator.set_options(missing_scopes=["orders/read"])
    done = check()
    line = done.line("scope orders/read")
    assert line.startswith("WARN scope orders/read Not granted, so orders, announced_returns, order_deletion_requests")
    assert "give the app the scope orders/read" in line
    assert "9 of 10 scopes" in done.line("scopes")
    assert sent(emulator, "orders") == []


def test_a_dataset_that_was_named_is_read_without_its_scope_too(check: Any, emulator: EmulatorServer) -> None:
    emulator.set_options(missing_scopes=["orders/read"])
    done = check("--datasets", "orders")
    assert done.code == 2
    assert done.line("scope orders/read").startswith("FAIL")
    line = done.line("read orders")
    assert line.startswith("FAIL read orders")
    for part in ("403", "orders/read is not granted", "flow_id="):
        assert part in line


def test_a_scope_that_is_spelled_with_dots_counts(check: Any, emulator: EmulatorServer) -> None:
    app = {"client_id": "a", "bpids": emulator.merchant_ids, "scopes": ["zfs.shipping-notices.read", "Jane Doe"]}
    emulator.faults.add({"match": {"path": "/auth/me"}, "action": {"status": 200, "body": app}})
    done = check("--datasets", "tours")
    assert done.line("scopes").endswith("The app has 1 of 1 scope that datasets need.")
    assert done.file["scopes"] == {"/shipping-notices/read": "zfs.shipping-notices.read"}
    assert "Jane" not in str(done.file)


def test_scopes_that_zdirect_does_not_list_are_found_out_by_reading(check: Any, emulator: EmulatorServer) -> None:
    app = {"client_id": "a", "bpids": emulator.merchant_ids}
    emulator.faults.add({"match": {"path": "/auth/me"}, "action": {"status": 200, "body": app}})
    emulator.set_options(missing_scopes=["orders/read"])
    done = check("--datasets", "received_items,orders")
    assert done.line("scopes").startswith("WARN scopes zDirect lists no scope")
    assert done.line("read received_items").startswith("OK")
    assert done.line("read orders").startswith("FAIL")


def test_a_wrong_secret_is_said_and_never_shown(check: Any, connect: Callable[..., None], emulator: Any) -> None:
    connect(password="not-the-right-one")
    done = check()
    assert done.code == 2
    assert "zDirect refused the client id or the client secret" in done.line("token")
    for skipped in ("merchants", "scopes", "reads"):
        assert done.line(skipped).startswith("SKIP")
    assert "not-the-right-one" not in "".join(done.lines) + str(done.file)
    assert sent(emulator) == ["POST /auth/token"]
    assert done.file["answers"][0]["status"] == 401


def test_an_app_that_is_refused_for_its_mode_is_explained(check: Any, emulator: EmulatorServer) -> None:
    emulator.faults.add({"match": {"path": "/auth/me"}, "action": {"status": 403}})
    line = check().line("app")
    assert line.startswith("FAIL app")
    assert "sandbox mode but production is called" in line


def test_too_many_token_requests_say_when_to_come_back(check: Any, emulator: EmulatorServer) -> None:
    emulator.faults.add(
        {"match": {"path": "/auth/token"}, "action": {"status": 429, "headers": {"Retry-After": "41"}}, "times": None}
    )
    line = check().line("token")
    assert line.startswith("FAIL token")
    assert line.endswith("What to do: Run the check again in 41 s; if it persists, ask Zalando's support.")
    assert sent(emulator) == ["POST /auth/token"]


def test_an_app_without_merchants_is_told_to_get_one(check: Any, emulator: EmulatorServer) -> None:
    app = {"client_id": "a", "bpids": [], "scopes": ["orders/read"]}
    emulator.faults.add({"match": {"path": "/auth/me"}, "action": {"status": 200, "body": app}})
    done = check("--datasets", "orders")
    assert done.line("merchants").startswith("FAIL merchants zDirect lists no merchant")
    assert done.line("reads") == "SKIP reads Not checked: no merchant."


def test_a_merchant_can_be_named_as_in_the_connection_and_is_shown_so(
    check: Any, connect: Callable[..., None], emulator: EmulatorServer
) -> None:
    own = emulator.merchant_ids[0]
    connect(extra={"share_access": False, "merchants": {"shop-de": own}, "merchant_id": "shop-de"})
    done = check("--merchant", "Shop-DE", "--datasets", "received_items")
    assert f"merchant shop-de ({own})" in done.line("connection")
    assert f"shop-de ({own})" in done.line("merchants")
    assert f"merchant shop-de ({own[:8]}): " in done.line("read received_items")
    unknown = check("--merchant", "shop-fr", "--datasets", "received_items")
    assert "has no merchant of that name. It names shop-de." in unknown.line("arguments")
    assert own not in str(unknown.file)


@pytest.mark.parametrize("by", ["connection", "argument"])
def test_a_merchant_that_is_not_granted_is_not_read(
    check: Any, connect: Callable[..., None], emulator: EmulatorServer, by: str
) -> None:
    foreign, own = emulator.foreign_merchant_id, emulator.merchant_ids[0]
    if by == "connection":
        connect(extra={"share_access": False, "merchant_id": foreign})
        done = check()
    else:
        done = check("--merchant", foreign, "--merchant", own, "--datasets", "received_items")
        assert len(sent(emulator, f"/{own}")) == 1
    line = done.line("merchants")
    assert line.startswith("FAIL")
    assert foreign in line
    assert own in line
    assert sent(emulator, foreign) == []


def test_a_failure_of_one_dataset_is_reported_and_the_others_are_read(check: Any, emulator: EmulatorServer) -> None:
    emulator.faults.add({"match": {"path": "/returned-items"}, "action": {"status": 503}, "times": None})
    done = check("--datasets", "received_items,returned_items,liquidated_items")
    assert done.code == 2
    line = done.line("read returned_items")
    assert line.startswith("FAIL")
    assert "Run the check again in 120 s" in line
    assert done.line("read liquidated_items").startswith("OK")
    assert len(sent(emulator, "returned-items")) == 1


def test_a_limit_that_is_used_up_is_only_a_warning(check: Any, emulator: EmulatorServer) -> None:
    emulator.faults.add({"match": {"path": "/returned-items"}, "action": {"status": 429, "headers": {}}, "times": None})
    assert check("--datasets", "returned_items").line("read returned_items").startswith("WARN")


@pytest.mark.parametrize(
    "action", [{"status": 200, "body": "<html>"}, {"status": 400}, {"status": 200, "body": {"things": []}}]
)
def test_an_answer_that_is_not_understood_asks_for_the_file(
    check: Any, emulator: EmulatorServer, action: dict[str, Any]
) -> None:
    emulator.faults.add({"match": {"path": "/returned-items"}, "action": action, "times": None})
    line = check("--datasets", "returned_items").line("read returned_items")
    assert line.startswith("FAIL")
    assert "attach the file that is named below" in line


def test_records_that_are_not_as_assumed_are_a_warning(check: Any, emulator: EmulatorServer) -> None:
    emulator.set_options(bad_records=1)
    done = check("--datasets", "returned_items")
    line = done.line("read returned_items")
    assert line.startswith("WARN")
    assert "records are not as assumed" in line
    (answer,) = [each for each in done.file["answers"] if "dataset" in each]
    assert answer["records"]["rejected"]


def test_fields_that_are_not_known_are_named(check: Any, emulator: EmulatorServer) -> None:
    emulator.set_options(drift=1)
    line = check("--datasets", "returned_items").line("read returned_items")
    assert line.startswith("OK")
    assert "with fields that are not known yet (" in line


def test_an_address_that_does_not_exist_is_named(check: Any, connect: Callable[..., None]) -> None:
    connect(host="https://zdirect.invalid")
    line = check().line("token")
    assert line.startswith("FAIL")
    for part in ("https://zdirect.invalid", "HTTPS_PROXY"):
        assert part in line


def test_a_refused_address_is_named(check: Any, connect: Callable[..., None], refused: str) -> None:
    connect(host=refused)
    assert "nothing listens on that port" in check().line("token")


def test_a_token_that_is_shared_is_used(check: Any, connect: Callable[..., None], emulator: EmulatorServer) -> None:
    connect(extra={})
    assert check("--no-reads").line("token").startswith("OK token zDirect gave")
    assert check("--no-reads").line("token").startswith("OK token this deployment shares")
    assert len(sent(emulator, "/auth/token")) == 1


def test_nothing_is_held_against_the_samples_of_the_sandbox(check: Any, connect: Callable[..., None]) -> None:
    with own_emulator(seed=7, now=NOON, environment="sandbox") as sandbox:
        connect(**connection_to(sandbox, extra={"share_access": False, "environment": "sandbox"}))
        done = check()
        assert [line for line in done.lines if line.startswith("WARN")] == []
        assert "(sandbox)" in done.line("token")
        assert len(sent(sandbox)) == 2 + len(ALONE)


def test_a_page_that_is_read_with_a_second_token_is_recorded_once(check: Any, emulator: EmulatorServer) -> None:
    emulator.faults.add({"match": {"path": "/returned-items"}, "action": {"revoke_tokens": True}})
    done = check("--datasets", "returned_items")
    assert done.line("read returned_items").startswith("OK")
    requests = [each["request"].rpartition("/")[2] for each in done.file["answers"][2:]]
    assert requests == ["{merchant_id}", "token", "{merchant_id}"]
    assert [each["status"] for each in done.file["answers"][2:]] == [401, 200, 200]


def test_a_proxy_that_refuses_is_named(
    check: Any, connect: Callable[..., None], refused: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    connect(host="")
    monkeypatch.setenv("HTTPS_PROXY", refused)
    line = check().line("token")
    assert line.startswith("FAIL")
    for part in ("https://api.merchants.zalando.com", "no connection", "HTTPS_PROXY"):
        assert part in line
