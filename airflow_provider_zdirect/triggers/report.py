# SPDX-License-Identifier: Apache-2.0
"""Waits in the triggerer for a daily report of movements."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import date, datetime
from functools import partial
from typing import Any

from airflow.triggers.base import BaseTrigger, TriggerEvent

from airflow_provider_zdirect.clock import Clock, SystemClock
from airflow_provider_zdirect.datasets.table import get_dataset
from airflow_provider_zdirect.exceptions import TransportError, ZDirectDataError, ZDirectError, ZDirectFatalError
from airflow_provider_zdirect.hooks.shared_clients import ClientShare
from airflow_provider_zdirect.reports.wait import ReportPoll, ReportWait, ask_for_report, report_in_words


class ZDirectReportReadyTrigger(BaseTrigger):
    """Fires once: when the report is there, when it is empty for good, or when waiting does not help.

    All times are absolute, so that a trigger which is moved to another triggerer, or whose triggerer was restarted,
    waits for the same; if the report is due then, it asks at once. Before ``due`` it only holds a sleeping coroutine.

    :param conn_id: the zDirect connection; read here, so that no secret is stored with the trigger.
    :param dataset: name in the datasets table.
    :param merchant_id: UUID; None means the connection's merchant, or the only one that the app may use.
    :param report_date: ISO date.
    :param due: no request before that moment; ISO, with offset.
    :param empty_from: from that moment on an empty answer is final; ISO, with offset.
    :param poll_interval: seconds between two requests, at least.
    :param variant: as in :func:`~airflow_provider_zdirect.datasets.table.get_dataset`.
    :param path: likewise.
    :param merchant: the merchant's name, if it has one.
    """

    clock: Clock = SystemClock()

    def __init__(
        self,
        conn_id: str,
        dataset: str,
        merchant_id: str | None,
        report_date: str,
        due: str,
        empty_from: str,
        poll_interval: float,
        variant: str | None = None,
        path: str | None = None,
        merchant: str | None = None,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.conn_id = conn_id
        self.dataset = dataset
        self.merchant_id = merchant_id
        self.report_date = report_date
        self.due = due
        self.empty_from = empty_from
        self.poll_interval = poll_interval
        self.variant = variant
        self.path = path
        self.merchant = merchant

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Class and arguments. Databases of running deployments hold these names, so they stay."""
        names = ("conn_id", "dataset", "merchant_id", "report_date", "due", "empty_from", "poll_interval")
        arguments = {name: getattr(self, name) for name in (*names, "variant", "path")}
        # Not to triggerers that do not know it, while a deployment is updated.
        arguments |= {"merchant": self.merchant} if self.merchant else {}
        return "airflow_provider_zdirect.triggers.report.ZDirectReportReadyTrigger", arguments

    @property
    def wait(self) -> ReportWait:
        return ReportWait(
            report_in_words(self.dataset, self.merchant_id, date.fromisoformat(self.report_date), self.merchant),
            datetime.fromisoformat(self.due),
            datetime.fromisoformat(self.empty_from),
            self.poll_interval,
        )

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """One event: :meth:`found`, or ``error`` (its class) and ``message``; small, and without any secret."""
        self.log.info("%s.", self.wait.in_words())
        try:
            async with ClientShare(self.conn_id) as share:
                polled = await self.wait.until_decided(partial(self._ask, share), self.clock)
        except (ZDirectFatalError, ZDirectDataError) as error:
            yield TriggerEvent({"error": type(error).__name__, "message": str(error)})
        else:
            yield TriggerEvent(self.found(polled))

    async def poll(self) -> ReportPoll:
        """The outcome of one request."""
        async with ClientShare(self.conn_id) as share:
            return await self.wait.poll(partial(self._ask, share), self.clock)

    def found(self, polled: ReportPoll) -> dict[str, Any]:
        """The outcome of a decided wait, for the sensor."""
        assert polled.status is not None
        return {
            "dataset": self.dataset,
            "merchant_id": self.merchant_id,
            **({"merchant": self.merchant} if self.merchant else {}),
            "report_date": self.report_date,
            "why": polled.status.value,
            "later_report": polled.later,
        }

    async def _ask(self, share: ClientShare, last: date | None) -> ReportPoll:
        shared = await share.get()
        try:
            client = await shared.client()
        except ZDirectError:
            raise
        except Exception as error:
            # Airflow's API server or a secrets backend that is down for a while must not end the wait.
            raise TransportError(
                f"Connection {self.conn_id!r} could not be read ({type(error).__name__}: {error}).",
                retry_after=self.poll_interval,
            ) from error
        self.merchant_id = self.merchant_id or await shared.merchant_id()
        self.merchant = client.merchants.name_of(self.merchant_id)
        dataset = get_dataset(self.dataset, self.variant, self.path)
        return await ask_for_report(client, dataset, self.merchant_id, date.fromisoformat(self.report_date), last)
