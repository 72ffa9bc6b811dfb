# SPDX-License-Identifier: Apache-2.0
"""Outcomes of the updates, as published tables: every run's results, and what zDirect has now."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from airflow_provider_zdirect.datasets.arrow import INSTANT
from airflow_provider_zdirect.publish.latest import LatestTable
from airflow_provider_zdirect.publish.place import Place
from airflow_provider_zdirect.publish.results import RunResults
from airflow_provider_zdirect.stocks.level import COLUMNS, TEXT
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
    sent = [batch.rows.filter(pc.greater(batch.rows["attempts"], 0)) for batch in batches]
    if not any(rows.num_rows for rows in sent):
        return []
    run, label, began = batches[0].run, batches[0].label, batches[0].started_at
    file = RunResults(place, UPDATES, SCHEMA, f"{run} {began.isoformat()}", began.date())
    rows = {(row["sales_channel_id"], row["ean"]): row for row in file.read()}
    for table in sent:
        for row in table.to_pylist():
            known = rows.get(pair := (row["sales_channel_id"], row["ean"]))
            if known is None or known["sent_at"] <= row["sent_at"]:
                rows[pair] = {**row, "run": label, "run_started_at": began}
    found = [rows[pair] for pair in sorted(rows)]
    file.publish(found, began)
    return found


def publish_current(place: Place, taken: pa.Table, now: datetime) -> None:
    """Publish what zDirect has now, if it has changed.

    :param taken: rows of the log, by sales channel and EAN.
    """
    for name, value in zip([name for name, _ in LINEAGE], (place.merchant_id, place.environment), strict=True):
        taken = taken.append_column(name, pa.repeat(pa.scalar(value, TEXT), taken.num_rows))
    LatestTable(place, CURRENT, CURRENT_SCHEMA).update(taken, now)
