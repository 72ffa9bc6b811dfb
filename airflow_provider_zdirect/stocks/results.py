"""Outcomes of the updates, as published tables: every run's results, and what zDirect has now."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

import pyarrow as pa

from airflow_provider_zdirect.datasets.arrow import INSTANT
from airflow_provider_zdirect.publish.latest import LatestTable
from airflow_provider_zdirect.publish.place import Place
from airflow_provider_zdirect.publish.results import RunResults
from airflow_provider_zdirect.stocks.level import Sent
from airflow_provider_zdirect.stocks.sent_log import Batch
from airflow_provider_zdirect.stocks.sent_rows import COLUMNS, LINEAGE, as_row, as_table

UPDATES, CURRENT = "stock_updates", "stock_updates_current"
SCHEMA = pa.schema([*COLUMNS, ("attempts", pa.int64()), ("run", pa.string()), ("run_started_at", INSTANT), *LINEAGE])
CURRENT_SCHEMA = pa.schema([*COLUMNS, *LINEAGE])


def publish_run(place: Place, batches: Sequence[Batch]) -> list[dict[str, Any]]:
    """Publish the results of one run: each pair once, with its last outcome; safe to repeat.

    :param batches: of the run, in the order in which they were sent; at least one. Those that were published before may
        be missing.
    :returns: the rows.
    """
    first = batches[0]
    file = RunResults(place, UPDATES, SCHEMA, f"{first.run} {first.started_at.isoformat()}", first.started_at.date())
    rows = {(row["sales_channel_id"], row["ean"]): row for row in file.read()}
    for batch in batches:
        for item in batch.items:
            known = rows.get(item.pair)
            if known is None or known["sent_at"] <= item.sent_at:
                rows[item.pair] = {**as_row(item), "run": batch.label, "run_started_at": batch.started_at}
    found = [rows[pair] for pair in sorted(rows)]
    file.publish(found, first.started_at)
    return found


def publish_current(place: Place, items: Iterable[Sent], now: datetime) -> None:
    """Publish what zDirect has now, if it has changed."""
    table = as_table(items, CURRENT_SCHEMA, _merchant_id=place.merchant_id, _environment=place.environment)
    LatestTable(place, CURRENT, CURRENT_SCHEMA).update(table, now)
