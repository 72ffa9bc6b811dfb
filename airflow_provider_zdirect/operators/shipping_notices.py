# SPDX-License-Identifier: Apache-2.0
"""A delivery to a Zalando warehouse: created, announced, confirmed, dispatched."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from airflow_provider_zdirect.inbound.item_set import ANNOUNCED, COLUMNS, DISPATCHED, ItemSet, listed_items, read_items
from airflow_provider_zdirect.inbound.notice_fields import checked_fields
from airflow_provider_zdirect.inbound.notice_plan import (
    CREATE,
    CREATE_BY,
    PUT,
    NoticePlan,
    check_combination,
    checked_notice_id,
    checked_operations,
    derived_id,
)
from airflow_provider_zdirect.operators import argument_table as table
from airflow_provider_zdirect.operators.arguments import choice
from airflow_provider_zdirect.operators.base import Flow, Outcome, TaskRun, ZDirectOperator
from airflow_provider_zdirect.words import subject

_ITEMS = table.optional(table.from_template(listed_items))


class ZDirectShippingNoticeOperator(ZDirectOperator):
    """Takes a shipping notice through some of its operations, in one task that is safe to retry (``docs/inbound.md``).

    A confirmation is final: before it, the task compares the items in zDirect with its own. So give ``announce`` and
    ``confirm_announcement`` (``dispatch`` and ``confirm_dispatch``) to one task; alone, a confirmation confirms what
    zDirect has. Dispatch in a later task: ZFS Operations confirms a delivery date in between.

    :param operations: one or more of ``create``, ``announce``, ``confirm_announcement``, ``dispatch``,
        ``confirm_dispatch``, in this order; a list or comma separated text.
    :param notice: fields to create it with: ``carrier_name``, ``requested_zalando_location_id``,
        ``requested_zalando_location_name``, ``pallets_count``, ``colli_count``, ``hanging_goods_count``,
        ``earliest_delivery_date`` (``2026-11-30``), ``merchant_b2b_reference``, ``contact_name``, ``contact_email``,
        ``additional_contact_email``, ``comments``.
    :param shipping_notice_id: the notice; needed without ``create``. With ``create`` and ``create_by="put"`` a UUID of
        version 4 of your own; None makes one of merchant, DAG, run, task and map index, the same with every retry.
    :param items: items to announce: ``[{"ean": "4006381333931", "quantity": 2}, ...]``, 1,000 at most; a list, the
        results of mapped tasks, or text as a template renders them.
    :param items_path: a CSV, TSV, Parquet or JSON-lines file with ``ean`` and ``quantity`` instead; URL or path.
    :param dispatch_items: items to dispatch, as ``items``.
    :param dispatch_items_path: as ``items_path``.
    :param merchant_id: id or name; None means the connection's merchant, or the only one that the app may use. Without
        ``create`` it is only needed to make sure that the notice is that merchant's.
    :param storage_conn_id: Airflow connection of the storage.
    :param create_by: ``put``, or ``post``, for which ``notice`` needs a ``merchant_b2b_reference`` that no other notice
        has: by it a retry finds what was created. Two attempts at once may then make two notices; each looks at the
        list after its ``POST``, and one that sees both fails with their ids before it announces anything.
    :param conn_id: the zDirect connection.
    :param deferrable: wait in the triggerer after a retriable error.
    :returns: ``shipping_notice_id``, ``merchant_id``, ``zalando_advice_id``, ``state``, ``etag``, ``operations``
        (``done`` or ``already`` by operation), and of the items given, ``items``, ``pieces``, ``dispatch_items`` and
        ``dispatch_pieces``: how many EANs and pieces, else None.
    :raises ZDirectConfigurationError: at parse, if a literal argument is wrong.
    """

    arguments = (
        {
            "operations": table.Argument(lambda value, name: checked_operations(value)),
            "notice": table.Argument(table.from_template(lambda value, name: checked_fields(value)), blank={}),
            "shipping_notice_id": table.optional(lambda value, name: checked_notice_id(value)),
            "items": _ITEMS,
            "items_path": table.TABLE_FILE,
            "dispatch_items": _ITEMS,
            "dispatch_items_path": table.TABLE_FILE,
            "create_by": table.Argument(choice(*CREATE_BY)),
        }
        | table.MERCHANT
        | table.STORAGE
        | table.CONNECTION
    )

    def __init__(
        self,
        *,
        operations: str | Sequence[str],
        notice: Mapping[str, Any] | str | None = None,
        shipping_notice_id: str | None = None,
        items: Sequence[Mapping[str, Any]] | str | None = None,
        items_path: str | None = None,
        dispatch_items: Sequence[Mapping[str, Any]] | str | None = None,
        dispatch_items_path: str | None = None,
        merchant_id: str | None = None,
        storage_conn_id: str | None = None,
        create_by: str = PUT,
        conn_id: str = "zdirect_default",
        deferrable: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(values=locals(), **kwargs)

    @classmethod
    def check(cls, values: Mapping[str, Any]) -> None:
        for name in ("items", "dispatch_items"):
            table.check_one_source(values, name, f"{name}_path")
        if table.is_known(values["operations"]):
            check_combination(
                values["operations"],
                table.if_known(values["create_by"]),
                notice=table.if_known(values["notice"]),
                has_id=_is_any_given(values["shipping_notice_id"]),
                items=_is_any_given(values["items"], values["items_path"]),
                dispatch_items=_is_any_given(values["dispatch_items"], values["dispatch_items_path"]),
            )

    @classmethod
    def flow(cls, values: Mapping[str, Any]) -> Flow:
        return Flow(sent=("shipping_notices",), files=(values["items_path"], values["dispatch_items_path"]))

    def perform(self, run: TaskRun) -> Outcome:
        from airflow_provider_zdirect.inbound.steps import carry_out

        values = run.values
        items = {ANNOUNCED: _items(run, "items"), DISPATCHED: _items(run, "dispatch_items")}
        merchant_id, notice_id = run.merchant_id, values["shipping_notice_id"]
        if CREATE in values["operations"]:
            merchant_id = merchant_id or run.hook.merchant_id()
            if values["create_by"] == PUT:
                notice_id = notice_id or derived_id(merchant_id, run.key)
        merchant_id = merchant_id or run.hook.own_merchant_id()
        what = subject("shipping notice", merchant_id, name=run.hook.merchants().name_of(merchant_id), full_id=True)
        self.log.info("%s: %s", what, ", ".join(values["operations"]))
        plan = NoticePlan(
            merchant_id=merchant_id,
            notice_id=notice_id,
            fields=values["notice"],
            items=items,
            **run.pick("operations", "create_by"),
        )
        return Outcome(run.ask(lambda client: carry_out(plan, client)))


def _items(run: TaskRun, name: str) -> ItemSet | None:
    file = run.table(f"{name}_path", COLUMNS, ("ean", "quantity"))
    listed: ItemSet | None = run.values[name]
    return read_items(file) if file else listed


def _is_any_given(*values: Any) -> bool | None:
    """Whether one is given; None if that is not known yet."""
    if any(table.is_known(value) and value is not None for value in values):
        return True
    return False if table.is_known(*values) else None
