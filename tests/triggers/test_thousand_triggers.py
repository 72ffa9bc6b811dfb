"""A thousand sensors in one event loop, as a triggerer has it, many of them due at the same moment; in real time."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from datetime import timedelta

import psutil
import pytest
import real_time
from own_emulator import own_emulator

from airflow_provider_zdirect.triggers.report import ZDirectReportReadyTrigger

pytestmark = [pytest.mark.usefixtures("database"), pytest.mark.exhaustive]

CROWD = 1000
DUE = 300
"""Those that are due together; zDirect's limits let the others take minutes."""

HEARTBEAT = 0.05
# Both have a limit of their own, which halves the time of this test.
DATASETS = ("intra_community_movements", "cross_border_movements")


class Heart:
    """Beats in the event loop; what it misses is what the loop was blocked."""

    def __init__(self) -> None:
        self.longest_lag = 0.0

    async def beat(self) -> None:
        while True:
            before = time.monotonic()
            await asyncio.sleep(HEARTBEAT)
            self.longest_lag = max(self.longest_lag, time.monotonic() - before - HEARTBEAT)


async def event_of(trigger):
    return [event.payload async for event in trigger.run()]


def test_a_thousand_triggers_wait_and_look_without_disturbing_each_other_or_zdirect(connect):
    def trigger(number, due):
        yesterday = due.date() - timedelta(days=1)
        merchant = emulator.merchant_ids[number // 2 % len(emulator.merchant_ids)]
        arguments = ("zdirect_default", DATASETS[number % 2], merchant, yesterday.isoformat())
        return ZDirectReportReadyTrigger(*arguments, due.isoformat(), (due + timedelta(hours=6)).isoformat(), 120.0)

    async def scenario():
        heart, process = Heart(), psutil.Process()
        beating = asyncio.create_task(heart.beat())
        memory = process.memory_info().rss
        due = real_time.now() + timedelta(seconds=5)
        later = due + timedelta(days=1)
        waiting = [asyncio.create_task(event_of(trigger(number, later))) for number in range(CROWD - DUE)]
        crowd = [asyncio.create_task(event_of(trigger(number, due))) for number in range(DUE)]
        await asyncio.sleep(1)
        assert not emulator.requests or real_time.now() >= due, "nothing is asked before it is due"
        memory_waiting = process.memory_info().rss - memory
        cpu_before, started = time.process_time(), time.monotonic()
        found = [event for (event,) in await asyncio.gather(*crowd)]
        took = time.monotonic() - started
        assert not any(task.done() for task in waiting)
        for task in (beating, *waiting):
            task.cancel()
        print(
            f"\n{CROWD} triggers, {DUE} of them due: these are ready after {took:.0f} s, "
            f"{time.process_time() - cpu_before:.1f} s of CPU "
            f"(with the emulator), longest lag {heart.longest_lag:.2f} s, {memory_waiting / 1e6:.1f} MB while waiting, "
            f"{(process.memory_info().rss - memory) / 1e6:.1f} MB at the end"
        )
        return found, heart.longest_lag, took, memory_waiting

    with own_emulator(seed=7, empty_reports=0.0, report_time="00:00") as emulator:
        connect(emulator)
        found, lag, took, memory_waiting = asyncio.run(scenario())
        requests = list(emulator.requests)

    assert Counter(event["why"] for event in found) == {"movements": DUE}
    assert lag < 5
    assert memory_waiting < 50e6
    assert Counter(request.path for request in requests)["/auth/token"] == 1
    statuses = Counter(request.status for request in requests if request.path != "/auth/token")
    # A machine that is busy with something else may send two at once what was spaced; that is waited out.
    assert statuses[200] == DUE
    assert statuses.total() - DUE <= DUE / 20
    for dataset in DATASETS:
        asked = sorted(request.elapsed for request in requests if dataset.replace("_", "-") in request.path)
        # Never more than ten in a second, but for those few.
        seconds = [sum(first <= other < first + 1 for other in asked) for first in asked]
        assert sum(count > 10 for count in seconds) <= len(asked) / 10
        assert (len(asked) - 1) / (asked[-1] - asked[0]) <= 10
    # Both limits are used: 150 at nine a second each take a third of a minute.
    assert took < 60
