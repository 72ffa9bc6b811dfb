"""What can be switched while the emulator runs, mostly facts about the API that nobody could confirm."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from airflow_provider_zdirect.emulator.report_calendar import TIME, ReportCalendar

CHOICES = {
    "icm_prefix": ("/zfs", ""),
    "icm_list_key": ("reports", "items"),
    "icm_group_key": ("transaction_date", "report_date"),
    "report_days": ("all", "business"),
    "missing_report": ("empty", "404"),
    "last_page_next": ("absent", "empty", "null"),
    "liquidated_by": ("liquidation_date", "reporting_date"),
    "liquidated_shape": ("spec", "seed"),
    "liquidated_to": ("inclusive", "exclusive"),
    "stock_locations_shape": ("array", "object"),
    "create_notice": ("put", "post", "both"),
    "created_notice_body": ("full", "empty"),
    "item_sets_shape": ("set", "list"),
    "inventory": ("stock", "zero", "empty", "missing"),
    "purchase_order_parameter": ("purchase-order-number", "purchase_order_number"),
    "orders_next": ("given", "absent"),
    "orders_time_filter": ("strict", "lenient", "ignored"),
    "orders_sort": ("honoured", "ignored"),
    "stocks_answer": ("results", "items"),
    "stocks_pending_status": ("ACCEPTED", "FAILED", "REJECTED"),
}
SHARES = (
    "late_share",
    "bad_records",
    "drift",
    "empty_reports",
    "liquidated_vanish",
    "liquidated_change",
    "stocks_failed",
    "stocks_pending",
    "zss_orders",
)
FLAGS = (
    "first_tracking_counts",
    "lines_from_initial",
    "null_defect_levels",
    "to_inclusive",
    "notices_without_merchant",
    "tours_without_parameter",
    "rate_limits",
)
# The least that each may be.
WHOLE_NUMBERS = {
    "icm_page_size": 1,
    "icm_max_movements": 0,
    "most_eans": 1,
    "notices_page_size": 1,
    "notice_days": 0,
    "orders_per_day": 0,
    "order_days": 0,
    "orders_page_limit": 1,
}
PARAMETERS = ("changed_since_parameter", "notices_cursor_parameter", "documents_order_parameter")
DOCUMENT_PATH = re.compile(r"/[^{}]*\{document_id\}[^{}]*")
ERROR_STATUSES = ("stale_etag_status", "missing_etag_status")


@dataclass(frozen=True)
class Options:
    """Switches of the emulator.

    :param volume: multiplier of records per hour and day.
    :param late_share: share 0..1 of records that become visible late: by 1..45 minutes, liquidated rows by 1..47
        hours.
    :param bad_records: share 0..1 of records that break the schema; the truth marks them with ``_bad``.
    :param drift: share 0..1 of records in another shape than documented (numbers as strings, unknown fields, ...).
    :param null_defect_levels: flawless returned items have ``null`` defect levels, as the docs say, instead of
        empty texts. Off, because the specification puts ``nullable`` where strict validators do not see it.
    :param to_inclusive: whether ``to`` of the timestamp endpoints belongs to the range.
    :param last_page_next: ``next`` of the last page: ``absent``, ``empty`` or ``null``.
    :param liquidated_by: the date that ``from`` and ``to`` of liquidated items select.
    :param liquidated_shape: ``spec``, or ``seed``: list key ``received_items`` and quantity as a string.
    :param liquidated_to: whether ``to`` of liquidated items belongs to the range: ``inclusive`` or ``exclusive``.
    :param liquidated_vanish: share 0..1 of liquidated rows that are there when their day is over, and vanish 1..47
        hours later.
    :param liquidated_change: share 0..1 of those whose quantity or total price changes 1..47 hours later.
    :param purchase_order_parameter: the spelling that the liquidation filter honours; the other is ignored.
    :param icm_prefix: what stands before the path of the paginated Intra-Community Movements; the docs print it with
        and without. The other path is unknown then.
    :param icm_page_size: movements on a page of them; the client has no say in it.
    :param icm_list_key: list key of the deprecated Intra-Community Movements.
    :param icm_group_key: the date by which those are grouped; ``report_date`` is the older copy of the docs, without
        ``merchant_sku``.
    :param icm_max_movements: a deprecated request for more movements is a 500.
    :param report_time: UTC time (HH:MM) at which a day's report of movements appears on a later day.
    :param report_days: ``all``: on the next day; ``business``: on the next of Monday to Friday that is no holiday.
    :param report_holidays: those holidays, a list of ISO dates.
    :param empty_reports: share 0..1 of reports without any movement.
    :param missing_report: what a request for one report answers that is not there yet: ``empty`` (no movements) or
        ``404``.
    :param inventory: what the inventory answers: ``stock``; ``zero``: no article has stock; ``empty``: lists without
        anything and no time of creation, as in sandbox; ``missing``: an empty object.
    :param snapshot_time: UTC time (HH:MM) at which the day's snapshot of the inventory is made.
    :param most_eans: EANs that one request for item quantities may name.
    :param changed_since_parameter: name of the parameter that asks for quantities changed since a time.
    :param stock_locations_shape: the list of stock locations is an ``array``, or an ``object`` with the key
        ``stock_locations``.
    :param notice_days: shipping notices are there for the received items of so many days, and for those that will
        arrive within a week; 0: for none at all.
    :param notices_page_size: shipping notices on a page; the client has no say in it.
    :param notices_cursor_parameter: name of the parameter that asks for the next page; any other is ignored.
    :param notice_id_field: name of a field that shows the id of a notice besides ``self``; empty: there is none.
    :param notices_without_merchant: notices are shown without ``zalando_merchant_id``.
    :param create_notice: ``put``: with an id of the client; ``post``: the server makes the id; or ``both``.
    :param created_notice_body: what writing a notice answers: ``full``: the notice; ``empty``: nothing.
    :param stale_etag_status: status of a write with a stale ``If-Match``, or that would create a notice twice.
    :param missing_etag_status: status of a write without ``If-Match``.
    :param item_sets_shape: the item sets of a notice are answered as ``set`` (the current one) or ``list`` (all).
    :param delivery_date_after_minutes: minutes from an announcement to its delivery date; ``None``: only tests set it.
    :param tours_without_parameter: whether tours can be asked for without an advice; otherwise that is a 400.
    :param orders_per_day: orders of each merchant and day.
    :param order_days: orders are there of so many days before the moment when they are first asked for; 0: none at
        all. Neither this nor ``orders_per_day`` changes orders that are there.
    :param orders_page_limit: the most orders on a page; who asks for more gets so many.
    :param orders_next: the list of orders has links to the other pages (``given``), or only to itself (``absent``).
    :param orders_time_filter: ``strict``: a time with fractions of a second or a ``Z`` at its end makes the server
        drop that filter and say nothing; ``lenient``: all times are honoured; ``ignored``: none is.
    :param orders_sort: whether ``sort`` is ``honoured`` or ``ignored``, which is the default order.
    :param order_update_seconds: seconds until tracking numbers that were sent for an order take effect.
    :param first_tracking_counts: of the tracking numbers of an order only the first that is not empty counts, as an
        older copy of the docs says.
    :param lines_from_initial: a line can be shipped or canceled that was not reserved before, as examples of possible
        transitions show.
    :param stocks_answer: the list of an answer to stock updates: ``results`` with numbers as codes, or ``items`` with
        texts, as in an older copy of the docs.
    :param stocks_failed: share 0..1 of stock updates that fail; the next attempt has its own luck.
    :param stocks_pending: share 0..1 of EANs that are not onboarded yet.
    :param stocks_pending_status: status of updates for those, which is not documented.
    :param zss_orders: share 0..1 of partner-fulfilled orders that have shipping documents.
    :param documents_order_parameter: name of the parameter that asks for the documents of an order.
    :param document_path: path of one document as PDF, which is not documented; ``{document_id}`` is in it.
    :param missing_scopes: scopes of Orders, Stocks and Shipping Documents that the client lacks, a list.
    :param rate_limits: whether the documented limits are enforced, token requests included.
    :param token_seconds: life of an access token, in seconds.
    :param tokens_per_minute: token requests a minute; ``None`` follows the environment (8 or 1).
    """

    volume: float = 1.0
    late_share: float = 0.05
    bad_records: float = 0.0
    drift: float = 0.0
    null_defect_levels: bool = False
    to_inclusive: bool = False
    last_page_next: str = "absent"
    liquidated_by: str = "liquidation_date"
    liquidated_shape: str = "spec"
    liquidated_to: str = "inclusive"
    liquidated_vanish: float = 0.0
    liquidated_change: float = 0.0
    purchase_order_parameter: str = "purchase-order-number"
    icm_prefix: str = "/zfs"
    icm_page_size: int = 1000
    icm_list_key: str = "reports"
    icm_group_key: str = "transaction_date"
    icm_max_movements: int = 20_000
    report_time: str = "10:30"
    report_days: str = "all"
    report_holidays: tuple[str, ...] = ()
    empty_reports: float = 0.05
    missing_report: str = "empty"
    inventory: str = "stock"
    snapshot_time: str = "22:00"
    most_eans: int = 100
    changed_since_parameter: str = "from"
    stock_locations_shape: str = "array"
    notice_days: int = 5
    notices_page_size: int = 50
    notices_cursor_parameter: str = "cursor"
    notice_id_field: str = ""
    notices_without_merchant: bool = False
    create_notice: str = "put"
    created_notice_body: str = "full"
    stale_etag_status: int = 412
    missing_etag_status: int = 428
    item_sets_shape: str = "set"
    delivery_date_after_minutes: float | None = None
    tours_without_parameter: bool = True
    orders_per_day: int = 20
    order_days: int = 5
    orders_page_limit: int = 1000
    orders_next: str = "given"
    orders_time_filter: str = "strict"
    orders_sort: str = "honoured"
    order_update_seconds: float = 3
    first_tracking_counts: bool = False
    lines_from_initial: bool = False
    stocks_answer: str = "results"
    stocks_failed: float = 0.0
    stocks_pending: float = 0.0
    stocks_pending_status: str = "ACCEPTED"
    zss_orders: float = 0.5
    documents_order_parameter: str = "order_id"
    document_path: str = "/zss/shipping-documents/{document_id}"
    missing_scopes: tuple[str, ...] = ()
    rate_limits: bool = True
    token_seconds: int = 7200
    tokens_per_minute: int | None = None

    def __post_init__(self) -> None:
        # The command line reads values as JSON, and 404 is a number there.
        object.__setattr__(self, "missing_report", str(self.missing_report))
        for name, allowed in CHOICES.items():
            if getattr(self, name) not in allowed:
                raise ValueError(f"{name} must be one of {', '.join(allowed)}")
        for name in SHARES:
            share = getattr(self, name)
            if not isinstance(share, (int, float)) or not 0 <= share <= 1:
                raise ValueError(f"{name} must be a share from 0 to 1")
        for name in FLAGS:
            if not isinstance(getattr(self, name), bool):
                raise ValueError(f"{name} must be true or false")
        if not isinstance(self.volume, (int, float)) or self.volume < 0:
            raise ValueError("volume must be a number, 0 or more")
        if not isinstance(self.token_seconds, int) or self.token_seconds < 0:
            raise ValueError("token_seconds must be a whole number, 0 or more")
        for name, least in WHOLE_NUMBERS.items():
            number = getattr(self, name)
            if not isinstance(number, int) or isinstance(number, bool) or number < least:
                raise ValueError(f"{name} must be a whole number, {least} or more")
        for name in ERROR_STATUSES:
            status = getattr(self, name)
            if not isinstance(status, int) or not 400 <= status <= 599:
                raise ValueError(f"{name} must be a status from 400 to 599")
        if not isinstance(self.notice_id_field, str):
            raise ValueError("notice_id_field must be a name, or empty")
        minutes = self.delivery_date_after_minutes
        if minutes is not None and (not isinstance(minutes, (int, float)) or minutes < 0):
            raise ValueError("delivery_date_after_minutes must be a number, 0 or more, or null")
        seconds = self.order_update_seconds
        if not isinstance(seconds, (int, float)) or isinstance(seconds, bool) or seconds < 0:
            raise ValueError("order_update_seconds must be a number, 0 or more")
        if not isinstance(self.document_path, str) or not DOCUMENT_PATH.fullmatch(self.document_path):
            raise ValueError("document_path must be a path with {document_id} in it")
        if not isinstance(self.missing_scopes, (list, tuple)):
            raise ValueError("missing_scopes must be a list of scopes")
        object.__setattr__(self, "missing_scopes", tuple(self.missing_scopes))
        for name in PARAMETERS:
            if not isinstance(getattr(self, name), str) or not getattr(self, name):
                raise ValueError(f"{name} must be the name of a parameter")
        if not isinstance(self.snapshot_time, str) or not TIME.fullmatch(self.snapshot_time):
            raise ValueError("snapshot_time must be a time like 22:00")
        if not isinstance(self.report_holidays, (list, tuple)):
            raise ValueError("report_holidays must be a list of dates (YYYY-MM-DD)")
        # Options come from JSON, and what is made of them is a key of caches.
        object.__setattr__(self, "report_holidays", tuple(self.report_holidays))
        # Refuses times and dates that are none.
        _ = self.report_calendar
        if self.tokens_per_minute is not None and not isinstance(self.tokens_per_minute, int):
            raise ValueError("tokens_per_minute must be a whole number or null")

    @property
    def report_calendar(self) -> ReportCalendar:
        return ReportCalendar(self.report_time, self.report_days, self.report_holidays)

    def changed(self, changes: dict[str, Any]) -> Options:
        """The same options with some changed; ``ValueError`` for an unknown name or value."""
        unknown = set(changes) - {field.name for field in fields(self)}
        if unknown:
            raise ValueError(f"unknown option {', '.join(sorted(unknown))}")
        return replace(self, **changes)

    def as_dict(self) -> dict[str, Any]:
        lists = {"report_holidays": list(self.report_holidays), "missing_scopes": list(self.missing_scopes)}
        return {**asdict(self), **lists}
