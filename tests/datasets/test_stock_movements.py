from __future__ import annotations

import json
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_zdirect.datasets.arrow import Lineage, arrow_schema, column_of, record_hashes
from airflow_provider_zdirect.datasets.inbound import ShippingNotice, Tour
from airflow_provider_zdirect.datasets.page import Rejected
from airflow_provider_zdirect.datasets.record import Record
from airflow_provider_zdirect.datasets.stock_movements import LiquidatedItem, ReceivedItem, ReturnedItem
from airflow_provider_zdirect.datasets.table import DATASETS
from airflow_provider_zdirect.pipeline.validate import BATCH, take_valid

LINEAGE = Lineage("m", "production", *[datetime(2026, 1, 1, tzinfo=UTC)] * 3)
RECEIVED = {"quality_label": "00014D02W8V", "received_timestamp": "2017-07-21T17:32:28Z"}


def rows_of(model: type[Record], sources: list[bytes]) -> tuple[pa.Table, list[Rejected]]:
    tables = [arrow_schema(model).empty_table()]
    rejected = take_valid(model, sources, LINEAGE, tables.append)
    return pa.concat_tables(tables), rejected


def row_of(model: type[Record], record: Any) -> dict[str, Any]:
    table, rejected = rows_of(model, [json.dumps(record).encode()])
    assert not rejected, rejected
    return table.to_pylist()[0]


def reason_for(model: type[Record], source: bytes) -> str:
    table, (rejected,) = rows_of(model, [source])
    assert table.num_rows == 0
    assert rejected.record == source
    return rejected.reason


def test_uuids_that_pair_records_are_the_same_in_either_case_and_with_blanks() -> None:
    written, meant = " 01924C48-49BB-40c2 -9c32-ab582e6db6f4 ", "01924c48-49bb-40c2-9c32-ab582e6db6f4"
    for model, others, names in (
        (LiquidatedItem, {}, ("stock_location_id", "shipping_notice_number")),
        (ShippingNotice, {}, ("shipping_notice_id", "zalando_merchant_id")),
        (Tour, {"tour_number": "t"}, ("shipping_notice_id",)),
    ):
        row = row_of(model, {**others, **dict.fromkeys(names, written)})
        assert {row[name] for name in names} == {meant}
    assert row_of(LiquidatedItem, {"stock_location_id": " "})["stock_location_id"] is None
    assert row_of(ReceivedItem, {**RECEIVED, "location_id": written})["location_id"] == written, "as it came"
    reason_for(ShippingNotice, b'{"shipping_notice_id": " "}')


def test_only_label_and_time_are_required() -> None:
    row = row_of(ReceivedItem, RECEIVED)
    assert row["quality_label"] == "00014D02W8V"
    assert row["received_timestamp"] == datetime(2017, 7, 21, 17, 32, 28, tzinfo=UTC)
    assert row["ean"] is row["parent"] is row["_unknown_fields"] is None


@pytest.mark.parametrize(
    ("field", "sent", "stored"),
    [
        ("zalando_advice_id", 99200001, "99200001"),
        ("zalando_advice_id", "99200001", "99200001"),
        ("ean", "0191476239145", "0191476239145"),
        ("ean", 191476239145, "0191476239145"),
        ("ean", "191476239145", "0191476239145"),
        ("ean", 191476239145.0, "0191476239145"),
        ("ean", "not digits", "not digits"),
        ("location_id", "246aabbc -beeb-45a7", "246aabbc -beeb-45a7"),
        ("merchant_article_id", 4711, "4711"),
        ("merchant_b2b_reference", "", None),
        ("consumed_timestamp", "", None),
        ("parent", {"id": 12}, {"id": "12"}),
        ("parent", None, None),
    ],
)
def test_values_in_another_form_are_read(field: str, sent: object, stored: object) -> None:
    assert row_of(ReceivedItem, RECEIVED | {field: sent})[field] == stored


def test_an_unknown_enumeration_value_is_kept() -> None:
    record = {"quality_label": "x", "consumed_timestamp": "2020-01-01T00:00:00Z", "quality_category": "Z"}
    assert row_of(ReturnedItem, record)["quality_category"] == "Z"


def test_unknown_fields_are_kept_as_json_at_any_depth() -> None:
    row = row_of(ReceivedItem, RECEIVED | {"new": [1, {"a": "ü"}], "parent": {"id": "1", "kind": "box"}})
    assert json.loads(row["_unknown_fields"]) == {"new": [1, {"a": "ü"}], "parent": {"kind": "box"}}
    assert row["parent"] == {"id": "1"}


def test_liquidation_numbers_come_as_text_or_number() -> None:
    row = row_of(LiquidatedItem, {"quantity": "40", "total_price": "19.90", "average_price_per_item": 0.1})
    assert (row["quantity"], row["total_price"], row["average_price_per_item"]) == (
        40,
        Decimal("19.90"),
        Decimal("0.1"),
    )
    long = row_of(LiquidatedItem, {"total_price": "99999999999.1234567890123456789"})
    assert long["total_price"] == Decimal("99999999999.123456789012345679"), "18 decimals are kept"
    assert row_of(LiquidatedItem, {"reporting_date": "2020-02-25"})["reporting_date"] == date(2020, 2, 25)


@pytest.mark.parametrize(
    ("source", "said"),
    [
        (b'{"received_timestamp":"2017-07-21T17:32:28Z"}', "quality_label: Field required"),
        (b'{"quality_label":null,"received_timestamp":"2017-07-21T17:32:28Z"}', "quality_label"),
        (b'{"quality_label":"","received_timestamp":"2017-07-21T17:32:28Z"}', "quality_label"),
        (b'{"quality_label":"x"}', "received_timestamp: Field required"),
        (b'{"quality_label":"x","received_timestamp":"yesterday"}', "received_timestamp"),
        (b'{"quality_label":"x","received_timestamp":"2017-07-21T17:32:28"}', "timezone"),
        (b'{"quality_label":"x","received_timestamp":1500000000}', "not a text"),
        (b'{"quality_label":"x","received_timestamp":"1500000000"}', "RFC 3339"),
        (b'{"quality_label":"x","received_timestamp":"9999-12-31T23:59:59-05:00"}', "2199"),
        (b'{"quality_label":"x","received_timestamp":"0001-01-01T00:00:00Z"}', "1971"),
        (b"7", "record"),
        (b"null", "record"),
        (b'{"quality_label":"\\ud800","received_timestamp":"2017-07-21T17:32:28Z"}', "Invalid JSON"),
    ],
)
def test_an_invalid_record_is_rejected_with_the_reason(source: bytes, said: str) -> None:
    assert said in reason_for(ReceivedItem, source)


@pytest.mark.parametrize(
    "record", [b'{"total_price":1e30}', b'{"quantity":1e30}', b'{"quantity":"1.5"}', b'{"quantity":true}']
)
def test_numbers_that_cannot_be_stored_exactly_are_rejected(record: bytes) -> None:
    assert reason_for(LiquidatedItem, record)


def test_a_reason_repeats_no_value_of_the_record() -> None:
    source = b'{"quality_label":"x","consumed_timestamp":"Jane Doe","destination":{"street":{"a":"Secret Lane"}}}'
    reason = reason_for(ReturnedItem, source)
    assert "Jane" not in reason
    assert "Secret" not in reason


def test_valid_records_around_invalid_ones_keep_their_order_and_their_hash() -> None:
    sources = [json.dumps(RECEIVED | {"quality_label": f"q{n}"}).encode() for n in range(BATCH + 5)]
    sources[3] = b"{}"
    sources[BATCH + 1] = b"[]"
    rows, rejected = rows_of(ReceivedItem, sources)
    good = [source for source in sources if source not in (b"{}", b"[]")]
    assert rows.column("quality_label").to_pylist() == [json.loads(source)["quality_label"] for source in good]
    assert rows.column("_record_hash").to_pylist() == record_hashes(good).to_pylist()
    assert [item.record for item in rejected] == [b"{}", b"[]"]


@pytest.mark.parametrize("dataset", DATASETS.values(), ids=lambda dataset: dataset.name)
def test_every_dataset_has_a_schema_of_its_fields_and_lineage(dataset: Any) -> None:
    schema = arrow_schema(dataset.model)
    assert schema.field("_extracted_at").type == pa.timestamp("us", "UTC")
    columns = [column_of(field) for field in dataset.model.model_fields]
    assert [name for name in schema.names if not name.startswith("_")] == columns


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


@given(st.sampled_from([d.model for d in DATASETS.values()]), st.data())
def test_any_json_is_a_row_or_a_reason_and_never_a_crash(model: type[Record], data: st.DataObject) -> None:
    names = st.sampled_from([*model.model_fields, "surprise"])
    record = data.draw(st.dictionaries(names, json_values, max_size=6) | json_values)
    table, rejected = rows_of(model, [json.dumps(record).encode()])
    assert table.num_rows + len(rejected) == 1
