"""The examples of the documents: DAGs without errors, one for each operator and sensor, each shown on a page.

``tests/dags/test_example_runs.py`` runs some of them.
"""

from __future__ import annotations

import re
import runpy

import pytest
from code_blocks import ROOT

import airflow_provider_zdirect.operators
import airflow_provider_zdirect.sensors
from airflow_provider_zdirect.airflow_sdk import DAG

EXAMPLES = sorted((ROOT / "docs" / "examples").glob("*.py"))


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_is_a_dag(example: object, monkeypatch: pytest.MonkeyPatch) -> None:
    made = []
    entered = DAG.__enter__
    monkeypatch.setattr(DAG, "__enter__", lambda dag: made.append(dag) or entered(dag))
    runpy.run_path(str(example))
    assert made
    assert all(dag.tasks for dag in made)


def test_every_operator_and_sensor_has_an_example() -> None:
    text = "".join(path.read_text(encoding="utf-8") for path in EXAMPLES)
    public = {*airflow_provider_zdirect.operators.__all__, *airflow_provider_zdirect.sensors.__all__}
    assert {name for name in public if f"{name}(" not in text and f"{name}.partial(" not in text} == set()


def test_every_example_is_shown_on_a_page() -> None:
    pages = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "docs").glob("*.md"))
    shown = set(re.findall(r"```\{literalinclude\} examples/(\S+)", pages))
    assert shown == {path.name for path in EXAMPLES}
