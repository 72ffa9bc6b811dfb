"""ZFS Stock Movements API 4.2.0: received, returned and liquidated items (zDirect docs: Stock Movements)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from itertools import islice

from fastapi import APIRouter, Request
from fastapi.responses import Response

from airflow_provider_zdirect.emulator.admission import admit
from airflow_provider_zdirect.emulator.answers import json_answer, next_page, raw_json
from airflow_provider_zdirect.emulator.cursor import Cursor, ReceivedQuery, decode
from airflow_provider_zdirect.emulator.parameters import (
    RETENTION,
    advice_ids,
    date_range,
    given,
    ordered,
    page_limit,
    parse_time,
    required,
)
from airflow_provider_zdirect.emulator.problem import ProblemError
from airflow_provider_zdirect.emulator.state import EmulatorState
from airflow_provider_zdirect.emulator.truth import Record, legacy

BASE = "/zfs/stock-movements"
INSTANT = timedelta(microseconds=1)
DAY = timedelta(days=1)


def stock_movements_router(state: EmulatorState) -> APIRouter:
    """Routes of the API. They are plain functions, so that long answers are made in the thread pool."""
    router = APIRouter(prefix=BASE)

    @router.get("/reports/received-items/{merchant_id}")
    def received_items(request: Request, merchant_id: str) -> Response:
        merchant_id = admit(state, request, merchant_id, "received-items")
        query, limit = _received_query(state, request, merchant_id), page_limit(given(request.query_params, "limit"))
        cursor_text = given(request.query_params, "cursor")
        if state.bulk and merchant_id == state.bulk.merchant_id:
            return raw_json(state.bulk.answer(cursor_text, query.start, query.end))
        cursor = _cursor(request, cursor_text, query) if cursor_text else None
        if cursor:
            query = cursor.query
        page = list(islice(_received(state, query, cursor), limit + 1))
        items = [record.sent for record in page[:limit]]
        after = Cursor(query, page[limit - 1].key).encode() if len(page) > limit else None
        return json_answer({"received_items": items, **next_page(after, state.options)})

    @router.get("/received-items/{merchant_id}")
    def received_items_legacy(request: Request, merchant_id: str) -> Response:
        merchant_id = admit(state, request, merchant_id, "received-items")
        start, end = _required_times(request)
        start = max(start, state.clock.now() - RETENTION)
        records = _visible(state, "received_items", merchant_id, start, end)
        return json_answer({"received_items": [legacy(record) for record in records]})

    @router.get("/returned-items/{merchant_id}")
    def returned_items(request: Request, merchant_id: str) -> Response:
        merchant_id = admit(state, request, merchant_id, "returned-items")
        start, end = _required_times(request)
        if start < state.clock.now() - RETENTION:
            raise ProblemError(400, "from is more than 100 days ago")
        records = _visible(state, "returned_items", merchant_id, start, end)
        return json_answer({"returned_items": [record.sent for record in records]})

    @router.get("/liquidated-items/{merchant_id}")
    def liquidated_items(request: Request, merchant_id: str) -> Response:
        merchant_id = admit(state, request, merchant_id, "liquidated-items")
        now = state.clock.now()
        first, last = date_range(request.query_params, now)
        start, end = _midnight(first), _midnight(min(last, now.date() + DAY))
        # Both dates belong to the range by the documented examples; not confirmed.
        if state.options.liquidated_to == "inclusive":
            end += DAY
        records = (record for record in state.liquidated_items(merchant_id, start, end) if record.is_visible(now))
        purchase_order = given(request.query_params, state.options.purchase_order_parameter)
        rows = [
            record.sent
            for record in records
            if not purchase_order or record.body["purchase_order_number"] == purchase_order
        ]
        if state.options.liquidated_shape == "spec":
            return json_answer({"liquidated_items": rows})
        return json_answer({"received_items": [{**row, "quantity": str(row["quantity"])} for row in rows]})

    return router


def _received_query(state: EmulatorState, request: Request, merchant_id: str) -> ReceivedQuery:
    now, start, end = state.clock.now(), given(request.query_params, "from"), given(request.query_params, "to")
    query = ReceivedQuery(
        merchant_id,
        parse_time(start, "from") if start else now - RETENTION,
        parse_time(end, "to") if end else now,
        advice_ids(request.query_params.getlist("zalando_advice_ids")),
    )
    ordered(query.start, query.end)
    return query


def _cursor(request: Request, text: str, query: ReceivedQuery) -> Cursor:
    cursor = decode(text)
    same = [cursor.query.merchant_id == query.merchant_id]
    # Defaults move with the clock and are kept by the cursor; what is given must be what it was.
    same.append("from" not in request.query_params or cursor.query.start == query.start)
    same.append("to" not in request.query_params or cursor.query.end == query.end)
    same.append("zalando_advice_ids" not in request.query_params or cursor.query.advice_ids == query.advice_ids)
    if not all(same):
        raise ProblemError(400, "cursor belongs to a request with other filters")
    return cursor


def _received(state: EmulatorState, query: ReceivedQuery, cursor: Cursor | None) -> Iterator[Record]:
    # zDirect docs: received items are kept for the current and the previous year.
    oldest = datetime(state.clock.now().year - 1, 1, 1, tzinfo=UTC)
    start = max(query.start, oldest, cursor.after[0] if cursor else query.start)
    for record in _visible(state, "received_items", query.merchant_id, start, query.end):
        # A late record behind the cursor is missed by this pass, as in reality.
        if cursor and record.key <= cursor.after:
            continue
        if not query.advice_ids or str(record.body["zalando_advice_id"]) in query.advice_ids:
            yield record


def _visible(state: EmulatorState, dataset: str, merchant_id: str, start: datetime, end: datetime) -> Iterator[Record]:
    now = state.clock.now()
    # Nothing later than now is visible, so that a far end costs nothing.
    end = min(end, now) + INSTANT if state.options.to_inclusive else min(end, now + INSTANT)
    for record in state.timeline().records(dataset, merchant_id, start, end):
        if record.is_visible(now):
            yield record


def _required_times(request: Request) -> tuple[datetime, datetime]:
    start = parse_time(required(request.query_params, "from"), "from")
    end = parse_time(required(request.query_params, "to"), "to")
    ordered(start, end)
    return start, end


def _midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)
