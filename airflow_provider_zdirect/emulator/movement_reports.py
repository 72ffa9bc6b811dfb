"""Intra-Community Movements and Cross-Border Movements 1.1.0 (zDirect docs: pages of these names)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from itertools import groupby
from typing import Any

from airflow_provider_zdirect.emulator.answers import ProblemError, next_page
from airflow_provider_zdirect.emulator.clock import DAY
from airflow_provider_zdirect.emulator.cursor import position, sealed
from airflow_provider_zdirect.emulator.requests import Api, Call, Handler
from airflow_provider_zdirect.emulator.truth import Record

INTRA_COMMUNITY, CROSS_BORDER = "intra-community-movements", "cross-border-movements"
# zDirect docs: Cross-Border Movements. The default is documented, the largest is not.
DEFAULT_PAGE, LARGEST_PAGE = 1_000, 10_000
# What a group or the request says, and a movement within it does not.
DATES = ("report_date", "transaction_date")
TOO_MANY = (
    "There are too many movements in the database for the requested period of time. Try requesting a shorter period."
)
api = Api()


@dataclass(frozen=True)
class ReportQuery:
    """Filters of one pass over reports of movements, from report date ``first`` to ``last``."""

    operation: str
    merchant_id: str
    first: date
    last: date
    location_id: str | None = None

    @property
    def filters(self) -> list[str | None]:
        return [self.merchant_id, self.first.isoformat(), self.last.isoformat(), self.location_id]

    @property
    def dates(self) -> dict[str, str]:
        return {"from": self.first.isoformat(), "to": self.last.isoformat()}


def _paged(prefix: str) -> Handler:
    def intra_community_movements(call: Call) -> dict[str, Any]:
        if prefix != call.options.icm_prefix:
            raise ProblemError(404, f"GET {call.request.url.path}: Not Found")
        call.admit(INTRA_COMMUNITY)
        query = ReportQuery(INTRA_COMMUNITY, call.merchant_id, *call.date_range())
        movements, cursor = _page(call, query, call.options.icm_page_size)
        groups = _groups(movements, "transaction_date", DATES)
        more = next_page(cursor, call.options)
        return {"merchant_id": query.merchant_id, "items": groups, **more, "query": query.dates}

    return intra_community_movements


for prefix in ("", "/zfs"):
    api.get(f"{prefix}/{INTRA_COMMUNITY}/{{merchant_id}}")(_paged(prefix))


@api.get(f"/zfs/stock-movements/{INTRA_COMMUNITY}/{{merchant_id}}", INTRA_COMMUNITY)
def intra_community_movements_at_once(call: Call) -> dict[str, Any]:
    query = ReportQuery(INTRA_COMMUNITY, call.merchant_id, *call.date_range())
    movements = [record for _, report in _reports(call, query, query.first) for record in report]
    if len(movements) > call.options.icm_max_movements:
        raise ProblemError(500, f"{query.first} to {query.last}", title=TOO_MANY)
    key = call.options.icm_group_key
    left_out = (*DATES, "merchant_sku") if key == "report_date" else DATES
    return {"merchant_id": query.merchant_id, call.options.icm_list_key: _groups(movements, key, left_out)}


@api.get(f"/zfs/{CROSS_BORDER}/{{merchant_id}}", CROSS_BORDER)
def cross_border_movements(call: Call) -> dict[str, Any]:
    query = ReportQuery(CROSS_BORDER, call.merchant_id, *call.date_range(), call.given_uuid("location_id"))
    limit, sent_cursor = call.number("limit", DEFAULT_PAGE, most=LARGEST_PAGE), call.given("cursor")
    movements, cursor = _page(call, query, limit)
    return {
        "merchant_id": query.merchant_id,
        "items": [record.sent for record in movements],
        **next_page(cursor, call.options),
        "query": {**query.dates, **({"cursor": sent_cursor} if sent_cursor else {}), "limit": limit},
    }


def _reports(call: Call, query: ReportQuery, begin: date) -> Iterator[tuple[date, tuple[Record, ...]]]:
    """The reports that are there, from ``begin`` on."""
    timeline, calendar, day = call.state.timeline(), call.options.report_calendar, begin
    # No report is there on its own day, so that a far end costs nothing.
    end = min(query.last, call.now.date() - DAY)
    while day <= end:
        if calendar.visible_at(day) <= call.now:
            yield day, timeline.report(query.operation.replace("-", "_"), query.merchant_id, day)
        day += DAY


def _page(call: Call, query: ReportQuery, size: int) -> tuple[list[Record], str | None]:
    """The movements of one page and the cursor of the next, if there is one."""
    begin, skipped = query.first, 0
    if cursor := call.given("cursor"):
        day, skipped = position(query.operation, cursor, query.filters)
        begin = date.fromisoformat(day)
    page: list[Record] = []
    for reported, report in _reports(call, query, begin):
        for number in range(skipped if reported == begin else 0, len(report)):
            if query.location_id and query.location_id not in _location_ids(report[number]):
                continue
            if len(page) == size:
                return page, sealed(query.operation, *query.filters, reported.isoformat(), number)
            page.append(report[number])
    return page, None


def _location_ids(movement: Record) -> list[str]:
    return [movement.body[f"{end}_stock_location"]["location_id"] for end in ("source", "destination")]


def _groups(movements: list[Record], key: str, left_out: tuple[str, ...]) -> list[dict[str, Any]]:
    # Reports overlap in their transaction dates, so one date can have several groups, on a page too.
    return [
        {key: value, "movements": [{k: v for k, v in record.sent.items() if k not in left_out} for record in group]}
        for value, group in groupby(movements, key=lambda record: record.body[key])
    ]
