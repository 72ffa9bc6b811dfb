"""Prints the figures in .bench/*.json as the Markdown tables of docs/performance.md.

python benchmarks/report.py [FOLDER]
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from statistics import median
from typing import Any

from rounds import FIGURES, peak

ORDER = ("bulk", "again", "datasets", "compaction", "stock_updates")


def main() -> None:
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else FIGURES
    reports = {name: json.loads(path.read_text()) for name in ORDER if (path := folder / f"{name}.json").exists()}
    if not reports:
        sys.exit(f"No figures in {folder}: run the benchmarks first.")
    place = next(iter(reports.values()))["machine"]
    print(
        f"{place['system']}, {place['cpu']}, {place['cpus']} CPUs, {place['memory_gb']} GB, Python {place['python']}; ",
        end="",
    )
    print(", ".join(f"{name} {number}" for name, number in place["versions"].items()))
    for name, report in reports.items():
        tables = report.get("tables", [])
        print(f"\n## {name}, {report['at'][:10]}" + (f", scale {report['scale']}" if "scale" in report else ""))
        if name == "datasets":
            _print_datasets(tables)
        for table in tables if name != "datasets" else []:
            _print_rounds(table)
        if name == "stock_updates":
            again = report["again"]
            print(
                f"\n| pairs without changes | seconds | peak MB |\n|---|---|---|\n"
                f"| {again['unchanged']:,} | {again['seconds']:.1f} | {again['peak_mb']:.0f} |"
            )


def _print_rounds(table: dict[str, Any]) -> None:
    versions = {name: rounds[0].get("versions", {}) for name, rounds in table["rounds"].items()}
    print(f"\n{table['name']}\n\n| | seconds | CPU seconds | peak MB | versions |\n|---|---|---|---|---|")
    for name, rounds in table["rounds"].items():
        of = ", ".join(f"{package} {number}" for package, number in versions[name].items())
        print(
            f"| {name} | {_median(rounds, 'seconds'):.2f} | {_median(rounds, 'cpu'):.2f} | {_peak(rounds):.0f} | {of} |"
        )
    print("\n| | |\n|---|---|")
    for what, value in table["ratios"].items():
        print(f"| {what} | {value:.2f} |")
    for line in table["failures"]:
        print(f"\nFAILED: {line}")


def _print_datasets(tables: list[dict[str, Any]]) -> None:
    print("\n| dataset and rows | answers, MB | seconds | CPU seconds | times the plain download | peak MB |")
    print("|---|---|---|---|---|---|")
    for table in tables:
        download, own = table["rounds"].values()
        ratio = table["ratios"]["times the plain download to disk"]
        print(
            f"| {table['name']} | {download[0]['body_mb']:,.0f} | {_median(own, 'seconds'):.1f} "
            f"| {_median(own, 'cpu'):.1f} | {ratio:.1f} | {_peak(own):.0f} |"
        )


def _median(rounds: list[dict[str, Any]], name: str) -> float:
    return median(figures[name] for figures in rounds)


def _peak(rounds: list[dict[str, Any]]) -> float:
    return median(map(peak, rounds))


if __name__ == "__main__":
    main()
