"""The ten-minute start, command by command, with a real Airflow and the emulator."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import airflow_home
import pytest
from code_blocks import ROOT, blocks
from own_emulator import own_emulator

NOT_HERE = ("python3 -m venv", ". zdirect-start", "pip install")
"""The environment of the tests has all that these lines install."""


# Airflow starts three times, as a reader starts it; tests/dags/test_example_runs.py runs the DAG in seconds.
@pytest.mark.exhaustive
def test_the_start_leads_to_rows(tmp_path: Path) -> None:
    install, start, connection, fetch, read = (block.text for block in blocks("sh", "start.md"))
    told = [line for line in (install + start).splitlines() if not line.startswith(NOT_HERE)]
    assert told == ["python -m airflow_provider_zdirect.emulator --merchants 1"]
    home = tmp_path / "airflow"
    (home / "dags").mkdir(parents=True)
    example = (ROOT / "docs" / "examples" / "first_dag.py").read_text(encoding="utf-8")
    (home / "dags" / "first_dag.py").write_text(example, encoding="utf-8")
    airflow_home.copy_migrated(home / "airflow.db")  # so that airflow db migrate has little to do
    with own_emulator(merchants=1) as emulator:
        app = emulator.state.settings
        connection = re.sub(r"http://[\d.:]+", emulator.url, connection)
        connection = connection.replace('"demo"', f'"{app.client_id}"').replace("demo-secret", app.client_secret)
        done = subprocess.run(
            ["sh", "-eu"],
            input="\n".join([connection, fetch, read]),
            capture_output=True,
            text=True,
            check=False,
            cwd=tmp_path,
            env={
                **{name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW_")},
                "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
                "HOME": str(tmp_path),
                "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            },
        )
    assert done.returncode == 0, (done.stdout + done.stderr)[-5000:]
    assert "Connection success!" in done.stdout
    assert re.search(r"│ quality_label|quality_label", done.stdout), done.stdout[-2000:]
    assert "10 rows" in done.stdout
