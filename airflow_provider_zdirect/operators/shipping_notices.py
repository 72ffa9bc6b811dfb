"""A delivery to a Zalando warehouse: created, announced, confirmed, dispatched."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from airflow_provider_zdirect.exceptions import ZDirectConfigurationError, ZDirectRetriableError
from airflow_provider_zdirect.inbound.item_set import COLUMNS, ItemSet
from airflow_provider_zdirect.inbound.notice_fields import REFERENCE, checked_fields
from airflow_provider_zdirect.inbound.notice_plan import (
    CREATE,
    PUT,
    NoticePlan,
    check_combination,
    checked_create_by,
    checked_notice_id,
    checked_operations,
    derived_id,
)
from airflow_provider_zdirect.merchant_files.tables import TableFile, table_kind
from airflow_provider_zdirect.operators import arguments
from airflow_provider_zdirect.operators.base import ZDirectOperator
from airflow_provider_zdirect.operators.base_path import check_path, open_path
from airflow_provider_zdirect.operators.retry import fail_fast
from airflow_provider_zdirect.operators.window_job import resume_key, wait_or_raise

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

    from airflow_provider_zdirect.hooks.zdirect import ZDirectHook
    from airflow_provider_zdirect.inbound.steps import NoticeResult

MAX_TURNS = 300
"""Waits for a rate limit, one after the other. 30 requests an hour are shared by all notices of a merchant, so the
last of many has to wait for most of them."""


class ZDirectShippingNoticeOperator(ZDirectOperator):
    """Takes a shipping notice through some of its operations, in one task that is safe to retry.

    Every operation looks at the notice first. What has happened already is recognised (``already`` in the result), what
    contradicts the notice fails the task with what to do (``ConflictError``), and the rest is sent with ``If-Match``.
    So a task may be killed between any two requests, retried, or cleared and run again: there is one notice, in the
    right state. What a task is given is checked in full before the first request.

    ========================  ===============================================  ==================================
    operation                 has happened already if                          contradicts if
    ========================  ===============================================  ==================================
    ``create``                the notice exists with the fields of ``notice``  it has other values in them
    ``announce``              the announced items are these                    they are others, and confirmed
    ``confirm_announcement``  the state is ``ready_for_delivery_date`` or      the items are others than this task's
                              later
    ``dispatch``              the dispatch items are these                     they are others, and confirmed
    ``confirm_dispatch``      the state is ``ready_for_receive``               no delivery date is confirmed yet, or
                                                                               the items are others than this task's
    ========================  ===============================================  ==================================

    A confirmation is final. Before it, the task reads the items in zDirect and compares them with its own, so give
    ``announce`` and ``confirm_announcement`` (``dispatch`` and ``confirm_dispatch``) to one task: alone, a confirmation
    knows of no items and confirms whatever is there.

    States after ``initial`` may have other names than is known. Should zDirect refuse ``confirm_announcement`` in an
    unknown one, and the items are this task's or it has none, that counts as ``already``; ``confirm_dispatch`` fails.

    Between ``confirm_announcement`` and ``dispatch``, ZFS Operations confirms a delivery date; give the last two
    operations to a task that runs after that. Without ``dispatch``, the announced items count.

    zDirect allows 30 requests an hour each for item sets and confirmations, and 10 a minute for a notice itself. The
    task keeps to that together with all others of its host. Where it has to wait for minutes, it waits without a
    worker slot, or, with ``deferrable=False``, fails for its retry. All arguments but ``deferrable`` are templates;
    what is wrong and known at parse is refused at parse.

    :param operations: one or more of ``create``, ``announce``, ``confirm_announcement``, ``dispatch``,
        ``confirm_dispatch``, in this order; a list or comma separated text.
    :param notice: fields to create it with: ``carrier_name``, ``requested_zalando_location_id``,
        ``requested_zalando_location_name``, ``pallets_count``, ``colli_count``, ``hanging_goods_count``,
        ``earliest_delivery_date`` (``2026-11-30``), ``merchant_b2b_reference``, ``contact_name``, ``contact_email``,
        ``additional_contact_email``, ``comments``. Which of them zDirect requires is not confirmed and left to its
        answer. ``zalando_merchant_id`` is filled in.
    :param shipping_notice_id: the notice; needed without ``create``. With ``create`` and ``create_by="put"`` a UUID of
        version 4 of your own; None makes one of merchant, DAG, run, task and map index, the same with every retry.
    :param items: items to announce: ``[{"ean": "4006381333931", "quantity": 2}, ...]``, 1,000 at most; a list, the
        results of mapped tasks, or what a template made of them.
    :param items_path: a CSV, TSV, Parquet or JSON-lines file with the columns ``ean`` and ``quantity``
        instead; URL or absolute path.
    :param dispatch_items: items to dispatch, as ``items``.
    :param dispatch_items_path: as ``items_path``.
    :param merchant_id: UUID; None means the connection's merchant, or the only one that the app may use. Without
        ``create`` it is only needed to make sure that the notice is that merchant's.
    :param storage_conn_id: Airflow connection of the storage.
    :param create_by: ``put`` or ``post``. Unconfirmed: the older docs create by ``PUT`` to an id of one's own, a newer
        copy by ``POST``, and is cut off where it would say whose the id is. The default is ``put``, which is documented
        in full, and cannot make a second notice when it is repeated. With ``post``, ``notice`` needs a
        ``merchant_b2b_reference`` that no other notice has: by it a retry finds, in zDirect's list, what was created.
        Two attempts at the same moment may still make two notices; each looks at the list after its ``POST``, and one
        that sees both fails with their ids before it announces anything.
    :param conn_id: the zDirect connection.
    :param deferrable: wait in the triggerer after a retriable error.
    :returns: ``shipping_notice_id``, ``merchant_id``, ``zalando_advice_id``, ``state``, ``etag``, ``operations``
        (``done`` or ``already`` by operation), and of the items given, ``items``, ``pieces``, ``dispatch_items`` and
        ``dispatch_pieces``: how many EANs and pieces, else None.
    :raises ZDirectConfigurationError: at parse, if a literal argument is wrong.
    :raises AirflowFailException: if a retry cannot help; chained to the typed error.
    :raises ZDirectRetriableError: if it can.
    """

    template_fields: Sequence[str] = (
        "operations",
        "notice",
        "shipping_notice_id",
        "items",
        "items_path",
        "dispatch_items",
        "dispatch_items_path",
        "merchant_id",
        "storage_conn_id",
        "create_by",
        "conn_id",
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
        self.operations = operations
        self.notice = notice
        self.shipping_notice_id = shipping_notice_id
        self.items = items
        self.items_path = items_path
        self.dispatch_items = dispatch_items
        self.dispatch_items_path = dispatch_items_path
        self.merchant_id = merchant_id
        self.storage_conn_id = storage_conn_id
        self.create_by = create_by
        self.conn_id = conn_id
        self.deferrable = deferrable

    @classmethod
    def check_literals(cls, values: Mapping[str, Any]) -> None:
        for name in ("operations", "create_by", "conn_id"):
            arguments.check_not_empty(values[name], name=name)
        arguments.check(values["operations"], checked_operations)
        notice = values["notice"]
        if arguments.is_literal(notice):
            notice = arguments.from_text(notice)
        if isinstance(notice, Mapping):
            checked_fields({name: value for name, value in notice.items() if arguments.is_literal(value)})
        else:
            arguments.check(notice, checked_fields)
        arguments.check(values["shipping_notice_id"], checked_notice_id)
        arguments.check(values["merchant_id"], arguments.check_merchant_id)
        for name in ("items", "dispatch_items"):
            _check_items(values[name], values[f"{name}_path"], name)
        arguments.check(values["create_by"], checked_create_by)
        if arguments.is_literal(values["operations"]):
            check_combination(
                checked_operations(values["operations"]),
                arguments.literal(values["create_by"]),
                notice=_known_fields(notice),
                has_id=_is_any_given(values["shipping_notice_id"]),
                items=_is_any_given(values["items"], values["items_path"]),
                dispatch_items=_is_any_given(values["dispatch_items"], values["dispatch_items_path"]),
            )

    def execute(self, context: Context) -> dict[str, Any]:
        return self._write(context, waits=0, turns=0)

    def resume(self, context: Context, event: Any = None, waits: int = 0, turns: int = 0) -> dict[str, Any]:
        """Go on after a wait in the triggerer, by looking at the notice again."""
        return self._write(context, waits=waits, turns=turns)

    def _write(self, context: Context, *, waits: int, turns: int) -> dict[str, Any]:
        from airflow_provider_zdirect.hooks.zdirect import ZDirectHook

        try:
            with fail_fast():
                hook = ZDirectHook(self.conn_id)
                plan = self._plan(hook, context)
                result = asyncio.run(_carry_out(hook, plan))
        except ZDirectRetriableError as error:
            wait_or_raise(self, error, waits, turns, MAX_TURNS)
        return _summary(result, plan)

    def _plan(self, hook: ZDirectHook, context: Context) -> NoticePlan:
        """Everything that can be wrong is looked at before the first request, which may be that for the merchant."""
        operations = checked_operations(arguments.given(self.operations) or [])
        create_by = checked_create_by(self.create_by)
        notice = arguments.from_text(arguments.given(self.notice))
        fields = checked_fields(_given_fields(notice)) if notice is not None else {}
        notice_id = arguments.given_text(self.shipping_notice_id)
        items, dispatch_items = self._items("items"), self._items("dispatch_items")
        check_combination(
            operations,
            create_by,
            notice=fields,
            has_id=notice_id is not None,
            items=items is not None,
            dispatch_items=dispatch_items is not None,
        )
        notice_id = checked_notice_id(notice_id) if notice_id else None
        merchant_id = arguments.own_merchant_id(self)
        if CREATE in operations:
            merchant_id = merchant_id or hook.merchant_id()
            if create_by == PUT:
                notice_id = notice_id or derived_id(merchant_id, resume_key(context["ti"]))
        return NoticePlan(
            operations=operations,
            merchant_id=merchant_id or hook.own_merchant_id(),
            notice_id=notice_id,
            create_by=create_by,
            fields=fields,
            announced=items,
            dispatched=dispatch_items,
        )

    def _items(self, name: str) -> ItemSet | None:
        listed, path = getattr(self, name), arguments.given_text(getattr(self, f"{name}_path"))
        listed = arguments.given(listed)
        _check_one_source(listed, path, name)
        if path is None:
            return None if listed is None else ItemSet.of_list(arguments.from_text(listed), name=name)
        _check_file(path, f"{name}_path")
        opened = open_path(path, arguments.given_text(self.storage_conn_id), name=f"{name}_path")
        return ItemSet.of_file(
            TableFile(opened.fs, opened.root, opened.uri, f"{name}_path", COLUMNS, ("ean", "quantity"))
        )


def _summary(result: NoticeResult, plan: NoticePlan) -> dict[str, Any]:
    notice = result.notice
    announced, dispatched = plan.announced, plan.dispatched
    return {
        "shipping_notice_id": notice.id,
        "merchant_id": result.merchant_id,
        "zalando_advice_id": notice.content.zalando_advice_id,
        "state": notice.state,
        "etag": notice.etag,
        "operations": result.operations,
        "items": len(announced) if announced else None,
        "pieces": announced.pieces if announced else None,
        "dispatch_items": len(dispatched) if dispatched else None,
        "dispatch_pieces": dispatched.pieces if dispatched else None,
    }


def _check_items(listed: Any, path: Any, name: str) -> None:
    """Raise ZDirectConfigurationError for what is known of them and wrong."""
    _check_one_source(arguments.literal(listed), arguments.literal(path), name)
    arguments.check(listed, lambda value: ItemSet.of_list(arguments.from_text(value), name=name))
    arguments.check(path, lambda value: _check_file(value, f"{name}_path"))


def _check_one_source(listed: Any, path: Any, name: str) -> None:
    if listed is not None and path is not None:
        raise ZDirectConfigurationError(
            f"{name} and {name}_path are both given.", remedy="Give one of them; the other one may be left out."
        )


def _check_file(path: Any, name: str) -> None:
    check_path(str(path), name=name)
    table_kind(str(path), name=name)


def _is_any_given(*values: Any) -> bool | None:
    """Whether one is something, or a template that may turn out to be something; None if that is not known yet."""
    known = [value for value in values if value is not arguments.LATER]
    if any(not arguments.is_literal(value) or arguments.given(value) is not None for value in known):
        return True
    return None if len(known) < len(values) else False


def _known_fields(notice: Any) -> Mapping[str, Any] | None:
    """The fields as far as they are known at parse; what a template will give may be any."""
    if isinstance(notice, Mapping):
        return notice
    if notice is arguments.LATER:
        return None
    if not arguments.is_literal(notice):
        return {REFERENCE: "{{ known later }}"}
    return checked_fields(notice) if arguments.given(notice) is not None else {}


def _given_fields(notice: Any) -> Any:
    """The fields without those of which a template made nothing."""
    if not isinstance(notice, Mapping):
        return notice
    return {name: value for name, value in notice.items() if arguments.given(value) is not None}


async def _carry_out(hook: ZDirectHook, plan: NoticePlan) -> NoticeResult:
    from airflow_provider_zdirect.inbound.steps import carry_out

    async with hook.client() as client:
        return await carry_out(plan, client)
