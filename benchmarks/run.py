"""Runs the benchmarks, prints their tables, and keeps the figures in .bench/*.json. Ends with 1 if a promise is broken.

python benchmarks/run.py [bulk again datasets compaction] [--rounds 3] [--scale 1.0] [--more 3]

Whoever is compared runs in the same round, one after the other, against the same server; what counts is the median of
the ratios within the rounds. ``--scale 0.1 --rounds 1`` takes a few minutes; at less than full size, and on a machine
that does something else at the same time, promises may look broken that are not.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable

from bodies import DATASETS
from bulk import again, bulk
from compaction import compaction
from datasets import every_dataset
from rounds import Table, machine, save

ITEMS = 1_000_000


def main() -> int:
    cli = argparse.ArgumentParser(description="Benchmarks of airflow-provider-zdirect.")
    benchmarks: dict[str, Callable[[argparse.Namespace], list[Table]]] = {
        "bulk": lambda args: [bulk(round(ITEMS * args.scale), args.rounds, args.more)],
        "again": lambda args: [again(round(ITEMS * args.scale), args.rounds)],
        "datasets": lambda args: every_dataset(args.scale, args.rounds, args.dataset),
        "compaction": lambda args: [compaction(100, max(240, round(4_800 * args.scale)), args.rounds)],
    }
    cli.add_argument("benchmarks", nargs="*", metavar="benchmark", help=f"of {', '.join(benchmarks)}; default: all")
    cli.add_argument("--rounds", type=int, default=3)
    cli.add_argument("--scale", type=float, default=1.0, help="times the usual number of records")
    cli.add_argument("--more", type=int, default=3, help="bulk: run again with so many times the items; 0: do not")
    cli.add_argument("--dataset", action="append", default=[], choices=list(DATASETS), help="only this one; repeatable")
    args = cli.parse_args()
    if unknown := set(args.benchmarks) - benchmarks.keys():
        cli.error(f"unknown: {', '.join(unknown)}")

    place, failures = machine(), []
    print(f"{place['system']}, {place['cpu']}, {place['cpus']} CPUs, {place['memory_gb']} GB, Python {place['python']}")
    print(", ".join(f"{name} {number}" for name, number in place["versions"].items()))
    for name in args.benchmarks or benchmarks:
        print(f"\n{name}", flush=True)
        tables = benchmarks[name](args)
        save(name, {"scale": args.scale, "tables": [table.as_json() for table in tables]})
        failures += [f"{table.name}: {failure}" for table in tables for failure in table.failures]
    print()
    for failure in failures:
        print(f"FAILED: {failure}", file=sys.stderr)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
