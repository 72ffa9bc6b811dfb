"""Whether the provider goes into an Airflow as its constraints pin it.

Needs the package index, so it is in make test-all.
"""

from __future__ import annotations

import runpy
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent.parent
MATRIX = runpy.run_path(str(ROOT / "scripts" / "matrix.py"))
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
# Of each series the last. The first ones of the two oldest pin an HTTP provider before 5.3.3 (docs/compatibility.md).
RELEASES = {releases[-1].version: releases[-1] for releases in MATRIX["RELEASES"].values()}
OFFICIAL = ROOT / "build" / "constraints"

pytestmark = pytest.mark.exhaustive


def resolve(requirements: list[str], arguments: list[Any]) -> dict[str, str]:
    """What would be installed, by name."""
    done = subprocess.run(
        [Path(sys.executable).parent / "uv", "pip", "compile", "-", "--quiet", "--no-header", "--no-annotate",
         "--python-version", "3.11", *arguments],
        input="\n".join(requirements), capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return dict(line.split(" ")[0].split("==") for line in done.stdout.splitlines() if "==" in line)


def lines(pins: dict[str, str]) -> str:
    return "".join(f"{name}=={version}\n" for name, version in pins.items())


@pytest.mark.parametrize("version", RELEASES)
def test_the_provider_changes_no_package_of_airflow(version, tmp_path):
    airflow, as_of = [f"apache-airflow=={version}"], MATRIX["dated"](RELEASES[version])
    alone = resolve(airflow, as_of)
    assert alone["apache-airflow"] == version
    (tmp_path / "constraints.txt").write_text(lines(alone))
    with_provider = [*airflow, *PROJECT["dependencies"]]
    together = resolve(with_provider, [*as_of, "--constraint", tmp_path / "constraints.txt"])
    assert {name: together[name] for name in alone} == alone
    assert together.keys() > alone.keys()


@pytest.mark.parametrize("extra", [(), ("s3",), ("gcs",), ("azure",)], ids=lambda extra: "".join(extra) or "none")
@pytest.mark.parametrize("version", RELEASES)
def test_the_provider_goes_into_the_official_constraints(version, extra):
    """CI fetches them (.github/workflows/ci.yml)."""
    constraints = OFFICIAL / f"{version}.txt"
    if not constraints.exists():
        pytest.skip(f"{constraints.relative_to(ROOT)} is not there")
    more = [requirement for name in extra for requirement in PROJECT["optional-dependencies"][name]]
    requirements = [f"apache-airflow=={version}", *PROJECT["dependencies"], *more]
    resolve(requirements, ["--constraint", constraints])
