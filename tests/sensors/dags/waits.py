"""A DAG with deferrable sensors, and with sensors that say under which name Airflow shows them while they run.

Run as a program it runs itself, triggers included, as ``dag.test()`` does. ``ZDIRECT_TEST_DUE`` is the moment at which
the reports of the day before are due.
"""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime, timedelta
from inspect import signature

from airflow_provider_zdirect.airflow_sdk import DAG, task_group
from airflow_provider_zdirect.sensors.report import ZDirectReportReadySensor

DUE = datetime.fromisoformat(os.environ["ZDIRECT_TEST_DUE"])
MERCHANTS = os.environ["ZDIRECT_TEST_MERCHANTS"].split()


class NamedSensor(ZDirectReportReadySensor):
    def execute(self, context):
        from airflow.utils.session import create_session
        from sqlalchemy import text

        query = "SELECT rendered_map_index FROM task_instance WHERE task_id = :task_id AND map_index = :map_index"
        ti = context["ti"]
        with create_session() as session:
            return session.execute(text(query), {"task_id": ti.task_id, "map_index": ti.map_index}).scalar()


with DAG("waits", schedule=None, start_date=datetime(2026, 1, 1, tzinfo=UTC)) as dag:
    ready = ZDirectReportReadySensor.partial(
        task_id="ready",
        dataset="intra_community_movements",
        not_before=DUE.strftime("%H:%M:%S"),
        deferrable=True,
        params={"report_date": (DUE.date() - timedelta(days=1)).isoformat()},
        # Airflow 3.1 before 3.1.7 takes what partial() gets for a time, if its name ends with _date.
    ).expand_kwargs([{"merchant_id": merchant, "report_date": "{{ params.report_date }}"} for merchant in MERCHANTS])
    common = {"dataset": "intra_community_movements", "map_index_template": "{{ task.merchant_id }}"}

    @task_group
    def group(merchant_id):
        NamedSensor(task_id="named", merchant_id=merchant_id, **common)

    ready >> [
        NamedSensor.partial(task_id="named", **common).expand(merchant_id=MERCHANTS),
        group.expand(merchant_id=MERCHANTS),
    ]

if __name__ == "__main__":
    date_name = "logical_date" if "logical_date" in signature(dag.test).parameters else "execution_date"
    run = dag.test(**{date_name: datetime.now(UTC)})  # noqa: TID251 - a program of its own
    found = [
        (ti.task_id, ti.map_index, ti.xcom_pull(ti.task_id, map_indexes=ti.map_index))
        for ti in run.get_task_instances()
    ]
    print(f"\nreport: {json.dumps([str(run.state), sorted(found)])}")
