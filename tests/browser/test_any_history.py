"""From any history of windows to what a person sees: every gap, and no other."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from histories import HOUR, MERCHANT, NOW, OTHER, Base
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from playwright.sync_api import Page

from airflow_provider_zdirect.windows import Window

pytestmark = pytest.mark.browser

DATASETS = ("received_items", "returned_items")
START = NOW.replace(hour=0, minute=0) - timedelta(days=40)
DUE = 40 * 24 - 14
"""Hours from the start until the windows that need not have landed yet: half past ten, a day ago."""

hours = st.integers(0, DUE - 1)
runs = st.tuples(st.sampled_from(DATASETS), st.sampled_from((MERCHANT, OTHER)), hours, st.integers(1, 300))

SHOWN = """() => [...document.querySelectorAll("#grid .cell")].flatMap((cell) => {
  const { merchant, dataset } = cell.parentElement.dataset, day = cell.cellIndex - 1;
  const letters = [...cell.dataset.letters];
  const all = letters.map((letter, hour) => [merchant, dataset, day, hour, letter]);
  return all.filter((each) => "XME".includes(each[4]));
})"""


def text(hour: int) -> str:
    return (START + hour * HOUR).isoformat()


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(history=st.lists(runs, min_size=1, max_size=30), seed=st.integers(0, 1_000_000))
def test_the_page_of_any_history_shows_its_gaps_and_no_other(
    open_page: Callable[..., Page], history: list[tuple[str, str, int, int]], seed: int
) -> None:
    random.Random(seed).shuffle(history)
    landed: dict[tuple[str, str], set[int]] = {}
    with TemporaryDirectory() as folder:
        base = Base(Path(folder))
        for dataset, merchant, first, length in history:
            last = min(first + length, DUE)
            base.land(dataset, Window(START + first * HOUR, START + last * HOUR), merchant)
            landed.setdefault((merchant, dataset), set()).update(range(first, last))
        report = base.measure(merchants=(MERCHANT, OTHER)).as_json()
    missing = {
        (merchant, dataset, hour)
        for dataset in {dataset for _, dataset in landed}
        for merchant in (MERCHANT, OTHER)
        for hour in range(since(landed, merchant, dataset), DUE)
        if hour not in landed.get((merchant, dataset), ())
    }
    page = open_page(report)
    first_day = datetime.fromisoformat(f"{report['from']}T00:00:00+00:00")
    seen = page.evaluate(SHOWN)
    assert {letter for *_, letter in seen} <= {"M"}
    assert {
        (merchant, dataset, (first_day + timedelta(days=day, hours=hour) - START) // HOUR)
        for merchant, dataset, day, hour, _ in seen
    } == missing
    listed = page.eval_on_selector_all("[data-gap]", "lines => lines.map(line => line.dataset.gap)")
    assert sorted(listed) == sorted(stretches(missing))


def since(landed: dict[tuple[str, str], set[int]], merchant: str, dataset: str) -> int:
    """From when on windows are expected: the first of the merchant, or else of the other one."""
    return min(landed.get((merchant, dataset)) or {hour for key in landed if key[1] == dataset for hour in landed[key]})


def stretches(missing: set[tuple[str, str, int]]) -> list[str]:
    """The gaps, as the page names them: missing hours that follow each other are one."""
    found = []
    for merchant, dataset in {each[:2] for each in missing}:
        own = sorted(hour for *names, hour in missing if names == [merchant, dataset])
        ends = [hour + 1 for hour, following in pairwise([*own, DUE + 9]) if following != hour + 1]
        starts = [hour for before, hour in pairwise([-9, *own]) if before + 1 != hour]
        found += [
            "|".join((merchant, dataset, text(start), text(end))) for start, end in zip(starts, ends, strict=True)
        ]
    return found
