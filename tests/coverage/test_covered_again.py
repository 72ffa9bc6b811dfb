"""The law of what is covered when the same window is run again and again: whole, clipped, or with filters."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import pytest
from extraction import Extraction
from histories import HOUR, MERCHANT, NOW, Base, at, window
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_zdirect.datasets.selection import RETENTION_MARGIN
from airflow_provider_zdirect.storage.layout import Layout

HOURS, MISSING = 8, "M"
ASKED = window("11-20 00:00", "11-20 08:00")
PATH = Layout("orders", MERCHANT).manifest(ASKED)


class Again(NamedTuple):
    """A run of the window.

    :param first: the hour from which on it has fetched everything; None: it had filters.
    :param is_old: an older version ran, whose manifests know nothing of earlier ones.
    """

    first: int | None
    rejected: int
    environment: str
    is_old: bool


seldom = st.integers(0, 9).map(lambda number: number == 0)
again = st.builds(
    Again,
    first=st.none() | st.integers(0, HOURS - 1),
    rejected=st.sampled_from([0, 0, 2]),
    environment=seldom.map(lambda is_sandbox: "sandbox" if is_sandbox else "production"),
    is_old=seldom,
)


def law(history: list[Again]) -> Iterator[tuple[Again, str]]:
    """Each run, and the letters of the hours after it: as the last run left them that fetched all of the hour."""
    known: dict[int, str] = {}
    environment = history[0].environment
    for run in history:
        if run.is_old or run.environment != environment:
            known, environment = {}, run.environment
        if run.first is not None:
            known |= dict.fromkeys(range(run.first, HOURS), "R" if run.rejected else "L")
        yield run, "".join(known.get(hour, MISSING) for hour in range(HOURS))


def covered(letters: str) -> dict[str, str] | None:
    """As the manifest says it."""
    first = ASKED.start + (len(letters) - len(letters.lstrip(MISSING))) * HOUR
    return {"from": first.isoformat(), "to": ASKED.end.isoformat()} if letters.strip(MISSING) else None


@settings(max_examples=30)
@given(history=st.lists(again, min_size=1, max_size=8))
def test_each_hour_is_as_the_last_run_left_it_that_fetched_all_of_it(history: list[Again]) -> None:
    with TemporaryDirectory() as folder:
        base = Base(Path(folder))
        for number, (run, letters) in enumerate(law(history)):
            start = None if run.first is None else ASKED.start + run.first * HOUR
            facts = {"environment": run.environment, "rejected": run.rejected}
            finished_at = (ASKED.end + number * HOUR).isoformat()
            manifest = base.run("orders", ASKED, start, finished_at=finished_at, **facts)
            if run.is_old:
                base.store.write_json(PATH, {k: v for k, v in manifest.items() if not k.startswith("covered")})
            else:
                assert manifest["covered"] == covered(letters)
            row = base.row("orders", NOW, environment=run.environment, since=ASKED.start).as_json("")
            assert row["days"]["2026-11-20"][:HOURS] == letters


@pytest.mark.parametrize("hours", [(0, None, 3, None, 5), (None, 2, 4, None, 1), (4, None, 2, None, 0)])
def test_real_runs_obey_the_law(base: Base, runs: Extraction, hours: tuple[int | None, ...]) -> None:
    """Every second run rejects a record."""
    history = [Again(first, number % 2, "production", is_old=False) for number, first in enumerate(hours, 1)]
    for number, (run, letters) in enumerate(law(history)):
        if run.first is not None:
            # From that hour on, zDirect keeps the orders for long enough to fetch them.
            runs.emulator.clock.set(ASKED.start + run.first * HOUR - RETENTION_MARGIN + timedelta(days=365))
        if run.rejected:
            invalid = {"data": [{"type": "Order", "id": str(number)}]}
            runs.fault("/orders", {"status": 200, "body": invalid}, times=1)
        result = runs.run(
            "orders",
            ASKED,
            clip_to_retention=True,
            filters={"order_type": "PartnerFulfilled"} if run.first is None else {},
            max_rejected=1,
            resume_key=str(number),
        )
        assert (result.manifest.rejected, runs.manifest(result)["covered"]) == (run.rejected, covered(letters))
        row = base.row("orders", NOW, merchants=(runs.merchant_id,), since=ASKED.start).as_json("")
        assert row["days"]["2026-11-20"][:HOURS] == letters


def test_what_another_window_has_fetched_later_decides_also_after_a_run_with_filters(base: Base) -> None:
    """A run with filters does not make what it repeats any newer."""
    base.run("orders", ASKED, ASKED.start, rejected=1, finished_at=at("11-20 09:00").isoformat())
    base.run("orders", window("11-20 00:00", "11-21 00:00"), at("11-20 00:00"))
    base.run("orders", ASKED, None, finished_at=at("11-21 12:00").isoformat())
    assert base.row("orders").as_json("")["days"]["2026-11-20"] == "L" * 24
