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
from airflow_provider_zdirect.stocks.level import COLUMNS, Sent, as_table
from airflow_provider_zdirect.stocks.sent_log import Batch

UPDATES, CURRENT = "stock_updates", "stock_updates_current"
LINEAGE = [("_merchant_id", pa.string()), ("_environment", pa.string())]
SCHEMA = pa.schema([*COLUMNS, ("attempts", pa.int64()), ("run", pa.string()), ("run_started_at", INSTANT), *LINEAGE])
CURRENT_SCHEMA = pa.schema([*COLUMNS, *LINEAGE])


def publish_run(place: Place, batches: Sequence[Batch]) -> list[dict[str, Any]]:
    """Publish the results of one run: each pair once, with its last outcome; safe to repeat.

    :param batches: of the run, in the order in which they were sent. Those that were published before may be missing.
    :returns: the rows.
    """
    if not any(item.attempts for batch in batches for item in batch.items):
        return []
    run, label, began = batches[0].run, batches[0].label, batches[0].started_at
    file = RunResults(place, UPDATES, SCHEMA, f"{run} {began.isoformat()}", began.date())
    rows = {(row["sales_channel_id"], row["ean"]): row for row in file.read()}
    for batch in batches:
        for row in as_table(item for item in batch.items if item.attempts).to_pylist():
            known = rows.get(pair := (row["sales_channel_id"], row["ean"]))
            if known is None or known["sent_at"] <= row["sent_at"]:
                rows[pair] = {**row, "run": label, "run_started_at": began}
    found = [rows[pair] for pair in sorted(rows)]
    file.publish(found, began)
    return found


def publish_current(place: Place, items: Iterable[Sent], now: datetime) -> None:
    """Publish what zDirect has now, if it has changed."""
    table = as_table(items, CURRENT_SCHEMA, _merchant_id=place.merchant_id, _environment=place.environment)
    LatestTable(place, CURRENT, CURRENT_SCHEMA).update(table, now)
