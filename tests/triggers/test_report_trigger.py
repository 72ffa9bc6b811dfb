from __future__ import annotations

import asyncio
import contextlib
import json
import re
from datetime import UTC, datetime, timedelta
from importlib import import_module

import psutil
import pytest
from emulated_time import EmulatedTime, looks
from own_emulator import own_emulator

from airflow_provider_zdirect.airflow_sdk import BaseHook
from airflow_provider_zdirect.triggers.report import ZDirectReportReadyTrigger

pytestmark = pytest.mark.usefixtures("database")

NOON_AFTER = datetime(2026, 11, 21, 12, tzinfo=UTC)
STORED = {
    "conn_id": "zdirect_default",
    "dataset": "cross_border_movements",
    "merchant_id": "01924c48-49bb-40c2-9c32-ab582e6db6f4",
    "report_date": "2026-11-20",
    "due": "2026-11-21T12:00:00+00:00",
    "empty_from": "2026-11-21T18:00:00+00:00",
    "poll_interval": 120.0,
    "variant": None,
    "path": None,
}


@pytest.fixture
def emulator(connect):
    with own_emulator(seed=7, now="2026-11-21T06:00:00Z", empty_reports=0.0, token_seconds=10**7) as server:
        connect(server, extra={"share_access": False})
        yield server


@pytest.fixture
def make_trigger(emulator):
    """A trigger in the emulator's time."""

    def make(**changes):
        trigger = ZDirectReportReadyTrigger(**STORED | {"merchant_id": emulator.merchant_ids[0]} | changes)
        trigger.clock = EmulatedTime(emulator)
        return trigger

    return make


async def events(trigger):
    return [event.payload async for event in trigger.run()]


def fired(trigger):
    (event,) = asyncio.run(events(trigger))
    assert json.loads(json.dumps(event)) == event
    return event


def test_the_stored_form_is_a_contract_with_databases_that_hold_older_ones():
    # As the first release stored it, without what was not given.
    without = {name: value for name, value in STORED.items() if value is not None}
    for arguments in (STORED, without):
        path, stored = ZDirectReportReadyTrigger(**arguments).serialize()
        assert path == "airflow_provider_zdirect.triggers.report.ZDirectReportReadyTrigger"
        assert json.loads(json.dumps(stored)) == STORED
    module, _, name = path.rpartition(".")
    assert getattr(import_module(module), name)(**stored).serialize() == (path, STORED)


def test_nothing_secret_is_stored_or_in_the_event(make_trigger, emulator):
    trigger = make_trigger()
    for status in (200, 403):
        emulator.faults.set([{"match": {"path": "cross-border"}, "action": {"status": status}}] if status > 200 else [])
        event = fired(trigger)
        text = json.dumps([trigger.serialize(), event]) + repr(trigger)
        assert "demo-secret" not in text
        assert not any(token in text for token in emulator.state.tokens._expires_at)


def test_it_fires_once_when_the_report_is_there(make_trigger, emulator):
    emulator.set_options(report_time="13:00")
    assert fired(make_trigger(poll_interval=900.0)) == {
        "dataset": "cross_border_movements",
        "merchant_id": emulator.merchant_ids[0],
        "report_date": "2026-11-20",
        "why": "movements",
        "later_report": None,
    }
    assert looks(emulator)[0] == NOON_AFTER
    assert looks(emulator)[-1] >= NOON_AFTER + timedelta(hours=1)


def test_a_report_is_empty_as_soon_as_a_later_one_is_there(make_trigger, emulator):
    asked = {"from": "2026-11-20", "to": "2026-11-20"}
    answer = {"status": 200, "body": {"items": [], "query": asked}}
    emulator.faults.add({"match": {"path": "cross-border", "query": asked}, "action": answer, "times": None})
    emulator.clock.set(datetime(2026, 11, 22, 10, 20, tzinfo=UTC))
    event = fired(make_trigger(empty_from="2026-11-27T12:00:00+00:00"))
    assert (event["why"], event["later_report"]) == ("empty", "the report of 2026-11-21")
    appeared = datetime(2026, 11, 22, 10, 30, tzinfo=UTC)
    assert appeared <= looks(emulator)[-1] <= appeared + timedelta(minutes=3)


def test_too_many_movements_are_a_report_that_is_ready(make_trigger, emulator):
    emulator.set_options(icm_max_movements=0)
    event = fired(make_trigger(dataset="intra_community_movements", variant="single_request"))
    assert event["why"] == "too_many_movements"


def test_what_waiting_does_not_help_ends_it_with_kind_reason_and_what_to_do(make_trigger, emulator):
    emulator.faults.add({"match": {"path": "cross-border"}, "action": {"status": 403}, "times": None})
    event = fired(make_trigger())
    assert event["error"] == "PermissionDeniedError"
    assert re.search("status=403.* What to do:", event["message"])
    event = fired(make_trigger(conn_id="not_there"))
    assert event["error"] == "ZDirectConfigurationError"
    assert "AIRFLOW_CONN_NOT_THERE" in event["message"]


def test_a_connection_that_cannot_be_read_for_a_while_does_not_end_the_wait(make_trigger, monkeypatch):
    read, failures = BaseHook.get_connection, [2]

    def unsteady(conn_id):
        if failures[0]:
            failures[0] -= 1
            raise ConnectionError("the API server is starting")
        return read(conn_id)

    monkeypatch.setattr(BaseHook, "get_connection", staticmethod(unsteady))
    assert fired(make_trigger())["why"] == "movements"
    assert failures == [0]


def test_without_a_merchant_it_is_looked_up_once_the_report_is_due(make_trigger, emulator, connect):
    event = fired(make_trigger(merchant_id=None))
    assert emulator.merchant_ids[1] in event["message"]
    connect(emulator, extra={"merchant_id": emulator.merchant_ids[1]})
    assert fired(make_trigger(merchant_id=None))["merchant_id"] == emulator.merchant_ids[1]
    assert min(request.time for request in emulator.requests) == NOON_AFTER


def test_a_trigger_that_is_started_again_later_looks_at_once(make_trigger, emulator):
    emulator.clock.set(NOON_AFTER + timedelta(hours=1, minutes=7))
    assert fired(make_trigger())["why"] == "movements"
    assert looks(emulator) == [NOON_AFTER + timedelta(hours=1, minutes=7)]


class RealTime:
    """The emulator's time, moved by nobody; who sleeps, sleeps."""

    def __init__(self, emulator):
        self.now = emulator.clock.now

    async def sleep(self, seconds):
        await asyncio.sleep(seconds)


@pytest.mark.parametrize("moment", ["before it is due", "during a look", "between two looks"])
def test_a_cancelled_trigger_leaves_nothing_behind(make_trigger, emulator, moment):
    trigger, other = make_trigger(), make_trigger()
    trigger.clock = other.clock = RealTime(emulator)
    if moment != "before it is due":
        emulator.clock.set(NOON_AFTER)
    arrived = {"before it is due": lambda: True, "between two looks": lambda: len(looks(emulator)) == 2}
    if moment == "during a look":
        hanging = emulator.faults.add({"match": {"path": "cross-border"}, "action": {"hang": True}, "times": None})
        arrived[moment] = lambda: hanging.hits == 2
    else:
        emulator.set_options(report_time="14:00")

    async def scenario():
        tasks = [asyncio.create_task(events(each)) for each in (trigger, other)]
        async with asyncio.timeout(60):
            while not arrived[moment]():
                await asyncio.sleep(0.05)
        # For what comes after a look, and for what should not come at all.
        await asyncio.sleep(0.5)
        open_between = connections_to(emulator)
        for task in tasks:
            task.cancel()
        for task in tasks:
            with pytest.raises(asyncio.CancelledError):
                await task
        return open_between, asyncio.all_tasks() - {asyncio.current_task()}, connections_to(emulator)

    open_between, left, still_open = asyncio.run(scenario())
    assert bool(open_between) == (moment != "before it is due")
    assert not left
    assert not still_open


def test_a_cancelled_trigger_does_not_disturb_those_that_share_its_client(make_trigger, emulator):
    emulator.clock.set(NOON_AFTER)
    asking = emulator.faults.add({"match": {"path": "/auth/token"}, "action": {"delay": 0.5}})
    triggers = [make_trigger() for _ in range(5)]
    for trigger in triggers:
        trigger.clock = RealTime(emulator)

    async def scenario():
        tasks = [asyncio.create_task(events(trigger)) for trigger in triggers]
        # The first one is asking for the token that all wait for.
        async with asyncio.timeout(60):
            while not asking.hits:
                await asyncio.sleep(0.02)
        tasks[0].cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await tasks[0]
        return await asyncio.gather(*tasks[1:])

    assert all(event["why"] == "movements" for (event,) in asyncio.run(scenario()))


def connections_to(emulator):
    port = int(emulator.url.rpartition(":")[2])
    return [
        connection
        for connection in psutil.Process().net_connections("tcp")
        if connection.raddr and connection.raddr.port == port and connection.status == "ESTABLISHED"
    ]
