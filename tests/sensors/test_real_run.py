"""The sensor as Airflow itself runs it: deferred to its trigger, and resumed with what that tells."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

from warm_airflow import run_file, run_forked

from airflow_provider_zdirect.emulator.server import EmulatorServer

DAGS = Path(__file__).parent / "dags"
DATASET = "intra_community_movements"


def test_mapped_sensors_wait_in_their_triggers_and_find_the_report():
    run_forked(print, environment=os.environ)  # What takes long the first time.
    due = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=11)
    # Of an app that no other test has left a token for, at an address that is the same by chance.
    client_id = str(uuid4())
    with EmulatorServer(seed=7, client_id=client_id, empty_reports=0.0, report_time="00:00") as emulator:
        connection = {"conn_type": "zdirect", "login": client_id, "password": "demo-secret", "host": emulator.url}
        done = run_forked(
            run_file,
            str(DAGS / "waits.py"),
            environment={
                **os.environ,
                "AIRFLOW__CORE__DAGS_FOLDER": str(DAGS),
                "AIRFLOW_CONN_ZDIRECT_DEFAULT": json.dumps(connection),
                "ZDIRECT_TEST_DUE": due.isoformat(),
                "ZDIRECT_TEST_MERCHANTS": " ".join(emulator.merchant_ids),
            },
            seconds=180,
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
