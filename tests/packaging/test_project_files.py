"""The files around the package: what no other test would notice if it broke."""

from __future__ import annotations

import asyncio
import re
import shlex
from pathlib import Path

import pytest
import yaml

import airflow_provider_zdirect

ROOT = Path(__file__).parent.parent.parent
TEMPLATES = sorted((ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.yml"))


def makefile_targets() -> set[str]:
    return set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))


def test_the_workflow_calls_targets_and_cells_that_exist():
    jobs = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text())["jobs"]
    calls = [step["run"] for job in jobs.values() for step in job["steps"] if "make " in step.get("run", "")]
    assert len(calls) == 3
    for call in calls:
        named = [word for word in shlex.split(call)[1:] if "=" not in word]
        assert named
        assert set(named) <= makefile_targets()
    matrix = jobs["matrix"]["strategy"]["matrix"]
    cells = {(airflow, python) for airflow in matrix["airflow"] for python in matrix["python"]}
    cells -= {(left_out["airflow"], left_out["python"]) for left_out in matrix["exclude"]}
    text = (ROOT / "scripts" / "matrix.py").read_text()
    assert all(f'"{airflow}"' in text and f'"{python}"' in text for airflow, python in cells)
    assert len(cells) == 13


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: path.stem)
def test_an_issue_template_is_a_form(template):
    form = yaml.safe_load(template.read_text())
    if template.stem == "config":
        return
    assert {"name", "description", "body"} <= form.keys()
    questions = [each for each in form["body"] if each["type"] != "markdown"]
    assert questions
    assert len({each["id"] for each in questions}) == len(questions)
    assert all(each["type"] in ("input", "textarea") and each["attributes"]["label"] for each in questions)


def test_pre_commit_runs_the_linters_of_make_lint():
    (repo,) = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
    lint = (ROOT / "Makefile").read_text().split("\nlint:")[1].split("\n\n")[0]
    for hook in repo["hooks"]:
        assert hook["entry"].removesuffix(" --force-exclude").replace(" format", " format --check") in lint


def test_the_commands_that_contributing_names_exist():
    named = set(re.findall(r"`?make ([a-z-]+)", (ROOT / "CONTRIBUTING.md").read_text())) - {"lists"}
    assert len(named) > 8
    assert named <= makefile_targets()


def test_the_python_of_the_compatibility_page_runs(capsys):
    names: dict[str, object] = {}
    for block in re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "compatibility.md").read_text(), re.DOTALL):
        exec(compile(block, "compatibility.md", "exec"), names)
    asyncio.run(names["notify"](context={"dag_run": {"dag_id": "zdirect_icm_daily", "dag_run_id": "scheduled__x"}}))
    assert capsys.readouterr().out == "late: zdirect_icm_daily scheduled__x\n"
    assert names["DAG"].__name__ == "DAG"


def test_every_module_of_the_package_says_its_licence_first():
    for path in Path(airflow_provider_zdirect.__file__).parent.rglob("*.py"):
        assert path.read_text().startswith("# SPDX-License-Identifier: Apache-2.0\n"), path
