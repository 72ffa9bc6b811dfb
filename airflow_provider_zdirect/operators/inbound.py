# SPDX-License-Identifier: Apache-2.0
"""How deliveries to Zalando warehouses were received, compared with what was announced."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from airflow_provider_zdirect.operators.argument_table import FORMAT, PLACE
from airflow_provider_zdirect.operators.base import Flow, Outcome, Published, TaskRun, ZDirectOperator


class ZDirectInboundReconciliationOperator(ZDirectOperator):
    """Compares what was announced, dispatched and received, per advice and EAN (``docs/inbound.md``).

    It reads published tables only, and replaces the table ``inbound_reconciliation`` as a whole, if it has changed.

    :param base_path: URL for ObjectStoragePath, or absolute local path, below which ``shipping_notices`` are published.
    :param merchant_id: id or name; None means the connection's merchant, or the only one that the app may use.
    :param storage_conn_id: Airflow connection of the storage.
    :param format: ``parquet`` or ``jsonl``.
    :param conn_id: the zDirect connection.
    :returns: ``uri``, ``rows``, ``advices``, ``announced``, ``expected``, ``received`` (pieces), ``differing`` (rows).
    :raises ZDirectConfigurationError: at parse, if a literal argument is wrong.
    """

    asset_names = ("inbound_reconciliation",)
    arguments = PLACE | FORMAT

    def __init__(
        self,
        *,
        base_path: str,
        merchant_id: str | None = None,
        storage_conn_id: str | None = None,
        format: str = "parquet",
        conn_id: str = "zdirect_default",
        **kwargs: Any,
    ) -> None:
        super().__init__(values=locals(), **kwargs)

    @classmethod
    def flow(cls, values: Mapping[str, Any]) -> Flow:
        read = ("shipping_notices_current", "shipping_notice_items", "tours_current", "received_items")
        return Flow(read=read, published=("inbound_reconciliation",))

    def perform(self, run: TaskRun) -> Outcome:
        from airflow_provider_zdirect.inbound.reconciliation import reconcile_merchant

        summary = reconcile_merchant(run.place("inbound reconciliation", needs_connection=False))
        published = {"inbound_reconciliation": Published(summary["rows"])}
        return Outcome(summary, {"inbound_reconciliation": summary}, published)
