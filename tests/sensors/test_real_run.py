"""The sensor as Airflow itself runs it: deferred to its trigger, and resumed with its event."""

from __future__ import annotations

import json
import os
from datetime import timedelta
from pathlib import Path

import real_time
from own_emulator import connection_to, own_emulator
from warm_airflow import run_file, run_forked

from airflow_provider_zdirect.airflow_sdk import AIRFLOW_V_3_0_PLUS, AIRFLOW_V_3_2_PLUS

DAGS = Path(__file__).parent / "dags"
DATASET = "intra_community_movements"


def test_mapped_sensors_wait_in_their_triggers_find_the_report_and_are_shown_under_their_merchants():
    run_forked(print, environment=os.environ)  # What takes long the first time.
    # A busy machine may come to the sensors when their reports are due already; then there is nothing to wait for.
    for seconds in (9, 45, 180):
        due, merchants, done, looks = run_with_reports_due_in(seconds)
        log = done.stdout + done.stderr
        if "running trigger in line" in log:
            break
    assert done.returncode == 0, log[-5000:]
    state, tasks = json.loads(done.stdout.rpartition("\nreport: ")[2])
    assert state == "success", log[-5000:]
    found = {"dataset": DATASET, "report_date": f"{due - timedelta(days=1):%Y-%m-%d}", "why": "movements"}
    # Airflow 3.0 and 3.1 store the name of a task when it is deferred or has ended.
    names = [None] * len(merchants) if AIRFLOW_V_3_0_PLUS and not AIRFLOW_V_3_2_PLUS else merchants
    assert tasks == [
        *(["group.named", index, name] for index, name in enumerate(names)),
        *(["named", index, name] for index, name in enumerate(names)),
        *(["ready", index, {**found, "merchant_id": merchant}] for index, merchant in enumerate(merchants)),
    ]
    assert len(looks) == 2
    assert min(look.time for look in looks) >= due
    assert "running trigger in line" in log, log[-5000:]


def run_with_reports_due_in(seconds):
    """When they were due, for which merchants, what the run came to, and the requests for reports."""
    due = real_time.now().replace(microsecond=0) + timedelta(seconds=seconds)
    with own_emulator(seed=7, empty_reports=0.0, report_time="00:00") as emulator:
        done = run_forked(
            run_file,
            str(DAGS / "waits.py"),
            environment={
                **os.environ,
                "AIRFLOW__CORE__DAGS_FOLDER": str(DAGS),
                "AIRFLOW_CONN_ZDIRECT_DEFAULT": json.dumps(connection_to(emulator)),
                "ZDIRECT_TEST_DUE": due.isoformat(),
                "ZDIRECT_TEST_MERCHANTS": " ".join(emulator.merchant_ids),
            },
            seconds=seconds + 300,
        )
        looks = [request for request in emulator.requests if "community" in request.path]
        return due, emulator.merchant_ids, done, looks
