"""Every dataset that can be large, from a server of prepared answers: beside the plain download of the same bytes.

What zDirect allows in a minute does not count: the client's rate limiter has a clock that never waits.
"""

from __future__ import annotations

import tempfile
from functools import partial
from pathlib import Path

from bodies import DATASETS
from rounds import Table, check_rows, run, serving

DOWNLOAD = "plain download"
MOST_MB = {"orders": 500}
MOST_REQUESTS = {"orders": 110}
"""For 100,000 orders; in proportion for another number."""


def every_dataset(scale: float, rounds: int, names: list[str]) -> list[Table]:
    """:param scale: how many times the usual number of records.
    :param names: of the datasets; empty: all.
    """
    return [_measure(name, scale, rounds) for name in names or DATASETS]


def _measure(name: str, scale: float, rounds: int) -> Table:
    write, usual = DATASETS[name]
    count = round(usual * scale)
    with serving(partial(write, count=count)) as (server, (bodies,)):
        table = Table(", ".join(f"{rows:,} {table}" for table, rows in bodies.rows.items()))
        for _ in range(rounds):
            with tempfile.TemporaryDirectory(prefix="zdirect-bench-") as folder:
                task = server.task(bodies, Path(folder), to_disk=True)
                table.add(DOWNLOAD, run("contestants/download.py", task))
                figures = table.add(name, run("contestants/pipeline.py", task))
                check_rows(table, Path(folder), bodies.rows)
    table.expect("times the plain download to disk", table.ratio(name, DOWNLOAD))
    table.expect("MB", table.median(name, "peak_mb"), most=MOST_MB.get(name))
    if name in MOST_REQUESTS:
        table.expect("requests", figures["requests"], most=max(2.0, MOST_REQUESTS[name] * scale))
    table.print(DOWNLOAD)
    return table
