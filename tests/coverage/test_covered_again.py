"""The law of what is covered when the same window is run again and again: whole, clipped, or with filters."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from histories import HOUR, MERCHANT, NOW, Base, at, window
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_zdirect.storage.layout import Layout

HOURS = 8
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


@settings(max_examples=30)
@given(runs=st.lists(again, min_size=1, max_size=8))
def test_each_hour_is_as_the_last_run_left_it_that_fetched_all_of_it(runs: list[Again]) -> None:
    known: dict[int, str] = {}
    environment = runs[0].environment
    with TemporaryDirectory() as folder:
        base = Base(Path(folder))
        for number, run in enumerate(runs):
            start = None if run.first is None else ASKED.start + run.first * HOUR
            facts = {"environment": run.environment, "rejected": run.rejected}
            finished_at = (ASKED.end + number * HOUR).isoformat()
            manifest = base.run("orders", ASKED, start, finished_at=finished_at, **facts)
            if run.is_old:
                base.store.write_json(PATH, {k: v for k, v in manifest.items() if not k.startswith("covered")})
            if run.is_old or run.environment != environment:
                known, environment = {}, run.environment
            if run.first is not None:
                known |= dict.fromkeys(range(run.first, HOURS), "R" if run.rejected else "L")
            if not run.is_old:
                first = ASKED.start + min(known, default=0) * HOUR
                covered = {"from": first.isoformat(), "to": ASKED.end.isoformat()} if known else None
                assert manifest["covered"] == covered
            # Hours that no run fetched completely are missing.
            row = base.row("orders", NOW, environment=environment, since=ASKED.start).as_json("")
            assert row["days"]["2026-11-20"][:HOURS] == "".join(known.get(hour, "M") for hour in range(HOURS))


def test_what_another_window_has_fetched_later_decides_also_after_a_run_with_filters(base: Base) -> None:
    """A run with filters does not make what it repeats any newer."""
    base.run("orders", ASKED, ASKED.start, rejected=1, finished_at=at("11-20 09:00").isoformat())
    base.run("orders", window("11-20 00:00", "11-21 00:00"), at("11-20 00:00"))
    base.run("orders", ASKED, None, finished_at=at("11-21 12:00").isoformat())
    assert base.row("orders").as_json("")["days"]["2026-11-20"] == "L" * 24
