"""The coverage page as a document: it is complete in itself, safe, the same for the same report, and small."""

from __future__ import annotations

import base64
import hashlib
import json
from html.parser import HTMLParser
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_reports import DAY_DATASETS, HOUR_DATASETS, made_report

from airflow_provider_zdirect.coverage.page import MOST_GAPS, gaps_by_urgency, page_data, render_page, summarise

LIVE = {"data": "/zdirect/coverage/data", "api": "/api/v2", "ui": ""}


class Read(HTMLParser):
    """Scripts, styles, tags and addresses of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.addresses: list[str] = []
        self.policy = ""
        self.texts: dict[str, str] = {}
        self._inside = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = dict(attrs)
        self.tags.append(tag)
        self.addresses += [str(attributes[name]) for name in ("src", "href", "action") if name in attributes]
        if attributes.get("http-equiv") == "Content-Security-Policy":
            self.policy = attributes["content"] or ""
        self._inside = "data" if attributes.get("type") == "application/json" else tag

    def handle_data(self, data: str) -> None:
        if self._inside in ("script", "style", "data"):
            self.texts[self._inside] = self.texts.get(self._inside, "") + data

    def handle_endtag(self, tag: str) -> None:
        self._inside = ""


def digest(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def test_the_page_needs_nothing_else_and_its_policy_allows_nothing_else() -> None:
    page = Read(render_page(made_report()))
    assert page.addresses == ["data:,"]
    rules = dict(rule.split(" ", 1) for rule in page.policy.split("; "))
    assert rules == {
        "default-src": "'none'",
        "base-uri": "'none'",
        "form-action": "'none'",
        "img-src": "data:",
        "style-src": f"'sha256-{digest(page.texts['style'])}'",
        "script-src": f"'sha256-{digest(page.texts['script'])}'",
    }


def test_a_live_page_may_ask_its_own_server_and_holds_no_report() -> None:
    page = Read(render_page(None, LIVE))
    assert page.policy.endswith("; connect-src 'self'")
    assert json.loads(page.texts["data"]) == {"report": None, "live": LIVE}


def test_the_page_holds_the_whole_report_and_is_the_same_each_time() -> None:
    report = made_report(2)
    page = render_page(report)
    assert json.loads(Read(page).texts["data"]) == {**page_data(report), "live": None}
    assert render_page(made_report(2)) == page


def test_a_hundred_days_of_fifty_rows_stay_a_small_file() -> None:
    report = made_report(3, merchants=5, datasets=(*HOUR_DATASETS, *DAY_DATASETS, "a", "b", "c"), chance=0.01)
    assert len(render_page(report)) < 1_000_000


TAGS = Read(render_page(made_report(4, merchants=1, datasets=("orders",), chance=0.1))).tags


HOSTILE = ["</script>", "<!--", "<script>", "]]>", "'\"><img src=x>", "{{ 7 * 7 }}", "\u2028"]


@settings(max_examples=25)
@given(text=st.text() | st.sampled_from(HOSTILE))
def test_no_text_of_a_report_becomes_a_tag(text: str) -> None:
    report = made_report(4, merchants=1, datasets=("orders",), chance=0.1, names=(text or None,))
    report["base_path"] = text
    for gap in report["rows"][0]["gaps"]:
        gap["fill"] = gap["fill"] and {**gap["fill"], "command": text}
    page = Read(render_page(report))
    assert page.tags == TAGS
    assert json.loads(page.texts["data"])["report"] == json.loads(json.dumps(report))


def test_the_table_without_javascript_says_that_it_is_not_complete() -> None:
    report = made_report(5, merchants=5, datasets=HOUR_DATASETS, chance=0.5)
    count = len(gaps_by_urgency(report))
    assert count > MOST_GAPS
    page = render_page(report)
    assert f"The first {MOST_GAPS} of {count}; coverage.json has all." in page
    assert page.count("<tr><td>") == MOST_GAPS


def gap(status: str, days_left: float | None = None) -> dict[str, Any]:
    urgent = status == "missing" and days_left is not None and days_left <= 14
    times = {"from": "2026-11-20T06:00:00+00:00", "to": "2026-11-20T08:00:00+00:00"}
    return {
        **times,
        "status": status,
        "started": False,
        "days_left": days_left,
        "urgent": urgent,
        "fill": None,
    }


@pytest.mark.parametrize(
    ("gaps", "headline", "tone"),
    [
        ([], "Everything has landed", "good"),
        ([gap("missing", 5.4)], "1 gap, which will be lost in 5 days", "alarm"),
        ([gap("missing", 5.4), gap("missing", 80)], "2 gaps, 1 of them will be lost in 5 days", "alarm"),
        (
            [gap("missing", 0.4), gap("missing", 9.0), gap("missing", 80)],
            "3 gaps, 2 of them will be lost within 14 days, the first within a day",
            "alarm",
        ),
        ([gap("missing", 80)], "1 gap, not urgent", "care"),
        ([gap("missing", None), gap("missing", 80)], "2 gaps, none of them urgent", "care"),
        ([gap("lost")], "No gap can be filled any more", "alarm"),
        ([gap("uncertain", 40)], "Everything has landed, but not every empty report is certain", "care"),
    ],
)
def test_the_headline_says_how_bad_it_is(gaps: list[dict[str, Any]], headline: str, tone: str) -> None:
    report = made_report(6, merchants=1, datasets=("orders",), chance=0.0)
    report["rows"][0]["gaps"] = gaps
    summary = summarise(report)
    assert (summary["headline"], summary["tone"]) == (headline, tone)


def test_the_details_name_what_the_headline_leaves_out() -> None:
    report = made_report(7, merchants=1, datasets=("orders",), chance=0.0)
    row = report["rows"][0]
    row["gaps"] = [gap("missing", 80.0), gap("lost"), gap("uncertain", 40.0)]
    row["rejected"] = [{"from": "", "to": "", "records": 1, "uri": None}]
    assert summarise(report)["details"] == [
        "zDirect deletes the first missing data in 80 days.",
        "1 gap is lost: zDirect has deleted the data.",
        "1 empty report is not certain yet: fetched again, they may have records.",
        "1 record was rejected.",
    ]


@pytest.mark.parametrize(
    ("others", "text"),
    [
        ([{"merchant_id": "an-id", "merchant": None}], "1 merchant that has windows here is not covered: an-id."),
        (
            [{"merchant_id": "an-id", "merchant": None}, {"merchant_id": "another", "merchant": "shop-fr"}],
            "2 merchants that have windows here are not covered: an-id, shop-fr.",
        ),
    ],
)
def test_the_details_name_merchants_that_are_not_covered(others: list[dict[str, Any]], text: str) -> None:
    report = {**made_report(7, merchants=1, chance=0.0), "others": others}
    assert summarise(report)["details"][-1] == text
    assert text in render_page(report)


def test_where_nothing_has_landed_the_page_says_so() -> None:
    empty = {**made_report(8), "rows": []}
    assert summarise(empty)["headline"] == "Nothing is expected yet: no window has landed here"
    others = [{"merchant_id": "an-id", "merchant": None}]
    assert summarise({**empty, "others": others})["headline"].endswith("landed here for these merchants")
    assert "Nothing is expected yet" in render_page(empty)


def test_the_most_urgent_gap_comes_first_and_what_is_lost_last() -> None:
    report = made_report(9, merchants=1, datasets=("orders",), chance=0.0)
    report["rows"][0]["gaps"] = [
        gap("lost"),
        gap("uncertain", 3.0),
        gap("missing", None),
        gap("missing", 9.0),
        gap("missing", 2.0),
    ]
    order = [(found["status"], found["days_left"]) for _, found in gaps_by_urgency(report)]
    assert order == [("missing", 2.0), ("missing", 9.0), ("missing", None), ("uncertain", 3.0), ("lost", None)]
