# SPDX-License-Identifier: Apache-2.0
"""Liquidated items, fetched again when the last rows have come."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from airflow_provider_zdirect.clock import Clock, SystemClock
from airflow_provider_zdirect.datasets.table import get_dataset
from airflow_provider_zdirect.operators import argument_table as table
from airflow_provider_zdirect.operators.arguments import duration, refusal
from airflow_provider_zdirect.operators.base import Flow, Outcome, Published, TaskRun, ZDirectOperator
from airflow_provider_zdirect.windows import moment_in_words
from airflow_provider_zdirect.words import counted

DATASET = "liquidated_items"
FILTER = "purchase_order_number"
PASS = get_dataset(DATASET).days.fetch_again


def pass_delays(value: Any, name: str = "passes") -> tuple[timedelta, ...]:
    """How long after the window's end the passes are.

    :raises ZDirectConfigurationError: if ``value`` is not a duration or several of them, or blank.
    """
    if isinstance(value, str):
        # As a template renders it: PT48H, "PT1H,PT48H", or a list as text.
        value = [text.strip(" '\"\n") for text in value.strip("[]() \n").split(",")]
    several = value if isinstance(value, list | tuple) else [value]
    delays = tuple(duration(delay, name) for delay in several if delay != "")
    if not delays:
        raise refusal(f"{name} is empty", 'Give at least one duration, for example "PT48H".')
    return delays


class ZDirectLiquidationRefetchOperator(ZDirectOperator):
    """Fetches a window of ``liquidated_items`` once more at each of its passes, and reports what has changed.

    Each pass replaces the window's dates whose rows have changed; a pass that another task made is not made again.
    Between passes, and after a retriable error, the task is deferred. Its assets are updated only if something
    has changed, through the alias ``zdirect_liquidated_items_changed`` (``docs/liquidation.md``).

    :param merchant_id: id or name; None means the connection's merchant, or the only one that the app may use.
    :param window_from: first instant of the window (aware datetime or ISO 8601 text), a midnight; None: the run's data
        interval.
    :param window_to: first instant after the window.
    :param base_path: URL for ObjectStoragePath, or absolute local path, below which the data is written.
    :param storage_conn_id: Airflow connection of the storage.
    :param passes: how long after the window's end it is fetched again: a timedelta, ISO 8601 text such as ``PT48H``, or
        several, in a list or in a text with commas.
    :param purchase_order_number: only the rows of this purchase order; None and blank mean all. What is published of a
        date is then these rows, so give each purchase order a base path of its own.
    :param replace_with_empty: let an answer without any record replace the published ones of a date; otherwise it fails
        the task and changes nothing.
    :param format: ``parquet`` or ``jsonl``.
    :param max_rejected: how many invalid records of a pass may be rejected before the task fails.
    :param clip_to_retention: fetch what is left of a window that lies partly past zDirect's retention.
    :param timezone: time zone of whole days.
    :param accept_outside: publish records of other dates than the one that was asked for, instead of failing.
    :param path: another path than the dataset's own, with ``{merchant_id}`` in it, should zDirect's differ.
    :param conn_id: the zDirect connection.
    :returns: window, ``merchant_id``, ``uri``, ``manifest``, ``records``, ``rejected``; ``passes`` that were made and
        when it was fetched last (``fetched_at``); ``changed``, and how many rows this task has ``added``, ``removed``
        and ``changed`` (``changes``; all of them, if it was the first to publish), per date with the URI of the file
        that holds them (``changed_dates``, cut to 31; null where nothing was published before).
    :raises ZDirectConfigurationError: at parse, if a literal argument is wrong.
    """

    asset_names = (DATASET,)
    only_changes = True
    deferrable = True
    arguments = (
        table.PLACE
        | table.WINDOW
        | table.FORMAT
        | {"passes": table.Argument(pass_delays)}
        | dict.fromkeys((FILTER, "path"), table.OPTIONAL_TEXT)
    )

    clock: Clock = SystemClock()

    def __init__(
        self,
        *,
        base_path: str,
        merchant_id: str | None = None,
        window_from: datetime | str | None = None,
        window_to: datetime | str | None = None,
        storage_conn_id: str | None = None,
        passes: timedelta | str | Sequence[timedelta | str] = PASS,
        purchase_order_number: str | None = None,
        replace_with_empty: bool | str = True,
        format: str = "parquet",
        max_rejected: int | str = 0,
        clip_to_retention: bool | str = False,
        timezone: str = "UTC",
        accept_outside: bool | str = False,
        path: str | None = None,
        conn_id: str = "zdirect_default",
        **kwargs: Any,
    ) -> None:
        super().__init__(values=locals(), **kwargs)

    @classmethod
    def check(cls, values: Mapping[str, Any]) -> None:
        table.check_window(values)
        get_dataset(DATASET, path=table.if_known(values["path"]))

    @classmethod
    def flow(cls, values: Mapping[str, Any]) -> Flow:
        return Flow(fetched=(DATASET,), published=(DATASET,))

    def perform(self, run: TaskRun) -> Outcome:
        from airflow_provider_zdirect.pipeline.liquidation_passes import Passes, make_passes

        values, client = run.values, run.hook.client
        filters = {FILTER: values[FILTER]} if values[FILTER] else {}
        job = run.extract_job(get_dataset(DATASET, path=values["path"]), filters=filters)
        assert job.window is not None
        passes = Passes.after(job.window, values["passes"], job.dataset)
        fetched = asyncio.run(make_passes(job, passes, client, self.clock))
        # By the fetch and not by the clock: a pass may have become due since then.
        while (moment := passes.next(fetched.fetched_at)) is not None:
            if (pause := moment - self.clock.now()) > timedelta(0):
                fetched_at = moment_in_words(fetched.fetched_at)
                self.wait(f"{job.what}: {counted(fetched.records, 'record')}, fetched at {fetched_at}.", pause)
            before = fetched.fetches
            fetched = asyncio.run(make_passes(job, passes, client, self.clock))
            fetched = replace(fetched, fetches=before + fetched.fetches)
        self.log.info("%s", fetched.in_words(passes))
        summary = fetched.as_dict(passes)
        published = {DATASET: Published(fetched.records, fetched.rejected)}
        if not summary["changed"]:
            return Outcome(summary, published=published)
        dates = sorted({change["date"] for change in summary["changed_dates"]})
        return Outcome(summary, {DATASET: {**summary, **summary["changes"], "dates": ",".join(dates)}}, published)
