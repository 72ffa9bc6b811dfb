"""A DAG with deferrable sensors; run as a program it runs itself, triggers included, as ``dag.test()`` does.

``ZDIRECT_TEST_DUE`` is the moment at which the reports of the day before are due.
"""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime, timedelta
from inspect import signature

from airflow.providers.common.compat.sdk import DAG

from airflow_provider_zdirect.sensors.report import ZDirectReportReadySensor

DUE = datetime.fromisoformat(os.environ["ZDIRECT_TEST_DUE"])

with DAG("waits", schedule=None, start_date=datetime(2026, 1, 1, tzinfo=UTC)) as dag:
    ZDirectReportReadySensor.partial(
        task_id="ready",
        dataset="intra_community_movements",
        not_before=DUE.strftime("%H:%M:%S"),
        report_date="{{ params.report_date }}",
        deferrable=True,
        params={"report_date": (DUE.date() - timedelta(days=1)).isoformat()},
    ).expand(merchant_id=os.environ["ZDIRECT_TEST_MERCHANTS"].split())

if __name__ == "__main__":
    date_name = "logical_date" if "logical_date" in signature(dag.test).parameters else "execution_date"
    run = dag.test(**{date_name: datetime.now(UTC)})  # noqa: TID251 - a program of its own
    tasks = sorted(
        (ti.map_index, str(ti.state), ti.xcom_pull(map_indexes=ti.map_index)) for ti in run.get_task_instances()
    )
    print(f"\nreport: {json.dumps([str(run.state), tasks])}")
