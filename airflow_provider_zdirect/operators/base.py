# SPDX-License-Identifier: Apache-2.0
"""What the operators of this provider have in common: their run, waits without a worker slot, retries and assets."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, ClassVar, NoReturn

from airflow_provider_zdirect.airflow_sdk import BaseOperator, TimeDeltaTrigger
from airflow_provider_zdirect.assets import (
    alias_extra,
    changed_alias,
    connection_in,
    place_alias,
    place_of,
    with_assets,
    zdirect_asset,
)
from airflow_provider_zdirect.client.metrics import RECORDS, REJECTED, WAIT_SECONDS
from airflow_provider_zdirect.clock import SystemClock
from airflow_provider_zdirect.exceptions import RateLimitedError, ZDirectRetriableError
from airflow_provider_zdirect.hooks import metrics
from airflow_provider_zdirect.operators import arguments
from airflow_provider_zdirect.operators.argument_table import TaskArguments, is_mapped
from airflow_provider_zdirect.operators.base_path import known_environment
from airflow_provider_zdirect.operators.links import LINKS, result_files
from airflow_provider_zdirect.operators.outcome import Flow, Outcome, Published
from airflow_provider_zdirect.operators.retry import fail_fast
from airflow_provider_zdirect.operators.task_run import TaskRun
from airflow_provider_zdirect.windows import moment_in_words

__all__ = ["Flow", "Outcome", "Published", "TaskRun", "ZDirectOperator"]

MAX_WAITS = 10
"""Waits after failures, one after the other."""

LONGEST_TURN = timedelta(days=1)
"""How long a task waits for the rate limit without any progress before that counts as a failure."""


class ZDirectOperator(TaskArguments, BaseOperator):
    """Base of the operators. A subclass has a table of arguments, a signature, and :meth:`perform`.

    All arguments but ``deferrable`` are templates. What is wrong and known at parse is refused at parse; a task fails
    with AirflowFailException, chained to the typed error, if a retry cannot help. If it can, it waits for that in the
    triggerer; with ``deferrable=False`` it fails with ZDirectRetriableError, for its retries.
    """

    asset_names: ClassVar[tuple[str, ...]] = ()
    """Names of the assets that the task updates (:func:`~airflow_provider_zdirect.assets.zdirect_asset`)."""
    only_changes: ClassVar[bool] = False
    """Whether a task updates its assets only if it has changed something."""

    base_path: str
    conn_id: str

    # For lineage, which is asked for when the task ends.
    _run: TaskRun | None = None
    _outcome: Outcome | None = None

    operator_extra_links = tuple(link() for link in LINKS)
    ui_color = "#ffe8d6"

    def __init__(self, *, values: Mapping[str, Any], outlets: Any = None, **kwargs: Any) -> None:
        # A list: Airflow 2 takes a tuple for one outlet.
        super().__init__(values=values, outlets=with_assets(outlets, ()), **kwargs)
        # Those of a mapped task are those of partial(), less what the author took out: an asset that was not there at
        # parse does not exist for Airflow.
        if not is_mapped(self):
            self.outlets = with_assets(self.outlets, self.own_assets(values))
            self.inlets = with_assets(self.inlets, self.assets_by_default(values, self.get_dag()))

    @classmethod
    def partial(cls, **kwargs: Any) -> Any:
        mapped = super().partial(**kwargs)
        # The scheduler has to know the outlets of a mapped task.
        mapped.kwargs["outlets"] = with_assets(kwargs.get("outlets"), cls.own_assets(kwargs))
        by_default = cls.assets_by_default(kwargs, mapped.kwargs.get("dag"))
        mapped.kwargs["inlets"] = with_assets(kwargs.get("inlets"), by_default)
        return mapped

    def perform(self, run: TaskRun) -> Outcome:
        """Do what the task is for. Check everything that can be wrong before the first request.

        :raises ZDirectRetriableError: if it may work later; a deferrable task waits for it without a worker slot.
        """
        raise NotImplementedError

    @classmethod
    def flow(cls, values: Mapping[str, Any]) -> Flow:
        """Where the data of a task with these arguments come from and go to."""
        return Flow()

    def execute(self, context: Any) -> dict[str, Any]:
        return self.resume(context)

    def resume(
        self, context: Any, event: Any = None, waits: int = 0, turn_since: float | None = None
    ) -> dict[str, Any]:
        """Go on, after a wait in the triggerer.

        :param waits: waits after failures before.
        :param turn_since: since when the task has been waiting for the rate limit, in seconds since the epoch.
        """
        from airflow_provider_zdirect.hooks.zdirect import ZDirectHook

        hook = ZDirectHook(self.conn_id)
        try:
            with fail_fast():
                self._run = TaskRun(self.values(), context, hook)
                self._outcome = outcome = self.perform(self._run)
        except ZDirectRetriableError as error:
            self._wait(error, waits, turn_since)
        for table, published in outcome.published.items():
            tags = {"dataset": table, "merchant_id": outcome.summary["merchant_id"]}
            metrics.count(RECORDS, published.records, **tags)
            metrics.count(REJECTED, published.rejected, **tags)
        merchants = hook.merchants()
        for name, change in outcome.changed.items():
            self._record_change(context, name, merchants.beside_ids(change), known_environment(hook))
        for kind, uri in result_files(outcome.summary).items():
            self.log.info("%s: %s", kind, uri)
        return merchants.beside_ids(outcome.summary)

    def wait(self, why: str, pause: timedelta, **kwargs: float) -> NoReturn:
        """Give the worker slot back; :meth:`resume` goes on after the pause."""
        until = moment_in_words((SystemClock().now() + pause).replace(microsecond=0))
        self.log.info("%s Waiting without a worker slot until %s.", why, until)
        self.defer(trigger=TimeDeltaTrigger(pause), method_name="resume", kwargs=kwargs)
        raise AssertionError("defer() raises")

    def _wait(self, error: ZDirectRetriableError, waits: int, turn_since: float | None) -> NoReturn:
        if not self.deferrable:
            raise error
        if getattr(error, "progress", 0):
            waits, turn_since = 0, None
        pause = timedelta(seconds=error.retry_after)
        if isinstance(error, RateLimitedError):
            # Others use the limit up, which is not a failure.
            now = SystemClock().now().timestamp()
            since = turn_since or now
            if now - since < LONGEST_TURN.total_seconds():
                metrics.count(WAIT_SECONDS, error.retry_after, reason="deferred")
                self.wait(f"{error.message} This task's turn is still to come.", pause, waits=waits, turn_since=since)
        if waits >= MAX_WAITS:
            raise error
        self.log.warning("%s", error)
        metrics.count(WAIT_SECONDS, error.retry_after, reason="deferred")
        self.wait(f"Wait {waits + 1} of {MAX_WAITS}.", pause, waits=waits + 1)

    def get_openlineage_facets_on_start(self) -> Any:
        """For Airflow's OpenLineage provider: inputs and outputs, as far as they are known."""
        from airflow_provider_zdirect.hooks.zdirect import ZDirectHook
        from airflow_provider_zdirect.operators.lineage import lineage_of

        run = self._run or TaskRun(self.values(), {}, ZDirectHook(self.conn_id))
        return lineage_of(run, self.flow(run.values), self._outcome)

    def get_openlineage_facets_on_complete(self, task_instance: Any) -> Any:
        """Likewise, with columns and counts."""
        return self.get_openlineage_facets_on_start()

    def get_openlineage_facets_on_failure(self, task_instance: Any) -> Any:
        """Likewise; the provider adds the error."""
        return self.get_openlineage_facets_on_start()

    @classmethod
    def updated(cls, values: Mapping[str, Any]) -> Sequence[str]:
        """Names of the assets that the task updates, as far as they are known at parse."""
        return cls.asset_names

    @classmethod
    def own_assets(cls, values: Mapping[str, Any]) -> list[Any]:
        """The outlets of the task: per name the asset of all places, and that of its base path or an alias for it."""
        names = cls.updated(values)
        if cls.only_changes:
            return [changed_alias(name) for name in names]
        base_path = arguments.literal(values.get("base_path"))
        return [
            outlet
            for name in names
            for outlet in (zdirect_asset(name), zdirect_asset(name, base_path) if base_path else place_alias(name))
        ]

    @classmethod
    def assets_by_default(cls, values: Mapping[str, Any], dag: Any) -> list[Any]:
        """The assets that the task updates if its run leaves the DAG's base path as it is; inlets of the task.

        Airflow creates the asset of an alias when a task first updates it, and fails one of two tasks that do
        so at once (3.3: ``idx_asset_name_uri_unique``). An inlet is created when the DAG is parsed.
        """
        parameter = re.fullmatch(r"\{\{\s*params\.(\w+)\s*\}\}", str(values.get("base_path")))
        if dag is None or parameter is None or parameter[1] not in dag.params:
            return []
        base_path = arguments.literal(dag.params.get_param(parameter[1]).value)
        names = cls.updated(values) if base_path else ()
        assets = [asset for name in names for asset in (zdirect_asset(name), zdirect_asset(name, base_path))]
        return [asset for asset in assets if asset not in cls.own_assets(values)]

    def _record_change(self, context: Any, name: str, change: Mapping[str, Any], environment: str | None) -> None:
        """Let the task's events of an asset say what was published, and where.

        Those of the asset of all places and of the asset of this base path, as far as the author left them, or their
        alias, in the task's outlets.
        """
        place = place_of(self.base_path)
        storage = arguments.given(getattr(self, "storage_conn_id", None)) or connection_in(self.base_path)
        extra = {**change, "base_path": place, "environment": environment}
        if storage:
            extra["storage_conn_id"] = storage
        everywhere, here = zdirect_asset(name), zdirect_asset(name, place)
        for asset in (everywhere, here):
            if asset in self.outlets:
                context["outlet_events"][asset].extra = extra
        for alias, assets in ((place_alias(name), [here]), (changed_alias(name), [everywhere, here])):
            for asset in assets:
                if alias in self.outlets and asset not in self.outlets:
                    context["outlet_events"][alias].add(asset, extra=alias_extra(extra))
