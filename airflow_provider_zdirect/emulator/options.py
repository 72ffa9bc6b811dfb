# SPDX-License-Identifier: Apache-2.0
"""What can be switched while the emulator runs, mostly facts about the API that are not confirmed."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from airflow_provider_zdirect.emulator.clock import ReportCalendar


def _dates(texts: tuple[str, ...]) -> tuple[str, ...]:
    for text in texts:
        if date.fromisoformat(text).isoformat() != text:
            raise ValueError(f"{text} is not a date (YYYY-MM-DD)")
    return texts


Share = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=0)]
Size = Annotated[int, Field(ge=1)]
Seconds = Annotated[float, Field(ge=0)]
Parameter = Annotated[str, Field(min_length=1)]
ErrorStatus = Annotated[int, Field(ge=400, le=599)]
Time = Annotated[str, Field(pattern=r"^([01]\d|2[0-3]):[0-5]\d$")]
# Options come as JSON too, which has lists only.
Names = Annotated[tuple[str, ...], Field(strict=False)]
Dates = Annotated[tuple[str, ...], Field(strict=False), AfterValidator(_dates)]


def reasons(error: ValidationError) -> str:
    """In one line, each with the place where it is."""
    return "; ".join(f"{'.'.join(map(str, one['loc'])) or 'all'}: {one['msg']}" for one in error.errors())


def about(default: Any, text: str) -> Any:
    return Field(default, description=text)


class Options(BaseModel):
    """Switches of the emulator; ``--list-options`` prints them with their meaning."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    volume: Seconds = about(1.0, "Multiplier of records per hour and day.")
    late_share: Share = about(
        0.05, "Share of records that become visible late: by 1..45 minutes, liquidated rows by 1..47 hours."
    )
    bad_records: Share = about(0.0, "Share of records that break the schema; the truth marks them with `_bad`.")
    drift: Share = about(0.0, "Share of records in another shape than documented: numbers as strings, unknown fields.")
    to_inclusive: bool = about(False, "Whether `to` of the timestamp endpoints belongs to the range.")
    last_page_next: Literal["absent", "empty", "null"] = about("absent", "`next` of the last page.")
    liquidated_by: Literal["liquidation_date", "reporting_date"] = about(
        "liquidation_date", "The date that `from` and `to` of liquidated items select."
    )
    liquidated_shape: Literal["spec", "seed"] = about(
        "spec", "Liquidated items as specified, or with the list key `received_items` and quantities as strings."
    )
    liquidated_to: Literal["inclusive", "exclusive"] = about(
        "inclusive", "Whether `to` of liquidated items belongs to the range."
    )
    liquidated_vanish: Share = about(0.0, "Share of liquidated rows that vanish 1..47 hours after their day is over.")
    liquidated_change: Share = about(0.0, "Share of those whose quantity or total price changes 1..47 hours later.")
    purchase_order_parameter: Literal["purchase-order-number", "purchase_order_number"] = about(
        "purchase-order-number", "The spelling that the liquidation filter honours; the other is ignored."
    )
    icm_prefix: Literal["/zfs", ""] = about(
        "/zfs", "What stands before the path of the paginated Intra-Community Movements; the other path is unknown."
    )
    icm_page_size: Size = about(1000, "Movements on a page of them; the client has no say in it.")
    icm_list_key: Literal["reports", "items"] = about("reports", "List key of the deprecated Intra-Community endpoint.")
    icm_group_key: Literal["transaction_date", "report_date"] = about(
        "transaction_date", "The date by which it groups; `report_date` is an older form, without `merchant_sku`."
    )
    icm_max_movements: Count = about(20_000, "A deprecated request for more movements is a 500.")
    report_time: Time = about("10:30", "UTC time at which a day's report of movements appears on a later day.")
    report_days: Literal["all", "business"] = about(
        "all", "Reports appear on the next day, or on the next of Monday to Friday that is not a holiday."
    )
    report_holidays: Dates = about((), "Those holidays, a list of ISO dates.")
    empty_reports: Share = about(0.05, "Share of reports without any movement.")
    inventory: Literal["stock", "zero", "empty", "missing"] = about(
        "stock", "Inventory: normal, no article has stock, lists without content as in sandbox, or an empty object."
    )
    snapshot_time: Time = about("22:00", "UTC time at which the day's snapshot of the inventory is made.")
    most_eans: Size = about(100, "EANs that one request for item quantities may name.")
    changed_since_parameter: Parameter = about("from", "Parameter that asks for quantities changed since a time.")
    stock_locations_shape: Literal["array", "object"] = about(
        "array", "Stock locations are a list, or an object with the key `stock_locations`."
    )
    notice_days: Count = about(
        5, "Shipping notices exist for the received items of so many days, and for the coming week; 0: none at all."
    )
    notices_page_size: Size = about(50, "Shipping notices on a page; the client has no say in it.")
    notices_cursor_parameter: Parameter = about("cursor", "Parameter that asks for their next page.")
    notice_id_field: str = about("", "Field that shows the id of a notice besides `self`; empty: none.")
    notices_without_merchant: bool = about(False, "Notices are shown without `zalando_merchant_id`.")
    create_notice: Literal["put", "post", "both"] = about(
        "put", "Notices are created with an id of the client (put), or of the server (post)."
    )
    created_notice_body: Literal["full", "empty"] = about("full", "Writing a notice answers the notice, or nothing.")
    stale_etag_status: ErrorStatus = about(412, "A write with a stale `If-Match`, or that would create a notice twice.")
    item_sets_shape: Literal["set", "list"] = about("set", "Item sets of a notice: the current one, or all.")
    delivery_date_after_minutes: Seconds | None = about(
        None, "Minutes from an announcement to its delivery date; null: only tests set it."
    )
    tours_without_parameter: bool = about(True, "Tours can be asked for without an advice; otherwise that is a 400.")
    orders_per_day: Count = about(20, "Orders of each merchant and day; those that exist already do not change.")
    order_days: Count = about(5, "Days with orders before the moment when they are first asked for; 0: none at all.")
    orders_page_limit: Size = about(1000, "The most orders on a page; who asks for more gets so many.")
    orders_next: Literal["given", "absent"] = about("given", "Lists of orders link to the other pages, or not.")
    orders_time_filter: Literal["strict", "lenient", "ignored"] = about(
        "strict", "Strict: times with fractions of a second or a Z are dropped silently. Lenient: all are honoured."
    )
    orders_sort: Literal["honoured", "ignored"] = about("honoured", "Whether `sort` of orders counts.")
    order_update_seconds: Seconds = about(3, "Seconds until tracking numbers that were sent for an order take effect.")
    first_tracking_counts: bool = about(False, "Only the first tracking number of an order counts (older docs).")
    stocks_answer: Literal["results", "items"] = about(
        "results", "List of an answer to stock updates: with numbers as codes, or with texts (older docs)."
    )
    stocks_failed: Share = about(0.0, "Share of stock updates that fail; the next attempt has its own luck.")
    stocks_pending: Share = about(0.0, "Share of EANs that are not onboarded yet.")
    stocks_pending_status: Literal["ACCEPTED", "FAILED", "REJECTED"] = about("ACCEPTED", "Status of updates for those.")
    zss_orders: Share = about(0.5, "Share of partner-fulfilled orders that have shipping documents.")
    documents_order_parameter: Parameter = about("order_id", "Parameter that asks for the documents of an order.")
    document_path: Annotated[str, Field(pattern=r"^/[^{}]*\{document_id\}[^{}]*$")] = about(
        "/zss/shipping-documents/{document_id}", "Path of one document as PDF."
    )
    missing_scopes: Names = about((), "Scopes of Orders, Stocks and Shipping Documents that the client lacks, a list.")
    rate_limits: bool = about(True, "Whether the documented limits are enforced, token requests included.")
    token_seconds: Count = about(7200, "Life of an access token, in seconds.")
    tokens_per_minute: int | None = about(None, "Token requests a minute; null follows the environment (8 or 1).")

    @property
    def report_calendar(self) -> ReportCalendar:
        return ReportCalendar(self.report_time, self.report_days, self.report_holidays)

    def changed(self, changes: dict[str, Any]) -> Options:
        """The same options with some changed; ``ValueError`` for an unknown name or value."""
        try:
            return Options(**{**dict(self), **changes})
        except ValidationError as error:
            raise ValueError(reasons(error)) from error

    def as_dict(self) -> dict[str, Any]:
        return self.model_dump(mode="json")
