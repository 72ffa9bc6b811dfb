# SPDX-License-Identifier: Apache-2.0
"""Erasing customers from published orders, when they have asked zDirect for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from airflow_provider_zdirect.operators.argument_table import PLACE
from airflow_provider_zdirect.operators.base import Flow, Outcome, TaskRun, ZDirectOperator
from airflow_provider_zdirect.operators.outcome import with_current


class ZDirectOrderErasureOperator(ZDirectOperator):
    """Erases the customers of all deletion requests, present and earlier, from published orders, and proves it.

    What is erased, and how that is proved, is in ``docs/personal-data.md``. Safe to repeat, and to run beside
    extractions. The asset ``zdirect://order_erasures`` is updated only if something was erased.

    :param base_path: URL for ObjectStoragePath, or absolute local path, below which ``orders`` are published.
    :param merchant_id: id or name; None means the connection's merchant, or the only one that the app may use.
    :param storage_conn_id: Airflow connection of the storage.
    :param conn_id: the zDirect connection. With ``personal_data_secret``, rows in which personal data is hashed are
        found by the customer's hash too.
    :param deferrable: wait in the triggerer after a retriable error.
    :returns: ``requests``, ``orders`` (of the whole ledger), ``erased`` rows, ``files`` rewritten or deleted,
        ``documents`` deleted, ``certificate``; nothing personal.
    :raises ZDirectConfigurationError: at parse, if a literal argument is wrong.
    :raises AirflowFailException: if a retry cannot help, as when something is found that cannot be erased
        (:class:`~airflow_provider_zdirect.exceptions.TracesLeftError`).
    """

    asset_names = ("order_erasures",)
    only_changes = True
    arguments = PLACE

    def __init__(
        self,
        *,
        base_path: str,
        merchant_id: str | None = None,
        storage_conn_id: str | None = None,
        conn_id: str = "zdirect_default",
        deferrable: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(values=locals(), **kwargs)

    @classmethod
    def flow(cls, values: Mapping[str, Any]) -> Flow:
        from airflow_provider_zdirect.erasure.ledger import ORDER_DATASETS

        tables = tuple(with_current(*ORDER_DATASETS))
        return Flow(fetched=("order_deletion_requests",), read=tables, published=(*tables, "shipping_documents"))

    def perform(self, run: TaskRun) -> Outcome:
        from airflow_provider_zdirect.erasure.erase import erase_customers

        place, key = run.place("order erasures"), run.hook.personal_data_key()
        result = run.ask(lambda client: erase_customers(place, client, key=key))
        summary = asdict(result)
        # In other events, files are a list.
        change = {"file_count" if name == "files" else name: value for name, value in summary.items()}
        return Outcome(summary, {"order_erasures": change} if result.changed else {})
