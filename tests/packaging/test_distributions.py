from __future__ import annotations

import os
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from airflow_provider_zdirect import __version__
from airflow_provider_zdirect.airflow_sdk import AIRFLOW_V_3_3_PLUS

ROOT = Path(__file__).parent.parent.parent
NAME = f"airflow_provider_zdirect-{__version__}"
pytestmark = pytest.mark.skipif(
    not (ROOT / "airflow_provider_zdirect").exists(), reason="the distributions are built where the package is"
)


def build(project: Path, target: Path, kind: str) -> None:
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "--target", kind, "--directory", target], cwd=project, check=True
    )


def contents(wheel: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(wheel) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def of_git(folder: str) -> set[str]:
    """The files of the project below a folder, as a checkout has them."""
    files = (path for path in (ROOT / folder).rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    return {str(path.relative_to(ROOT)) for path in files}


@pytest.fixture(scope="module")
def distributions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("dist")
    for kind in ("wheel", "sdist"):
        build(ROOT, target, kind)
    return target


@pytest.fixture(scope="module")
def wheel(distributions: Path) -> dict[str, bytes]:
    return contents(distributions / f"{NAME}-py3-none-any.whl")


def test_the_wheel_has_every_file_of_the_package_the_example_dags_the_license_and_nothing_else(wheel):
    dags = {name.replace("dags/", "airflow_provider_zdirect/example_dags/") for name in of_git("dags")}
    code = {name for name in wheel if ".dist-info/" not in name}
    assert code == of_git("airflow_provider_zdirect") | dags
    assert {"airflow_provider_zdirect/py.typed", "airflow_provider_zdirect/intrastat/page.html.j2"} <= code
    assert wheel[f"{NAME}.dist-info/licenses/LICENSE"] == (ROOT / "LICENSE").read_bytes()
    for name in of_git("dags"):
        assert wheel[f"airflow_provider_zdirect/example_{name}"] == (ROOT / name).read_bytes()


def test_the_sdist_has_the_tests_and_builds_the_same_wheel(distributions, wheel, tmp_path):
    with tarfile.open(distributions / f"{NAME}.tar.gz") as archive:
        archive.extractall(tmp_path, filter="data")
    unpacked = {str(path.relative_to(tmp_path / NAME)) for path in (tmp_path / NAME).rglob("*") if path.is_file()}
    for folder in ("tests", "dags", "docs", "scripts", "constraints"):
        assert of_git(folder) <= unpacked
    build(tmp_path / NAME, tmp_path / "dist", "wheel")
    assert contents(tmp_path / "dist" / f"{NAME}-py3-none-any.whl") == wheel


PROGRAM = """
from pathlib import Path
from airflow.dag_processing.bundles.manager import DagBundlesManager
from airflow.dag_processing.dagbag import DagBag
import airflow_provider_zdirect.example_dags.zdirect_icm_daily as imported

bundle = DagBundlesManager().get_bundle("airflow-provider-zdirect-example-dags")
bag = DagBag(bundle.path, bundle_path=bundle.path)
assert not bag.import_errors, bag.import_errors
assert imported.dag.dag_id == "zdirect_icm_daily"
print("folder:", bundle.path)
print("found:", *sorted(bag.dags))
"""


@pytest.mark.skipif(not AIRFLOW_V_3_3_PLUS, reason="examples of providers are listed from Airflow 3.3 on")
def test_airflow_lists_the_example_dags_of_the_wheel_and_they_can_be_imported(distributions, tmp_path):
    installed = tmp_path / "site-packages"
    with zipfile.ZipFile(distributions / f"{NAME}-py3-none-any.whl") as archive:
        archive.extractall(installed)
    environment = {
        **os.environ,
        "PYTHONPATH": str(installed),
        "AIRFLOW_HOME": str(tmp_path),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "True",
    }
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], cwd=tmp_path, env=environment, capture_output=True, text=True, check=True
    )
    folder, found = (line.partition(": ")[2] for line in done.stdout.splitlines()[-2:])
    assert Path(folder) == installed / "airflow_provider_zdirect" / "example_dags"
    assert found.split() == sorted(path.stem for path in (ROOT / "dags").glob("*.py"))
