"""Erasing customers from published orders, when they have asked zDirect for it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import conf

from airflow_provider_zdirect.exceptions import ZDirectRetriableError
from airflow_provider_zdirect.operators.base import ZDirectOperator
from airflow_provider_zdirect.operators.base_path import check_place, open_place
from airflow_provider_zdirect.operators.retry import fail_fast
from airflow_provider_zdirect.operators.window_job import wait_out

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

    from airflow_provider_zdirect.erasure.run import ErasureJob, ErasureResult
    from airflow_provider_zdirect.hooks.zdirect import ZDirectHook


class ZDirectOrderErasureOperator(ZDirectOperator):
    """Erases the customers of the present deletion requests, and of all earlier ones, from published orders, and proves
    it (``docs/personal-data.md``).

    Of their orders, in every file of past windows and beside them, names, addresses, e-mail, telephone and customer
    numbers become null, but for the country of an address; shipping documents are deleted. Orders that are fetched
    later are stored without them. Safe to repeat, and to run beside extractions. The asset
    ``zdirect://order_erasures`` is updated only if something was erased. All arguments but ``deferrable`` are
    templates.

    :param base_path: URL for ObjectStoragePath, or absolute local path, below which ``orders`` are published.
    :param merchant_id: UUID; None means the connection's merchant, or the only one that the app may use.
    :param storage_conn_id: Airflow connection of the storage.
    :param conn_id: the zDirect connection. With ``personal_data_secret``, rows in which personal data is hashed are
        found by the customer's hash too.
    :param deferrable: wait in the triggerer after a retriable error.
    :returns: ``requests``, ``orders`` (of the whole ledger), ``erased`` rows, ``files`` written anew or deleted,
        ``documents`` deleted, ``certificate``; nothing personal.
    :raises ZDirectConfigurationError: at parse, if a literal argument is wrong.
    :raises AirflowFailException: if a retry cannot help; chained to the typed error, which is
        :class:`~airflow_provider_zdirect.exceptions.TracesLeftError` if something is found that cannot be erased.
    :raises ZDirectRetriableError: if it can.
    """

    asset_names = ("order_erasures",)
    only_changes = True
    template_fields: Sequence[str] = ("base_path", "merchant_id", "storage_conn_id", "conn_id")

    def __init__(
        self,
        *,
        base_path: str,
        merchant_id: str | None = None,
        storage_conn_id: str | None = None,
        conn_id: str = "zdirect_default",
        deferrable: bool = conf.getboolean("operators", "default_deferrable", fallback=False),
        **kwargs: Any,
    ) -> None:
        super().__init__(values=locals(), **kwargs)
        self.base_path = base_path
        self.merchant_id = merchant_id
        self.storage_conn_id = storage_conn_id
        self.conn_id = conn_id
        self.deferrable = deferrable

    @classmethod
    def check_literals(cls, values: Mapping[str, Any]) -> None:
        check_place(values)

    def execute(self, context: Context) -> dict[str, Any]:
        return self._erase(context, waits=0)

    def resume(self, context: Context, event: Any = None, waits: int = 0) -> dict[str, Any]:
        """Go on after a wait in the triggerer."""
        return self._erase(context, waits=waits)

    def _erase(self, context: Context, *, waits: int) -> dict[str, Any]:
        from airflow_provider_zdirect.hooks.zdirect import ZDirectHook

        try:
            with fail_fast():
                hook = ZDirectHook(self.conn_id)
                result = asyncio.run(_erase(hook, self._job(hook)))
        except ZDirectRetriableError as error:
            if not self.deferrable:
                raise
            wait_out(self, error, waits)
        summary = result.as_dict()
        if result.changed:
            # In other events, files are a list.
            change = {"file_count" if name == "files" else name: value for name, value in summary.items()}
            self.record_change(context, "order_erasures", change)
        return summary

    def _job(self, hook: ZDirectHook) -> ErasureJob:
        from airflow_provider_zdirect.erasure.run import ErasureJob

        return ErasureJob(open_place(self, hook), hook.personal_data_key())


async def _erase(hook: ZDirectHook, job: ErasureJob) -> ErasureResult:
    from airflow_provider_zdirect.erasure.run import erase_customers

    async with hook.client() as client:
        return await erase_customers(job, client)
