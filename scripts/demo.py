"""``make demo``: a real Airflow fetches several hours of stock movements from the emulator.

Everything it writes is below ``.demo``; each run starts afresh.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import shutil
import sys
import time
import urllib.parse
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
from local_airflow import PROJECT, LocalAirflow
from sessions import StartError, tail

from airflow_provider_zdirect.client import ClientConfig, ZDirectClient

DAG_ID = "zdirect_stock_movements"
TIME_FIELDS = {"received_items": "received_timestamp", "returned_items": "consumed_timestamp"}
HOURS = 6
RUN_SECONDS = 240.0
HOME = PROJECT / ".demo"


class DemoError(RuntimeError):
    """The demo did not show what it should."""


@dataclass(frozen=True)
class Span:
    """The hours of the demo.

    They end an hour before the present one, for some records become visible up to 45 minutes late.
    """

    start: datetime
    end: datetime

    @classmethod
    def before(cls, now: datetime) -> Span:
        end = now.replace(minute=0, second=0, microsecond=0) - timedelta(hours=1)
        return cls(end - timedelta(hours=HOURS), end)

    def __str__(self) -> str:
        return f"{self.start:%Y-%m-%d %H:%M} to {self.end:%Y-%m-%d %H:%M} UTC"


def main() -> int:
    started = time.monotonic()
    # The lock stays, or a second demo beside this one would not see it.
    for old in ("airflow", "data", "logs", "secrets.json"):
        _remove(HOME / old)
    # Nothing but the backfill, also where an hour ends in the middle.
    airflow = LocalAirflow(HOME, {"SCHEDULER__USE_JOB_SCHEDULE": "False"})
    span = Span.before(datetime.now(UTC))
    try:
        say(started, "Starting the emulator and Airflow (API server, scheduler, DAG processor, triggerer) ...")
        with airflow.running():
            airflow.wait_for(DAG_ID, lambda: _is_parsed(airflow))
            airflow.unpause(DAG_ID)
            airflow.backfill(DAG_ID, span.start, span.end - timedelta(hours=1), max_active_runs=4)
            say(started, f"Backfill of {DAG_ID}: {HOURS} hourly windows for each merchant and dataset, {span}")
            airflow.start_scheduling()
            follow(airflow, started)
            report(airflow, span)
            say(started, "Stopping Airflow and the emulator ...")
    except KeyboardInterrupt as signal:
        print(f"Stopped ({signal or 'Ctrl-C'}); nothing is left running.", file=sys.stderr)
        return 130
    except (DemoError, StartError) as error:
        print(f"\nThe demo failed: {error}\nLogs: {airflow.logs.relative_to(PROJECT)}", file=sys.stderr)
        return 1
    say(started, "Done; nothing is left running.")
    return 0


def say(started: float, text: str) -> None:
    print(f"[{time.monotonic() - started:5.0f} s] {text}", flush=True)


def follow(airflow: LocalAirflow, started: float) -> None:
    """Tell how the runs go, until all have ended well."""
    told = ""
    deadline = time.monotonic() + RUN_SECONDS
    while time.monotonic() < deadline:
        runs = airflow.api(f"/dags/{DAG_ID}/dagRuns?limit=100")["dag_runs"]
        tasks = airflow.api(f"/dags/{DAG_ID}/dagRuns/~/taskInstances?limit=500")["task_instances"]
        states = Counter(run["state"] for run in runs)
        done = Counter(task["state"] for task in tasks)
        news = f"{states['success']} of {len(runs)} runs done, {done['success']} tasks succeeded" + "".join(
            f", {done[state]} {state}"
            for state in ("running", "up_for_retry", "failed", "upstream_failed")
            if done[state]
        )
        if news != told:
            say(started, news)
            told = news
        bad = [task for task in tasks if task["state"] in ("failed", "up_for_retry")]
        if bad:
            raise DemoError(_why(airflow, bad[0]))
        if len(runs) >= HOURS and states["success"] == len(runs):
            return
        if states["failed"]:
            raise DemoError("a run failed without a failed task.")
        airflow.check()
        time.sleep(2)
    raise DemoError(f"not done after {RUN_SECONDS:.0f} s: {told}.")


def report(airflow: LocalAirflow, span: Span) -> None:
    """Print what was published, and hold it against what the emulator knows to be true."""
    print(f"\n{'dataset':<16}{'windows':>9}{'records':>9}{'files':>7}{'seconds*':>9}   as the emulator's truth")
    differences = []
    for dataset in TIME_FIELDS:
        manifests = list(_manifests(airflow.data, dataset))
        seconds = sum(
            (
                datetime.fromisoformat(manifest["finished_at"]) - datetime.fromisoformat(manifest["started_at"])
            ).total_seconds()
            for manifest in manifests
        )
        files = list((airflow.data / dataset).rglob("*.parquet"))
        published, expected = published_rows(airflow.data, dataset), true_rows(airflow, dataset, span)
        missing, surplus = expected - published, published - expected
        verdict = "yes, each record once" if not missing and not surplus else "NO"
        if missing or surplus:
            differences.append(f"{dataset}: {missing.total()} records missing, {surplus.total()} too many")
        print(f"{dataset:<16}{len(manifests):>9}{published.total():>9}{len(files):>7}{seconds:>9.1f}   {verdict}")
    print("* of all windows together, from the first request to the manifest")
    place = airflow.data.relative_to(PROJECT)
    print(
        f"\nFiles:     {place}/<dataset>/merchant_id=<id>/date=<day>/*.parquet, a manifest of each window beside them"
    )
    query = f"FROM '{place}/received_items/**/*.parquet' LIMIT 10"
    print(f'Read them: .venv/bin/python -c "import duckdb; print(duckdb.sql(\\"{query}\\"))"')
    print(f"Logs:      {airflow.logs.relative_to(PROJECT)}\n")
    if differences:
        raise DemoError("; ".join(differences))


def _is_parsed(airflow: LocalAirflow) -> bool:
    errors = airflow.api("/importErrors")["import_errors"]
    for error in errors:
        if error["filename"].endswith(f"{DAG_ID}.py"):
            raise DemoError(f"{error['filename']} cannot be imported:\n{error['stack_trace']}")
    return any(dag["dag_id"] == DAG_ID for dag in airflow.api("/dags?limit=100&exclude_stale=false")["dags"])


def _why(airflow: LocalAirflow, task: dict[str, Any]) -> str:
    what = f"task {task['task_id']} of {task['dag_run_id']}, map index {task['map_index']}: {task['state']}."
    pattern = f"dag_id={DAG_ID}/run_id={task['dag_run_id']}/task_id={task['task_id']}/**/*.log"
    logs = list((airflow.logs / "tasks").glob(pattern))
    if task["map_index"] >= 0:
        logs = [path for path in logs if f"map_index={task['map_index']}" in path.parts]
    if not logs:
        return f"{what}\n{tail(airflow.logs / 'scheduler.log')}"
    return f"{what}\n" + "\n".join(_readable(line) for line in tail(max(logs)).splitlines())


def _readable(line: str) -> str:
    """A line of a task log, which is JSON."""
    with contextlib.suppress(ValueError, AttributeError):
        entry = json.loads(line)
        errors = "".join(
            f"\n    {error.get('exc_type')}: {error.get('exc_value')}" for error in entry.get("error_detail") or ()
        )
        return f"  {entry.get('level', ''):<8}{entry.get('event', line)}{errors}"
    return f"  {line}"


def _manifests(data: Path, dataset: str) -> Iterator[dict[str, Any]]:
    for path in (data / "_manifests" / dataset).rglob("*.json"):
        yield json.loads(path.read_text(encoding="utf-8"))


def published_rows(data: Path, dataset: str) -> Counter[tuple[str, str, datetime]]:
    """Merchant, quality label and time of every published row."""
    if not any((data / dataset).rglob("*.parquet")):
        return Counter()
    rows = duckdb.execute(
        f"SELECT merchant_id, quality_label, epoch_us({TIME_FIELDS[dataset]}) "
        "FROM read_parquet(?, hive_partitioning = true, hive_types_autocast = false)",
        [f"{data / dataset}/**/*.parquet"],
    ).fetchall()
    return Counter((str(merchant), label, _EPOCH + timedelta(microseconds=micros)) for merchant, label, micros in rows)


def true_rows(airflow: LocalAirflow, dataset: str, span: Span) -> Counter[tuple[str, str, datetime]]:
    expected: Counter[tuple[str, str, datetime]] = Counter()
    for merchant_id in asyncio.run(_merchant_ids(airflow)):
        query = urllib.parse.urlencode(
            {"merchant_id": merchant_id, "from": span.start.isoformat(), "to": span.end.isoformat()}
        )
        for record in airflow.emulator(f"/_emulator/truth/{dataset}?{query}")["records"]:
            moment = datetime.fromisoformat(record[TIME_FIELDS[dataset]])
            expected[merchant_id, record["quality_label"], moment] += 1
    return expected


async def _merchant_ids(airflow: LocalAirflow) -> Sequence[str]:
    async with ZDirectClient(ClientConfig("demo", "demo-secret", base_url=airflow.emulator_url)) as client:
        return (await client.me()).merchant_ids


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

if __name__ == "__main__":
    sys.exit(main())
