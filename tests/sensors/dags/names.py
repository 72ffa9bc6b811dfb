"""Mapped sensors that say under which name Airflow shows them while they run; run as a program, the DAG runs itself."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime
from inspect import signature

from airflow.providers.common.compat.sdk import DAG, task_group

from airflow_provider_zdirect.sensors.report import ZDirectReportReadySensor


class NamedSensor(ZDirectReportReadySensor):
    def execute(self, context):
        from airflow.utils.session import create_session
        from sqlalchemy import text

        query = "SELECT rendered_map_index FROM task_instance WHERE task_id = :task_id AND map_index = :map_index"
        ti = context["ti"]
        with create_session() as session:
            return session.execute(text(query), {"task_id": ti.task_id, "map_index": ti.map_index}).scalar()


with DAG("names", schedule=None, start_date=datetime(2026, 1, 1, tzinfo=UTC)) as dag:
    common = {"dataset": "intra_community_movements", "map_index_template": "{{ task.merchant_id }}"}
    merchants = os.environ["ZDIRECT_TEST_MERCHANTS"].split()
    NamedSensor.partial(task_id="alone", **common).expand(merchant_id=merchants)

    @task_group
    def group(merchant_id):
        NamedSensor(task_id="ready", merchant_id=merchant_id, **common)

    group.expand(merchant_id=merchants)

if __name__ == "__main__":
    date_name = "logical_date" if "logical_date" in signature(dag.test).parameters else "execution_date"
    run = dag.test(**{date_name: datetime(2026, 3, 1, tzinfo=UTC)})
    names = sorted((ti.task_id, ti.xcom_pull(map_indexes=ti.map_index)) for ti in run.get_task_instances())
    print(f"\nreport: {json.dumps(names)}")
