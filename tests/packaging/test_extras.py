"""Whether an extra brings the file system of its storage. Needs the package index, so it is in make test-all."""

from __future__ import annotations

import ast
import runpy
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parent.parent.parent
EXTRAS = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]

pytestmark = pytest.mark.exhaustive


@pytest.mark.parametrize(
    ("extra", "scheme", "library"), [("s3", "s3", "s3fs"), ("gcs", "gs", "gcsfs"), ("azure", "abfs", "adlfs")]
)
def test_with_the_extra_airflow_knows_paths_of_the_storage(extra, scheme, library, tmp_path):
    uv = [Path(sys.executable).parent / "uv", "pip"]
    pins = ["--constraint", ROOT / "constraints" / "airflow-3.3.txt", "--python-version", "3.11", "--quiet"]
    resolved = subprocess.run(
        [*uv, "compile", "-", *pins], input="\n".join(EXTRAS[extra]), capture_output=True, text=True, check=True
    ).stdout
    assert f"\n{library}==" in resolved

    (provider,) = (each for each in map(Requirement, EXTRAS[extra]) if each.name.startswith("apache-airflow-providers"))
    install = [*uv, "install", "--quiet", "--no-deps", "--target", tmp_path, f"{provider.name}{provider.specifier}"]
    subprocess.run([*install, *pins[:2]], check=True)
    (metadata,) = tmp_path.glob("airflow/providers/**/get_provider_info.py")
    (module,) = runpy.run_path(str(metadata))["get_provider_info"]()["filesystems"]
    # Only read: to import it, the libraries of the whole provider would have to be there.
    tree = ast.parse((tmp_path / module.replace(".", "/")).with_suffix(".py").read_text())
    (schemes,) = (
        ast.literal_eval(node.value)
        for node in tree.body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "schemes"
    )
    assert scheme in schemes
