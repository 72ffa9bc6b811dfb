"""The coverage page as a person meets it: what it shows, its keys, its colours, and what it does without JavaScript."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from made_reports import DAY_DATASETS, GAP_LETTERS, HOUR_DATASETS, made_report, merchant_id
from playwright.sync_api import Page, expect

pytestmark = pytest.mark.browser

OpenPage = Callable[..., Page]
TEN = (*HOUR_DATASETS, *DAY_DATASETS, "tours", "stock_locations", "sales_channels")
THEMES = ("light", "dark")
HOUR = timedelta(hours=1)

CELLS = """() => [...document.querySelectorAll("#grid .cell")].map((cell) => {
  const row = cell.parentElement, head = document.querySelectorAll("#grid thead tr:last-child th");
  const day = head[cell.cellIndex].getAttribute("aria-label");
  return [row.dataset.merchant, row.dataset.dataset, day, cell.dataset.letters];
})"""


def planted_hours(report: dict[str, Any]) -> dict[tuple[str, str, str, int], str]:
    """Letter of every hour (of day datasets, every day) with a gap, by merchant, dataset and day."""
    found = {}
    for row in report["rows"]:
        for gap in row["gaps"]:
            at, end = datetime.fromisoformat(gap["from"]), datetime.fromisoformat(gap["to"])
            while at < end:
                hour = at.hour if row["step"] == "hour" else 0
                found[row["merchant_id"], row["dataset"], day_label(at), hour] = GAP_LETTERS[gap["status"]]
                at += HOUR
    return found


def day_label(at: datetime) -> str:
    month = "Sept" if at.month == 9 else f"{at:%b}"
    return f"{at:%a} {at.day} {month} {at.year}"


@pytest.mark.parametrize(
    ("seed", "merchants", "datasets", "chance"),
    [(1, 1, HOUR_DATASETS[:1], 0.0), (2, 2, HOUR_DATASETS[:2], 0.5), (3, 3, DAY_DATASETS, 1.0), (4, 5, TEN, 0.03)],
)
def test_the_page_shows_every_planted_gap_and_no_other(
    open_page: OpenPage, seed: int, merchants: int, datasets: tuple[str, ...], chance: float
) -> None:
    report = made_report(seed, merchants=merchants, datasets=datasets, chance=chance)
    page = open_page(report)
    cells = page.evaluate(CELLS)
    assert len(cells) == merchants * len(datasets) * 100
    shown = {
        (merchant, dataset, day, hour): letter
        for merchant, dataset, day, letters in cells
        for hour, letter in enumerate(letters)
        if letter in GAP_LETTERS.values()
    }
    assert shown == planted_hours(report)
    while (more := page.locator("#gaps button", has_text=re.compile("^Show"))).count():
        more.click()
    listed = page.eval_on_selector_all("[data-gap]", "lines => lines.map(line => line.dataset.gap)")
    planted = [
        "|".join((row["merchant_id"], row["dataset"], gap["from"], gap["to"]))
        for row in report["rows"]
        for gap in row["gaps"]
    ]
    assert sorted(listed) == sorted(planted)
    left = [row["days_left"] for row in urgency(report)]
    assert page.eval_on_selector_all("tr[data-gap].urgent", "lines => lines.length") == sum(day <= 14 for day in left)


def urgency(report: dict[str, Any]) -> list[dict[str, Any]]:
    return [gap for row in report["rows"] for gap in row["gaps"] if gap["status"] == "missing"]


def test_five_merchants_ten_datasets_and_a_hundred_days_stay_a_small_page(open_page: OpenPage) -> None:
    page = open_page(made_report(5, merchants=5, datasets=TEN, chance=0.02))
    assert page.locator("#grid .cell").count() == 5000
    assert page.evaluate("document.querySelectorAll('*').length") < 10_000
    labels = page.locator("#grid tbody th.label").first
    before = labels.bounding_box()
    page.evaluate("document.getElementById('scroll').scrollBy(-400, 300)")
    head, label = page.locator("#grid thead").bounding_box(), page.locator("#grid tr[data-dataset] th").nth(20)
    box, frame = label.bounding_box(), page.locator("#scroll").bounding_box()
    assert before
    assert head
    assert box
    assert frame
    # Both stay where they were, at the edges.
    assert abs(head["y"] - frame["y"]) < 2
    assert abs(box["x"] - before["x"]) < 2


def focused(page: Page) -> str:
    return str(page.evaluate("document.activeElement.getAttribute('aria-label') || document.activeElement.id"))


def test_everything_can_be_done_by_keyboard(open_page: OpenPage) -> None:
    report = made_report(6, merchants=2, datasets=("received_items", "cross_border_movements"), chance=0.0)
    row = report["rows"][0]
    row["days"]["2026-11-20"] = "LLLLLLMMLLLLLLLLLLLLLLLL"
    row["gaps"] = [
        {
            "from": "2026-11-20T06:00:00+00:00",
            "to": "2026-11-20T08:00:00+00:00",
            "status": "missing",
            "started": True,
            "days_left": 91.5,
            "urgent": False,
            "fill": {"dag_id": "zdirect_backfill", "conf": {}, "command": "airflow dags trigger zdirect_backfill"},
        }
    ]
    page = open_page(report)
    for _ in range(10):
        page.keyboard.press("Tab")
        if "received_items" in focused(page):
            break
    assert focused(page).startswith("Sun 29 Nov 2026, received_items")
    # One cell is a stop of Tab, not five hundred.
    assert page.locator("#grid [tabindex='0']").count() == 1
    for key, expected in [
        ("ArrowLeft", "Sat 28 Nov 2026, received_items"),
        ("ArrowDown", "Sat 28 Nov 2026, cross_border_movements"),
        ("ArrowUp", "Sat 28 Nov 2026, received_items"),
        ("Home", "Sat 22 Aug 2026, received_items"),
        ("ArrowLeft", "Sat 22 Aug 2026, received_items"),
        ("End", "Sun 29 Nov 2026, received_items"),
        ("Control+End", "Sun 29 Nov 2026, cross_border_movements"),
        ("n", "Fri 20 Nov 2026, received_items, shop-fr: missing 06:00 to 08:00, the rest landed"),
        ("p", "Fri 20 Nov 2026, received_items"),
    ]:
        page.keyboard.press(key)
        assert focused(page).startswith(expected), key
    box, frame = page.locator(":focus").bounding_box(), page.locator("#scroll").bounding_box()
    assert box
    assert frame
    assert frame["x"] <= box["x"] <= frame["x"] + frame["width"]
    page.keyboard.press("Enter")
    assert focused(page) == "detail"
    expect(page.locator("#detail")).to_contain_text("06:00 to 08:00")
    expect(page.locator("#detail")).to_contain_text("91.5 days left")
    expect(page.locator("#detail")).to_contain_text("airflow dags trigger zdirect_backfill")
    page.keyboard.press("Escape")
    expect(page.locator("#detail")).to_be_hidden()
    assert focused(page).startswith("Fri 20 Nov 2026, received_items")


def test_the_filters_leave_the_rows_that_are_asked_for(open_page: OpenPage) -> None:
    report = made_report(7, merchants=3, datasets=TEN, chance=0.01)
    page = open_page(report)
    page.select_option("#merchant", merchant_id(2))
    assert shown_rows(page) == [[merchant_id(2), dataset] for dataset in TEN]
    page.select_option("#dataset", "orders")
    assert shown_rows(page) == [[merchant_id(2), "orders"]]
    page.select_option("#merchant", "")
    page.select_option("#dataset", "")
    page.check("#only-gaps")
    assert shown_rows(page) == [[row["merchant_id"], row["dataset"]] for row in report["rows"] if row["gaps"]]
    expect(page.locator("#live")).to_have_text(re.compile(r"^\d+ rows shown\.$"))


def shown_rows(page: Page) -> list[list[str]]:
    script = (
        "lines => lines.filter(line => line.offsetParent).map(line => [line.dataset.merchant, line.dataset.dataset])"
    )
    return list(page.eval_on_selector_all("#grid tr[data-dataset]", script))


def test_rejected_records_are_named_with_their_file(open_page: OpenPage) -> None:
    report = made_report(8, merchants=1, datasets=("orders",), chance=0.0)
    row, uri = report["rows"][0], "s3://lake/zdirect/_rejected/orders/part.jsonl"
    row["days"]["2026-11-27"] = "LLLRLLLLLLLLLLLLLLLLLLLL"
    row["rejected"] = [
        {"from": "2026-11-27T03:00:00+00:00", "to": "2026-11-27T04:00:00+00:00", "records": 3, "uri": uri}
    ]
    page = open_page(report)
    expect(page.locator("#summary")).to_contain_text("3 records were rejected.")
    page.locator(".cell.s-R").click()
    expect(page.locator("#detail")).to_contain_text("3 records rejected in 2026-11-27 03:00 to 04:00")
    expect(page.locator("#detail pre")).to_have_text(uri)


def test_a_day_of_another_time_zone_has_the_gaps_of_its_own_hours(open_page: OpenPage) -> None:
    report = made_report(9, merchants=1, datasets=("cross_border_movements",), chance=0.0)
    row = report["rows"][0]
    row["timezone"] = "Europe/Berlin"
    row["days"]["2026-11-20"] = "M"
    times = {"from": "2026-11-19T23:00:00+00:00", "to": "2026-11-20T23:00:00+00:00"}
    row["gaps"] = [{**times, "status": "missing", "started": False, "days_left": 91, "urgent": False, "fill": None}]
    page = open_page(report)
    for day, gaps in [("Thu 19 Nov", 0), ("Fri 20 Nov", 1), ("Sat 21 Nov", 0)]:
        page.locator(f".cell[aria-label^='{day} 2026']").click()
        expect(page.locator("#detail-title")).to_contain_text(day)
        expect(page.locator("#detail .card")).to_have_count(gaps)


def test_the_command_of_a_gap_is_copied(open_page: OpenPage) -> None:
    report = made_report(9, merchants=1, datasets=("orders",), chance=0.2)
    page = open_page(report, permissions=["clipboard-read", "clipboard-write"])
    button = page.locator("tr[data-gap] .fill button").first
    command = button.get_attribute("title")
    button.click()
    expect(button).to_have_text("Copied")
    assert page.evaluate("navigator.clipboard.readText()") == command


def test_without_javascript_the_gaps_are_a_table(open_page: OpenPage) -> None:
    report = made_report(10, merchants=2, datasets=HOUR_DATASETS[:3], chance=0.1)
    page = open_page(report, java_script_enabled=False)
    expected = [gap["from"] for row in report["rows"] for gap in row["gaps"]]
    shown = [line.locator("td").nth(2).inner_text() for line in page.locator("noscript table.gaps tbody tr").all()]
    assert sorted(shown) == sorted(expected)
    expect(page.locator("noscript .headline")).to_be_visible()


@pytest.mark.parametrize("scheme", THEMES)
def test_the_page_follows_the_system_and_has_a_switch(open_page: OpenPage, scheme: str) -> None:
    page = open_page(made_report(11, merchants=1), color_scheme=scheme)
    dark = lambda: sum(rgb(page, "--paper")) < 200  # noqa: E731
    assert dark() == (scheme == "dark")
    page.click("#theme")
    assert dark() == (scheme == "light")


# How people see a colour who lack one kind of cones: Machado, Oliveira and Fernandes 2009, severity 1.0, on linear RGB.
VISION = {
    "all cones": ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
    "protanopia": ((0.152286, 1.052583, -0.204868), (0.114503, 0.786281, 0.099216), (-0.003882, -0.048116, 1.051998)),
    "deuteranopia": ((0.367322, 0.860646, -0.227968), (0.280085, 0.672501, 0.047413), (-0.01182, 0.04294, 0.968881)),
    "tritanopia": ((1.255528, -0.076749, -0.178779), (-0.078411, 0.930809, 0.147602), (0.004733, 0.691367, 0.3039)),
}


def rgb(page: Page, name: str) -> tuple[float, ...]:
    """A colour of the page, as a browser computes it, each part from 0 to 255."""
    script = """name => {
      const probe = document.createElement("i");
      probe.style.color = `var(${name})`;
      document.body.append(probe);
      const colour = getComputedStyle(probe).color;
      probe.remove();
      return colour;
    }"""
    return tuple(map(float, re.findall(r"[\d.]+", page.evaluate(script, name))))


def luminance(colour: tuple[float, ...], matrix: Any = VISION["all cones"]) -> float:
    linear = [part / 255 / 12.92 if part <= 10 else ((part / 255 + 0.055) / 1.055) ** 2.4 for part in colour[:3]]
    seen = [min(1.0, max(0.0, sum(m * p for m, p in zip(line, linear, strict=True)))) for line in matrix]
    return 0.2126 * seen[0] + 0.7152 * seen[1] + 0.0722 * seen[2]


def contrast(one: tuple[float, ...], other: tuple[float, ...], matrix: Any = VISION["all cones"]) -> float:
    """As WCAG 2 defines it."""
    dark, light = sorted((luminance(one, matrix), luminance(other, matrix)))
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("scheme", THEMES)
def test_texts_have_the_contrast_that_wcag_asks_for(open_page: OpenPage, scheme: str) -> None:
    page = open_page(made_report(12, merchants=1), color_scheme=scheme)
    pairs = [(f"--{letter}-ink", f"--{letter}") for letter in "LFRPEMX"]
    pairs += [(ink, paper) for ink in ("--ink", "--soft", "--link") for paper in ("--paper", "--wash", "--raised")]
    pairs += [(f"--{tone}", f"--{tone}-wash") for tone in ("good", "care", "alarm")] + [("--alarm", "--paper")]
    pairs += [("--paper", "--link"), ("--paper", "--focus"), ("--paper", "--alarm")]
    weak = {pair: round(contrast(rgb(page, pair[0]), rgb(page, pair[1])), 2) for pair in pairs}
    assert {pair: value for pair, value in weak.items() if value < 4.5} == {}


@pytest.mark.parametrize("vision", VISION)
@pytest.mark.parametrize("scheme", THEMES)
def test_gaps_stand_out_from_what_has_landed_for_every_kind_of_colour_vision(
    open_page: OpenPage, scheme: str, vision: str
) -> None:
    page = open_page(made_report(13, merchants=1), color_scheme=scheme)
    for gap in ("--M", "--X"):
        for other in ("--L", "--paper", "--P"):
            assert contrast(rgb(page, gap), rgb(page, other), VISION[vision]) >= 3, (gap, other)


def test_every_status_but_landed_has_a_sign_of_its_own_beside_its_colour(open_page: OpenPage) -> None:
    report = made_report(14, merchants=1, datasets=("orders",), chance=0.0)
    for number, letter in enumerate("XMERFLP"):
        report["rows"][0]["days"][f"2026-11-{10 + number}"] = letter * 24
    page = open_page(report)
    signs = page.eval_on_selector_all("#legend .key", "keys => keys.map(key => key.textContent)")
    assert len(set(signs)) == 7
    assert signs.count("") == 1
    names = page.eval_on_selector_all("#grid .cell", "cells => cells.slice(80, 87).map(cell => cell.textContent)")
    assert set(names) == set(signs)


def test_names_of_others_are_text_and_never_code(open_page: OpenPage) -> None:
    hostile = "</script><script>window.hacked=1</script><img src=x onerror=window.hacked=1>\u2028'\"&amp;"
    report = made_report(15, merchants=2, datasets=("orders",), chance=0.3, names=(hostile,))
    report["base_path"] = f"s3://{hostile}"
    for row in report["rows"]:
        row["title"] = hostile
        for gap in row["gaps"]:
            if gap["fill"]:
                gap["fill"]["command"] = hostile
    page = open_page(report)
    page.keyboard.press("Tab")
    page.locator(".cell.s-M").first.click()
    assert page.evaluate("window.hacked") is None
    assert page.locator("img, script:not([type])").count() == 1
    expect(page.locator("#detail pre").first).to_have_text(hostile, use_inner_text=False)
    expect(page.locator("#grid .merchant th").first).to_contain_text("<script>window.hacked=1</script>")


def test_when_all_has_landed_the_page_says_so(open_page: OpenPage) -> None:
    page = open_page(made_report(16, merchants=1, chance=0.0))
    expect(page.locator("#summary .headline")).to_have_text("Everything has landed")
    expect(page.locator("#gaps")).to_contain_text("No gaps in these rows.")
    assert page.title().startswith("Everything has landed")
