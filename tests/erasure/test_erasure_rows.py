"""What stays of rows of erased people, for any rows: nothing personal of theirs, and all of everybody else."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_zdirect.datasets.arrow import EXTRACTED_AT, RECORD_HASH, Lineage, arrow_schema, to_table
from airflow_provider_zdirect.datasets.page import Rejected
from airflow_provider_zdirect.datasets.table import get_dataset
from airflow_provider_zdirect.erasure.ledger import ErasedPeople, customer_mark
from airflow_provider_zdirect.erasure.rows import (
    erased,
    has_personal_data,
    is_theirs,
    line_without_erased,
    to_erase,
    without_erased,
)

AT = datetime(2026, 11, 20, tzinfo=UTC)
ORDERS = get_dataset("orders")
PEOPLE = ErasedPeople("m", {"a": None}, {customer_mark("m", "X1"): AT}, frozenset({"entry"}))

texts = st.none() | st.sampled_from(["x", "Ünïcode 5"])
addresses = st.none() | st.fixed_dictionaries(
    {},
    optional={
        "first_name": texts,
        "country_code": texts,
        "service_point_details": st.none() | st.fixed_dictionaries({}, optional={"service_point_id": texts}),
        "nobody_knows": texts,
    },
)
orders = st.fixed_dictionaries(
    {
        "order_id": st.sampled_from("abc"),
        "customer_number": st.sampled_from([None, "X1", " x1 ", "X2"]),
        "order_date": st.just("2026-11-18T00:00:00Z"),
        "modified_at": st.just("2026-11-18T00:00:00Z"),
    },
    optional={
        "customer_email": texts,
        "customer_phone": st.none() | st.fixed_dictionaries({}, optional={"number": texts}),
        "shipping_address": addresses,
        "billing_address": addresses,
        "shipping_costs": st.just({"amount": "1.50", "currency": "EUR", "nobody_knows": "x"}),
        "locale": texts,
    },
)


def as_rows(records: list[dict[str, Any]]) -> pa.Table:
    sources = [msgspec.json.encode(record) for record in records]
    found = [ORDERS.model.model_validate_json(source) for source in sources]
    return to_table(ORDERS.model, found, sources, Lineage("m", "production", AT, AT + timedelta(1), AT))


@settings(deadline=None, max_examples=40)
@given(st.lists(orders, max_size=6))
def test_of_theirs_nothing_personal_stays_and_of_others_everything_in_the_same_order(records):
    rows = as_rows(records)
    kept = without_erased(ORDERS, rows, PEOPLE)
    assert kept.schema == rows.schema == arrow_schema(ORDERS.model)
    theirs = is_theirs(rows, PEOPLE).to_pylist()
    assert theirs == [
        record["order_id"] == "a" or (record["customer_number"] or "").strip().upper() == "X1" for record in records
    ]
    personal = {*ORDERS.personal_data, "_unknown_fields", RECORD_HASH}
    for one, before, after in zip(theirs, rows.to_pylist(), kept.to_pylist(), strict=True):
        if not one:
            assert after == before
            continue
        assert {name: after[name] for name in after.keys() - personal} == {
            name: before[name] for name in before.keys() - personal
        }
        for name in ("shipping_address", "billing_address"):
            country = (before[name] or {}).get("country_code")
            assert {value for value in (after[name] or {}).values() if value} == ({country} if country else set())
        assert [after[name] for name in personal - {"shipping_address", "billing_address", RECORD_HASH}] == [None] * 4
    assert not any(to_erase(kept, PEOPLE).to_pylist())
    # Whenever it is erased, the same stays, and is known by the same hash; published rows become later versions.
    if rows.num_rows:
        later = erased(ORDERS, rows, AT)
        assert later.column(RECORD_HASH) == erased(ORDERS, later).column(RECORD_HASH)
        assert not any(has_personal_data(later).to_pylist())
        assert later.column(EXTRACTED_AT).to_pylist() == [AT + timedelta(microseconds=1)] * rows.num_rows
        assert erased(ORDERS, rows, AT + timedelta(1)).column(EXTRACTED_AT)[0].as_py() == AT + timedelta(1)


def test_a_rejected_record_that_cannot_be_decoded_may_be_anybodys_and_is_erased():
    lines = [
        Rejected(record, "a reason").as_line()
        for record in (b'{"order_id":"b","x":NaN}', b'{"order_id":"b","x":"\xff"', b'{"order_id":"b","x":1e400}')
    ]
    for line in lines:
        assert line_without_erased(line, ErasedPeople("m")) == line
        left = line_without_erased(line, PEOPLE)
        assert msgspec.json.decode(left) == {"reason": "a reason", "record": {}}
        assert line_without_erased(left, PEOPLE) == left
    line = Rejected(b'{"order_id":"b"}', "a reason").as_line()
    assert line_without_erased(line, PEOPLE) == line
