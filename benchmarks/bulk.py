"""A day of 1,000,000 received items in ten pages: this package, the ways that users have without it, and a download."""

from __future__ import annotations

import shutil
import sys
import tempfile
from functools import partial
from pathlib import Path

from bodies import Bodies, received_items, serve
from rounds import (
    NotInstalled,
    Server,
    Table,
    airflow_environment,
    check_rows,
    contestants,
    peer_python,
    run,
    serving,
)

OURS, TASK = "this package", "this package, an Airflow task"
TENTH = "this package, a tenth of the items"
AWAY, DISK = "plain download, discarded", "plain download, to disk"
DLT, AIRBYTE, OPERATOR = "dlt rest_api, Parquet", "Airbyte CDK, JSON lines", "HttpOperator and pyarrow, Parquet"
PEERS = {OPERATOR: "http_operator", DLT: "dlt_rest_api", AIRBYTE: "airbyte_cdk_source"}
TASK_MB = 450
FIRST, AGAIN, LATE = "for the first time", "again, nothing new", "again, 1 % late and 1 % changed rows"
BAD, ADDED = "one bad record", "an undocumented field on every record"


def bulk(items: int, rounds: int, more: int) -> Table:
    """:param more: another run of the task has so many times the items; 0: none has."""
    table = Table(f"{items:,} received items")
    part = partial(received_items, count=items // 10)
    with serving(part, partial(received_items, count=items)) as (server, (tenth, bodies)):
        pythons = _pythons(table)
        for number in range(rounds):
            for name in contestants([AWAY, DISK, OURS, TASK, *pythons], number):
                with tempfile.TemporaryDirectory(prefix="zdirect-bench-") as folder:
                    _contest(table, name, pythons.get(name, sys.executable), server, bodies, Path(folder))
            serve(server.folder, tenth)
            with tempfile.TemporaryDirectory(prefix="zdirect-bench-") as folder:
                table.add(TENTH, run("contestants/pipeline.py", server.task(tenth, Path(folder))))
            serve(server.folder, bodies)
    table.expect("times the time for ten times the items", table.ratio(OURS, TENTH))
    table.expect("times faster than dlt", table.ratio(DLT, OURS), least=7)
    table.expect("times faster than the Airbyte CDK", table.ratio(AIRBYTE, OURS), least=7)
    table.expect("fraction of the time of HttpOperator and pyarrow", table.ratio(OURS, OPERATOR), most=0.7)
    table.expect("times the plain download to disk", table.ratio(OURS, DISK), most=5)
    table.expect("MB of the Airflow task, all of it", table.median(TASK, "peak_mb"), most=TASK_MB)
    if more > 1:
        with serving(partial(received_items, count=items * more)) as (server, (bodies,)):
            with tempfile.TemporaryDirectory(prefix="zdirect-bench-") as folder:
                _contest(table, f"{TASK}, {more} times the items", sys.executable, server, bodies, Path(folder))
        grown = table.rounds[f"{TASK}, {more} times the items"][0]["peak_mb"]
        table.expect(f"times the memory for {more} times the items", grown / table.median(TASK, "peak_mb"), most=1.1)
    table.print(OURS)
    return table


def again(items: int, rounds: int) -> Table:
    """The same window once more, and windows in which something is odd, beside the first run."""
    table = Table(f"{items:,} received items, a window")
    with serving(
        partial(received_items, count=items, without=100),
        partial(received_items, count=items, changed=100),
        partial(received_items, count=items, bad=1),
        partial(received_items, count=items, added=True),
    ) as (server, (most, all_of_them, bad, added)):
        for _ in range(rounds):
            with tempfile.TemporaryDirectory(prefix="zdirect-bench-") as folder:
                for name, bodies in ((FIRST, most), (AGAIN, most), (LATE, all_of_them)):
                    _window(table, name, server, bodies, Path(folder))
            for name, bodies in ((BAD, bad), (ADDED, added)):
                with tempfile.TemporaryDirectory(prefix="zdirect-bench-") as folder:
                    _window(table, name, server, bodies, Path(folder))
    for name, most_times in ((AGAIN, 1.0), (LATE, 1.5), (BAD, 1.2), (ADDED, 1.5)):
        # A tenth is noise.
        table.expect(f"times the first run: {name}", table.ratio(name, FIRST), most=most_times + 0.1)
    table.print(FIRST)
    return table


def _window(table: Table, name: str, server: Server, bodies: Bodies, folder: Path) -> None:
    serve(server.folder, bodies)
    figures = run("contestants/pipeline.py", server.task(bodies, folder, max_rejected=1))
    table.add(name, figures)
    check_rows(table, folder, bodies.rows)
    if figures["rejected"] != (name == BAD):
        table.failures.append(f"{name}: {figures['rejected']} rejected records")


def _pythons(table: Table) -> dict[str, str]:
    found = {}
    for name, script in PEERS.items():
        try:
            found[name] = peer_python(script)
        except NotInstalled as error:
            table.skipped.append(str(error))
    return found


def _contest(table: Table, name: str, python: str, server: Server, bodies: Bodies, folder: Path) -> None:
    task = server.task(bodies, folder, to_disk=name == DISK)
    if name in (AWAY, DISK):
        table.add(name, run("contestants/download.py", task))
    elif name == OURS:
        table.add(name, run("contestants/pipeline.py", task))
        check_rows(table, folder, bodies.rows)
    elif name.startswith(TASK):
        figures = table.add(name, run("contestants/airflow_task.py", task, **airflow_environment(folder, task)))
        check_rows(table, folder, bodies.rows)
        if figures["state"] != "success":
            table.failures.append(f"the DAG run ended as {figures['state']}")
    else:
        script = PEERS[name]
        variables = airflow_environment(folder, task, python) if name == OPERATOR else {"HOME": str(folder)}
        table.add(name, run(f"peers/{script}.py", task, python, **variables))
    shutil.rmtree(folder / "data", ignore_errors=True)
