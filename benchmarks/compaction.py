"""A hundred days of returned items in 24 files each, read by DuckDB before and after compaction."""

from __future__ import annotations

import asyncio
import tempfile
import time
from dataclasses import replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import duckdb
import fsspec
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from bodies import DAY, MERCHANT, START, returned_items
from contestants import pipeline
from measured import cpu_seconds, peak_mb
from rounds import Figures, Table, serving

from airflow_provider_zdirect.datasets.table import get_dataset
from airflow_provider_zdirect.publish.compact import compact_date, dates_to_compact
from airflow_provider_zdirect.publish.place import Place
from airflow_provider_zdirect.storage.layout import PublishedName
from airflow_provider_zdirect.windows import Window

DATASET = "returned_items"
BEFORE, AFTER = "queries over 24 files a day", "queries over compacted days"
COMPACT = "compaction of all days"
HOUR, HOUR_AGAIN = "an hour's window, no files yet", "the same again, beside all files"
QUERIES = {
    "pieces by day and category": "SELECT date, quality_category, count(*) FROM {t} GROUP BY ALL ORDER BY ALL",
    "one day": "SELECT count(*), min(ean), max(zalando_shipment_number) FROM {t} WHERE date = '{day}'",
    "one label": "SELECT quality_label, consumed_timestamp FROM {t} WHERE quality_label = '{label}' ORDER BY ALL",
    "all rows": "SELECT count(*), bit_xor(hash(quality_label, consumed_timestamp, ean, destination)) FROM {t}",
}


def compaction(days: int, a_day: int, rounds: int) -> Table:
    """:param a_day: items of a day."""
    table = Table(f"{days} days with {a_day:,} returned items each")
    with tempfile.TemporaryDirectory(prefix="zdirect-bench-") as scratch:
        root = f"{scratch}/data"
        place = Place(fsspec.filesystem("file"), root, f"file://{root}", MERCHANT, environment="production")
        with serving(partial(returned_items, count=a_day)) as (server, (bodies,)):
            table.add(HOUR, _publish_hours(server.task(bodies, Path(scratch))))
            _copy_to_other_days(place, days)
            table.add(HOUR_AGAIN, _publish_hours(server.task(bodies, Path(scratch))))
        before = _query(table, BEFORE, root, rounds)
        dataset = get_dataset(DATASET)
        until = (START + DAY).date()

        began, cpu = time.monotonic(), cpu_seconds()
        for day in dates_to_compact(place, dataset, until):
            compact_date(place, dataset, day)
        table.add(COMPACT, _figures(time.monotonic() - began, cpu_seconds() - cpu))
        left = dates_to_compact(place, dataset, until)
        after = _query(table, AFTER, root, rounds)
    if left:
        table.failures.append(f"{len(left)} days are not compact afterwards")
    if before != after:
        table.failures.append("queries have other results after compaction")
    table.expect("times faster: the queries together", table.ratio(BEFORE, AFTER), least=5)
    for name in QUERIES:
        table.expect(f"times faster: {name}", table.ratio(BEFORE, AFTER, name))
    table.print(AFTER)
    return table


def _publish_hours(task: dict[str, Any]) -> Figures:
    """A day as the pipeline publishes it, hour by hour; what one of them took on average."""
    began, cpu = time.monotonic(), cpu_seconds()
    for hour in range(24):
        start = START + timedelta(hours=hour)
        asyncio.run(pipeline.run({**task, "from": f"{start}", "to": f"{start + timedelta(hours=1)}"}))
    return _figures((time.monotonic() - began) / 24, (cpu_seconds() - cpu) / 24)


def _copy_to_other_days(place: Place, days: int) -> None:
    """The files of that day once more in each day before it, moved in time."""
    for file in sorted((Path(place.root) / DATASET).rglob("*.parquet")):
        name, rows = PublishedName.parse(file.name), pq.read_table(file, partitioning=None)
        assert name is not None
        for number in range(1, days):
            back = number * DAY
            span = Window(name.span.start - back, name.span.end - back)
            there = file.parent.parent / f"date={span.start.date()}"
            there.mkdir(exist_ok=True)
            moved = rows
            for column, kind in zip(rows.column_names, rows.schema.types, strict=True):
                if pa.types.is_timestamp(kind):
                    earlier = pc.subtract(rows[column], pa.scalar(back, pa.duration("us"))).cast(kind)
                    moved = moved.set_column(moved.column_names.index(column), column, earlier)
            pq.write_table(moved, there / replace(name, span=span).file_name("parquet"), compression="zstd")


def _query(table: Table, name: str, root: str, rounds: int) -> list[list[tuple[Any, ...]]]:
    """The results of all queries; each round reads with a new connection, which has nothing in its cache."""
    source = f"read_parquet('{root}/{DATASET}/**/*.parquet', hive_partitioning = true)"
    label = duckdb.sql(f"SELECT min(quality_label) FROM {source}").fetchall()[0][0]
    results: list[list[tuple[Any, ...]]] = []
    for _ in range(rounds):
        results, seconds = [], {}
        cpu = cpu_seconds()
        for query, text in QUERIES.items():
            with duckdb.connect() as connection:
                connection.execute("SET TimeZone = 'UTC'; SET enable_progress_bar = false")
                began = time.monotonic()
                found = connection.execute(text.format(t=source, day=START.date() - 50 * DAY, label=label)).fetchall()
                seconds[query] = time.monotonic() - began
            results.append(found)
        table.add(name, {**_figures(sum(seconds.values()), cpu_seconds() - cpu), **seconds})
    return results


def _figures(seconds: float, cpu: float) -> Figures:
    return {"seconds": seconds, "cpu": cpu, "peak_mb": peak_mb(), "tree_mb": peak_mb()}
