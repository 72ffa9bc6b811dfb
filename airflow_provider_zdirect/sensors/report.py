"""Waits until zDirect has made the report of a day's movements."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date, time, timedelta
from typing import TYPE_CHECKING, Any, NoReturn

from airflow.providers.common.compat.sdk import (
    AirflowException,
    AirflowFailException,
    AirflowSensorTimeout,
    AirflowSkipException,
    BaseSensorOperator,
    PokeReturnValue,
    conf,
)

from airflow_provider_zdirect import exceptions
from airflow_provider_zdirect.clock import Clock, SystemClock
from airflow_provider_zdirect.exceptions import ZDirectFatalError
from airflow_provider_zdirect.operators.argument_table import (
    CONNECTION,
    DURATION,
    FLAG,
    MERCHANT,
    OPTIONAL_TEXT,
    TEXT,
    Argument,
    TaskArguments,
    is_known,
    is_mapped,
    optional,
)
from airflow_provider_zdirect.operators.arguments import choice, time_zone
from airflow_provider_zdirect.operators.retry import RETRIES, RETRY_DELAY, fail_fast, set_retry_policy
from airflow_provider_zdirect.reports.calendar import NOON, why_empty
from airflow_provider_zdirect.reports.wait import (
    SHORTEST_POLL_INTERVAL,
    ReportPoll,
    ReportStatus,
    ask_for_report,
    report_in_words,
)
from airflow_provider_zdirect.sensors import report_arguments
from airflow_provider_zdirect.sensors.report_arguments import ReportPlan

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

    from airflow_provider_zdirect.hooks.zdirect import ZDirectHook

POLL_INTERVAL = timedelta(seconds=SHORTEST_POLL_INTERVAL)
EMPTY_AFTER = timedelta(hours=6)
TIMEOUT_ON_AIRFLOW_2 = "Trigger/execution timeout"
"""Airflow 2's message to a deferred task whose time is up; Airflow 3 has an exception for it."""


class ZDirectReportReadySensor(TaskArguments, BaseSensorOperator):
    """Waits until the report of a day's movements between countries is available.

    When it counts as available or empty, and which errors are waited out, is in ``docs/movement-reports.md``. If the
    report is due already, the worker sends the first request, so that a backfill does not wait. ``timeout``,
    ``soft_fail``, ``mode`` and ``poke_interval`` are those of every sensor; there are never less than ``poll_interval``
    seconds between two requests. All arguments but ``deferrable`` are templates.

    :param dataset: ``intra_community_movements`` or ``cross_border_movements``.
    :param merchant_id: UUID; None means the connection's merchant, or the only one that the app may use.
    :param report_date: the day (date or ISO 8601 text); None: the day that the run's data interval covers.
    :param not_before: no request is sent before this local time of the day after the report's (``12:00`` or a
        ``datetime.time``).
    :param timezone: time zone of ``not_before``.
    :param business_days_only: wait for the first day after the report date that is not a weekend or public holiday.
    :param holiday_calendars: whose public holidays are not business days: codes of countries or their parts, ``"DE"``
        or ``["DE", "PL", "DE-BE"]``. Has no effect without ``business_days_only``.
    :param poll_interval: pause between two requests (timedelta or ISO 8601 text), two minutes or more; up to a quarter
        is added.
    :param empty_after: how long after the due moment an empty answer means an empty report (timedelta or ISO 8601
        text), if no later report is available before.
    :param on_empty: what an empty report means for the task: ``success``, ``skip`` or ``fail``.
    :param variant: another path for the dataset, for example ``single_request`` for ``intra_community_movements``.
    :param path: another path than the dataset's own, with ``{merchant_id}`` in it, should zDirect's differ.
    :param conn_id: the zDirect connection.
    :param deferrable: wait in the triggerer.
    :returns: ``dataset``, ``merchant_id``, ``report_date`` and ``why``: ``movements``, ``too_many_movements`` or
        ``empty``; with the last also ``empty_because``.
    :raises ZDirectConfigurationError: at parse, if a literal argument is wrong.
    :raises AirflowFailException: if waiting cannot help, or the report is empty and ``on_empty`` is ``fail``.
    :raises AirflowSkipException: if the report is empty and ``on_empty`` is ``skip``.
    """

    arguments = (
        {
            "dataset": TEXT,
            "report_date": optional(report_arguments.report_date),
            "not_before": Argument(report_arguments.time_of_day),
            "timezone": Argument(time_zone),
            "business_days_only": FLAG,
            "holiday_calendars": Argument(report_arguments.holiday_calendars, blank=()),
            "poll_interval": Argument(report_arguments.poll_interval),
            "empty_after": DURATION,
            "on_empty": Argument(choice("success", "skip", "fail")),
            "variant": OPTIONAL_TEXT,
            "path": OPTIONAL_TEXT,
        }
        | MERCHANT
        | CONNECTION
    )
    template_fields: Sequence[str] = tuple(arguments)
    ui_color = "#e2f0cb"

    conn_id: str
    clock: Clock = SystemClock()

    def __init__(
        self,
        *,
        dataset: str,
        merchant_id: str | None = None,
        report_date: date | str | None = None,
        not_before: time | str = NOON,
        timezone: str = "UTC",
        business_days_only: bool | str = False,
        holiday_calendars: str | Sequence[str] = (),
        poll_interval: timedelta | str = POLL_INTERVAL,
        empty_after: timedelta | str = EMPTY_AFTER,
        on_empty: str = "success",
        variant: str | None = None,
        path: str | None = None,
        conn_id: str = "zdirect_default",
        deferrable: bool = conf.getboolean("operators", "default_deferrable", fallback=False),
        retries: int | None = RETRIES,
        retry_delay: timedelta | float = RETRY_DELAY,
        poke_interval: timedelta | float | None = None,
        **kwargs: Any,
    ) -> None:
        # A mapped task has been given its arguments by another task; execute() judges them.
        if not is_mapped(self):
            self.check_arguments(kwargs.get("task_id"), locals())
        set_retry_policy(kwargs)
        if poke_interval is None:
            poke_interval = report_arguments.poke_interval(poll_interval)
        super().__init__(poke_interval=poke_interval, retries=retries, retry_delay=retry_delay, **kwargs)
        self.set_arguments(locals())
        # What poke() found out about the time of the next one.
        self._until_due = 0.0
        self._pause = SHORTEST_POLL_INTERVAL

    @classmethod
    def check(cls, values: Mapping[str, Any]) -> None:
        if is_known(values["dataset"]):
            report_arguments.report_dataset(values)

    def execute(self, context: Context) -> Any:
        if not self.deferrable:
            return super().execute(context)
        try:
            return self._poll_or_defer(context)
        except AirflowFailException as error:
            # As BaseSensorOperator does around poke().
            if self.soft_fail or self.never_fail:
                raise AirflowSkipException(f"{error} Skipped instead of failed, as the task asks for.") from error
            raise

    def poke(self, context: Context) -> PokeReturnValue:
        """One request, if the report is due; for both modes without deferral."""
        with fail_fast():
            plan = self._plan(context)
            self._until_due = plan.wait.seconds_until_due(self.clock)
            if self._until_due > 0:
                self.log.info("%s.", plan.wait.in_words())
                return PokeReturnValue(False)
            plan, polled = asyncio.run(self._poll(plan, self._hook()))
        if polled.status is None:
            self._pause = polled.pause
            return PokeReturnValue(False)
        return PokeReturnValue(True, self._conclude(plan, polled.status.value, polled.later))

    def _get_next_poke_interval(self, started_at: Any, run_duration: Any, poke_count: int) -> float:
        interval = super()._get_next_poke_interval(started_at, run_duration, poke_count)
        if self._until_due > 0:
            # Not past the timeout, which only the next poke notices. Nothing is asked by that.
            return min(self._until_due, float(max(1.0, self.timeout - run_duration() + 1.0)))
        return max(interval, self._pause)

    def _poll_or_defer(self, context: Context) -> dict[str, Any]:
        with fail_fast():
            plan = self._plan(context)
            hook = self._hook()
            if plan.merchant_id is None:
                plan = replace(plan, merchant_id=hook.own_merchant_id())
            if plan.wait.seconds_until_due(self.clock) <= 0:
                plan, polled = asyncio.run(self._poll(plan, hook))
                if polled.status is not None:
                    return self._conclude(plan, polled.status.value, polled.later)
                # The trigger's first request is the second one.
                next_poll = self.clock.now() + timedelta(seconds=polled.pause)
                plan = replace(plan, wait=replace(plan.wait, due=next_poll))
        return self._defer(plan)

    def _defer(self, plan: ReportPlan) -> NoReturn:
        from airflow_provider_zdirect.triggers.report import ZDirectReportReadyTrigger

        self.log.info(
            "%s. Waiting without a worker slot, for %s at most.", plan.wait.in_words(), timedelta(seconds=self.timeout)
        )
        self.defer(
            trigger=ZDirectReportReadyTrigger(
                conn_id=self.conn_id,
                dataset=plan.dataset.name,
                merchant_id=plan.merchant_id,
                report_date=plan.report_date.isoformat(),
                due=plan.wait.due.isoformat(),
                empty_from=plan.wait.empty_from.isoformat(),
                poll_interval=plan.wait.poll_interval,
                variant=plan.variant,
                path=plan.path,
            ),
            method_name="execute_complete",
            timeout=timedelta(seconds=self.timeout),
        )

    def execute_complete(self, context: Context, event: Mapping[str, Any]) -> dict[str, Any]:
        """Go on with what the trigger found out."""
        with fail_fast():
            if event["status"] == "failed":
                raise getattr(exceptions, event["kind"], ZDirectFatalError)(event["message"])
            plan = replace(
                self._plan(context),
                merchant_id=event["merchant_id"],
                report_date=date.fromisoformat(event["report_date"]),
            )
        return self._conclude(plan, event["why"], event["later_report"])

    def resume_execution(self, next_method: str, next_kwargs: dict[str, Any] | None, context: Context) -> Any:
        """As for every sensor; on Airflow 2 too the end of ``timeout`` is one that is not retried."""
        try:
            return super().resume_execution(next_method, next_kwargs, context)
        except AirflowSkipException:
            raise
        except AirflowException as error:
            timed_out = str(error) == TIMEOUT_ON_AIRFLOW_2
            if self.never_fail and (timed_out or isinstance(error, AirflowFailException)):
                raise AirflowSkipException(f"{error} Skipped, as never_fail asks for.") from error
            if timed_out:
                raise AirflowSensorTimeout(f"No report within the timeout of {self.timeout:.0f} s.") from error
            raise

    async def _poll(self, plan: ReportPlan, hook: ZDirectHook) -> tuple[ReportPlan, ReportPoll]:
        """The outcome of one request, and the plan with the merchant that it was about."""
        merchant_id = plan.merchant_id
        async with hook.client() as client:

            async def ask(last: date | None) -> ReportPoll:
                nonlocal merchant_id
                merchant_id = merchant_id or await hook.find_merchant_id(client)
                return await ask_for_report(client, plan.dataset, merchant_id, plan.report_date, last)

            polled = await plan.wait.poll(ask, self.clock)
        return replace(plan, merchant_id=merchant_id), polled

    def _conclude(self, plan: ReportPlan, why: str, later: str | None) -> dict[str, Any]:
        what = report_in_words(plan.dataset.name, plan.merchant_id, plan.report_date)
        found = {"why": why}
        is_empty = why == ReportStatus.EMPTY.value
        if is_empty:
            found["empty_because"] = why_empty(later, plan.wait.empty_from - plan.wait.due)
        if is_empty and plan.on_empty != "success":
            said = (
                f"{what}: no movements, although it was due at {plan.wait.due.isoformat(timespec='seconds')} and "
                f"{found['empty_because']}."
            )
            if plan.on_empty == "skip":
                raise AirflowSkipException(said)
            raise AirflowFailException(
                f"{said} What to do: check in the zDirect portal whether the merchant had movements on that day and "
                "international warehousing is enabled; if the report was made later, clear the task; if days without "
                "movements are normal, set on_empty to success or skip."
            )
        self.log.info("%s: %s.", what, ", because ".join(found.values()))
        return {
            "dataset": plan.dataset.name,
            "merchant_id": plan.merchant_id,
            "report_date": plan.report_date.isoformat(),
            **found,
        }

    def _plan(self, context: Context) -> ReportPlan:
        """The rendered arguments, checked before the first request."""
        interval = (context.get("data_interval_start"), context.get("data_interval_end"))
        return report_arguments.report_plan(self.values(), interval, self.poke_interval)

    def _hook(self) -> ZDirectHook:
        """The hook, its connection read: a missing or unusable one fails at once rather than at noon."""
        from airflow_provider_zdirect.hooks.zdirect import ZDirectHook

        hook = ZDirectHook(self.conn_id)
        hook.config()
        return hook
