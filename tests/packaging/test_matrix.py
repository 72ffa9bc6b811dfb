from __future__ import annotations

import json
import runpy
import tomllib
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_zdirect import __version__

ROOT = Path(__file__).parent.parent.parent
MATRIX = runpy.run_path(str(ROOT / "scripts" / "matrix.py"))
PASSED = {"result": "passed", "airflow": "3.1.8"}


@pytest.fixture
def outcomes() -> dict[str, dict[str, Any]]:
    return json.loads((ROOT / "docs" / "matrix.json").read_text())


@pytest.mark.parametrize("page", ["README.md", "docs/compatibility.md"])
def test_the_table_of_a_page_is_that_of_the_outcomes(page, outcomes):
    text = (ROOT / page).read_text()
    assert MATRIX["table"](outcomes) in text, "run make matrix"
    assert MATRIX["with_table"](text, outcomes) == text


def test_the_outcomes_are_of_the_dependencies_and_the_version_of_today(outcomes):
    cells = {cell.name: cell for cell in MATRIX["CELLS"]}
    assert set(outcomes) <= set(cells)
    for name, outcome in outcomes.items():
        if outcome["result"] == "not run":
            assert outcome["why"]
            continue
        assert outcome["of"] == MATRIX["fingerprint"](cells[name]), f"{name} is stale: run make matrix"
        assert outcome["provider"] == __version__, f"{name} is stale: run make matrix"
        assert outcome["airflow"] == cells[name].release.version
        assert outcome["python"].startswith(f"{cells[name].python}.")
        assert (outcome["result"] == "passed") == (outcome["tests"] > 500 and not outcome["failed"])


def test_every_series_and_python_that_the_metadata_promise_is_a_cell():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    promised = {each.rpartition(":: ")[2] for each in project["classifiers"] if "Python :: 3." in each}
    assert promised == set(MATRIX["PYTHONS"])
    assert "apache-airflow>=2.11" in project["dependencies"]
    assert next(iter(MATRIX["SUPPORTED"])) == "2.11"


def test_a_cell_that_did_not_run_is_never_shown_as_passed():
    failed, not_run = {**PASSED, "result": "failed"}, {"result": "not run", "why": "no Python"}
    in_words = MATRIX["_in_words"]

    def shown(lowest, highest):
        found = {"3.1/3.11/lowest": lowest, "3.1/3.11/highest": highest}
        return in_words({name: outcome for name, outcome in found.items() if outcome}, "3.1", "3.11")

    assert shown(PASSED, PASSED) == "✓ 3.1.8 and 3.1.8"
    assert shown(not_run, not_run) == shown(None, None) == "not run"
    assert shown(PASSED, not_run) == shown(PASSED, None) == "lowest: passed, highest: not run"
    assert shown(failed, PASSED) == "lowest: failed, highest: passed"


def test_what_is_stale_is_not_written(tmp_path, monkeypatch):
    for name, value in (("OUTCOMES", tmp_path / "matrix.json"), ("PAGES", (tmp_path / "page.md",))):
        monkeypatch.setitem(MATRIX["save"].__globals__, name, value)
    (tmp_path / "page.md").write_text("before <!-- matrix -->old<!-- /matrix --> after")
    (cell,) = MATRIX["cells_named"]("3.1/3.11/highest")
    now = {**PASSED, "of": MATRIX["fingerprint"](cell)}
    MATRIX["save"]({"3.1/3.11/lowest": {**PASSED, "of": "another"}, "3.1/3.11/highest": now})
    assert json.loads((tmp_path / "matrix.json").read_text()) == {"3.1/3.11/highest": now}
    page = (tmp_path / "page.md").read_text()
    assert "lowest: not run, highest: passed" in page
    assert page.startswith("before <!-- matrix -->")
    assert page.endswith("<!-- /matrix --> after")


@pytest.mark.parametrize(
    ("names", "count"), [("", 26), ("3.1", 6), ("3.1/3.11", 2), ("3.1/3.11/lowest, 2.11", 5), ("3.1/3.11/lowest", 1)]
)
def test_cells_are_named_whole_or_by_their_beginning(names, count):
    assert len(MATRIX["cells_named"](names)) == count


def test_an_unknown_cell_is_refused():
    with pytest.raises(SystemExit, match=r"No such cell: 3\.9\. They are: 2\.11/3\.11/lowest"):
        MATRIX["cells_named"]("3.1 3.9")
