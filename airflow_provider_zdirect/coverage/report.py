# SPDX-License-Identifier: Apache-2.0
"""The coverage of a base path: which windows of its datasets have landed, for every merchant, and which are missing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pyarrow as pa

from airflow_provider_zdirect.coverage.calendar import Status
from airflow_provider_zdirect.coverage.facts import Facts, read_facts
from airflow_provider_zdirect.coverage.rows import BACKFILL, DAY, Gap, Row, Scope, first_known, without_personal_data
from airflow_provider_zdirect.datasets.table import WITH_WINDOWS
from airflow_provider_zdirect.exceptions import UnfilledGapsError
from airflow_provider_zdirect.storage.object_store import ObjectStore
from airflow_provider_zdirect.windows import moment_in_words
from airflow_provider_zdirect.words import counted, subject

FORMAT = 1
WORST = 5
"""How many gaps an error names."""

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
"""The columns of ``coverage.parquet``, which has a row for each stretch of time; see ``docs/coverage.md``."""


@dataclass(frozen=True)
class CoverageReport:
    """The coverage of a base path.

    :param base_uri: the base path as a URI.
    :param environment: only manifests of this environment count; None: all do.
    :param others: merchants that are not covered, but have windows here in the covered days: id, and name or None.
    """

    scope: Scope
    base_uri: str
    environment: str | None
    conn_id: str
    rows: tuple[Row, ...]
    others: Mapping[str, str | None]

    def gaps(self) -> list[tuple[Row, Gap]]:
        """All gaps, sorted by when zDirect deletes them; those that are lost already come last."""
        found = [(row, gap) for row in self.rows for gap in row.gaps]
        return sorted(found, key=lambda each: (each[1].kept_until is None, each[1].kept_until or each[1].window.start))

    def urgent(self) -> list[tuple[Row, Gap]]:
        """The gaps that zDirect deletes soon, in that order."""
        return [(row, gap) for row, gap in self.gaps() if gap.is_urgent(self.scope)]

    def urgent_rows(self) -> list[dict[str, Any]]:
        """The urgent gaps as notifiers get them; JSON-able."""
        return [
            {
                "merchant_id": row.merchant_id,
                "merchant": row.merchant,
                "dataset": row.dataset.name,
                **{name: fact for name, fact in gap.as_json(self.scope).items() if name not in ("urgent", "fill")},
                "command": gap.command,
                "words": _in_words(row, gap, self.scope),
            }
            for row, gap in self.urgent()
        ]

    def fail_if_urgent(self, uri: str) -> None:
        """Raise UnfilledGapsError if a gap is urgent. It names the worst gaps, with the commands that fill them.

        :param uri: of the page with all gaps.
        """
        urgent = self.urgent_rows()
        if urgent:
            worst = "; ".join(". ".join(filter(None, (gap["words"], gap["command"]))) for gap in urgent[:WORST])
            more = f"; and {len(urgent) - WORST} more" if len(urgent) > WORST else ""
            raise UnfilledGapsError(
                f"{counted(len(urgent), 'gap')} will be unrecoverable within "
                f"{counted(_number(self.scope.warn / DAY), 'day')}: {worst}{more}.",
                remedy=f"Run the command of each gap, or trigger {BACKFILL} with its parameters, and unpause that DAG; "
                f"{uri} shows all gaps.",
            )

    def in_words(self) -> str:
        """For the log, in one line."""
        datasets, merchants = {row.dataset.name for row in self.rows}, {row.merchant_id for row in self.rows}
        counts = self.counts()
        numbers = ", ".join(f"{name} {counts[name]}" for name in (Status.MISSING, Status.UNCERTAIN, Status.LOST))
        return (
            f"Coverage of {counted(len(datasets), 'dataset')} and {counted(len(merchants), 'merchant')}, "
            f"{counted(self.scope.days, 'day')} until {moment_in_words(self.scope.now)}: {numbers}; "
            f"urgent {len(self.urgent())}"
        )

    def counts(self) -> dict[str, int]:
        """The number of stretches of time, by status."""
        found = Counter(span.status for row in self.rows for span in row.spans)
        return {status.value: found[status] for status in Status}

    def dates(self) -> dict[str, str]:
        """The first covered day, and the first day after the last one."""
        shown = self.scope.window("UTC")
        return {"from": shown.start.date().isoformat(), "to": shown.end.date().isoformat()}

    def as_json(self) -> dict[str, Any]:
        """What the page shows, and ``coverage.json`` contains."""
        scope = self.scope
        return {
            "format": FORMAT,
            "made_at": scope.now.isoformat(),
            "base_path": self.base_uri,
            "environment": self.environment,
            "conn_id": self.conn_id,
            "warn_days": _number(scope.warn / DAY),
            "grace_hours": _number(scope.grace / timedelta(hours=1)),
            **self.dates(),
            "others": [{"merchant_id": merchant_id, "merchant": name} for merchant_id, name in self.others.items()],
            "rows": [row.as_json(self.base_uri) for row in self.rows],
        }

    def as_table(self) -> pa.Table:
        """A row for each stretch of time; the columns are those of :data:`SCHEMA`."""
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
    name_of: Callable[[str], str | None] = lambda merchant_id: None,
    keeps_index: bool = True,
) -> CoverageReport:
    """What has landed under a base path, and what is missing. It sends zDirect no request.

    :param store: the base path.
    :param base_uri: the base path as a URI; the commands that fill gaps contain it.
    :param merchants: who is covered: id, and name or None.
    :param environment: ``production`` or ``sandbox``: manifests of the other do not count; None: all do.
    :param conn_id: the zDirect connection; the commands that fill gaps contain it.
    :param datasets: names in :data:`.WITH_WINDOWS`; empty: those for which one of ``merchants`` has a window here.
    :param name_of: the name of a merchant who is not covered, or None.
    :param keeps_index: whether to write the index of manifests; False where the base path is read-only.
    """
    rows: list[Row] = []
    others: set[str] = set()
    covered = scope.window("UTC")
    for name in datasets or WITH_WINDOWS:
        dataset = WITH_WINDOWS[name]
        found = read_facts(store, name, merchants.keys(), covered, keeps_index=keeps_index)
        others |= {merchant_id for merchant_id in found.keys() - merchants.keys() if found[merchant_id].is_covered}
        facts = {merchant_id: found[merchant_id] for merchant_id in merchants if merchant_id in found}
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
                    {
                        "base_path": base_uri,
                        "conn_id": conn_id,
                        **without_personal_data(facts.get(merchant_id), facts.values()),
                    },
                    begin=scope.since or firsts.get(merchant_id) or of_others,
                )
            )
    named = {merchant_id: name_of(merchant_id) for merchant_id in sorted(others)}
    return CoverageReport(scope, base_uri, environment, conn_id, tuple(rows), named)


def _in_words(row: Row, gap: Gap, scope: Scope) -> str:
    what = "the empty report is not certain" if gap.status is Status.UNCERTAIN else "missing"
    left = f"{max(gap.days_left(scope.now) or 0.0, 0.0):.1f}"
    about = subject(row.dataset.name, row.merchant_id, gap.window, full_id=True)
    named = f" ({row.merchant})" if row.merchant else ""
    return f"{about}{named}: {what}, and zDirect deletes it in {left} days"


def _number(value: float) -> float:
    """Without ``.0``, if it is a whole number."""
    return int(value) if value == int(value) else value
