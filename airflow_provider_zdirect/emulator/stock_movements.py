"""ZFS Stock Movements API 4.2.0: received, returned and liquidated items (zDirect docs: Stock Movements)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import islice

from fastapi import APIRouter, Request
from fastapi.responses import Response

from airflow_provider_zdirect.emulator.answers import ProblemError, json_answer, next_page
from airflow_provider_zdirect.emulator.cursor import opened, sealed
from airflow_provider_zdirect.emulator.requests import (
    ADVICE_ID,
    RETENTION,
    admit,
    check_order,
    date_range,
    given,
    midnight,
    page_limit,
    parse_time,
    time_range,
)
from airflow_provider_zdirect.emulator.state import EmulatorState
from airflow_provider_zdirect.emulator.truth import Record, legacy

RECEIVED = "received-items"
# zDirect docs: Stock Movements, received items.
DEFAULT_PAGE, LARGEST_PAGE = 100_000, 200_000
BASE = "/zfs/stock-movements"
INSTANT = timedelta(microseconds=1)
DAY = timedelta(days=1)


def stock_movements_router(state: EmulatorState) -> APIRouter:
    """Routes of the API. They are plain functions, so that long answers are made in the thread pool."""
    router = APIRouter(prefix=BASE)

    @router.get("/reports/received-items/{merchant_id}")
    def received_items(request: Request, merchant_id: str) -> Response:
        merchant_id = admit(state, request, merchant_id, RECEIVED)
        limit = page_limit(request.query_params, DEFAULT_PAGE, LARGEST_PAGE)
        query, cursor = _received_query(state, request, merchant_id), given(request.query_params, "cursor")
        if cursor:
            query = _continued(request, cursor, query)
        page = list(islice(_received(state, query), limit + 1))
        following = replace(query, after=page[limit - 1].key).cursor() if len(page) > limit else None
        items = [record.sent for record in page[:limit]]
        return json_answer({"received_items": items, **next_page(following, state.options)})

    @router.get("/received-items/{merchant_id}")
    def received_items_legacy(request: Request, merchant_id: str) -> Response:
        merchant_id = admit(state, request, merchant_id, RECEIVED)
        start, end = time_range(request.query_params)
        start = max(start, state.clock.now() - RETENTION)
        records = _visible(state, "received_items", merchant_id, start, end)
        return json_answer({"received_items": [legacy(record) for record in records]})

    @router.get("/returned-items/{merchant_id}")
    def returned_items(request: Request, merchant_id: str) -> Response:
        merchant_id = admit(state, request, merchant_id, "returned-items")
        start, end = time_range(request.query_params)
        if start < state.clock.now() - RETENTION:
            raise ProblemError(400, "from is more than 100 days ago")
        records = _visible(state, "returned_items", merchant_id, start, end)
        return json_answer({"returned_items": [record.sent for record in records]})

    @router.get("/liquidated-items/{merchant_id}")
    def liquidated_items(request: Request, merchant_id: str) -> Response:
        merchant_id = admit(state, request, merchant_id, "liquidated-items")
        now = state.clock.now()
        first, last = date_range(request.query_params, now)
        start, end = midnight(first), midnight(min(last, now.date() + DAY))
        # Both dates belong to the range by the documented examples; not confirmed.
        if state.options.liquidated_to == "inclusive":
            end += DAY
        records = (
            record for record in state.records("liquidated_items", merchant_id, start, end) if record.is_visible(now)
        )
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


@dataclass(frozen=True)
class ReceivedQuery:
    """Filters of one pass over the received items, and the time and label of the record after which it goes on."""

    merchant_id: str
    start: datetime
    end: datetime
    advice_ids: tuple[str, ...]
    after: tuple[datetime, str] | None = None

    def cursor(self) -> str:
        assert self.after
        times = [moment.isoformat() for moment in (self.start, self.end, self.after[0])]
        return sealed(RECEIVED, self.merchant_id, *times, self.after[1], self.advice_ids)


def _received_query(state: EmulatorState, request: Request, merchant_id: str) -> ReceivedQuery:
    now, start, end = state.clock.now(), given(request.query_params, "from"), given(request.query_params, "to")
    query = ReceivedQuery(
        merchant_id,
        parse_time(start, "from") if start else now - RETENTION,
        parse_time(end, "to") if end else now,
        _advice_ids(request.query_params.getlist("zalando_advice_ids")),
    )
    check_order(query.start, query.end)
    return query


def _advice_ids(values: list[str]) -> tuple[str, ...]:
    """Comma separated or repeated: the specification names no style, the docs' example uses commas."""
    ids = sorted({item for value in values for item in value.split(",") if item})
    for item in ids:
        if not ADVICE_ID.fullmatch(item):
            raise ProblemError(400, f"zalando_advice_ids must have 8 digits each: {item[:60]}")
    return tuple(ids)


def _continued(request: Request, cursor: str, query: ReceivedQuery) -> ReceivedQuery:
    """The pass of the cursor. Defaults move with the clock and are kept by it; what is given must be what it was."""
    merchant_id, start, end, time, label, advice_ids = opened(RECEIVED, cursor)
    start, end, time = (datetime.fromisoformat(moment) for moment in (start, end, time))
    known = ReceivedQuery(merchant_id, start, end, tuple(advice_ids), (time, label))
    names = {"from": "start", "to": "end", "zalando_advice_ids": "advice_ids"}
    same = ["merchant_id", *(field for name, field in names.items() if name in request.query_params)]
    if any(getattr(known, field) != getattr(query, field) for field in same):
        raise ProblemError(400, "cursor belongs to a request with other filters")
    return known


def _received(state: EmulatorState, query: ReceivedQuery) -> Iterator[Record]:
    # zDirect docs: received items are kept for the current and the previous year.
    oldest = datetime(state.clock.now().year - 1, 1, 1, tzinfo=UTC)
    start = max(query.start, oldest, query.after[0] if query.after else query.start)
    for record in _visible(state, "received_items", query.merchant_id, start, query.end):
        # A late record behind the cursor is missed by this pass, as in reality.
        if query.after and record.key <= query.after:
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
