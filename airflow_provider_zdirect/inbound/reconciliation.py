"""What was announced, dispatched and received, per advice and EAN, and the difference. From published data alone.

Which quantity counts (zDirect docs, *Shipping Notices*, dispatch item sets): the dispatch set, and without one the
announced set. What is received is counted: every record of ``received_items`` is one piece.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import pyarrow as pa

from airflow_provider_zdirect.datasets.arrow import INSTANT

ANNOUNCED, DISPATCHED = "announced", "dispatched"

SCHEMA = pa.schema(
    [
        ("zalando_advice_id", pa.string()),
        ("ean", pa.string()),
        ("shipping_notice_id", pa.string()),
        ("state", pa.string()),
        ("announced", pa.int64()),
        ("dispatched", pa.int64()),
        ("expected", pa.int64()),
        ("received", pa.int64()),
        ("difference", pa.int64()),
        ("first_received", INSTANT),
        ("last_received", INSTANT),
        ("tour_number", pa.string()),
        ("tour_status", pa.string()),
    ]
)
"""``announced`` is null where the announced set is not known, ``dispatched`` where there is no dispatch set;
``expected`` is the one that counts, ``difference`` is received - expected; both are null where of one of the notices no
set is known.
"""


@dataclass
class Delivery:
    """What is known of the notices of one advice.

    :param announced: pieces by EAN; None: no set is known.
    :param dispatched: likewise; None: there is no dispatch set.
    :param expected: of each notice the set that counts; None: not known of all of them.
    """

    advice_id: str | None
    notice_ids: list[str] = field(default_factory=list)
    states: list[str] = field(default_factory=list)
    announced: dict[str, int] | None = None
    dispatched: dict[str, int] | None = None
    expected: dict[str, int] | None = None


@dataclass(frozen=True)
class Received:
    """Pieces of one EAN that came with one advice."""

    pieces: int
    first: datetime
    last: datetime


Key = tuple[str | None, str | None]
"""Advice id and EAN."""


def reconcile(
    notices: Iterable[dict[str, Any]],
    items: Iterable[dict[str, Any]],
    tours: Iterable[dict[str, Any]],
    received: dict[Key, Received],
) -> pa.Table:
    """A row per advice and EAN that was announced, dispatched or received.

    :param notices: ``shipping_notice_id``, ``zalando_advice_id`` and ``state`` of the present notices.
    :param items: ``shipping_notice_id``, ``item_set`` (``announced`` or ``dispatched``), ``ean`` and ``quantity`` of
        their item sets.
    :param tours: the present tours.
    :param received: what was received, by advice id and EAN.
    """
    deliveries = _deliveries(notices, items)
    arrivals = _arrivals(tours)
    came: dict[str | None, dict[str | None, Received]] = defaultdict(dict)
    for (advice_id, ean), what in received.items():
        came[advice_id][ean] = what
    announced_advices = {delivery.advice_id for delivery in deliveries if delivery.advice_id is not None}
    unannounced = [Delivery(advice_id) for advice_id in came if advice_id not in announced_advices]
    rows = []
    for delivery in [*deliveries, *unannounced]:
        # What came without an advice belongs to no notice, also not to one that has no advice yet.
        here = came[delivery.advice_id] if delivery.advice_id or not delivery.notice_ids else {}
        eans = {*(delivery.announced or {}), *(delivery.dispatched or {}), *here}
        rows += [_row(delivery, ean, here.get(ean), arrivals) for ean in eans]
    rows.sort(key=lambda row: (row["zalando_advice_id"] or "", row["shipping_notice_id"] or "", row["ean"] or ""))
    return pa.Table.from_pylist(rows, schema=SCHEMA)


def _deliveries(notices: Iterable[dict[str, Any]], items: Iterable[dict[str, Any]]) -> list[Delivery]:
    sets: dict[str, dict[str, dict[str, int]]] = defaultdict(lambda: defaultdict(dict))
    for item in items:
        pieces = sets[item["shipping_notice_id"]][item["item_set"]]
        pieces[item["ean"]] = pieces.get(item["ean"], 0) + item["quantity"]
    found: dict[str, Delivery] = {}
    for notice in sorted(notices, key=lambda notice: str(notice["shipping_notice_id"])):
        notice_id, advice_id = notice["shipping_notice_id"], notice["zalando_advice_id"]
        # A notice that has no advice id yet stands for itself.
        delivery = found.setdefault(advice_id or f"notice {notice_id}", Delivery(advice_id))
        announced, dispatched = sets[notice_id].get(ANNOUNCED), sets[notice_id].get(DISPATCHED)
        counts = announced if dispatched is None else dispatched
        known = counts is not None and (delivery.expected is not None or not delivery.notice_ids)
        delivery.expected = _added(delivery.expected, counts) if known else None
        delivery.announced = _added(delivery.announced, announced)
        delivery.dispatched = _added(delivery.dispatched, dispatched)
        delivery.notice_ids.append(notice_id)
        if notice["state"] and notice["state"] not in delivery.states:
            delivery.states.append(notice["state"])
    return list(found.values())


def _added(pieces: dict[str, int] | None, more: dict[str, int] | None) -> dict[str, int] | None:
    if pieces is None or more is None:
        return more if pieces is None else pieces
    return {ean: pieces.get(ean, 0) + more.get(ean, 0) for ean in {*pieces, *more}}


def _arrivals(tours: Iterable[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """The tour of each advice that was updated last."""
    arrivals: dict[str, dict[str, Any]] = {}
    for tour in sorted(tours, key=lambda tour: (str(_status(tour).get("last_updated") or ""), tour["tour_number"])):
        if tour["zalando_advice_id"]:
            arrivals[tour["zalando_advice_id"]] = tour
    return arrivals


def _row(
    delivery: Delivery, ean: str | None, came: Received | None, arrivals: dict[str, dict[str, Any]]
) -> dict[str, Any]:
    expected = None if delivery.expected is None else delivery.expected.get(ean or "", 0)
    pieces = came.pieces if came else 0
    tour = arrivals.get(delivery.advice_id or "", {})
    return {
        "zalando_advice_id": delivery.advice_id,
        "ean": ean,
        "shipping_notice_id": ", ".join(delivery.notice_ids) or None,
        "state": ", ".join(delivery.states) or None,
        "announced": None if delivery.announced is None else delivery.announced.get(ean or "", 0),
        "dispatched": None if delivery.dispatched is None else delivery.dispatched.get(ean or "", 0),
        "expected": expected,
        "received": pieces,
        "difference": None if expected is None else pieces - expected,
        "first_received": came.first if came else None,
        "last_received": came.last if came else None,
        "tour_number": tour.get("tour_number"),
        "tour_status": _status(tour).get("status"),
    }


def _status(tour: dict[str, Any]) -> dict[str, Any]:
    return tour.get("current_status") or {}
