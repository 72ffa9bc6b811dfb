# SPDX-License-Identifier: Apache-2.0
"""Putting the many small files of past dates together, so that readers open one file per date."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from airflow_provider_zdirect.clock import Clock, SystemClock
from airflow_provider_zdirect.datasets.publication import Once
from airflow_provider_zdirect.datasets.table import DATASETS, Dataset
from airflow_provider_zdirect.operators.argument_table import DURATION, PLACE, Argument
from airflow_provider_zdirect.operators.arguments import entries
from airflow_provider_zdirect.operators.base import Flow, Outcome, TaskRun, ZDirectOperator
from airflow_provider_zdirect.words import counted

_ONCE = [dataset for dataset in DATASETS.values() if isinstance(dataset.publish, Once)]
COMPACTED: Mapping[str, Dataset] = {
    dataset.name: dataset for dataset in (*_ONCE, *filter(None, (each.of_latest() for each in _ONCE)))
}
"""By name: all datasets that are published record by record, and the tables of their latest versions."""


def compacted_datasets(value: Any, name: str) -> tuple[str, ...]:
    """Names of datasets that can be compacted, each once.

    :raises ZDirectConfigurationError: as :func:`~.arguments.entries`.
    """

    def known(text: str) -> str:
        if text not in COMPACTED:
            raise ValueError(f"published record by record, as these are: {', '.join(COMPACTED)}")
        return text

    return tuple(entries(value, name=name, parse=known)) or tuple(COMPACTED)


class ZDirectCompactOperator(ZDirectOperator):
    """Puts the small files of each past date together into one, with the same rows (``docs/exactly-once.md``).

    A date keeps its format. Safe to repeat, and to run beside extractions and erasures. It sends zDirect no request,
    and updates no asset: the data stay the same. Without a connection it needs ``merchant_id``.

    :param base_path: URL for ObjectStoragePath, or absolute local path, below which the datasets are published.
    :param datasets: names of datasets that are published record by record, and of their ``_current`` tables: one name,
        a list, or comma separated text. None: all of them.
    :param merchant_id: id or name; None means the connection's merchant, or the only one that the app may use.
    :param older_than: only dates that ended at least so long before the end of the run's data interval, or before now
        if it has none (timedelta, ISO 8601 text). Late records may still come for younger ones.
    :param storage_conn_id: Airflow connection of the storage.
    :param conn_id: the zDirect connection. If it exists, its environment has to be that of ``base_path``.
    :param deferrable: wait in the triggerer after a retriable error.
    :returns: ``merchant_id``, ``before`` (the first date that was left alone), ``dates`` that were compacted,
        ``files_before``, ``files_after``, ``rows``, ``bytes_before``, ``bytes_after``, and ``datasets``: the number of
        dates of each that had any.
    :raises ZDirectConfigurationError: at parse, if a literal argument is wrong.
    """

    arguments = PLACE | {"datasets": Argument(compacted_datasets, blank=tuple(COMPACTED)), "older_than": DURATION}

    clock: Clock = SystemClock()

    def __init__(
        self,
        *,
        base_path: str,
        datasets: str | Sequence[str] | None = None,
        merchant_id: str | None = None,
        older_than: timedelta | str = timedelta(days=2),
        storage_conn_id: str | None = None,
        conn_id: str = "zdirect_default",
        deferrable: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(values=locals(), **kwargs)

    @classmethod
    def flow(cls, values: Mapping[str, Any]) -> Flow:
        return Flow(read=values["datasets"], published=values["datasets"])

    def perform(self, run: TaskRun) -> Outcome:
        from airflow_provider_zdirect.publish.compact import compact_date, dates_to_compact

        place = run.place("compaction", needs_connection=False)
        end = run.context.get("data_interval_end") or self.clock.now()
        before = (end - run.values["older_than"]).date()
        counts = dict.fromkeys(("dates", "files_before", "files_after", "rows", "bytes_before", "bytes_after"), 0)
        dates_of: dict[str, int] = {}
        for name in run.values["datasets"]:
            for day in dates_to_compact(place, COMPACTED[name], before):
                done = compact_date(place, COMPACTED[name], day)
                dates_of[name] = dates_of.get(name, 0) + 1
                for each in counts:
                    counts[each] += getattr(done, each, 1)
        summary = {"merchant_id": place.merchant_id, "before": before.isoformat(), **counts}
        done_of = ", ".join(f"{name} {counted(count, 'date')}" for name, count in dates_of.items())
        self.log.info(
            "%s, dates before %s: %s; %s became %d, with the same %s.",
            place.subject("compaction"), before, done_of or "nothing to compact",
            counted(counts["files_before"], "file"), counts["files_after"], counted(counts["rows"], "row"),
        )  # fmt: skip
        return Outcome({**summary, "datasets": dates_of})
