"""ZFS Stock Movements API 4.2.0: received, returned and liquidated items (zDirect docs: Stock Movements)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from itertools import islice
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import Response

from airflow_provider_zdirect.emulator.auth import check_bearer
from airflow_provider_zdirect.emulator.cursor import Cursor, ReceivedQuery, decode
from airflow_provider_zdirect.emulator.limits import LIMITS
from airflow_provider_zdirect.emulator.parameters import (
    advice_ids,
    merchant_uuid,
    ordered,
    page_limit,
    parse_date,
    parse_time,
    required,
)
from airflow_provider_zdirect.emulator.problem import ProblemError
from airflow_provider_zdirect.emulator.state import EmulatorState
from airflow_provider_zdirect.emulator.truth import Record, legacy

BASE = "/zfs/stock-movements"
RETENTION = timedelta(days=100)
INSTANT = timedelta(microseconds=1)
DAY = timedelta(days=1)


def stock_movements_router(state: EmulatorState) -> APIRouter:
    """Routes of the API. They are plain functions, so that long answers are made in the thread pool."""
    router = APIRouter(prefix=BASE)

    @router.get("/reports/received-items/{merchant_id}")
    def received_items(request: Request, merchant_id: str) -> Response:
        merchant_id = _admit(state, request, merchant_id, "received-items")
        query, limit = _received_query(state, request, merchant_id), page_limit(_value(request, "limit"))
        cursor_text = _value(request, "cursor")
        if state.bulk and merchant_id == state.bulk.merchant_id:
            return _raw_json(state.bulk.answer(cursor_text, query.start, query.end))
        cursor = _cursor(request, cursor_text, query) if cursor_text else None
        if cursor:
            query = cursor.query
        page = list(islice(_received(state, query, cursor), limit + 1))
        items = [record.sent for record in page[:limit]]
        answer: dict[str, Any] = {"received_items": items}
        if len(page) > limit:
            answer["next"] = Cursor(query, page[limit - 1].key).encode()
        elif state.options.last_page_next != "absent":
            answer["next"] = "" if state.options.last_page_next == "empty" else None
        return _json(answer)

    @router.get("/received-items/{merchant_id}")
    def received_items_legacy(request: Request, merchant_id: str) -> Response:
        merchant_id = _admit(state, request, merchant_id, "received-items")
        start, end = _required_times(request)
        start = max(start, state.clock.now() - RETENTION)
        records = _visible(state, "received_items", merchant_id, start, end)
        return _json({"received_items": [legacy(record) for record in records]})

    @router.get("/returned-items/{merchant_id}")
    def returned_items(request: Request, merchant_id: str) -> Response:
        merchant_id = _admit(state, request, merchant_id, "returned-items")
        start, end = _required_times(request)
        if start < state.clock.now() - RETENTION:
            raise ProblemError(400, "from is more than 100 days ago")
        records = _visible(state, "returned_items", merchant_id, start, end)
        return _json({"returned_items": [record.sent for record in records]})

    @router.get("/liquidated-items/{merchant_id}")
    def liquidated_items(request: Request, merchant_id: str) -> Response:
        merchant_id = _admit(state, request, merchant_id, "liquidated-items")
        first = parse_date(required(request.query_params, "from"), "from")
        last = parse_date(required(request.query_params, "to"), "to")
        ordered(first, last)
        if first < (state.clock.now() - RETENTION).date():
            raise ProblemError(400, "from is more than 100 days ago")
        now = state.clock.now()
        # Both dates belong to the range (by the documented examples; not confirmed).
        start, end = _midnight(first), _midnight(min(last, now.date())) + DAY
        records = (
            record
            for record in state.timeline().records("liquidated_items", merchant_id, start, end)
            if record.visible_at <= now
        )
        purchase_order = _value(request, state.options.purchase_order_parameter)
        rows = [
            record.sent
            for record in records
            if not purchase_order or record.body["purchase_order_number"] == purchase_order
        ]
        if state.options.liquidated_shape == "spec":
            return _json({"liquidated_items": rows})
        return _json({"received_items": [{**row, "quantity": str(row["quantity"])} for row in rows]})

    return router


def _admit(state: EmulatorState, request: Request, merchant_id: str, operation: str) -> str:
    """The merchant's id in its normal form, if the request may be answered at all."""
    check_bearer(state, request)
    refusal = state.limiter.refusal(operation, LIMITS[operation]) if state.options.rate_limits else None
    if refusal:
        raise ProblemError(429, f"too many requests to {operation}", refusal)
    merchant_id = merchant_uuid(merchant_id)
    if merchant_id == state.foreign_merchant_id:
        raise ProblemError(403, f"client {state.settings.client_id} has no access to merchant {merchant_id}")
    if merchant_id not in state.merchant_ids:
        raise ProblemError(404, f"merchant {merchant_id} is unknown")
    return merchant_id


def _received_query(state: EmulatorState, request: Request, merchant_id: str) -> ReceivedQuery:
    now, start, end = state.clock.now(), _value(request, "from"), _value(request, "to")
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
        if record.visible_at <= now:
            yield record


def _required_times(request: Request) -> tuple[datetime, datetime]:
    start = parse_time(required(request.query_params, "from"), "from")
    end = parse_time(required(request.query_params, "to"), "to")
    ordered(start, end)
    return start, end


def _value(request: Request, name: str) -> str | None:
    return request.query_params.get(name) or None


def _midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


def _json(answer: dict[str, Any]) -> Response:
    return _raw_json(json.dumps(answer, separators=(",", ":"), ensure_ascii=False).encode())


def _raw_json(body: bytes) -> Response:
    return Response(body, media_type="application/json")
