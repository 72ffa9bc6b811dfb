"""Constraints are version pins, of everything that is installed, and nothing else."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

PROJECT = Path(__file__).parent.parent.parent
FILES = {"3.3": "AIRFLOW_3_3", "2.11": "AIRFLOW_2_11"}


@pytest.mark.parametrize("series", FILES)
def test_every_line_is_a_pin(series: str) -> None:
    pin = re.compile(r"[a-z0-9][a-z0-9.-]*==[0-9][a-z0-9.+!]*( ; [a-zA-Z0-9_.<>=!*'() -]+)?")
    assert [line for line in _lines(series) if not pin.fullmatch(line)] == []


@pytest.mark.parametrize("series", FILES)
def test_every_dependency_and_every_tool_is_pinned(series: str) -> None:
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))
    declared = project["project"]
    texts = [
        *declared["dependencies"],
        *(text for extra in declared["optional-dependencies"].values() for text in extra),
    ]
    texts += project["build-system"]["requires"]
    needed = {canonicalize_name(Requirement(text).name) for text in texts} - {declared["name"]}
    pinned = {canonicalize_name(Requirement(line).name) for line in _lines(series)}
    assert needed - pinned == set()


@pytest.mark.parametrize(("series", "variable"), FILES.items())
def test_airflow_is_the_version_that_the_makefile_names(series: str, variable: str) -> None:
    makefile = (PROJECT / "Makefile").read_text(encoding="utf-8")
    (version,) = re.findall(rf"^{variable} = (\S+)$", makefile, flags=re.MULTILINE)
    assert version.startswith(f"{series}.")
    assert f"apache-airflow=={version}" in _lines(series)


def _lines(series: str) -> list[str]:
    return (PROJECT / "constraints" / f"airflow-{series}.txt").read_text(encoding="utf-8").splitlines()
