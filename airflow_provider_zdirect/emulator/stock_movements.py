# SPDX-License-Identifier: Apache-2.0
"""ZFS Stock Movements API 4.2.0: received, returned and liquidated items (zDirect docs: Stock Movements)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any

from airflow_provider_zdirect.emulator.answers import ProblemError, next_page
from airflow_provider_zdirect.emulator.clock import DAY, moment
from airflow_provider_zdirect.emulator.cursor import opened, sealed
from airflow_provider_zdirect.emulator.requests import ADVICE_ID, RETENTION, Api, Call, check_order
from airflow_provider_zdirect.emulator.truth import Record, legacy

RECEIVED = "received-items"
# zDirect docs: Stock Movements, received items.
DEFAULT_PAGE, LARGEST_PAGE = 100_000, 200_000
BASE = "/zfs/stock-movements"
INSTANT = timedelta(microseconds=1)
api = Api()


@api.get(f"{BASE}/reports/received-items/{{merchant_id}}", RECEIVED)
def received_items(call: Call) -> dict[str, Any]:
    limit = call.number("limit", DEFAULT_PAGE, most=LARGEST_PAGE)
    query, cursor = _received_query(call), call.given("cursor")
    if cursor:
        query = _continued(call, cursor, query)
    page = list(islice(_received(call, query), limit + 1))
    following = replace(query, after=page[limit - 1].key).cursor() if len(page) > limit else None
    return {"received_items": [record.sent for record in page[:limit]], **next_page(following, call.options)}


@api.get(f"{BASE}/received-items/{{merchant_id}}", RECEIVED)
def received_items_legacy(call: Call) -> dict[str, Any]:
    start, end = call.time_range()
    records = _visible(call, "received_items", max(start, call.now - RETENTION), end)
    return {"received_items": [legacy(record) for record in records]}


@api.get(f"{BASE}/returned-items/{{merchant_id}}", "returned-items")
def returned_items(call: Call) -> dict[str, Any]:
    start, end = call.time_range()
    if start < call.now - RETENTION:
        raise ProblemError(400, "from is more than 100 days ago")
    return {"returned_items": [record.sent for record in _visible(call, "returned_items", start, end)]}


@api.get(f"{BASE}/liquidated-items/{{merchant_id}}", "liquidated-items")
def liquidated_items(call: Call) -> dict[str, Any]:
    first, last = call.date_range()
    end = moment(min(last, call.now.date() + DAY))
    # Both dates belong to the range by the documented examples; not confirmed.
    if call.options.liquidated_to == "inclusive":
        end += DAY
    purchase_order = call.given(call.options.purchase_order_parameter)
    rows = [
        record.sent
        for record in call.state.records("liquidated_items", call.merchant_id, moment(first), end)
        if record.is_visible(call.now) and purchase_order in (None, record.body["purchase_order_number"])
    ]
    if call.options.liquidated_shape == "spec":
        return {"liquidated_items": rows}
    return {"received_items": [{**row, "quantity": str(row["quantity"])} for row in rows]}


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
        times = [time.isoformat() for time in (self.start, self.end, self.after[0])]
        return sealed(RECEIVED, self.merchant_id, *times, self.after[1], self.advice_ids)


def _received_query(call: Call) -> ReceivedQuery:
    start, end = call.given_time("from") or call.now - RETENTION, call.given_time("to") or call.now
    # Comma separated or repeated: the specification names no style, the docs' example uses commas.
    values = call.query.getlist("zalando_advice_ids")
    advice_ids = tuple(sorted({item for value in values for item in value.split(",") if item}))
    for item in advice_ids:
        if not ADVICE_ID.fullmatch(item):
            raise ProblemError(400, f"zalando_advice_ids must have 8 digits each: {item[:60]}")
    check_order(start, end)
    return ReceivedQuery(call.merchant_id, start, end, advice_ids)


def _continued(call: Call, cursor: str, query: ReceivedQuery) -> ReceivedQuery:
    """The pass of the cursor. Defaults move with the clock and are kept by it; what is given must be what it was."""
    merchant_id, start, end, time, label, advice_ids = opened(RECEIVED, cursor)
    start, end, time = (datetime.fromisoformat(text) for text in (start, end, time))
    known = ReceivedQuery(merchant_id, start, end, tuple(advice_ids), (time, label))
    names = {"from": "start", "to": "end", "zalando_advice_ids": "advice_ids"}
    same = ["merchant_id", *(field for name, field in names.items() if name in call.query)]
    if any(getattr(known, field) != getattr(query, field) for field in same):
        raise ProblemError(400, "cursor belongs to a request with other filters")
    return known


def _received(call: Call, query: ReceivedQuery) -> Iterator[Record]:
    # zDirect docs: received items are kept for the current and the previous year.
    oldest = datetime(call.now.year - 1, 1, 1, tzinfo=UTC)
    start = max(query.start, oldest, query.after[0] if query.after else query.start)
    for record in _visible(call, "received_items", start, query.end):
        # A late record behind the cursor is missed by this pass, as in reality.
        if query.after and record.key <= query.after:
            continue
        if not query.advice_ids or str(record.body["zalando_advice_id"]) in query.advice_ids:
            yield record


def _visible(call: Call, dataset: str, start: datetime, end: datetime) -> Iterator[Record]:
    now = call.now
    # Nothing later than now is visible, so that a far end costs nothing.
    end = min(end, now) + INSTANT if call.options.to_inclusive else min(end, now + INSTANT)
    for record in call.state.timeline().records(dataset, call.merchant_id, start, end):
        if record.is_visible(now):
            yield record
