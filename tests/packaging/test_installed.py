"""Whether the tests try what they are meant to try: ``make test`` runs those of Airflow 2.11 against the wheel."""

from __future__ import annotations

import importlib.metadata
import os
import subprocess
import sys
from pathlib import Path

import pytest

import airflow_provider_zdirect

PACKAGE = Path(airflow_provider_zdirect.__file__).parent


@pytest.mark.skipif(os.environ.get("TESTED") != "wheel", reason="the wheel is tried by make test, on Airflow 2.11")
def test_the_package_is_the_installed_wheel_also_for_programs_that_the_tests_start():
    assert PACKAGE.parent.name == "site-packages"
    assert (PACKAGE / "example_dags" / "zdirect_icm_daily.py").exists()
    program = "import airflow_provider_zdirect; print(airflow_provider_zdirect.__file__)"
    for switches in ([], ["-P"]):
        done = subprocess.run([sys.executable, *switches, "-c", program], capture_output=True, text=True, check=True)
        assert Path(done.stdout.strip()).parent == PACKAGE


def test_the_metadata_of_what_is_installed_are_of_this_version():
    assert importlib.metadata.version("airflow-provider-zdirect") == airflow_provider_zdirect.__version__
