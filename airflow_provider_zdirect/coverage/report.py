"""The coverage of a base path: which windows of its datasets have landed, for every merchant, and which lack."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pyarrow as pa

from airflow_provider_zdirect.coverage.calendar import Status
from airflow_provider_zdirect.coverage.facts import Facts, read_facts
from airflow_provider_zdirect.coverage.rows import Gap, Row, Scope, first_known
from airflow_provider_zdirect.datasets.table import DATASETS, Dataset
from airflow_provider_zdirect.storage.object_store import ObjectStore
from airflow_provider_zdirect.windows import Window

FORMAT = 1

COVERED: Mapping[str, Dataset] = {
    name: dataset for name, dataset in DATASETS.items() if dataset.has_windows and dataset.part_of is None
}
"""The datasets that have windows of their own, by name."""

SCHEMA = pa.schema(
    [
        pa.field("merchant_id", pa.string(), nullable=False),
        pa.field("dataset", pa.string(), nullable=False),
        pa.field("from", pa.timestamp("us", "UTC"), nullable=False),
        pa.field("to", pa.timestamp("us", "UTC"), nullable=False),
        pa.field("status", pa.string(), nullable=False),
        pa.field("started", pa.bool_(), nullable=False),
        pa.field("days_left", pa.float64()),
        pa.field("urgent", pa.bool_(), nullable=False),
    ]
)
"""Of the table with a row for each stretch of time of the same status; ``docs/coverage.md`` describes it."""


@dataclass(frozen=True)
class CoverageReport:
    """The outcome, as a value.

    :param base_uri: the base path as people name it.
    :param environment: whose manifests count; None: of any.
    """

    scope: Scope
    base_uri: str
    environment: str | None
    conn_id: str
    rows: tuple[Row, ...]

    def gaps(self) -> list[tuple[Row, Gap]]:
        """All gaps, the one that is lost first before the others; what is lost already at the end."""
        found = [(row, gap) for row in self.rows for gap in row.gaps]
        return sorted(found, key=lambda each: (each[1].kept_until is None, each[1].kept_until or each[1].window.start))

    def urgent(self) -> list[tuple[Row, Gap]]:
        """The gaps that zDirect deletes soon, in that order."""
        return [(row, gap) for row, gap in self.gaps() if gap.is_urgent(self.scope)]

    def counts(self) -> dict[str, int]:
        """By status: how many stretches of time have it."""
        counted = Counter(span.status for row in self.rows for span in row.spans)
        return {status.value: counted[status] for status in Status}

    def as_json(self) -> dict[str, Any]:
        """What the page shows, and ``coverage.json`` holds."""
        scope = self.scope
        shown = scope.shown
        return {
            "format": FORMAT,
            "made_at": scope.now.isoformat(),
            "base_path": self.base_uri,
            "environment": self.environment,
            "conn_id": self.conn_id,
            "warn_days": _number(scope.warn / timedelta(days=1)),
            "grace_hours": _number(scope.grace / timedelta(hours=1)),
            "from": shown[0].isoformat(),
            "to": (shown[-1] + timedelta(days=1)).isoformat(),
            "rows": [row.as_json(self.base_uri) for row in self.rows],
        }

    def as_table(self) -> pa.Table:
        """A row for each stretch of time, by :data:`SCHEMA`."""
        return pa.Table.from_pylist(list(self._table_rows()), SCHEMA)

    def _table_rows(self) -> Iterator[dict[str, Any]]:
        for row in self.rows:
            gaps = {gap.window: gap for gap in row.gaps}
            for span in row.spans:
                gap = gaps.get(span.window)
                yield {
                    "merchant_id": row.merchant_id,
                    "dataset": row.dataset.name,
                    "from": span.window.start,
                    "to": span.window.end,
                    "status": span.status.value,
                    "started": gap is not None and gap.started,
                    "days_left": gap.days_left(self.scope.now) if gap else None,
                    "urgent": gap is not None and gap.is_urgent(self.scope),
                }


def measure_coverage(
    store: ObjectStore,
    base_uri: str,
    merchants: Mapping[str, str | None],
    scope: Scope,
    *,
    environment: str | None,
    conn_id: str,
    datasets: tuple[str, ...] = (),
    keeps_index: bool = True,
) -> CoverageReport:
    """What has landed under a base path. It asks zDirect for nothing.

    :param store: the base path.
    :param base_uri: the base path as people name it; backfills are given it.
    :param merchants: ids, each with its name or None.
    :param environment: ``production`` or ``sandbox``: manifests of the other do not count; None: all do.
    :param conn_id: the zDirect connection that backfills are given.
    :param datasets: names among :data:`COVERED`; empty: all of which these merchants or others have a window here.
    :param keeps_index: whether to write the index of manifests; not where the base path may only be read.
    """
    rows: list[Row] = []
    shown, day = scope.window("UTC"), timedelta(days=1)
    # Days of other time zones begin up to 14 hours earlier or later.
    span = Window(shown.start - day, shown.end + day)
    for name in datasets or COVERED:
        dataset = COVERED[name]
        facts = read_facts(store, name, merchants.keys(), span, keeps_index=keeps_index)
        if not facts and not datasets:
            continue
        firsts = {merchant_id: first_known(each, dataset, scope) for merchant_id, each in facts.items()}
        of_others = min(filter(None, firsts.values()), default=None)
        for merchant_id, merchant in merchants.items():
            rows.append(
                Row(
                    dataset,
                    merchant_id,
                    merchant,
                    facts.get(merchant_id, Facts()),
                    scope,
                    environment,
                    {"base_path": base_uri, "conn_id": conn_id},
                    begin=scope.since or firsts.get(merchant_id) or of_others,
                )
            )
    return CoverageReport(scope, base_uri, environment, conn_id, tuple(rows))


def _number(value: float) -> float:
    """A whole number as one."""
    return int(value) if value == int(value) else value
