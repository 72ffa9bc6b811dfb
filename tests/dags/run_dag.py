"""Runs one DAG as ``dag.test()`` does and prints what came of it: ``run_dag.py <dag id> <logical date> <conf>``.

In a process of its own, because dag.test() takes over logging, signals and the process's Airflow.
"""

from __future__ import annotations

import json
import sys
from datetime import datetime
from importlib.util import module_from_spec, spec_from_file_location
from inspect import signature
from pathlib import Path

DAGS = Path(__file__).parent.parent.parent / "dags"


def main(dag_id: str, logical_date: str, conf: str) -> None:
    spec = spec_from_file_location(dag_id, DAGS / f"{dag_id}.py")
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    date_name = "logical_date" if "logical_date" in signature(module.dag.test).parameters else "execution_date"
    run = module.dag.test(**{date_name: datetime.fromisoformat(logical_date)}, run_conf=json.loads(conf))
    instances = run.get_task_instances()
    report = {
        "state": str(run.state),
        "tasks": sorted((ti.task_id, ti.map_index, str(ti.state), ti.try_number) for ti in instances),
    }
    print(f"\nreport: {json.dumps(report)}")


if __name__ == "__main__":
    main(*sys.argv[1:])
