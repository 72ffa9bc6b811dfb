"""Waits in the triggerer for a daily report of movements."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import date, datetime
from typing import Any

from airflow.triggers.base import BaseTrigger, TriggerEvent

from airflow_provider_zdirect.clock import Clock, SystemClock
from airflow_provider_zdirect.datasets.table import get_dataset
from airflow_provider_zdirect.exceptions import TransportError, ZDirectDataError, ZDirectError, ZDirectFatalError
from airflow_provider_zdirect.hooks.shared_clients import ClientShare
from airflow_provider_zdirect.reports.wait import (
    ReportPoll,
    ReportStatus,
    ReportWait,
    ask_for_report,
    report_in_words,
)


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

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Class and arguments. Databases of running deployments hold these names, so they stay."""
        return (
            "airflow_provider_zdirect.triggers.report.ZDirectReportReadyTrigger",
            {
                "conn_id": self.conn_id,
                "dataset": self.dataset,
                "merchant_id": self.merchant_id,
                "report_date": self.report_date,
                "due": self.due,
                "empty_from": self.empty_from,
                "poll_interval": self.poll_interval,
                "variant": self.variant,
                "path": self.path,
            },
        )

    async def run(self) -> AsyncIterator[TriggerEvent]:
        yield TriggerEvent(await self._decide())

    async def _decide(self) -> dict[str, Any]:
        """The event for the sensor; small, and without any secret."""
        event: dict[str, Any] = {
            "dataset": self.dataset,
            "merchant_id": self.merchant_id,
            "report_date": self.report_date,
        }
        try:
            polled, event["merchant_id"] = await self._wait()
        except (ZDirectFatalError, ZDirectDataError) as error:
            return event | {"status": "failed", "kind": type(error).__name__, "message": str(error)}
        assert polled.status is not None
        status = "empty" if polled.status is ReportStatus.EMPTY else "ready"
        return event | {"status": status, "why": polled.status.value, "later_report": polled.later}

    async def _wait(self) -> tuple[ReportPoll, str]:
        dataset = get_dataset(self.dataset, self.variant, self.path)
        report_date = date.fromisoformat(self.report_date)
        wait = ReportWait(
            report_in_words(self.dataset, self.merchant_id, report_date),
            datetime.fromisoformat(self.due),
            datetime.fromisoformat(self.empty_from),
            self.poll_interval,
        )
        self.log.info("%s.", wait.in_words())
        await wait.until_due(self.clock)
        merchant_id = self.merchant_id
        async with ClientShare(self.conn_id) as share:

            async def ask(last: date | None) -> ReportPoll:
                nonlocal merchant_id
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
                merchant_id = merchant_id or await shared.merchant_id()
                return await ask_for_report(client, dataset, merchant_id, report_date, last)

            polled = await wait.until_decided(ask, self.clock)
        assert merchant_id is not None
        return polled, merchant_id
