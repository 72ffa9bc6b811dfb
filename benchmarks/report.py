"""Puts the figures of .bench/*.json into docs/performance.md, as the tables between its marks.

python benchmarks/report.py [--print]

A table whose benchmark has not run stays as it is.
"""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Callable
from functools import partial
from statistics import median
from typing import Any

from rounds import FIGURES, PROJECT, peak

DOCUMENT = PROJECT / "docs" / "performance.md"
Report = dict[str, Any]


def main() -> None:
    cli = argparse.ArgumentParser(description="Figures as Markdown tables.")
    cli.add_argument("--print", action="store_true", help="only print them")
    args = cli.parse_args()
    text = DOCUMENT.read_text(encoding="utf-8")
    for name, table in TABLES.items():
        path = FIGURES / f"{name}.json"
        if not path.exists():
            continue
        report = json.loads(path.read_text())
        block = f"{table(report)}\n\n{_taken(report)}"
        print(f"\n{name}\n\n{block}")
        text = re.sub(
            rf"(<!-- {name} -->\n).*?(<!-- end -->)",
            lambda found, block=block: f"{found[1]}\n{block}\n\n{found[2]}",
            text,
            flags=re.DOTALL,
        )
    if not args.print:
        DOCUMENT.write_text(text, encoding="utf-8")


def _contest(report: Report, *, has_memory: bool = True) -> str:
    """:param has_memory: False: one process did all, and its peak says nothing about a row."""
    (table,) = report["tables"]
    rows = [["", "seconds", "CPU seconds", "peak MB"]]
    for name, rounds in table["rounds"].items():
        versions = {package: number for package, number in rounds[0].get("versions", {}).items() if package in SHOWN}
        shown = f" ({', '.join(f'{package} {number}' for package, number in versions.items())})" if versions else ""
        numbers = [
            f"{_median(rounds, 'seconds'):.2f}",
            f"{_median(rounds, 'cpu'):.2f}",
            f"{median(map(peak, rounds)):,.0f}",
        ]
        rows.append([f"{name}{shown}", *numbers])
    ratios = [["ratios and limits", ""], *([what, _number(of)] for what, of in table["ratios"].items())]
    return f"{_markdown([row if has_memory else row[:-1] for row in rows])}\n\n{_markdown(ratios)}"


def _markdown(rows: list[list[str]]) -> str:
    """A table; the first row is its head."""
    head, *others = (f"| {' | '.join(row)} |" for row in rows)
    return "\n".join([head, f"|{'---|' * len(rows[0])}", *others])


def _datasets(report: Report) -> str:
    rows = [["rows", "answers, MB", "seconds", "CPU seconds", "times the plain download", "peak MB"]]
    for table in report["tables"]:
        download, own = table["rounds"].values()
        rows.append(
            [
                table["name"],
                f"{download[0]['body_mb']:,.0f}",
                f"{_median(own, 'seconds'):.1f}",
                f"{_median(own, 'cpu'):.1f}",
                f"{table['ratios']['times the plain download to disk']:.1f}",
                f"{median(map(peak, own)):,.0f}",
            ]
        )
    return _markdown(rows)


def _stock(report: Report) -> str:
    again = report["again"]
    figures = [f"{again['unchanged']:,}", f"{again['seconds']:.1f}", f"{again['cpu']:.1f}", f"{again['peak_mb']:,.0f}"]
    return _markdown([["pairs without changes", "seconds", "CPU seconds", "peak MB"], figures])


def _taken(report: Report) -> str:
    place = report["machine"]
    versions = ", ".join(f"{name} {number}" for name, number in place["versions"].items())
    return (
        f"Taken on {report['at'][:10]}: {place['cpu']}, {place['cpus']} CPUs, {place['memory_gb']} GB, "
        f"Python {place['python']}, {versions}."
    )


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.2f}"


def _median(rounds: list[dict[str, Any]], name: str) -> float:
    return median(figures[name] for figures in rounds)


SHOWN = ("dlt", "airbyte-cdk", "apache-airflow-providers-http")
TABLES: dict[str, Callable[[Report], str]] = {
    "bulk": _contest,
    "again": _contest,
    "datasets": _datasets,
    "compaction": partial(_contest, has_memory=False),
    "stock_updates": _stock,
}


if __name__ == "__main__":
    main()
