# SPDX-License-Identifier: Apache-2.0
"""Item sets of shipping notices: which goods were announced and dispatched."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from airflow_provider_zdirect.exceptions import UpdatesPausedError
from airflow_provider_zdirect.operators.argument_table import FORMAT, PLACE
from airflow_provider_zdirect.operators.base import Flow, Outcome, Published, TaskRun, ZDirectOperator
from airflow_provider_zdirect.words import counted

if TYPE_CHECKING:
    from airflow_provider_zdirect.client import ZDirectClient


class ZDirectItemSetsOperator(ZDirectOperator):
    """Fetches the item sets of the published shipping notices: which goods were announced and dispatched.

    They become the table ``shipping_notice_items`` under ``base_path``. A set is fetched again only if it may have
    changed. A first run over many notices takes hours, without a worker slot (``docs/inbound.md``).

    :param base_path: URL for ObjectStoragePath, or absolute local path, below which ``shipping_notices`` are published.
    :param merchant_id: id or name; None means the connection's merchant, or the only one that the app may use.
    :param storage_conn_id: Airflow connection of the storage.
    :param format: ``parquet`` or ``jsonl``.
    :param conn_id: the zDirect connection.
    :param deferrable: wait in the triggerer for the rate limit and after a retriable error.
    :returns: ``notices``, ``sets_fetched`` (by the last attempt), ``sets_pending``, ``items``, ``uri``.
    :raises ZDirectConfigurationError: at parse, if a literal argument is wrong.
    """

    arguments = PLACE | FORMAT

    def __init__(
        self,
        *,
        base_path: str,
        merchant_id: str | None = None,
        storage_conn_id: str | None = None,
        format: str = "parquet",
        conn_id: str = "zdirect_default",
        deferrable: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(values=locals(), **kwargs)

    @classmethod
    def flow(cls, values: Mapping[str, Any]) -> Flow:
        table = "shipping_notice_items"
        return Flow(fetched=(table,), read=("shipping_notices_current",), published=(table,))

    def perform(self, run: TaskRun) -> Outcome:
        from airflow_provider_zdirect.inbound.item_set_sync import sync_item_sets
        from airflow_provider_zdirect.inbound.notices import IN_THE_BACKGROUND, ShippingNotices

        place = run.place("item sets")

        async def fetch(client: ZDirectClient) -> dict[str, Any]:
            notices = ShippingNotices(client, item_set_rates=IN_THE_BACKGROUND)
            return await sync_item_sets(place, notices.item_set)

        summary = run.ask(fetch)
        pause = summary.pop("retry_after")
        if pause is None:
            return Outcome(summary, published={"shipping_notice_items": Published(summary["items"])})
        left, fetched = summary["sets_pending"], summary["sets_fetched"]
        # At least: sets of the two kinds have a limit each, which other merchants and tasks share.
        hours = left / 2 * pause / 3600
        raise UpdatesPausedError(
            f"{place.subject('item sets')}: {left} of {counted(left + fetched, 'set')} left, which "
            f"takes {hours:.1f} hours or more, because zDirect allows 30 requests an hour.",
            remedy="No action needed: the task retries. Run fewer tasks for notices at once, or set deferrable=True.",
            retry_after=pause,
            progress=fetched,
        )
