from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import duckdb
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_zdirect.datasets.arrow import INSTANT
from airflow_provider_zdirect.inbound.reconciliation import Received, reconcile

MONDAY = datetime(2026, 11, 16, 8, tzinfo=UTC)
ADVICES = ["10000001", "10000002", "10000003", None]
EANS = ["4006381333931", "0191476239145", "8712345678906"]
NOTICES = ["n1", "n2", "n3"]
RECEIVED_SCHEMA = pa.schema([("zalando_advice_id", pa.string()), ("ean", pa.string()), ("received_timestamp", INSTANT)])


def notice(notice_id: str, advice_id: str | None, state: str = "ready_for_receive") -> dict[str, Any]:
    return {"shipping_notice_id": notice_id, "zalando_advice_id": advice_id, "state": state}


def items(notice_id: str, item_set: str, pieces: dict[str | None, int]) -> list[dict[str, Any]]:
    return [
        {"shipping_notice_id": notice_id, "item_set": item_set, "ean": ean, "quantity": quantity}
        for ean, quantity in pieces.items()
    ]


def came(pieces: int) -> Received:
    return Received(pieces, MONDAY, MONDAY + timedelta(hours=pieces))


def rows(table: pa.Table, *names: str) -> list[tuple[Any, ...]]:
    return [tuple(row[name] for name in names) for row in table.to_pylist()]


def test_the_dispatch_set_counts_and_without_one_the_announced() -> None:
    table = reconcile(
        [notice("n1", ADVICES[0]), notice("n2", ADVICES[1])],
        [
            *items("n1", "announced", {EANS[0]: 5}),
            *items("n1", "dispatched", {EANS[1]: 3}),
            *items("n2", "announced", {EANS[0]: 7}),
        ],
        [],
        {(ADVICES[0], EANS[0]): came(1), (ADVICES[1], EANS[0]): came(7)},
    )
    assert rows(table, "zalando_advice_id", "ean", "announced", "dispatched", "expected", "received", "difference") == [
        (ADVICES[0], EANS[1], 0, 3, 3, 0, -3),
        (ADVICES[0], EANS[0], 5, 0, 0, 1, 1),
        (ADVICES[1], EANS[0], 7, None, 7, 7, 0),
    ]


def test_two_notices_of_one_advice_are_added_up_and_unknown_if_one_is() -> None:
    notices = [notice("n1", ADVICES[0]), notice("n2", ADVICES[0], "initial")]
    first = items("n1", "announced", {EANS[0]: 5})
    table = reconcile(notices, first, [], {})
    columns = ("shipping_notice_id", "state", "announced", "expected", "difference")
    assert rows(table, *columns) == [("n1, n2", "ready_for_receive, initial", 5, None, None)]
    table = reconcile(notices, [*first, *items("n2", "announced", {EANS[0]: 2})], [], {})
    assert rows(table, *columns) == [("n1, n2", "ready_for_receive, initial", 7, 7, -7)]


def test_what_came_with_an_unknown_advice_or_with_none_is_there_and_expects_nothing() -> None:
    table = reconcile([], [], [], {(ADVICES[0], EANS[0]): came(2), (None, EANS[1]): came(1)})
    assert rows(table, "zalando_advice_id", "ean", "shipping_notice_id", "expected", "received", "difference") == [
        (None, EANS[1], None, None, 1, None),
        (ADVICES[0], EANS[0], None, None, 2, None),
    ]


def test_notices_without_an_advice_stand_for_themselves() -> None:
    table = reconcile(
        [notice("n1", None, "initial"), notice("n2", None, "initial")],
        [*items("n1", "announced", {EANS[0]: 5}), *items("n2", "announced", {EANS[0]: 6})],
        [],
        {(None, EANS[0]): came(1)},
    )
    assert rows(table, "shipping_notice_id", "announced", "received") == [(None, None, 1), ("n1", 5, 0), ("n2", 6, 0)]


def test_the_tour_that_was_updated_last_is_told() -> None:
    tours = [
        {"zalando_advice_id": ADVICES[0], "tour_number": "T2", "current_status": {"status": "initialized"}},
        {
            "zalando_advice_id": ADVICES[0],
            "tour_number": "T1",
            "current_status": {"status": "unloaded", "last_updated": MONDAY},
        },
        {"zalando_advice_id": None, "tour_number": "T3", "current_status": None},
    ]
    table = reconcile([notice("n1", ADVICES[0])], items("n1", "announced", {EANS[0]: 1}), tours, {})
    assert rows(table, "tour_number", "tour_status") == [("T1", "unloaded")]


QUANTITIES = st.dictionaries(st.sampled_from(EANS), st.integers(1, 9), min_size=1, max_size=3)
WORLD = st.fixed_dictionaries(
    {
        "advices": st.fixed_dictionaries({notice_id: st.sampled_from(ADVICES) for notice_id in NOTICES}),
        "announced": st.dictionaries(st.sampled_from(NOTICES), QUANTITIES),
        "dispatched": st.dictionaries(st.sampled_from(NOTICES), QUANTITIES),
        "received": st.lists(
            st.tuples(st.sampled_from(ADVICES), st.sampled_from([*EANS, None]), st.integers(0, 99)), max_size=40
        ),
    }
)


@settings(max_examples=60)
@given(WORLD)
def test_it_is_what_sql_makes_of_the_same(world: dict[str, Any]) -> None:
    notices = [notice(notice_id, advice_id) for notice_id, advice_id in world["advices"].items()]
    sets = [
        item
        for kind in ("announced", "dispatched")
        for notice_id, pieces in world[kind].items()
        for item in items(notice_id, kind, pieces)
    ]
    received = pa.Table.from_pylist(
        [
            {"zalando_advice_id": advice, "ean": ean, "received_timestamp": MONDAY + timedelta(hours=hours)}
            for advice, ean, hours in world["received"]
        ],
        schema=RECEIVED_SCHEMA,
    )
    counts = {
        key: Received(pieces, MONDAY, MONDAY) for key, pieces in Counter(row[:2] for row in world["received"]).items()
    }
    table = reconcile(notices, sets, [], counts)
    found = rows(table, "zalando_advice_id", "ean", "expected", "received", "difference")
    notice_rows = pa.Table.from_pylist(notices, schema=pa.schema([(name, pa.string()) for name in notices[0]]))
    set_rows = pa.Table.from_pylist(
        sets,
        schema=pa.schema(
            [(name, pa.string()) for name in ("shipping_notice_id", "item_set", "ean")] + [("quantity", pa.int64())]
        ),
    )
    with duckdb.connect() as sql:
        sql.register("notices", notice_rows)
        sql.register("sets", set_rows)
        sql.register("received", received)
        expected = sql.sql(
            """
            WITH counting AS (  -- of each notice the set that counts
                SELECT * FROM sets s WHERE item_set = 'dispatched' OR NOT EXISTS (
                    FROM sets d WHERE d.shipping_notice_id = s.shipping_notice_id AND d.item_set = 'dispatched')),
            keyed AS (
                SELECT coalesce(zalando_advice_id, shipping_notice_id) AS delivery, zalando_advice_id AS advice,
                       shipping_notice_id FROM notices),
            eans AS (
                SELECT DISTINCT delivery, advice, ean FROM keyed JOIN sets USING (shipping_notice_id)
                UNION SELECT coalesce(zalando_advice_id, ''), zalando_advice_id, ean FROM received),
            expected AS (
                SELECT delivery, ean, sum(quantity) AS pieces FROM keyed JOIN counting USING (shipping_notice_id)
                GROUP BY ALL),
            known AS (
                SELECT delivery FROM keyed GROUP BY delivery
                HAVING bool_and(shipping_notice_id IN (SELECT shipping_notice_id FROM sets))),
            came AS (SELECT coalesce(zalando_advice_id, '') AS delivery, ean, count(*) AS pieces
                     FROM received GROUP BY ALL)
            SELECT e.advice, e.ean,
                   CASE WHEN k.delivery IS NOT NULL THEN coalesce(x.pieces, 0) END AS expected,
                   coalesce(c.pieces, 0) AS received, coalesce(c.pieces, 0) - expected
            FROM eans e LEFT JOIN expected x USING (delivery, ean) LEFT JOIN known k USING (delivery)
            LEFT JOIN came c ON c.delivery = e.delivery AND c.ean IS NOT DISTINCT FROM e.ean
            """
        ).fetchall()
    assert sorted(found, key=repr) == sorted(expected, key=repr)
