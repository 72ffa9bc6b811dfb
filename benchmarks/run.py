"""Runs the benchmarks, prints a table, and keeps the figures as JSON. Ends with 1 if a promise is broken.

python benchmarks/run.py [--items 1000000] [--page-size 100000] [--more 3] [--output .bench]
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import psutil
from received_items import GROWTH_LIMIT, LIMIT_MB, Figures, measure

PACKAGES = ("airflow-provider-zdirect", "apache-airflow", "pyarrow", "pydantic", "msgspec", "httpx", "duckdb")
ROWS = (
    ("items", "items", "{:,}"),
    ("pages", "pages", "{:,}"),
    ("answers, MB", "body_mb", "{:,.0f}"),
    ("Parquet, MB", "file_mb", "{:,.0f}"),
    ("peak memory, MB", "peak_mb", "{:,.0f}"),
    ("  with child processes", "tree_peak_mb", "{:,.0f}"),
    ("  before the DAG run", "before_the_run_mb", "{:,.0f}"),
    ("  before the first page", "before_the_first_page_mb", "{:,.0f}"),
    ("  before publishing", "before_publishing_mb", "{:,.0f}"),
    ("extract, s", "task_seconds", "{:,.1f}"),
    ("plain download, s", "download_seconds", "{:,.1f}"),
    ("  to disk, s", "download_to_disk_seconds", "{:,.1f}"),
    ("extract / download to disk", "ratio", "{:,.1f}"),
    ("rows (DuckDB)", "rows", "{:,}"),
    ("different records", "distinct", "{:,}"),
)


def main() -> int:
    cli = argparse.ArgumentParser(description="Benchmarks of airflow-provider-zdirect.")
    cli.add_argument("--items", type=int, default=1_000_000)
    cli.add_argument("--page-size", type=int, default=100_000)
    cli.add_argument("--more", type=int, default=3, help="run again with so many times the pages; 1: do not")
    cli.add_argument("--output", type=Path, default=Path(".bench"))
    args = cli.parse_args()

    place = machine()
    print(f"{place['system']}, {place['cpu']}, {place['cpus']} CPUs, {place['memory_gb']} GB, Python {place['python']}")
    print(", ".join(f"{name} {number}" for name, number in place["versions"].items()))
    sizes = [args.items] + ([args.items * args.more] if args.more > 1 else [])
    results = [measure(items, args.page_size) for items in sizes]
    failures = [failure for figures in results for failure in figures.failures]
    growth = None
    if len(results) > 1:
        growth = round(results[-1].peak_mb / results[0].peak_mb, 3)
        if growth > GROWTH_LIMIT:
            failures.append(f"Memory grows with the pages: {growth:.2f} times; {GROWTH_LIMIT} are allowed.")
    print_table(results)
    if growth is not None:
        print(f"\nMemory with {args.more} times the pages: {growth:.2f} times. Limit for each: {LIMIT_MB:.0f} MB.")

    args.output.mkdir(exist_ok=True)
    report = {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": place,
        "memory_limit_mb": LIMIT_MB,
        "memory_growth": growth,
        "received_items": [figures.as_dict() for figures in results],
        "failures": failures,
    }
    path = args.output / "received_items.json"
    path.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    print(f"Figures: {path}")
    for failure in failures:
        print(f"FAILED: {failure}", file=sys.stderr)
    return 1 if failures else 0


def machine() -> dict[str, Any]:
    """What the figures were taken on; no host name."""
    return {
        "system": f"{platform.system()} {platform.machine()}",
        "cpu": _cpu(),
        "cpus": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "memory_gb": round(psutil.virtual_memory().total / 1e9),
        "python": platform.python_version(),
        "versions": {name: version(name) for name in PACKAGES},
    }


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or "unknown CPU"
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown CPU")


def print_table(results: list[Figures]) -> None:
    print()
    for title, name, form in ROWS:
        print(f"{title:34}" + "".join(f"{form.format(getattr(figures, name)):>14}" for figures in results))
    print("seconds by phase")
    for phase in sorted({phase for figures in results for phase in figures.phases}):
        seconds = "".join(f"{figures.phases.get(phase, 0.0):>14,.1f}" for figures in results)
        print(f"  {phase:32}{seconds}")


if __name__ == "__main__":
    sys.exit(main())
