# SPDX-License-Identifier: Apache-2.0
"""Waits until zDirect has made the report of a day's movements."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from datetime import date, time, timedelta
from typing import TYPE_CHECKING, Any

from airflow_provider_zdirect import exceptions
from airflow_provider_zdirect.airflow_sdk import (
    AirflowException,
    AirflowFailException,
    AirflowSensorTimeout,
    AirflowSkipException,
    BaseSensorOperator,
    PokeReturnValue,
    conf,
)
from airflow_provider_zdirect.clock import Clock, SystemClock
from airflow_provider_zdirect.exceptions import ZDirectFatalError
from airflow_provider_zdirect.operators import argument_table as table
from airflow_provider_zdirect.operators.arguments import choice, time_zone
from airflow_provider_zdirect.operators.retry import fail_fast
from airflow_provider_zdirect.reports.calendar import NOON, why_empty
from airflow_provider_zdirect.reports.wait import SHORTEST_POLL_INTERVAL, ReportPoll, ReportStatus, report_in_words
from airflow_provider_zdirect.sensors import report_arguments
from airflow_provider_zdirect.windows import moment_in_words

if TYPE_CHECKING:
    from airflow_provider_zdirect.triggers.report import ZDirectReportReadyTrigger

DEFERRABLE = conf.getboolean("operators", "default_deferrable", fallback=False)

EMPTY_AFTER = timedelta(hours=6)
TIMEOUT_ON_AIRFLOW_2 = "Trigger/execution timeout"
"""Airflow 2's message to a deferred task whose time is up; Airflow 3 has an exception for it."""


class ZDirectReportReadySensor(table.TaskArguments, BaseSensorOperator):
    """Waits until the report of a day's movements between countries is available.

    When it counts as available or empty, and which errors are waited out, is in ``docs/movement-reports.md``. If the
    report is due already, the worker sends the first request, so that a backfill does not wait. ``timeout``,
    ``soft_fail``, ``mode`` and ``poke_interval`` are those of every sensor; there are never less than ``poll_interval``
    seconds between two requests. All arguments but ``deferrable`` are templates.

    :param dataset: ``intra_community_movements`` or ``cross_border_movements``.
    :param merchant_id: id or name; None means the connection's merchant, or the only one that the app may use.
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
            "dataset": table.TEXT,
            "report_date": table.optional(report_arguments.report_date),
            "not_before": table.Argument(report_arguments.time_of_day),
            "timezone": table.Argument(time_zone),
            "business_days_only": table.FLAG,
            "holiday_calendars": table.Argument(report_arguments.holiday_calendars, blank=()),
            "poll_interval": table.Argument(report_arguments.poll_interval),
            "empty_after": table.DURATION,
            "on_empty": table.Argument(choice("success", "skip", "fail")),
            "variant": table.OPTIONAL_TEXT,
            "path": table.OPTIONAL_TEXT,
        }
        | table.MERCHANT
        | table.CONNECTION
    )
    ui_color = "#e2f0cb"

    conn_id: str
    clock: Clock = SystemClock()
    # What poke() found out about the time of the next one.
    _until_due = _pause = 0.0

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
        poll_interval: timedelta | str = timedelta(seconds=SHORTEST_POLL_INTERVAL),
        empty_after: timedelta | str = EMPTY_AFTER,
        on_empty: str = "success",
        variant: str | None = None,
        path: str | None = None,
        conn_id: str = "zdirect_default",
        deferrable: bool = DEFERRABLE,
        poke_interval: timedelta | float = SHORTEST_POLL_INTERVAL,
        **kwargs: Any,
    ) -> None:
        super().__init__(values=locals(), poke_interval=poke_interval, **kwargs)

    @classmethod
    def check(cls, values: Mapping[str, Any]) -> None:
        if table.is_known(values["dataset"]):
            report_arguments.check_report_dataset(values)

    def execute(self, context: Any) -> Any:
        if not self.deferrable:
            return super().execute(context)
        timeout = timedelta(seconds=self.timeout)
        try:
            trigger, polled = self._look(context)
            if polled.status is not None:
                return self._conclude(trigger.found(polled))
        except AirflowFailException as error:
            # As BaseSensorOperator does around poke().
            if self.soft_fail or self.never_fail:
                raise AirflowSkipException(f"{error} Skipped instead of failed, as the task asks for.") from error
            raise
        if polled.pause:
            # The trigger's first request is the second one.
            trigger.due = (self.clock.now() + timedelta(seconds=polled.pause)).isoformat()
        self.log.info("Waiting without a worker slot, for %s at most.", timeout)
        return self.defer(trigger=trigger, method_name="execute_complete", timeout=timeout)

    def poke(self, context: Any) -> PokeReturnValue:
        """One request, if the report is due; for both modes without deferral."""
        trigger, polled = self._look(context)
        self._until_due = trigger.wait.seconds_until_due(self.clock)
        self._pause = polled.pause
        if polled.status is None:
            return PokeReturnValue(False)
        return PokeReturnValue(True, self._conclude(trigger.found(polled)))

    def _get_next_poke_interval(self, started_at: Any, run_duration: Any, poke_count: int) -> float:
        interval = super()._get_next_poke_interval(started_at, run_duration, poke_count)
        if self._until_due > 0:
            # Not past the timeout, which only the next poke notices. Nothing is asked by that.
            return min(self._until_due, float(max(1.0, self.timeout - run_duration() + 1.0)))
        return max(interval, self._pause)

    def execute_complete(self, context: Any, event: Mapping[str, Any]) -> dict[str, Any]:
        """Go on with what the trigger found out."""
        with fail_fast():
            if "error" in event:
                raise getattr(exceptions, event["error"], ZDirectFatalError)(event["message"])
            return self._conclude(event)

    def resume_execution(self, next_method: str, next_kwargs: dict[str, Any] | None, context: Any) -> Any:
        """As for every sensor. Also on Airflow 2 the end of ``timeout`` is not retried, and on 3.0 it may be a skip."""
        try:
            return super().resume_execution(next_method, next_kwargs, context)
        except AirflowSkipException:
            raise
        except AirflowException as error:
            timed_out = isinstance(error, AirflowSensorTimeout) or str(error) == TIMEOUT_ON_AIRFLOW_2
            if self.never_fail and (timed_out or isinstance(error, AirflowFailException)):
                raise AirflowSkipException(f"{error} Skipped, as never_fail asks for.") from error
            if self.soft_fail and timed_out:
                raise AirflowSkipException(f"{error} Skipped, as soft_fail asks for.") from error
            if timed_out:
                raise AirflowSensorTimeout(f"No report within the timeout of {self.timeout:.0f} s.") from error
            raise

    def _look(self, context: Any) -> tuple[ZDirectReportReadyTrigger, ReportPoll]:
        """The trigger that waits for the report; and the outcome of one request of it, if the report is due."""
        from airflow_provider_zdirect.hooks.zdirect import ZDirectHook
        from airflow_provider_zdirect.triggers.report import ZDirectReportReadyTrigger

        with fail_fast():
            values = self.values()
            report_date, due = report_arguments.date_and_due(values, context)
            # Reads the connection: a missing or unusable one fails at once rather than at noon.
            hook = ZDirectHook(self.conn_id)
            merchants, given = hook.config().merchants, values["merchant_id"]
            merchant_id = merchants.id_of(given) if given else hook.own_merchant_id()
            trigger = ZDirectReportReadyTrigger(
                conn_id=self.conn_id,
                dataset=values["dataset"],
                merchant_id=merchant_id,
                report_date=report_date.isoformat(),
                due=due.isoformat(),
                empty_from=(due + values["empty_after"]).isoformat(),
                poll_interval=max(self.poke_interval, values["poll_interval"]),
                variant=values["variant"],
                path=values["path"],
                merchant=merchants.name_of(merchant_id),
            )
            trigger.clock = self.clock
            if trigger.wait.seconds_until_due(self.clock) > 0:
                self.log.info("%s.", trigger.wait.in_words())
                return trigger, ReportPoll(None)
            self.log.info("%s: due since %s.", trigger.wait.what, moment_in_words(due))
            return trigger, asyncio.run(trigger.poll())

    def _conclude(self, found: Mapping[str, Any]) -> dict[str, Any]:
        """The sensor's result.

        :param found: as :meth:`~.ZDirectReportReadyTrigger.found`.
        """
        result = {name: found[name] for name in ("dataset", "merchant_id", "report_date", "why")}
        if name := found.get("merchant"):
            result["merchant"] = name
        report_date = date.fromisoformat(result["report_date"])
        report = report_in_words(result["dataset"], result["merchant_id"], report_date, name)
        if result["why"] != ReportStatus.EMPTY.value:
            self.log.info("%s: %s.", report, result["why"])
            return result
        values = self.values()
        result["empty_because"] = why_empty(found["later_report"], values["empty_after"])
        said = f"{report}: no movements, and {result['empty_because']}."
        if values["on_empty"] == "skip":
            raise AirflowSkipException(said)
        if values["on_empty"] == "fail":
            raise AirflowFailException(
                f"{said} What to do: check in the zDirect portal whether the merchant had movements on that day and "
                "international warehousing is enabled; if the report was made later, clear the task; if days without "
                "movements are normal, set on_empty to success or skip."
            )
        self.log.info("%s", said)
        return result
