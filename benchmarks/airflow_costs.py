"""What this package costs an Airflow: an operator beside an empty task, and a thousand waiting sensors.

python benchmarks/airflow_costs.py [--rounds 7] [--sensors 1000] [--seconds 60] [--output .bench]

* Fresh processes run a DAG of one task, in turn an empty one, an empty one that updates an asset, and one that fetches
  an hour in which nothing happened: what is imported, the hook, the token, the request, the manifest. The fixed cost is
  the difference of the medians to the empty task with an asset: for the first asset of a process, Airflow 3 imports
  what all installed providers know of assets, which no operator with an asset can avoid. Both differences are printed.
* That many triggers of the report sensor are due at once in one event loop, and none of their reports is there: the
  requests follow one another as fast as zDirect's limit allows, which is the most that waiting can ever cost.

Ends with 1 if one of them costs more than its limit.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import re
import resource
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

HERE = Path(__file__).parent
TASK = HERE / "cost_dags" / "one_task.py"
LIMIT_SECONDS = 0.5
LIMIT_SHARE = 0.25
NOTHING = ("--volume", "0", "--option", "empty_reports=1.0", "--option", "report_time=00:00")


def main() -> int:
    cli = argparse.ArgumentParser(description="Costs of operators and sensors.")
    cli.add_argument("--rounds", type=int, default=7)
    cli.add_argument("--sensors", type=int, default=1000)
    cli.add_argument("--seconds", type=float, default=60)
    cli.add_argument("--output", type=Path, default=Path(".bench"))
    args = cli.parse_args()
    with tempfile.TemporaryDirectory(prefix="zdirect-") as scratch, emulator() as (connection, merchants):
        _point_airflow_to(Path(scratch), connection)
        subprocess.run([sys.executable, "-m", "airflow", "db", "migrate"], check=True, capture_output=True)
        task = measure_task(Path(scratch), merchants[0], args.rounds)
        sensors = asyncio.run(measure_sensors(args.sensors, args.seconds, merchants))
    args.output.mkdir(exist_ok=True)
    path = args.output / "airflow_costs.json"
    path.write_text(
        json.dumps({"at": datetime.now(UTC).isoformat(), "task": task, "sensors": sensors}, indent=2) + "\n"
    )
    empty, extract = (task[kind]["seconds"] for kind in ("empty", "extract"))
    over, share = task["over_asset_seconds"], sensors["share"]
    print(f"An empty task takes {empty:.2f} s, one that finds nothing {extract:.2f} s: {extract - empty:.2f} s more;")
    print(f"{over:.2f} s more than one with an asset ({task['over_asset_cpu']:.2f} s of CPU).")
    print(
        f"{args.sensors} sensors take {share:.1%} of a core at {sensors['requests_per_second']:.1f} requests a second."
    )
    print(f"Figures: {path}")
    failures = [
        failure
        for failure, holds in {
            f"The operator costs more than {LIMIT_SECONDS} s.": over <= LIMIT_SECONDS,
            f"The sensors take more than {LIMIT_SHARE:.0%} of a core.": share < LIMIT_SHARE,
        }.items()
        if not holds
    ]
    for failure in failures:
        print(f"FAILED: {failure}", file=sys.stderr)
    return 1 if failures else 0


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


def _point_airflow_to(scratch: Path, connection: dict[str, Any]) -> None:
    """Give this process and its children an Airflow of their own, with compiled modules as a deployment has them."""
    for name in [name for name in os.environ if name.startswith(("AIRFLOW", "ZDIRECT", "BENCH"))]:
        del os.environ[name]
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    os.environ.update(
        AIRFLOW_HOME=str(scratch / "airflow"),
        AIRFLOW__CORE__DAGS_FOLDER=str(TASK.parent),
        AIRFLOW__CORE__LOAD_EXAMPLES="False",
        AIRFLOW_CONN_ZDIRECT_DEFAULT=json.dumps(connection),
        PYTHONPYCACHEPREFIX=str(scratch / "compiled"),
    )


def measure_task(scratch: Path, merchant_id: str, rounds: int) -> dict[str, Any]:
    """Medians of both tasks, and their difference."""
    midnight = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    runs: dict[str, list[dict[str, float]]] = {"empty": [], "asset": [], "extract": []}
    for number in range(-1, rounds):
        for kind, figures in runs.items():
            os.environ.update(
                BENCH_TASK=kind,
                BENCH_START=(midnight - timedelta(hours=24 + number)).isoformat(),
                BENCH_MERCHANT_ID=merchant_id,
                BENCH_BASE_PATH=(scratch / "data").as_uri(),
            )
            cpu, started = _cpu_of_children(), time.monotonic()
            done = subprocess.run([sys.executable, str(TASK)], capture_output=True, text=True, check=False)
            taken = {"seconds": time.monotonic() - started, "cpu": _cpu_of_children() - cpu}
            if done.returncode:
                raise RuntimeError(f"The task {kind} failed:\n{(done.stdout + done.stderr)[-4000:]}")
            # The first round compiles the modules, and asks for the token.
            if number >= 0:
                figures.append(taken)
    medians = {
        kind: {name: statistics.median(each[name] for each in figures) for name in ("seconds", "cpu")}
        for kind, figures in runs.items()
    }
    over = {
        f"over_{kind}_{name}": medians["extract"][name] - medians[kind][name]
        for kind in ("empty", "asset")
        for name in ("seconds", "cpu")
    }
    return {**medians, **over, "rounds": rounds}


def _cpu_of_children() -> float:
    return sum(resource.getrusage(resource.RUSAGE_CHILDREN)[:2])


async def measure_sensors(count: int, seconds: float, merchants: list[str]) -> dict[str, float]:
    """The share of a core that so many triggers take in this process while they ask again and again."""
    from airflow_provider_zdirect.client.transport import Transport
    from airflow_provider_zdirect.triggers.report import ZDirectReportReadyTrigger

    sent, send = 0, Transport.send

    async def counted(*args: Any, **named: Any) -> Any:
        nonlocal sent
        sent += 1
        return await send(*args, **named)

    async def event_of(trigger: ZDirectReportReadyTrigger) -> list[Any]:
        return [event async for event in trigger.run()]

    Transport.send = counted  # type: ignore[method-assign]
    due = datetime.now(UTC)
    report_date, empty_from = (due - timedelta(days=1)).date().isoformat(), (due + timedelta(days=6)).isoformat()
    waiting = [
        asyncio.create_task(
            event_of(
                ZDirectReportReadyTrigger(
                    "zdirect_default",
                    "intra_community_movements",
                    merchants[number % len(merchants)],
                    report_date,
                    due.isoformat(),
                    empty_from,
                    120.0,
                )
            )
        )
        for number in range(count)
    ]
    # Until the client is made and the token is there.
    await asyncio.sleep(5)
    before, cpu, started = sent, time.process_time(), time.monotonic()
    await asyncio.sleep(seconds)
    took, cpu, asked = time.monotonic() - started, time.process_time() - cpu, sent - before
    if done := [task.result() for task in waiting if task.done()]:
        raise RuntimeError(f"A sensor did not wait: {done[0]}")
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    return {"sensors": count, "share": cpu / took, "requests_per_second": asked / took, "seconds": took}


if __name__ == "__main__":
    sys.exit(main())
