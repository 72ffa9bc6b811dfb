"""A thousand sensors in one event loop, as a triggerer has it, many of them due at the same moment; in real time.

What they cost is measured by ``benchmarks/airflow_costs.py``.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import timedelta

import pytest
import real_time
from own_emulator import own_emulator

from airflow_provider_zdirect.triggers.report import ZDirectReportReadyTrigger

pytestmark = [pytest.mark.usefixtures("database"), pytest.mark.exhaustive]

CROWD = 1000
DUE = 300
"""Those that are due together; zDirect's limits let the others take minutes."""

# Both have a limit of their own, which halves the time of this test.
DATASETS = ("intra_community_movements", "cross_border_movements")


async def event_of(trigger):
    return [event.payload async for event in trigger.run()]


def test_a_thousand_triggers_wait_and_look_without_disturbing_each_other_or_zdirect(connect):
    def trigger(number, due):
        yesterday = due.date() - timedelta(days=1)
        merchant = emulator.merchant_ids[number // 2 % len(emulator.merchant_ids)]
        arguments = ("zdirect_default", DATASETS[number % 2], merchant, yesterday.isoformat())
        return ZDirectReportReadyTrigger(*arguments, due.isoformat(), (due + timedelta(hours=6)).isoformat(), 120.0)

    async def scenario():
        due = real_time.now() + timedelta(seconds=5)
        later = due + timedelta(days=1)
        waiting = [asyncio.create_task(event_of(trigger(number, later))) for number in range(CROWD - DUE)]
        crowd = [asyncio.create_task(event_of(trigger(number, due))) for number in range(DUE)]
        await asyncio.sleep(1)
        assert not emulator.requests or real_time.now() >= due, "nothing is asked before it is due"
        found = [event for (event,) in await asyncio.gather(*crowd)]
        assert not any(task.done() for task in waiting)
        for task in waiting:
            task.cancel()
        return found

    with own_emulator(seed=7, empty_reports=0.0, report_time="00:00") as emulator:
        connect(emulator)
        found = asyncio.run(scenario())
        requests = list(emulator.requests)

    assert Counter(event["why"] for event in found) == {"movements": DUE}
    assert Counter(request.path for request in requests)["/auth/token"] == 1
    statuses = Counter(request.status for request in requests if request.path != "/auth/token")
    assert statuses[200] == DUE, "one request for each look"
    # A machine that is busy with something else may send two at once what was spaced; that is waited out.
    assert statuses.total() - DUE <= DUE / 20
