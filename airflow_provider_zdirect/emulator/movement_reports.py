# SPDX-License-Identifier: Apache-2.0
"""Intra-Community Movements and Cross-Border Movements 1.1.0 (zDirect docs: pages of these names)."""

from __future__ import annotations

from collections.abc import Iterator
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


def _paged(prefix: str) -> Handler:
    def intra_community_movements(call: Call) -> dict[str, Any]:
        if prefix != call.options.icm_prefix:
            raise ProblemError(404, f"GET {call.request.url.path}: Not Found")
        call.admit(INTRA_COMMUNITY)
        dates = call.date_range()
        movements, cursor = _page(call, INTRA_COMMUNITY, dates, call.options.icm_page_size)
        groups = _groups(movements, "transaction_date", DATES)
        more = next_page(cursor, call.options)
        return {"merchant_id": call.merchant_id, "items": groups, **more, "query": _shown(dates)}

    return intra_community_movements


for prefix in ("", "/zfs"):
    api.get(f"{prefix}/{INTRA_COMMUNITY}/{{merchant_id}}")(_paged(prefix))


@api.get(f"/zfs/stock-movements/{INTRA_COMMUNITY}/{{merchant_id}}", INTRA_COMMUNITY)
def intra_community_movements_at_once(call: Call) -> dict[str, Any]:
    first, last = call.date_range()
    movements = [record for _, report in _reports(call, INTRA_COMMUNITY, first, last) for record in report]
    if len(movements) > call.options.icm_max_movements:
        raise ProblemError(500, f"{first} to {last}", title=TOO_MANY)
    key = call.options.icm_group_key
    left_out = (*DATES, "merchant_sku") if key == "report_date" else DATES
    return {"merchant_id": call.merchant_id, call.options.icm_list_key: _groups(movements, key, left_out)}


@api.get(f"/zfs/{CROSS_BORDER}/{{merchant_id}}", CROSS_BORDER)
def cross_border_movements(call: Call) -> dict[str, Any]:
    dates, limit = call.date_range(), call.number("limit", DEFAULT_PAGE, most=LARGEST_PAGE)
    movements, cursor = _page(call, CROSS_BORDER, dates, limit, call.given_uuid("location_id"))
    sent_cursor = {"cursor": call.query["cursor"]} if call.given("cursor") else {}
    return {
        "merchant_id": call.merchant_id,
        "items": [record.sent for record in movements],
        **next_page(cursor, call.options),
        "query": {**_shown(dates), **sent_cursor, "limit": limit},
    }


def _shown(dates: tuple[date, date]) -> dict[str, str]:
    return dict(zip(("from", "to"), map(date.isoformat, dates), strict=True))


def _reports(call: Call, operation: str, first: date, last: date) -> Iterator[tuple[date, tuple[Record, ...]]]:
    """The reports that are there, by date."""
    timeline, calendar, day = call.state.timeline(), call.options.report_calendar, first
    # No report is there on its own day, so that a far end costs nothing.
    end = min(last, call.now.date() - DAY)
    while day <= end:
        if calendar.visible_at(day) <= call.now:
            yield day, timeline.report(operation.replace("-", "_"), call.merchant_id, day)
        day += DAY


def _page(
    call: Call, operation: str, dates: tuple[date, date], size: int, location_id: str | None = None
) -> tuple[list[Record], str | None]:
    """The movements of one page and the cursor of the next, if there is one."""
    begin, skipped, filters = dates[0], 0, [call.merchant_id, *map(date.isoformat, dates), location_id]
    if cursor := call.given("cursor"):
        day, skipped = position(operation, cursor, filters)
        begin = date.fromisoformat(day)
    page: list[Record] = []
    for reported, report in _reports(call, operation, begin, dates[1]):
        for number in range(skipped if reported == begin else 0, len(report)):
            if location_id and location_id not in _location_ids(report[number]):
                continue
            if len(page) == size:
                return page, sealed(operation, *filters, reported.isoformat(), number)
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
