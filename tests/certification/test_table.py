"""The table itself: how many cases there are, that what it names exists, and that the documents say the same."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest

from airflow_provider_zdirect.datasets.table import DATASETS
from certification import report
from certification.references import REFERENCES
from certification.table import CASES, SITUATIONS
from certification.world import COMPARED, EXTRACTABLE

PROJECT = Path(__file__).parent.parent.parent
DOCUMENT = PROJECT / "docs" / "reliability.md"


def test_every_dataset_is_in_at_least_forty_situations_and_no_case_is_there_twice() -> None:
    assert len(CASES) >= 300
    assert len({case.id for case in CASES}) == len(CASES)
    assert min(Counter(case.dataset for case in CASES).values()) >= 40
    assert {case.dataset for case in CASES} == set(EXTRACTABLE)
    assert set(COMPARED) == set(DATASETS)


@pytest.mark.parametrize("situation", SITUATIONS, ids=lambda situation: situation.id)
def test_what_a_situation_shows_is_one_sentence(situation) -> None:
    assert re.fullmatch(r"[a-z]+/[a-z0-9-]+", situation.id)
    assert situation.shows[0].isupper()
    assert situation.shows.endswith(".")
    assert ". " not in situation.shows


def test_the_tests_of_other_suites_are_there() -> None:
    for test in (test for reference in REFERENCES for test in reference.tests):
        path, _, name = test.partition("::")
        assert re.search(rf"^(async )?def {name}\(", (PROJECT / path).read_text(), re.MULTILINE), test


def test_the_page_names_every_case_escapes_every_text_and_needs_nothing_else() -> None:
    case, other = CASES[0], CASES[-1]
    error = "<script>alert('x')</script> & \"quoted\""
    ran = {
        f"tests/certification/test_cases.py::test_case[{case.id}]": report.Ran("failed", 1.5, error),
        f"tests/certification/test_cases.py::test_case[{other.id}]": report.Ran("passed", 0.25),
        f"{REFERENCES[0].tests[0]}[some]": report.Ran("passed", 2.0),
    }
    found = report.as_json(ran, "2026-11-20T19:00:00+00:00")
    number = len(CASES) + len(REFERENCES)
    assert found["counts"] == {"all": number, "failed": 1, "passed": 2, "not run": number - 3}
    page = report.page(found)
    assert "&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt; &amp; &#34;quoted&#34;" in page
    assert page.count("<script>") == 1
    assert not re.search(r"""(src|href)=|url\(|@import""", page)
    assert [each.id for each in CASES if f'title="{each.id}: ' not in page] == []


def test_of_several_tests_the_worst_counts() -> None:
    passed, failed = report.Ran("passed", 1), report.Ran("failed", 2, "why")
    assert report.Ran.of_all([passed, failed]) == report.Ran("failed", 3, "why")
    assert report.Ran.of_all([]).outcome == "not run"


def counts() -> str:
    """The table of the documents."""
    number = Counter(case.situation.group for case in CASES)
    rows = [
        f"| {group} | {len({c.situation.id for c in CASES if c.situation.group == group})} | {count} |"
        for group, count in number.items()
    ]
    head = ["| situations | number | cases |", "|---|---:|---:|"]
    return "\n".join([*head, *rows, f"| all | {len(SITUATIONS)} | {len(CASES)} |"])


@pytest.mark.skipif(not DOCUMENT.exists(), reason="the document is not written yet")
def test_the_documents_have_the_same_numbers() -> None:
    assert counts() in DOCUMENT.read_text(encoding="utf-8")


if __name__ == "__main__":
    print(counts())
