"""What this package costs an Airflow: an operator beside an empty task, and a thousand waiting sensors.

python benchmarks/airflow_costs.py [--rounds 5] [--sensors 1000] [--seconds 30]

* In each of some warm processes, a task that does nothing but update an asset, then the first extract, which finds
  nothing (``cost_dags/one_task.py``). The fixed cost is the median of the differences of their CPU seconds.
* In one process, that many triggers of the report sensor (``contestants/sensors.py``).

Ends with 1 if one of them costs more than promised.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median
from typing import Any
from uuid import uuid4

from rounds import HERE, Table, airflow_environment, run, save

ASSET, EXTRACT = "a task with an asset", "an extract that finds nothing"
NOTHING = ("--volume", "0", "--option", "empty_reports=1.0", "--option", "report_time=00:00")


def main() -> int:
    cli = argparse.ArgumentParser(description="Costs of operators and sensors.")
    cli.add_argument("--rounds", type=int, default=5)
    cli.add_argument("--sensors", type=int, default=1000)
    cli.add_argument("--seconds", type=float, default=30)
    args = cli.parse_args()
    # Compiled modules stay, as in a deployment.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    table = Table("costs in Airflow")
    with tempfile.TemporaryDirectory(prefix="zdirect-bench-") as folder, emulator() as (connection, merchants):
        airflow = {
            **airflow_environment(Path(folder), {"url": connection["host"]}),
            "AIRFLOW__CORE__DAGS_FOLDER": str(HERE / "cost_dags"),
            "AIRFLOW_CONN_ZDIRECT_DEFAULT": json.dumps(connection),
        }
        measure_tasks(table, {"folder": folder, "merchant_id": merchants[0]}, args.rounds, airflow)
        sensors = {"count": args.sensors, "seconds": args.seconds, "merchants": merchants}
        name = f"{args.sensors:,} sensors"
        taken = table.add(name, run("contestants/sensors.py", sensors, **airflow))
    table.expect(f"of a core: {name}", taken["cpu"] / taken["seconds"], most=0.25)
    table.expect(f"requests a second: {name}", taken["requests"] / taken["seconds"])
    table.print(beside=ASSET)
    save("airflow_costs", {"tables": [table.as_json()]})
    return 1 if table.failures else 0


def measure_tasks(table: Table, task: dict[str, Any], rounds: int, airflow: dict[str, str]) -> None:
    midnight = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    more = []
    for number in range(rounds):
        start = midnight - timedelta(hours=24 + number)
        figures = run("cost_dags/one_task.py", {**task, "from": start.isoformat()}, **airflow)
        asset, extract = (
            table.add(name, {**figures, **figures[kind]}) for name, kind in ((ASSET, "asset"), (EXTRACT, "extract"))
        )
        more.append(extract["cpu"] - asset["cpu"])
    table.expect(f"CPU seconds more: {EXTRACT}", median(more), most=0.5)


@contextmanager
def emulator() -> Iterator[tuple[dict[str, Any], list[str]]]:
    """One in a process of its own, in which nothing happens; the connection to it, and its merchants."""
    app = f"costs-{uuid4()}"
    command = [sys.executable, "-m", "airflow_provider_zdirect.emulator", "--port", "0", "--client-id", app, *NOTHING]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        ready = process.stdout.readline()
        found = re.search(r"ready at (\S+), merchants (.*)", ready)
        if found is None:
            raise RuntimeError(f"The emulator did not start: {ready}")
        connection = {"conn_type": "zdirect", "login": app, "password": "demo-secret", "host": found[1]}
        yield connection, found[2].split(", ")
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)


if __name__ == "__main__":
    sys.exit(main())
