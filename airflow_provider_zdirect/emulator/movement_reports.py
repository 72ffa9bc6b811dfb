"""Intra-Community Movements and Cross-Border Movements 1.1.0 (zDirect docs: pages of these names)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from itertools import groupby
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import Response

from airflow_provider_zdirect.emulator.answers import ProblemError, json_answer, next_page
from airflow_provider_zdirect.emulator.cursor import position, sealed
from airflow_provider_zdirect.emulator.report_calendar import DAY
from airflow_provider_zdirect.emulator.requests import admit, date_range, given, given_uuid, page_limit
from airflow_provider_zdirect.emulator.state import EmulatorState
from airflow_provider_zdirect.emulator.truth import Record

INTRA_COMMUNITY, CROSS_BORDER = "intra-community-movements", "cross-border-movements"
# zDirect docs: Cross-Border Movements. The default is documented, the largest is not.
DEFAULT_PAGE, LARGEST_PAGE = 1_000, 10_000
DATASET = {INTRA_COMMUNITY: "intra_community_movements", CROSS_BORDER: "cross_border_movements"}
# What a group or the request says, and a movement within it does not.
DATES = ("report_date", "transaction_date")
Page = tuple[list[Record], str | None]
TOO_MANY = (
    "There are too many movements in the database for the requested period of time. Try requesting a shorter period."
)


def movement_reports_router(state: EmulatorState) -> APIRouter:
    """Routes of both APIs. They are plain functions, so that long answers are made in the thread pool."""
    router = APIRouter()

    @router.get(f"/{INTRA_COMMUNITY}/{{merchant_id}}")
    @router.get(f"/zfs/{INTRA_COMMUNITY}/{{merchant_id}}")
    def intra_community_movements(request: Request, merchant_id: str) -> Response:
        if not request.url.path.startswith(f"{state.options.icm_prefix}/{INTRA_COMMUNITY}/"):
            raise ProblemError(404, f"GET {request.url.path}: Not Found")
        query = _query(state, request, merchant_id, INTRA_COMMUNITY)
        movements, cursor = _page(state, query, given(request.query_params, "cursor"), state.options.icm_page_size)
        return json_answer(
            {
                "merchant_id": query.merchant_id,
                "items": _groups(movements, "transaction_date", left_out=DATES),
                **next_page(cursor, state.options),
                "query": _dates(query),
            }
        )

    @router.get(f"/zfs/stock-movements/{INTRA_COMMUNITY}/{{merchant_id}}")
    def intra_community_movements_at_once(request: Request, merchant_id: str) -> Response:
        query = _query(state, request, merchant_id, INTRA_COMMUNITY)
        movements = [record for _, report in _reports(state, query, query.first) for record in report]
        if len(movements) > state.options.icm_max_movements:
            raise ProblemError(500, f"{query.first} to {query.last}", title=TOO_MANY)
        key = state.options.icm_group_key
        left_out = (*DATES, "merchant_sku") if key == "report_date" else DATES
        groups = _groups(movements, key, left_out)
        return json_answer({"merchant_id": query.merchant_id, state.options.icm_list_key: groups})

    @router.get(f"/zfs/{CROSS_BORDER}/{{merchant_id}}")
    def cross_border_movements(request: Request, merchant_id: str) -> Response:
        query = _query(state, request, merchant_id, CROSS_BORDER)
        limit = page_limit(request.query_params, DEFAULT_PAGE, LARGEST_PAGE)
        sent_cursor = given(request.query_params, "cursor")
        movements, cursor = _page(state, query, sent_cursor, limit)
        return json_answer(
            {
                "merchant_id": query.merchant_id,
                "items": [record.sent for record in movements],
                **next_page(cursor, state.options),
                "query": {**_dates(query), **({"cursor": sent_cursor} if sent_cursor else {}), "limit": limit},
            }
        )

    return router


@dataclass(frozen=True)
class ReportQuery:
    """Filters of one pass over reports of movements.

    :param first: first report date; :param last: the last one, which belongs to it.
    """

    operation: str
    merchant_id: str
    first: date
    last: date
    location_id: str | None = None

    @property
    def filters(self) -> list[str | None]:
        return [self.merchant_id, self.first.isoformat(), self.last.isoformat(), self.location_id]


def _query(state: EmulatorState, request: Request, merchant_id: str, operation: str) -> ReportQuery:
    merchant_id = admit(state, request, merchant_id, operation)
    now = state.clock.now()
    first, last = date_range(request.query_params, now)
    location_id = given_uuid(request.query_params, "location_id") if operation == CROSS_BORDER else None
    return ReportQuery(operation, merchant_id, first, last, location_id)


def _is_there(state: EmulatorState, reported: date) -> bool:
    now = state.clock.now()
    return reported < now.date() and state.options.report_calendar.visible_at(reported) <= now


def _reports(state: EmulatorState, query: ReportQuery, begin: date) -> Iterator[tuple[date, tuple[Record, ...]]]:
    """The reports that are there, from ``begin`` on."""
    timeline, day = state.timeline(), begin
    # No report is there on its own day, so that a far end costs nothing.
    end = min(query.last, state.clock.now().date())
    while day <= end:
        if _is_there(state, day):
            yield day, timeline.report(DATASET[query.operation], query.merchant_id, day)
        day += DAY


def _page(state: EmulatorState, query: ReportQuery, cursor_text: str | None, size: int) -> Page:
    """The movements of one page and the cursor of the next, if there is one."""
    begin, skipped = query.first, 0
    if cursor_text:
        day, skipped = position(query.operation, cursor_text, query.filters)
        begin = date.fromisoformat(day)
    page: list[Record] = []
    for reported, report in _reports(state, query, begin):
        for number in range(skipped if reported == begin else 0, len(report)):
            if query.location_id and query.location_id not in _location_ids(report[number]):
                continue
            if len(page) == size:
                return page, sealed(query.operation, *query.filters, reported.isoformat(), number)
            page.append(report[number])
    return page, None


def _location_ids(movement: Record) -> tuple[str, str]:
    return (
        movement.body["source_stock_location"]["location_id"],
        movement.body["destination_stock_location"]["location_id"],
    )


def _groups(movements: list[Record], key: str, left_out: tuple[str, ...]) -> list[dict[str, Any]]:
    # Reports overlap in their transaction dates, so one date can have several groups, on a page too.
    return [
        {key: value, "movements": [{k: v for k, v in record.sent.items() if k not in left_out} for record in group]}
        for value, group in groupby(movements, key=lambda record: record.body[key])
    ]


def _dates(query: ReportQuery) -> dict[str, str]:
    return {"from": query.first.isoformat(), "to": query.last.isoformat()}
