"""A hundred days of Intra-Community Movements, backfilled from Airflow's CLI, on a real Airflow against the emulator.

python benchmarks/icm_backfill.py [--days 100]

Checks, and ends with 1 otherwise: every report is there row by row, no run waited, zDirect was asked at most ten times
in any second, and each month that is complete started its Intrastat report by itself, with the right totals.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import time
from collections import Counter
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb

PROJECT = Path(__file__).parent.parent
sys.path.insert(0, str(PROJECT / "scripts"))

from local_airflow import LocalAirflow  # noqa: E402
from sessions import StartError  # noqa: E402

from airflow_provider_zdirect.reports.calendar import EMPTY_IS_CERTAIN_AFTER  # noqa: E402

DAILY, MONTHLY, DATASET = "zdirect_icm_daily", "zdirect_intrastat_monthly", "intra_community_movements"
HOME = PROJECT / ".bench" / "icm"
LONGEST = 3600.0
LONGEST_RUN = 600.0
"""Seconds of one run, on a busy machine; a wait for an empty report would take days."""
REQUESTS_PER_SECOND = 10
LONG_PAST = EMPTY_IS_CERTAIN_AFTER.days + 2
"""Days ago. An empty report of a later day would be waited for."""


def main() -> int:
    cli = argparse.ArgumentParser(description="Backfill of daily reports.")
    cli.add_argument("--days", type=int, default=100, help="how far back; zDirect keeps 100")
    args = cli.parse_args()
    shutil.rmtree(HOME, ignore_errors=True)
    airflow = LocalAirflow(HOME)
    today = datetime.now(UTC).date()
    days = [today - timedelta(days=n) for n in range(args.days, LONG_PAST - 1, -1)]
    try:
        with airflow.running():
            airflow.wait_for("DAGs", lambda: {DAILY, MONTHLY} <= dag_ids(airflow))
            airflow.unpause(MONTHLY)
            airflow.unpause(DAILY)
            started = time.monotonic()
            backfill(airflow, days)
            airflow.start_scheduling()
            runs = follow(airflow, len(days), started)
            seconds = time.monotonic() - started
            failures = check(airflow, days, runs)
    except StartError as error:
        failures, seconds = [str(error)], 0.0
    print(f"{len(days)} days in {seconds:,.0f} s")
    for failure in failures:
        print(f"FAILED: {failure}", file=sys.stderr)
    return 1 if failures else 0


def dag_ids(airflow: LocalAirflow) -> set[str]:
    return {dag["dag_id"] for dag in airflow.api("/dags?limit=100&exclude_stale=false")["dags"]}


def backfill(airflow: LocalAirflow, days: list[date]) -> None:
    span = ["--from-date", days[0].isoformat(), "--to-date", days[-1].isoformat()]
    # On SQLite, Airflow makes no backfill of many days while another component writes.
    airflow.kill("dag-processor")
    airflow.cli("backfill", "create", "--dag-id", DAILY, *span, "--max-active-runs", "8")
    airflow.start("dag-processor")


def follow(airflow: LocalAirflow, count: int, started: float) -> list[dict[str, Any]]:
    told = ""
    while True:
        runs = airflow.api(f"/dags/{DAILY}/dagRuns?limit=200&run_type=backfill")["dag_runs"]
        states = Counter(run["state"] for run in runs)
        if (news := f"{states['success']} of {len(runs)} runs succeeded, {states['failed']} failed") != told:
            print(f"[{time.monotonic() - started:5.0f} s] {news}", flush=True)
            told = news
        if len(runs) >= count and not states["running"] and not states["queued"]:
            return runs
        if time.monotonic() - started > LONGEST:
            raise StartError(f"not done after {LONGEST:.0f} s: {told}")
        airflow.check()
        time.sleep(5)


def check(airflow: LocalAirflow, days: list[date], runs: list[dict[str, Any]]) -> list[str]:
    failures = [f"run {run['dag_run_id']} is {run['state']}" for run in runs if run["state"] != "success"]
    merchants = {path.name.partition("=")[2] for path in (airflow.data / DATASET).glob("merchant_id=*")}
    for merchant in sorted(merchants):
        span = f"merchant_id={merchant}&from={days[0]}&to={days[-1] + timedelta(days=1)}"
        truth = Counter(map(_row, airflow.emulator(f"/_emulator/truth/{DATASET}?{span}")["records"]))
        published = Counter(map(_row, _published(airflow.data / DATASET / f"merchant_id={merchant}", days)))
        print(f"merchant {merchant}: {published.total()} movements published, {truth.total()} true")
        if published != truth:
            failures.append(f"merchant {merchant}: the published rows differ from the truth")
    requests = airflow.emulator("/_emulator/requests")["requests"]
    asked = [request for request in requests if "intra-community" in request["path"]]
    times = [request["elapsed"] for request in asked]
    busiest = max(sum(start <= later < start + 1 for later in times) for start in times)
    print(
        f"{len(times)} requests, at most {busiest} in a second, {sum(r['status'] == 429 for r in asked)} answered 429"
    )
    if busiest > REQUESTS_PER_SECOND:
        failures.append(f"{busiest} requests in a second")
    waits = [run["dag_run_id"] for run in runs if _seconds(run) > LONGEST_RUN]
    if waits:
        failures.append(f"longer than {LONGEST_RUN:.0f} s: {', '.join(waits)}")
    return failures + _check_months(airflow, days)


def _check_months(airflow: LocalAirflow, days: list[date]) -> list[str]:
    months = Counter(f"{day:%Y-%m}" for day in days)
    complete = sorted(month for month, count in months.items() if count == _length(month))
    if not complete:
        return []

    def ended() -> list[dict[str, Any]] | None:
        runs = airflow.api(f"/dags/{MONTHLY}/dagRuns?limit=50")["dag_runs"]
        done = [run for run in runs if run["state"] in ("success", "failed")]
        return done if len(done) >= len(complete) else None

    runs = airflow.wait_for("monthly runs", ended)
    keys = sorted(run.get("partition_key") or "" for run in runs)
    print(f"Intrastat: complete months {', '.join(complete)}; runs {', '.join(keys)}")
    failures = [f"{MONTHLY} {run['dag_run_id']} is {run['state']}" for run in runs if run["state"] != "success"]
    if keys != complete:
        failures.append(f"Intrastat ran for {keys} instead of {complete}")
    for month in complete:
        reported = duckdb.sql(
            f"SELECT sum(net_quantity), sum(movements) FROM '{airflow.data}/intrastat/*/month={month}/**/*.parquet'"
        ).fetchall()[0]
        # Each movement is a dispatch of one country and an arrival of another.
        landed = duckdb.sql(
            f"SELECT 2 * sum(quantity), 2 * count(*) FROM '{airflow.data}/{DATASET}/**/*.parquet' "
            f"WHERE strftime(report_date, '%Y-%m') = '{month}'"
        ).fetchall()[0]
        print(f"  {month}: net quantity and movements {reported}, from the movements {landed}")
        if reported != landed:
            failures.append(f"Intrastat {month}: {reported} instead of {landed}")
    return failures


def _seconds(run: dict[str, Any]) -> float:
    start, end = (datetime.fromisoformat(run[name]) for name in ("start_date", "end_date"))
    return (end - start).total_seconds()


def _length(month: str) -> int:
    first = date.fromisoformat(f"{month}-01")
    return ((first + timedelta(days=31)).replace(day=1) - first).days


def _published(folder: Path, days: list[date]) -> list[dict[str, Any]]:
    # The DAG is on, so its scheduled run has published yesterday's report too.
    found = duckdb.sql(
        "SELECT report_date::VARCHAR AS report_date, transaction_date::VARCHAR AS transaction_date, ean, quantity, "
        f"order_number, movement_type FROM read_parquet('{folder}/**/*.parquet', hive_partitioning = false) "
        f"WHERE report_date BETWEEN '{days[0]}' AND '{days[-1]}'"
    )
    return [dict(zip(found.columns, row, strict=True)) for row in found.fetchall()]


def _row(record: dict[str, Any]) -> str:
    names = ("report_date", "transaction_date", "ean", "quantity", "order_number", "movement_type")
    return json.dumps([record[name] for name in names])


if __name__ == "__main__":
    sys.exit(main())
