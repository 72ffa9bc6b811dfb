"""Runs whose window is not simply the last hour: the operator finds it, or says what is missing."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from types import SimpleNamespace
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from emulated_time import replace_system_clock
from outlet_events import OutletEvents
from own_emulator import connection_to

from airflow_provider_zdirect.datasets.dataset import Dataset
from airflow_provider_zdirect.datasets.publication import Days, Once
from airflow_provider_zdirect.emulator.clock import DAY
from airflow_provider_zdirect.exceptions import RetentionError, WindowError, ZDirectError
from airflow_provider_zdirect.windows import Window
from certification.case import Situation, check_end, of_dataset
from certification.protection import Protection
from certification.situations.reading import state, windowed
from certification.world import NOW, Outcome, World

BERLIN = "Europe/Berlin"
LONG_DAY, SHORT_DAY = date(2026, 10, 25), date(2026, 3, 29)
WHOLE_PAGES = 500


def run(world: World, context: dict[str, Any], **arguments: Any) -> Outcome:
    """What the operator does in a run of a DAG."""
    from airflow_provider_zdirect.airflow_sdk import AirflowFailException
    from airflow_provider_zdirect.operators.extract import ZDirectExtractOperator

    task = {"dag_id": "a_dag", "run_id": "a_run", "task_id": "a_task", "map_index": -1}
    outcome = Outcome()
    with _connected(world):
        operator = ZDirectExtractOperator(
            task_id="a_task",
            dataset=world.dataset,
            base_path=str(world.root),
            merchant_id=world.merchant_id,
            conn_id="certified",
            **({"filters": world.filters} if world.filters else {}),
            **arguments,
        )
        failure = None
        try:
            operator.resume({"ti": SimpleNamespace(**task), "outlet_events": OutletEvents(), **context})
            outcome.result = SimpleNamespace()  # type: ignore[assignment]
        except AirflowFailException as failed:
            failure = failed
    if failure is not None:
        assert "What to do: " in str(failure), "what the log shows"
        assert isinstance(failure.__cause__, ZDirectError)
        outcome.errors.append(failure.__cause__)
    return outcome


@contextmanager
def _connected(world: World) -> Iterator[None]:
    assumed = {"eans_per_request": 2}
    connection = connection_to(world.emulator, extra={"share_access": False, "assumptions": assumed})
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("AIRFLOW_CONN_CERTIFIED", json.dumps(connection))
        patched.setattr("airflow_provider_zdirect.client.client.FileRateLimiter", lambda **_: world.limiter)
        replace_system_clock(patched, world.emulator)
        yield


def interval(window: Window) -> dict[str, Any]:
    return {"data_interval_start": window.start, "data_interval_end": window.end}


def scheduled(world: World) -> None:
    assert world.window
    check_end(world, run(world, {**interval(world.window), "logical_date": world.window.start}))


def null_logical_date(world: World) -> None:
    assert world.window
    window = {"window_from": world.window.start.isoformat(), "window_to": world.window.end.isoformat()}
    nothing = {"data_interval_start": None, "data_interval_end": None, "logical_date": None}
    check_end(world, run(world, nothing, **window))


def state_without_interval(world: World) -> None:
    since = {"window_from": (NOW - timedelta(hours=3)).isoformat(), "window_to": NOW.isoformat()}
    takes_since = world.row.selection.takes_window and not world.filters
    check_end(world, run(world, {"logical_date": None}, **(since if takes_since else {})))


def refused(context: Any, says: str, error: type[ZDirectError] = WindowError, **arguments: Any) -> Any:
    def play(world: World) -> None:
        found = context(world) if callable(context) else context
        outcome = run(world, found, **arguments)
        check_end(world, outcome, error=error, ends=False, says=(says,), names=False)
        assert not of_dataset(world), "nothing was asked for"

    return play


def _zero_width(world: World) -> dict[str, Any]:
    assert world.window
    return {"data_interval_start": world.window.start, "data_interval_end": world.window.start}


def _partitioned(world: World) -> dict[str, Any]:
    return {**_zero_width(world), "logical_date": None, "partition_key": "2026-11-10"}


def _not_its_interval(world: World) -> dict[str, Any]:
    assert world.window
    return {**interval(world.window), "logical_date": world.window.start - timedelta(days=30)}


def _future(world: World) -> dict[str, Any]:
    day = Window.of_day((NOW + timedelta(days=1)).date())
    return interval(day)


def _long_ago(world: World) -> dict[str, Any]:
    return interval(Window.of_day(date(2020, 5, 4)))


def _half_a_day(world: World) -> dict[str, Any]:
    return interval(Window(NOW - timedelta(days=3), NOW - timedelta(days=2, hours=12)))


def clipped(world: World) -> None:
    """Of a window that begins before what zDirect keeps, the rest is published, and the manifest says so."""
    earliest = world.row.windows.earliest(NOW, "UTC")
    end = earliest + timedelta(hours=2) if not world.is_by_day else Window.of_day(earliest.date()).end
    window = Window(end - timedelta(days=2), end)
    outcome = world.task(window=window, clip_to_retention=True)
    assert not outcome.errors, outcome.errors
    assert outcome.result
    manifest = world.manifest(outcome.result)
    assert manifest["clipped"], "what is missing is named"
    kept = Window(datetime.fromisoformat(manifest["clipped"]["to"]), end)
    assert kept.start >= earliest
    assert world.rows() == world.expected(kept)
    again = world.task(window=window)
    check_end(world, again, error=RetentionError, ends=False, names=False, before=world.rows())


def _local_day(day: date, hours: int) -> Any:
    def play(world: World) -> None:
        world.emulator.clock.set(datetime(day.year, day.month, day.day, 12, tzinfo=UTC) + timedelta(days=20))
        world.page = WHOLE_PAGES
        # The days beside it as well: together they tile.
        edges = [datetime.combine(day + n * DAY, time(), ZoneInfo(BERLIN)) for n in (-1, 0, 1, 2)]
        days = [Window(*span) for span in pairwise(edges)]
        first, start, end, last = (edge.astimezone(UTC) for edge in edges)
        assert end - start == timedelta(hours=hours)
        if world.dataset in ("orders", "announced_returns"):
            half = timedelta(minutes=30)
            orders = world.emulator.add_orders(
                world.merchant_id, (last - first) // half, start=first, step_seconds=half // timedelta(seconds=1)
            )
            for number, order_id in enumerate(orders):
                world.emulator.announce_return(order_id, at=first + number * half)
        for each in days:
            outcome = world.task(window=each, timezone=BERLIN)
            assert not outcome.errors, outcome.errors
        whole = Window(first, last)
        if world.is_by_day:
            midnight = datetime.combine(day - DAY, time(), UTC)
            whole = Window(midnight, midnight + 3 * DAY)
        expected = world.expected(whole)
        assert world.rows() == expected != Counter()

    return play


def by_day(dataset: Dataset) -> bool:
    return isinstance(dataset.publish, Days)


IS_ITS_INTERVAL = Protection(
    "operators.run_context:run_window",
    "return run_interval(context)",
    "half = run_interval(context); return Window(half.start, half.start + (half.end - half.start) / 2)",
)
NOT_ZERO = Protection("windows:Window.__post_init__", "self.start == self.end", "False")
KEPT = Protection("windows:within_retention", "window.start >= earliest", "True")
LOCAL_DAY = {
    Once: Protection("windows:parse_instant", "_utc(value)", "value.replace(tzinfo=UTC)"),
    Days: Protection("windows:Window.whole_days", "self.start.astimezone(tz).date()", "self.start.date()"),
}
SITUATIONS = [
    Situation(
        "run/scheduled", "The window of a scheduled run is its data interval.", IS_ITS_INTERVAL, scheduled, windowed
    ),
    Situation(
        "run/null-logical-date",
        "A run without a logical date takes its window from the parameters.",
        Protection("operators.run_context:run_window", 'values["window_from"] is None', "True"),
        null_logical_date,
        windowed,
    ),
    Situation(
        "run/state",
        "A present state needs no data interval.",
        Protection("operators.task_run:TaskRun.extract_job", " if asks_window else None", ""),
        state_without_interval,
        state,
    ),
    Situation(
        "run/asset-triggered",
        "A run that an asset triggers has no data interval, and says what to give instead.",
        Protection("operators.run_context:run_interval", "start is None or end is None", "False"),
        refused({"data_interval_start": None, "data_interval_end": None, "logical_date": None}, "no data interval"),
        windowed,
    ),
    Situation(
        "run/partitioned",
        "The interval of a partitioned run is zero-width, and is refused.",
        NOT_ZERO,
        refused(_partitioned, "zero-width"),
        windowed,
    ),
    Situation(
        "run/zero-width",
        "A window of zero width, as of a bare cron string, is refused and names the timetable.",
        NOT_ZERO,
        refused(_zero_width, "zero-width"),
        windowed,
    ),
    Situation(
        "run/not-its-interval",
        "An interval that the command line did not choose is refused.",
        Protection("operators.run_context:run_interval", "logical_date is not None and logical_date < start", "False"),
        refused(_not_its_interval, "does not choose the interval"),
        windowed,
    ),
    Situation(
        "run/future",
        "A window that ends in the future is refused before any request.",
        Protection("windows:refuse_future", "window.end > now + MAX_CLOCK_SKEW", "False"),
        refused(_future, "in the future"),
        windowed,
    ),
    Situation(
        "run/past-retention",
        "A window before what zDirect keeps is refused before any request.",
        KEPT,
        refused(_long_ago, "the earliest data that zDirect keeps", RetentionError),
        windowed,
    ),
    Situation(
        "run/half-a-day",
        "Half a day is refused where zDirect is asked for whole days.",
        Protection("windows:Window.whole_days", "value != Window.of_day(day, zone).start", "False"),
        refused(_half_a_day, "not midnight"),
        by_day,
    ),
    Situation(
        "run/clipped",
        "A window that begins before retention is clipped if that is allowed, and the manifest names what is missing.",
        KEPT,
        clipped,
        windowed,
    ),
    Situation(
        "run/23-hour-day",
        "The local day of 23 hours and those beside it tile.",
        LOCAL_DAY,
        _local_day(SHORT_DAY, 23),
        windowed,
    ),
    Situation(
        "run/25-hour-day",
        "The local day of 25 hours and those beside it tile.",
        LOCAL_DAY,
        _local_day(LONG_DAY, 25),
        windowed,
    ),
]
