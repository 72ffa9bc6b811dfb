# SPDX-License-Identifier: Apache-2.0
"""Which windows have landed, which are missing, and how long zDirect still has them."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from airflow_provider_zdirect.clock import Clock, SystemClock
from airflow_provider_zdirect.datasets.table import WITH_WINDOWS
from airflow_provider_zdirect.operators import argument_table as table
from airflow_provider_zdirect.operators.arguments import count, entries, instant, refusal, span, time_zone
from airflow_provider_zdirect.operators.base import Flow, Outcome, TaskRun, ZDirectOperator
from airflow_provider_zdirect.operators.base_path import known_environment, open_base_path
from airflow_provider_zdirect.operators.notifiers import Notifiers, Notify, TakesNotifiers

log = logging.getLogger(__name__)

MOST_DAYS = 3660
IN_RESULT = 10
"""Urgent gaps that the result names."""


def covered_datasets(value: Any, name: str) -> tuple[str, ...]:
    """Names of datasets that are fetched by windows, without duplicates.

    :raises ZDirectConfigurationError: as :func:`~.arguments.entries`.
    """

    def known(text: str) -> str:
        if text not in WITH_WINDOWS:
            raise ValueError(f"fetched by windows, as these are: {', '.join(WITH_WINDOWS)}")
        return text

    return tuple(entries(value, name=name, parse=known))


def shown_days(value: Any, name: str) -> int:
    """:raises ZDirectConfigurationError: if it is not a number of days from 1 to 3660."""
    days = count(value, name)
    if not 1 <= days <= MOST_DAYS:
        raise refusal(f"{name}={value!r} is not between 1 and {MOST_DAYS}", f"Give {name} as a number of days.")
    return days


class ZDirectCoverageOperator(TakesNotifiers, ZDirectOperator):
    """Reports which windows have landed and which are missing, and fails before zDirect deletes what is missing.

    It reads the manifests under ``base_path``, and writes ``coverage.html``, ``coverage.json`` and
    ``coverage.parquet`` to ``_reports/coverage/`` (``docs/coverage.md``). It sends zDirect no request, except for the
    list of merchants if neither ``merchant_ids`` nor the connection names them.

    :param base_path: URL for ObjectStoragePath, or absolute local path, below which the datasets are published.
    :param merchant_ids: ids or names: one, a list, or text with commas. None: the connection's merchant, or all that
        the app may use; a warning names other merchants that have windows at ``base_path``.
    :param datasets: names of datasets that are fetched by windows: one name, a list, or text with commas. None: those
        of which one of these merchants has a window at ``base_path``.
    :param since: windows are expected from then on (aware datetime or ISO 8601 text); None: from the first known window
        of a dataset and merchant on; if there is none, from the first one of the other covered merchants on. For
        datasets that are fetched by date, midnight UTC stands for the date in ``timezone``.
    :param days: how many days to cover, today (UTC) included.
    :param warn_days: a gap is urgent if zDirect deletes its start within this many days.
    :param grace_hours: how long after its end, or after a daily report is due, a window may be missing.
    :param timezone: where days begin, of datasets that are fetched by date.
    :param fail_on_gap: fail the task if a gap is urgent, after the report is written and ``notifier`` is called.
    :param notifier: a notifier of Airflow, a function of the context, or a list of them, called with the urgent gaps;
        None: the task's log.
    :param storage_conn_id: Airflow connection of the storage.
    :param conn_id: the zDirect connection. If it exists, its environment has to be that of ``base_path``.
    :param deferrable: wait in the triggerer after a retriable error.
    :returns: ``merchant_ids``, ``from`` and ``to`` (the first day, and the first one after), ``statuses`` (by status:
        stretches of time), ``urgent`` (the first ten gaps), ``urgent_count``, and the URIs of the files: ``html``,
        ``json``, ``parquet``.
    :raises ZDirectConfigurationError: at parse, if a literal argument is wrong. What a notifier raises is raised, too.
    """

    asset_names = ("coverage",)
    arguments = (
        {"base_path": table.Argument(table.path), "merchant_ids": table.MERCHANTS}
        | table.STORAGE
        | table.CONNECTION
        | {
            "datasets": table.Argument(covered_datasets, blank=()),
            "since": table.optional(instant),
            "days": table.Argument(shown_days),
            "timezone": table.Argument(time_zone),
            "fail_on_gap": table.FLAG,
        }
        | dict.fromkeys(("warn_days", "grace_hours"), table.Argument(span))
    )

    clock: Clock = SystemClock()

    def __init__(
        self,
        *,
        base_path: str,
        merchant_ids: str | Sequence[str] | None = None,
        datasets: str | Sequence[str] | None = None,
        since: datetime | str | None = None,
        days: int | str = 100,
        warn_days: float | str | timedelta = 14,
        grace_hours: float | str | timedelta = 24,
        timezone: str = "UTC",
        fail_on_gap: bool | str = True,
        notifier: Notify | Sequence[Notify] | None = None,
        storage_conn_id: str | None = None,
        conn_id: str = "zdirect_default",
        deferrable: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(values=locals(), **kwargs)
        self.notifier = Notifiers(notifier)

    @classmethod
    def flow(cls, values: Mapping[str, Any]) -> Flow:
        return Flow(read=("_manifests",), published=("_reports/coverage",))

    def perform(self, run: TaskRun) -> Outcome:
        from airflow_provider_zdirect.coverage.publish import publish_report
        from airflow_provider_zdirect.coverage.report import measure_coverage
        from airflow_provider_zdirect.coverage.rows import Scope
        from airflow_provider_zdirect.operators.coverage_notifiers import notify_of_gaps
        from airflow_provider_zdirect.storage.object_store import ObjectStore

        values, environment = run.values, known_environment(run.hook)
        opened = open_base_path(values["base_path"], values["storage_conn_id"], environment=environment)
        store, merchants = ObjectStore(opened.fs, opened.root), run.hook.named_merchants(values["merchant_ids"])
        log.info(
            "coverage, merchant %s: base path %s", ", ".join(map(run.hook.merchants().in_words, merchants)), opened.uri
        )
        report = measure_coverage(
            store,
            opened.uri,
            merchants,
            Scope(
                self.clock.now(),
                warn=values["warn_days"],
                grace=values["grace_hours"],
                **run.pick("days", "since", "timezone"),
            ),
            environment=environment,
            conn_id=run.hook.conn_id,
            datasets=values["datasets"],
            name_of=run.hook.merchants().name_of,
        )
        if report.others:
            log.log(
                logging.INFO if values["merchant_ids"] else logging.WARNING,
                "Merchants that have windows here and are not covered: %s. To cover them, name them in merchant_ids.",
                ", ".join(map(run.hook.merchants().in_words, report.others)),
            )
        uris, urgent = publish_report(store, report), report.urgent_rows()
        log.info("%s -> %s", report.in_words(), uris["html"])
        if urgent:
            notify_of_gaps(self.notifier, urgent, uris["html"], run.context)
            if values["fail_on_gap"]:
                report.fail_if_urgent(uris["html"])
        summary = {
            "merchant_ids": list(merchants),
            **report.dates(),
            "statuses": report.counts(),
            "urgent": urgent[:IN_RESULT],
            "urgent_count": len(urgent),
            **uris,
        }
        return Outcome(summary, {"coverage": summary})
