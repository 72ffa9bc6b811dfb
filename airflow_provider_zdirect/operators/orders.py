"""Updates of orders: exported, tracked, shipped, canceled, returned, from a file or a small list."""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import AirflowSkipException

from airflow_provider_zdirect.exceptions import (
    ZDirectConfigurationError,
    ZDirectDataError,
    ZDirectFatalError,
    ZDirectRetriableError,
)
from airflow_provider_zdirect.merchant_files.tables import KINDS, Row, table_kind
from airflow_provider_zdirect.operators import arguments
from airflow_provider_zdirect.operators.base import ZDirectOperator
from airflow_provider_zdirect.operators.base_path import (
    check_path,
    check_place,
    open_base_path,
    open_path,
)
from airflow_provider_zdirect.operators.retry import fail_fast
from airflow_provider_zdirect.operators.window_job import resume_key, wait_or_raise
from airflow_provider_zdirect.orders.update_rows import (
    COLUMNS,
    UpdateRows,
    listed_updates,
    read_updates,
    reason_code,
    update_file,
)
from airflow_provider_zdirect.windows import subject

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

    from airflow_provider_zdirect.hooks.zdirect import ZDirectHook
    from airflow_provider_zdirect.orders.update_input import KeptRows
    from airflow_provider_zdirect.orders.update_job import OrderUpdateJob, OrderUpdateResult

log = logging.getLogger(__name__)

MERCHANT = "{merchant_id}"
MAX_TURNS = 50
"""Waits for the rate limit without a single order settled, one after the other: another task takes all of it."""


class ZDirectOrderUpdateOperator(ZDirectOperator):
    """Updates a merchant's orders: exports them, sets tracking numbers, ships, cancels and returns their lines.

    Each row names an order and what is to become of it:

    ===============================  =================================================================================
    ``order_id``                     the order (UUID); or ``order_number``, where that is one order's only
    ``order_line_id``                the line that ``status`` is of; or ``external_id`` (also called ``ean``,
                                     ``merchant_sku``), for all lines of that article; blank: all lines but those
                                     that are canceled, and those that other rows name
    ``merchant_order_id``            exports the order under this number
    ``tracking_number``,             of the parcel, and of the way back; both have to be known before an order is
    ``return_tracking_number``       marked as shipped
    ``status``                       ``shipped``, ``canceled``, ``returned`` or ``reserved``
    ``reason``                       of a return, by name or number, see below
    ``outbound_logistic_center_id``  where it leaves (UUID)
    ``shipment``, ``weight_grams``   for orders in several parcels: the merchant's id of the parcel, and its weight
    ``merchant_id``                  whose order it is; rows of other merchants are left out
    ===============================  =================================================================================

    A tracking number has to be one that a carrier could have printed: placeholders, rounded numbers, and one number
    for both ways are refused before anything is sent. What a row does not say stays as it is. An order is looked at
    first: what is so already is left alone, what contradicts it is a conflict, and only the rest is sent, in the
    order that zDirect documents: export, tracking numbers, at least five seconds and until they are seen to have
    taken effect, then the status. Orders that Zalando fulfils are refused before anything is sent. A row of which
    one thing cannot be is left out as a whole; all others are tried. Then the task fails if more rows came to
    nothing than ``max_failed``.

    What became of each row is published as ``order_updates`` under ``base_path``: ``already``, ``done``, ``refused``,
    ``conflict`` or ``failed``, with the reason. The task may be killed at any moment and retried; a retry goes on with
    the rows that the first try read, even if the file was replaced. zDirect allows 2,000
    updates a minute, 40 in sandbox; a longer wait for that is without a worker slot, or, with ``deferrable=False``, for
    the retry. All arguments but ``deferrable`` are templates; what is wrong and known at parse is refused at parse.

    Return reasons (zDirect docs, *Orders*, returns): UNKNOWN_CAUSE (0), DISLIKE (1), SIZE_BIG (2), SIZE_SMALL (3),
    VALUE_FOR_MONEY (4), DELIVERY_TOO_LATE (5), NOT_LIKE_IMAGINED (6), ARTICLE_WRONG (9), DEFECTIVE (10).

    :param base_path: URL for ObjectStoragePath, or absolute local path, below which the results are written.
    :param updates: rows as ``[{"order_id": ..., "tracking_number": ...}, ...]``, 1,000 at most; a list, the results of
        mapped tasks, or what a template made of them.
    :param updates_path: a CSV, TSV, Parquet or JSON-lines file with such columns instead; URL or absolute
        path; ``{merchant_id}`` in it stands for the merchant.
    :param merchant_id: UUID; None means the connection's merchant, or the only one that the app may use.
    :param require_merchant_id: refuse rows without ``merchant_id``, where one file is for several merchants.
    :param merchants_of_file: the merchants whose orders the rows may be of, this one included; each has a task. A row
        without ``merchant_id`` is then applied to the merchant that has the order, and has to name it by ``order_id``.
        None: rows without ``merchant_id`` are this merchant's.
    :param default_reason: of returns without a reason; None: such rows are refused.
    :param require_tracking: refuse to ship an order without both tracking numbers.
    :param overwrite_tracking: replace another tracking number that is there; otherwise that is a conflict.
    :param split_shipments: let orders be shipped in several parcels, a pilot feature of zDirect.
    :param max_failed: how many rows may be refused, in conflict or failed before the task fails.
    :param skip_applied: do nothing if the same rows were what this task applied last, and all of them were; for a file
        that stays.
    :param missing_file: ``fail``, or ``skip`` the task, if there is no file at ``updates_path``, or an empty one.
    :param storage_conn_id: Airflow connection of the storage.
    :param format: ``parquet`` or ``jsonl``, of the results.
    :param conn_id: the zDirect connection.
    :param deferrable: wait in the triggerer after a retriable error.
    :returns: ``merchant_id``, ``rows``, of these ``already``, ``done``, ``refused``, ``conflict`` and ``failed``;
        ``orders``, ``uri``, ``requests``, ``applied_before``, ``of_others`` (rows of other merchants).
    :raises ZDirectConfigurationError: at parse, if a literal argument is wrong.
    :raises AirflowFailException: if a retry cannot help; chained to the typed error.
    :raises ZDirectRetriableError: if it can.
    """

    asset_names = ("order_updates",)
    template_fields: Sequence[str] = (
        "base_path",
        "updates",
        "updates_path",
        "merchant_id",
        "require_merchant_id",
        "merchants_of_file",
        "default_reason",
        "require_tracking",
        "overwrite_tracking",
        "split_shipments",
        "max_failed",
        "skip_applied",
        "missing_file",
        "storage_conn_id",
        "format",
        "conn_id",
    )

    def __init__(
        self,
        *,
        base_path: str,
        updates: Sequence[Mapping[str, Any]] | str | None = None,
        updates_path: str | None = None,
        merchant_id: str | None = None,
        require_merchant_id: bool | str = False,
        merchants_of_file: Sequence[str] | str | None = None,
        default_reason: int | str | None = None,
        require_tracking: bool | str = True,
        overwrite_tracking: bool | str = False,
        split_shipments: bool | str = False,
        max_failed: int | str = 0,
        skip_applied: bool | str = False,
        missing_file: str = "fail",
        storage_conn_id: str | None = None,
        format: str = "parquet",
        conn_id: str = "zdirect_default",
        deferrable: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(values=locals(), **kwargs)
        self.base_path = base_path
        self.updates = updates
        self.updates_path = updates_path
        self.merchant_id = merchant_id
        self.require_merchant_id = require_merchant_id
        self.merchants_of_file = merchants_of_file
        self.default_reason = default_reason
        self.require_tracking = require_tracking
        self.overwrite_tracking = overwrite_tracking
        self.split_shipments = split_shipments
        self.max_failed = max_failed
        self.skip_applied = skip_applied
        self.missing_file = missing_file
        self.storage_conn_id = storage_conn_id
        self.format = format
        self.conn_id = conn_id
        self.deferrable = deferrable

    @classmethod
    def check_literals(cls, values: Mapping[str, Any]) -> None:
        check_place(values)
        _check_sources(values["updates"], values["updates_path"])
        arguments.check(values["updates"], lambda rows: _check_list(rows, values))
        arguments.check(values["updates_path"], _check_file)
        arguments.check(values["default_reason"], _reason)
        for name in (*_FLAGS, "require_merchant_id", "skip_applied"):
            arguments.check_flag(values[name], name=name)
        arguments.check(values["max_failed"], lambda most: arguments.count(most, name="max_failed"))
        arguments.check(values["missing_file"], _missing_file)
        arguments.check(values["format"], arguments.file_format)
        arguments.check(values["merchants_of_file"], _merchants)

    def execute(self, context: Context) -> dict[str, Any]:
        return self._update(context, waits=0, turns=0)

    def resume(self, context: Context, event: Any = None, waits: int = 0, turns: int = 0) -> dict[str, Any]:
        """Go on after a wait in the triggerer, with the orders that are not settled yet."""
        return self._update(context, waits=waits, turns=turns)

    def _update(self, context: Context, *, waits: int, turns: int) -> dict[str, Any]:
        from airflow_provider_zdirect.hooks.zdirect import ZDirectHook

        try:
            with fail_fast():
                hook = ZDirectHook(self.conn_id)
                job, kept, of_others = self._job(hook, context)
                try:
                    result = asyncio.run(_update(hook, job))
                except (ZDirectFatalError, ZDirectDataError):
                    # What comes after it is a new beginning, with a file that was corrected.
                    kept.delete()
                    raise
                kept.delete()
        except ZDirectRetriableError as error:
            turns = 0 if getattr(error, "progress", 0) else turns
            wait_or_raise(self, error, waits, turns, MAX_TURNS)
        summary = {**result.as_dict(), "of_others": of_others + result.of_others}
        self.record_change(context, "order_updates", summary)
        return summary

    def _job(self, hook: ZDirectHook, context: Context) -> tuple[OrderUpdateJob, KeptRows, int]:
        """Everything that can be wrong is looked at before the first request, which may be that for the merchant."""
        from airflow_provider_zdirect.orders.order_flow import UpdateRules
        from airflow_provider_zdirect.orders.update_input import KeptRows
        from airflow_provider_zdirect.orders.update_job import OrderUpdateJob
        from airflow_provider_zdirect.storage.object_store import ObjectStore

        storage_conn_id = arguments.given_text(self.storage_conn_id)
        default_reason = arguments.given(self.default_reason)
        settings: dict[str, Any] = {
            "rules": UpdateRules(**{name: arguments.flag(getattr(self, name), name=name) for name in _FLAGS}),
            "max_failed": arguments.count(self.max_failed, name="max_failed"),
            "skip_applied": arguments.flag(self.skip_applied, name="skip_applied"),
            "format": arguments.file_format(self.format),
            "environment": hook.config().environment,
        }
        reading: dict[str, Any] = {
            "default_reason": None if default_reason is None else _reason(default_reason),
            "names_merchant": arguments.flag(self.require_merchant_id, name="require_merchant_id"),
        }
        _missing_file(self.missing_file)
        path = arguments.given_text(self.updates_path)
        if path is not None:
            _check_file(path)
        merchant_id = arguments.own_merchant_id(self)
        sharing = _merchants(arguments.given(self.merchants_of_file) or ())
        listed = arguments.given(self.updates)
        _check_sources(listed, path, known=True)
        base_path = open_base_path(self.base_path, storage_conn_id, environment=settings["environment"])
        rows = None if listed is None else listed_updates(arguments.from_text(listed), name="updates")
        merchant_id = merchant_id or hook.merchant_id()
        others = tuple(each for each in sharing if each != merchant_id)
        reading["is_shared"] = bool(others)
        run = resume_key(context["ti"])
        kept = KeptRows(ObjectStore(base_path.fs, base_path.root), merchant_id, run)
        if rows is not None:
            told = read_updates(rows, merchant_id=merchant_id, **reading)
        elif (there := kept.read()) is not None:
            self.log.info("Going on with the rows that the first try of this run read.")
            told = there
        else:
            rows = self._rows_of_file(str(path), merchant_id, storage_conn_id)
            told = read_updates(rows, merchant_id=merchant_id, **reading)
            kept.write(told)
        self._tell(told, merchant_id)
        job = OrderUpdateJob(
            merchant_id=merchant_id,
            updates=told.updates,
            wrong=told.wrong,
            fs=base_path.fs,
            root=base_path.root,
            base_uri=base_path.uri,
            run=run,
            task=task_key(context["ti"]),
            others=others,
            **settings,
        )
        return job, kept, told.of_others

    def _rows_of_file(self, path: str, merchant_id: str, storage_conn_id: str | None) -> list[Row]:
        opened = open_path(path.replace(MERCHANT, merchant_id), storage_conn_id, name="updates_path")
        opened.fs.invalidate_cache()
        there = opened.fs.exists(opened.root)
        if not there or opened.fs.size(opened.root) == 0:
            # An empty one has not even a header: nothing was put there (yet).
            what = "an empty" if there else "no"
            said = f"There is {what} file at updates_path={opened.uri!r} for merchant {merchant_id}."
            if _missing_file(self.missing_file) == "skip":
                raise AirflowSkipException(said)
            raise ZDirectConfigurationError(
                said,
                remedy=f"Put one with rows there ({', '.join(f'.{kind}' for kind in KINDS)}); with missing_file='skip' "
                "the task is skipped.",
            )
        return list(update_file(opened.fs, opened.root, opened.uri, "updates_path").rows())

    def _tell(self, told: UpdateRows, merchant_id: str) -> None:
        others = ""
        if told.of_others:
            others = f"; {told.of_others} rows of other merchants ({', '.join(told.others[:20])}) are left out"
            if not (told.updates or told.wrong):
                log.warning("All rows are of other merchants; is their merchant_id right?")
        wrong = f"; {len(told.wrong)} rows are wrong" if told.wrong else ""
        what = subject("order updates", merchant_id, full_id=True)
        log.info("%s: %d updates%s%s.", what, len(told.updates), wrong, others)


def task_key(task_instance: Any) -> str:
    """What all runs of a task have in common, and no other task."""
    return hashlib.sha256(f"{task_instance.dag_id}\n{task_instance.task_id}".encode()).hexdigest()[:24]


_FLAGS = ("require_tracking", "overwrite_tracking", "split_shipments")


def _check_sources(updates: Any, path: Any, known: bool = False) -> None:
    """Raise ZDirectConfigurationError if both are given, or it is certain that neither is."""
    values = [value for value in (updates, path) if value is not arguments.LATER]
    if all(known or arguments.is_literal(value) for value in values):
        given = [value for value in values if arguments.given(value) is not None]
        if len(given) == 2:
            raise ZDirectConfigurationError(
                "updates and updates_path are both given.", remedy="Give one of them; the other one may be left out."
            )
        if not given and len(values) == 2:
            raise ZDirectConfigurationError(
                "Neither updates nor updates_path is given.", remedy="Give the rows, or a file with them."
            )


def _check_list(rows: Any, values: Mapping[str, Any]) -> None:
    """What is known of a list is certain, so a wrong row of it is an error at parse."""
    listed = listed_updates(arguments.from_text(rows), name="updates")
    reason = arguments.literal(values["default_reason"])
    may_come = not arguments.is_literal(values["default_reason"])
    default = _reason(reason) if reason is not None else 0 if may_come else None
    for wrong in read_updates(listed, merchant_id="", default_reason=default).wrong:
        raise ZDirectConfigurationError(
            f"updates: item {wrong.row}: {wrong.what}.", remedy=f"Correct it; the fields are: {', '.join(COLUMNS)}."
        )


def _check_file(path: Any) -> None:
    check_path(str(path), name="updates_path")
    table_kind(str(path), name="updates_path")


def _merchants(value: Any) -> tuple[str, ...]:
    """Ids of merchants, each once."""
    return tuple(arguments.entries(value, name="merchants_of_file", parse=arguments.uuid))


def _reason(value: Any) -> int:
    try:
        return reason_code(value)
    except ValueError as error:
        raise ZDirectConfigurationError(
            f"default_reason={value!r}: {error}.", remedy="Give one of them, by name or number."
        ) from None


def _missing_file(value: Any) -> str:
    if value not in ("fail", "skip"):
        raise ZDirectConfigurationError(f"missing_file={value!r} is unknown.", remedy="Use fail or skip.")
    return str(value)


async def _update(hook: ZDirectHook, job: OrderUpdateJob) -> OrderUpdateResult:
    from airflow_provider_zdirect.orders.order_updates import update_orders

    async with hook.client() as client:
        return await update_orders(job, client)
