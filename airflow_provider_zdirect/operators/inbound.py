"""Deliveries to Zalando warehouses: what was announced in detail, and what came of it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.standard.triggers import TimeDeltaTrigger

from airflow_provider_zdirect.exceptions import RateLimitedError, ZDirectRetriableError
from airflow_provider_zdirect.operators import arguments
from airflow_provider_zdirect.operators.base import ZDirectOperator
from airflow_provider_zdirect.operators.base_path import check_place, known_environment, open_base_path
from airflow_provider_zdirect.operators.retry import fail_fast
from airflow_provider_zdirect.operators.window_job import wait_out, waiting_in_words
from airflow_provider_zdirect.windows import subject

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

    from airflow_provider_zdirect.hooks.zdirect import ZDirectHook
    from airflow_provider_zdirect.publish.place import Place


MAX_TURNS = 20
"""Waits for the rate limit without a single set, one after the other: another task takes all of it."""


class ZDirectInboundOperator(ZDirectOperator):
    """What the operators of this module have in common: whose deliveries, and where they are published.

    :param base_path: URL for ObjectStoragePath, or absolute local path, below which ``shipping_notices`` are published.
    :param merchant_id: UUID; None means the connection's merchant, or the only one that the app may use.
    :param storage_conn_id: Airflow connection of the storage.
    :param format: ``parquet`` or ``jsonl``.
    :param conn_id: the zDirect connection.
    """

    template_fields: Sequence[str] = ("base_path", "merchant_id", "storage_conn_id", "format", "conn_id")

    def __init__(
        self,
        *,
        base_path: str,
        merchant_id: str | None = None,
        storage_conn_id: str | None = None,
        format: str = "parquet",
        conn_id: str = "zdirect_default",
        values: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        # ``values``: arguments that a subclass has besides, to be judged at parse.
        super().__init__(values={**locals(), **(values or {})}, **kwargs)
        self.base_path = base_path
        self.merchant_id = merchant_id
        self.storage_conn_id = storage_conn_id
        self.format = format
        self.conn_id = conn_id

    @classmethod
    def check_literals(cls, values: Mapping[str, Any]) -> None:
        check_place(values)
        arguments.check(values["format"], arguments.file_format)

    def place(self) -> Place:
        """Whose deliveries, and where they are published; checked."""
        from airflow_provider_zdirect.hooks.zdirect import ZDirectHook
        from airflow_provider_zdirect.publish.place import Place

        merchant_id = arguments.own_merchant_id(self)
        file_format = arguments.file_format(self.format)
        hook = ZDirectHook(self.conn_id)
        environment = known_environment(hook)
        opened = open_base_path(self.base_path, arguments.given_text(self.storage_conn_id), environment=environment)
        return Place(
            opened.fs, opened.root, opened.uri, merchant_id or hook.merchant_id(), environment or "", file_format
        )


class ZDirectItemSetsOperator(ZDirectInboundOperator):
    """Fetches the item sets of the published shipping notices: which goods were announced and dispatched.

    They become the table ``shipping_notice_items`` under ``base_path``. A set is fetched again only if it may have
    changed. zDirect allows 30 requests an hour for either kind of set, so a first run over many notices takes hours; it
    holds no worker slot meanwhile, and what was fetched is published on the way. Arguments are those of
    :class:`ZDirectInboundOperator`, and:

    :param deferrable: wait for the rate limit in the triggerer; without it, the task's retries have to.
    :returns: ``notices``, ``sets_fetched`` (by the last attempt), ``sets_pending``, ``items``, ``uri``.
    :raises ZDirectConfigurationError: at parse, if a literal argument is wrong.
    :raises AirflowFailException: if a retry cannot help; chained to the typed error.
    :raises ZDirectRetriableError: if it can.
    """

    def __init__(self, *, deferrable: bool = True, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.deferrable = deferrable

    def execute(self, context: Context) -> dict[str, Any]:
        return self._sync(waits=0, turns=0)

    def resume(self, context: Context, event: Any = None, waits: int = 0, turns: int = 0) -> dict[str, Any]:
        """Go on after a wait in the triggerer."""
        return self._sync(waits=waits, turns=turns)

    def _sync(self, *, waits: int, turns: int) -> dict[str, Any]:
        from airflow_provider_zdirect.hooks.zdirect import ZDirectHook

        try:
            with fail_fast():
                hook = ZDirectHook(self.conn_id)
                place = self.place()
                summary = asyncio.run(_sync(hook, place))
        except ZDirectRetriableError as error:
            if not self.deferrable:
                raise
            wait_out(self, error, waits)
        pause = summary.pop("retry_after")
        if pause is None:
            return summary
        turns = 0 if summary["sets_fetched"] else turns + 1
        if not self.deferrable or turns > MAX_TURNS:
            raise RateLimitedError(
                f"Item sets of merchant {place.merchant_id}: {summary['sets_pending']} are left, and zDirect allows 30 "
                "requests an hour.",
                remedy="Nothing, if the task retries; or set deferrable=True, and run fewer tasks for notices at once.",
                retry_after=pause,
            )
        # At least: sets of the two kinds have a limit each, which other merchants and tasks share.
        hours = summary["sets_pending"] / 2 * pause / 3600
        self.log.info(
            "%s: %d of %d sets are left, which takes %.1f hours or more; %s.",
            subject("item sets", place.merchant_id),
            summary["sets_pending"],
            summary["sets_pending"] + summary["sets_fetched"],
            hours,
            waiting_in_words(pause),
        )
        self.defer(trigger=TimeDeltaTrigger(timedelta(seconds=pause)), method_name="resume", kwargs={"turns": turns})
        raise AssertionError("defer() does not return")


class ZDirectInboundReconciliationOperator(ZDirectInboundOperator):
    """Compares what was announced, dispatched and received, per advice and EAN.

    From ``shipping_notices``, ``shipping_notice_items``, ``tours`` and ``received_items`` as they are published under
    ``base_path``; it asks zDirect for nothing but, where none is given, the merchant. The table
    ``inbound_reconciliation`` is replaced as a whole, if it is another than before. Arguments are those of
    :class:`ZDirectInboundOperator`.

    :returns: ``uri``, ``rows``, ``advices``, ``announced``, ``expected``, ``received`` (pieces), ``differing`` (rows).
    :raises ZDirectConfigurationError: at parse, if a literal argument is wrong.
    :raises AirflowFailException: if a retry cannot help; chained to the typed error.
    """

    asset_names = ("inbound_reconciliation",)

    def execute(self, context: Context) -> dict[str, Any]:
        from airflow_provider_zdirect.inbound.reconciliation import reconcile_merchant

        with fail_fast():
            summary = reconcile_merchant(self.place())
        self.record_change(context, "inbound_reconciliation", summary)
        return summary


async def _sync(hook: ZDirectHook, place: Place) -> dict[str, Any]:
    from airflow_provider_zdirect.inbound.item_set_sync import sync_item_sets
    from airflow_provider_zdirect.inbound.notices import IN_THE_BACKGROUND, ShippingNotices

    async with hook.client() as client:
        return await sync_item_sets(place, ShippingNotices(client, IN_THE_BACKGROUND).item_set)
