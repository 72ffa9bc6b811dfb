"""Whether an extra brings the file system of its storage. Needs the package index, so it is in make test-all."""

from __future__ import annotations

import ast
import runpy
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
EXTRAS = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
PROVIDERS = {
    "s3": "apache-airflow-providers-amazon",
    "gcs": "apache-airflow-providers-google",
    "azure": "apache-airflow-providers-microsoft-azure",
}

pytestmark = pytest.mark.exhaustive


@pytest.mark.parametrize(
    ("extra", "scheme", "library"), [("s3", "s3", "s3fs"), ("gcs", "gs", "gcsfs"), ("azure", "abfs", "adlfs")]
)
def test_with_the_extra_airflow_knows_paths_of_the_storage(extra, scheme, library, tmp_path):
    uv = [Path(sys.executable).parent / "uv", "pip"]
    resolved = subprocess.run(
        [*uv, "compile", "-", "--python-version", "3.11", "--no-header", "--no-annotate", "--quiet"],
        input="\n".join(["apache-airflow==3.3.2", *EXTRAS[extra]]), capture_output=True, text=True, check=True,
    ).stdout.splitlines()  # fmt: skip
    assert [line for line in resolved if line.startswith(f"{library}==")]

    (provider,) = (line for line in resolved if line.startswith(PROVIDERS[extra]))
    subprocess.run([*uv, "install", "--quiet", "--no-deps", "--target", tmp_path, provider], check=True)
    (metadata,) = tmp_path.glob("airflow/providers/**/get_provider_info.py")
    known = set()
    for module in runpy.run_path(str(metadata))["get_provider_info"]()["filesystems"]:
        # Only read: to import it, the libraries of the whole provider would have to be there.
        tree = ast.parse((tmp_path / module.replace(".", "/")).with_suffix(".py").read_text())
        known |= {
            scheme
            for node in tree.body
            if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "schemes"
            for scheme in ast.literal_eval(node.value)
        }
    assert scheme in known
