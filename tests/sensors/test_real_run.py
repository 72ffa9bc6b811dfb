"""The sensor as Airflow itself runs it: deferred to its trigger, and resumed with what that tells."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

from airflow_provider_zdirect.emulator.server import EmulatorServer

DAGS = Path(__file__).parent / "dags"
DATASET = "intra_community_movements"


def test_mapped_sensors_wait_in_their_triggers_and_find_the_report():
    due = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=20)
    with EmulatorServer(seed=7, empty_reports=0.0, report_time="00:00") as emulator:
        connection = {"conn_type": "zdirect", "login": "demo", "password": "demo-secret", "host": emulator.url}
        done = subprocess.run(
            [sys.executable, str(DAGS / "waits.py")],
            capture_output=True,
            text=True,
            env={
                **os.environ,
                "AIRFLOW__CORE__DAGS_FOLDER": str(DAGS),
                "AIRFLOW_CONN_ZDIRECT_DEFAULT": json.dumps(connection),
                "ZDIRECT_TEST_DUE": due.isoformat(),
                "ZDIRECT_TEST_MERCHANTS": " ".join(emulator.merchant_ids),
            },
            timeout=180,
            check=False,
        )
        looks = [request for request in emulator.requests if "community" in request.path]
    log = done.stdout + done.stderr
    assert done.returncode == 0, log[-5000:]
    state, tasks = json.loads(done.stdout.rpartition("\nreport: ")[2])
    assert state == "success", log[-5000:]
    found = {"dataset": DATASET, "report_date": f"{due - timedelta(days=1):%Y-%m-%d}", "why": "movements"}
    assert tasks == [
        [index, "success", {**found, "merchant_id": merchant}] for index, merchant in enumerate(emulator.merchant_ids)
    ]
    assert len(looks) == 2
    assert min(look.time for look in looks) >= due
    assert "running trigger in line" in log, log[-5000:]
