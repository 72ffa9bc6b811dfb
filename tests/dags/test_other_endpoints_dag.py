"""The DAG of docs/other-endpoints.md as Airflow itself runs it, triggers included."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import pytest
from own_emulator import connection_to, own_emulator
from warm_airflow import run_file, run_forked

from airflow_provider_zdirect.airflow_sdk import AIRFLOW_V_3_0_PLUS

DOCUMENT = Path(__file__).parent.parent.parent / "docs" / "other-endpoints.md"

RUN = """
if __name__ == "__main__":
    import json, os
    from run_dag import run_by_test

    run = run_by_test(dag, "2026-11-20T00:00:00+00:00", {"merchant_id": os.environ["ZDIRECT_TEST_MERCHANT"]})
    tasks = {ti.task_id: ti.xcom_pull(task_ids=ti.task_id) for ti in run.get_task_instances()}
    print("\\nreport:", json.dumps([str(run.state), tasks]))
"""


@pytest.mark.skipif(not AIRFLOW_V_3_0_PLUS, reason="takes long, and the parts of it run on every version")
def test_the_documented_dag_runs_with_one_token_for_all_its_tasks(tmp_path: Path) -> None:
    (program,) = re.findall(r"```python\n(.*?)```", DOCUMENT.read_text(), re.DOTALL)
    program = re.sub(r"^(with DAG.*):$", r"\1 as dag:", program, flags=re.MULTILINE).replace(
        "airflow.sdk", "airflow", 1
    )
    file = tmp_path / "other_endpoints.py"
    file.write_text(program.replace("poke_interval=60", "poke_interval=1") + RUN)
    with own_emulator(seed=7) as emulator:
        emulator.faults.add({"match": {"path": "logistic"}, "action": {"status": 404}, "times": 1})
        merchant = emulator.merchant_ids[0]
        connection = connection_to(emulator)
        done = run_forked(
            run_file,
            str(file),
            environment={
                **os.environ,
                "AIRFLOW__CORE__DAGS_FOLDER": str(tmp_path),
                "AIRFLOW_CONN_ZDIRECT_DEFAULT": json.dumps({**connection, "extra": {"share_access": True}}),
                "ZDIRECT_TEST_MERCHANT": merchant,
            },
        )
        asked = [(request.path.rpartition("/")[2], request.status) for request in emulator.requests]
        centers = [center["name"] for center in emulator.reference("logistic_centers", merchant)]
        channels = emulator.reference("sales_channels", merchant)
    log = done.stdout + done.stderr
    assert done.returncode == 0, log[-5000:]
    state, results = json.loads(done.stdout.rpartition("\nreport: ")[2])
    assert state == "success", log[-5000:]
    assert results == {"granted": None, "centers": centers, "channels": len(channels)}
    wanted = [("token", 200), *[("logistic-centers", status) for status in (404, 200, 200)], ("sales-channels", 200)]
    assert sorted(asked) == sorted(wanted)
    assert "demo-secret" not in log
