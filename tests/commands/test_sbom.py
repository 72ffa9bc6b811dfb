"""The bill of materials names what is installed, and what the package needs. Installs its tool, if need be."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
import tomllib
from importlib.metadata import distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

PROJECT = Path(__file__).parent.parent.parent
OWN = "airflow-provider-zdirect"


@pytest.mark.exhaustive
def test_the_bill_of_materials_names_every_installed_library(tmp_path: Path) -> None:
    subprocess.run(["make", ".venv-sbom/.ready"], cwd=PROJECT, check=True)
    planned = subprocess.run(
        ["make", "--no-print-directory", "--dry-run", "sbom"], cwd=PROJECT, capture_output=True, text=True, check=True
    )
    command = shlex.split(planned.stdout[planned.stdout.index(".venv-sbom/bin/cyclonedx-py") :].replace("\\\n", " "))
    sbom = tmp_path / "sbom.json"
    replaced = {"build/sbom.json": str(sbom), ".venv": sys.executable}
    assert replaced.keys() <= set(command)
    # make has the tool check the file against CycloneDX's schema, which takes 20 s.
    arguments = [*(replaced.get(word, word) for word in command), "--no-validate"]
    written = subprocess.run(arguments, cwd=PROJECT, capture_output=True, text=True, check=False)
    assert written.returncode == 0, written.stderr
    content = json.loads(sbom.read_text(encoding="utf-8"))
    versions = {canonicalize_name(part["name"]): part["version"] for part in content["components"]}
    installed = {canonicalize_name(found.name): found.version for found in distributions()}
    installed.pop(OWN)
    assert len(installed) > 100
    assert {name: version for name, version in installed.items() if versions.get(name) != version} == {}
    assert content["metadata"]["component"]["name"] == OWN
    (own,) = (each for each in content["dependencies"] if each["ref"] == "root-component")
    named = {canonicalize_name(reference.partition("==")[0]) for reference in own["dependsOn"]}
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    needed = {canonicalize_name(Requirement(text).name) for text in project["dependencies"]}
    assert needed - named == set()
