# SPDX-License-Identifier: Apache-2.0
"""Updates of orders: exported, tracked, shipped, canceled, returned, from a file or a small list."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from airflow_provider_zdirect.exceptions import ZDirectConfigurationError
from airflow_provider_zdirect.merchant_files.tables import KINDS, Row
from airflow_provider_zdirect.operators import argument_table as table
from airflow_provider_zdirect.operators.base import Flow, Outcome, Published, TaskRun, ZDirectOperator
from airflow_provider_zdirect.operators.task_run import end_without_file
from airflow_provider_zdirect.orders.update_rows import (
    COLUMNS,
    REQUIRED,
    UpdateRows,
    listed_updates,
    read_updates,
    reason_code,
)

if TYPE_CHECKING:
    from airflow_provider_zdirect.publish.place import Place

RULES = ("require_tracking", "overwrite_tracking", "split_shipments")


def _reason(value: Any, name: str) -> int:
    try:
        return reason_code(value)
    except ValueError as error:
        raise ZDirectConfigurationError(
            f"{name}={value!r}: {error}.", remedy="Give one of them, by name or number."
        ) from None


class ZDirectOrderUpdateOperator(ZDirectOperator):
    """Updates a merchant's orders: exports them, sets tracking numbers, ships, cancels and returns their lines.

    Columns, the checks of tracking numbers and what happens to a row are in ``docs/order-updates.md``. The outcome of
    each row is published as ``order_updates`` under ``base_path``. The task may be killed at any moment and retried.

    :param base_path: URL for ObjectStoragePath, or absolute local path, below which the results are written.
    :param updates: rows as ``[{"order_id": ..., "tracking_number": ...}, ...]``, 1,000 at most; a list, the results of
        mapped tasks, or text as a template renders them.
    :param updates_path: a CSV, TSV, Parquet or JSON-lines file with such columns instead; URL or absolute path;
        ``{merchant_id}`` in it stands for the merchant.
    :param merchant_id: id or name; None means the connection's merchant, or the only one that the app may use.
    :param require_merchant_id: refuse rows without ``merchant_id``, where one file is for several merchants.
    :param merchants_of_file: the merchants whose orders the rows may be of, this one included; each has a task. A row
        without ``merchant_id`` is then applied to the merchant that has the order, and has to name it by ``order_id``.
        None: rows without ``merchant_id`` are this merchant's.
    :param default_reason: of returns without a reason, by name or number; None: such rows are refused.
    :param require_tracking: refuse to ship an order without both tracking numbers.
    :param overwrite_tracking: replace another tracking number that is there; otherwise that is a conflict.
    :param split_shipments: let orders be shipped in several parcels, a pilot feature of zDirect.
    :param max_failed: how many rows may be refused, in conflict or failed before the task fails.
    :param skip_applied: do nothing if this task applied the same rows last, all of them; for a file that stays.
    :param missing_file: ``fail``, or ``skip`` the task, if there is no file at ``updates_path``, or an empty one.
    :param storage_conn_id: Airflow connection of the storage.
    :param format: ``parquet`` or ``jsonl``.
    :param conn_id: the zDirect connection.
    :param deferrable: wait in the triggerer after a retriable error.
    :returns: ``merchant_id``, ``rows``, of these ``already``, ``done``, ``refused``, ``conflict`` and ``failed``;
        ``orders``, ``uri``, ``requests``, ``applied_before``, ``of_others`` (rows of other merchants).
    :raises ZDirectConfigurationError: at parse, if a literal argument is wrong.
    """

    asset_names = ("order_updates",)
    arguments = (
        table.PLACE
        | table.FORMAT
        | {
            "updates": table.optional(table.from_template(listed_updates)),
            "updates_path": table.TABLE_FILE,
            "merchants_of_file": table.MERCHANTS,
            "default_reason": table.optional(_reason),
            "max_failed": table.COUNT,
            "missing_file": table.FAIL_OR_SKIP,
        }
        | dict.fromkeys(("require_merchant_id", "skip_applied", *RULES), table.FLAG)
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

    @classmethod
    def check(cls, values: Mapping[str, Any]) -> None:
        table.check_one_source(values, "updates", "updates_path", is_needed=True)

    @classmethod
    def check_at_parse(cls, values: Mapping[str, Any]) -> None:
        cls.check(values)
        reason = values["default_reason"]
        known = table.if_known(values["updates"]) or []
        default_reason = reason if table.is_known(reason) else 0
        for wrong in read_updates(known, merchant_id="", default_reason=default_reason).wrong:
            raise ZDirectConfigurationError(
                f"updates: item {wrong.row}: {wrong.reason}.",
                remedy=f"Correct it; the fields are: {', '.join(COLUMNS)}.",
            )

    @classmethod
    def flow(cls, values: Mapping[str, Any]) -> Flow:
        return Flow(sent=("orders",), published=("order_updates",), files=(values["updates_path"],))

    def perform(self, run: TaskRun) -> Outcome:
        from airflow_provider_zdirect.orders.order_updates import update_orders
        from airflow_provider_zdirect.orders.update_job import OrderUpdateJob, UpdateRules
        from airflow_provider_zdirect.orders.update_journal import rows_of_run

        values, place = run.values, run.place("order updates")
        merchants = run.hook.merchants()
        of_file = map(merchants.id_of, values["merchants_of_file"])
        others = tuple(each for each in of_file if each != place.merchant_id)

        def read(rows: Iterable[Row]) -> UpdateRows:
            return read_updates(
                rows,
                merchant_id=place.merchant_id,
                default_reason=values["default_reason"],
                names_merchant=values["require_merchant_id"],
                is_shared=bool(others),
                merchants=merchants,
            )

        if values["updates"] is None:
            found = rows_of_run(place, run.key, lambda: read(_rows_of_file(run, place)))
        else:
            found = read(values["updates"])
        found.log(place)
        job = OrderUpdateJob(
            place,
            updates=found.updates,
            wrong=found.wrong,
            run=run.key,
            task=run.task_key,
            others=others,
            rules=UpdateRules(**run.pick(*RULES)),
            **run.pick("max_failed", "skip_applied"),
        )
        result = run.ask(lambda client: update_orders(job, client))
        summary = {**result.as_dict(), "of_others": found.of_others + result.of_others}
        published = {"order_updates": Published(summary["rows"] - result.failed, result.failed)}
        return Outcome(summary, {"order_updates": summary}, published)


def _rows_of_file(run: TaskRun, place: Place) -> Iterable[Row]:
    file = run.table("updates_path", COLUMNS, REQUIRED, place.merchant_id)
    assert file is not None
    file.fs.invalidate_cache()
    exists = file.fs.exists(file.path)
    if not exists or file.fs.size(file.path) == 0:
        # An empty one has not even a header: nothing was put there (yet).
        kind = "an empty" if exists else "no"
        end_without_file(
            f"There is {kind} file at updates_path={file.uri!r} for merchant {place.merchant}.",
            run.values["missing_file"],
            f"Put one with rows there ({', '.join(f'.{kind}' for kind in KINDS)}); with missing_file='skip' the task "
            "is skipped.",
        )
    return file.rows()
