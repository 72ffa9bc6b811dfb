"""Records read in columns and records read by the model give the same rows, and the same reasons."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from types import NoneType
from typing import Annotated, Any, get_args, get_origin

import pyarrow as pa
import pytest
from exhaustive import exhaustive
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import AfterValidator, model_validator

from airflow_provider_zdirect.datasets import plain_records
from airflow_provider_zdirect.datasets.arrow import Lineage, arrow_schema, arrow_type, record_hashes
from airflow_provider_zdirect.datasets.order_answer import MISSING
from airflow_provider_zdirect.datasets.plain_records import MOST_UNKNOWN, plain_form
from airflow_provider_zdirect.datasets.record import MONEY_DECIMALS, Record, Text
from airflow_provider_zdirect.datasets.stock_movements import ReceivedItem
from airflow_provider_zdirect.datasets.table import DATASETS
from airflow_provider_zdirect.pipeline import validate

LINEAGE = Lineage("m", "production", *[datetime(2026, 1, 1, tzinfo=UTC)] * 3)
MODELS = list(dict.fromkeys(dataset.model for dataset in DATASETS.values()))
UUID = "01924c48-49bb-40c2-9c32-ab582e6db6f4"
PLAIN = {
    pa.string(): f'"{UUID}"',
    pa.timestamp("us", "UTC"): '"2026-11-19T10:17:05.25+01:00"',
    pa.date32(): '"2026-11-19"',
    pa.int64(): "7",
    pa.float64(): "1.5",
    pa.bool_(): "true",
    pa.decimal128(38, MONEY_DECIMALS): "19.9",
}
"""A plain value for each type of a column, as JSON."""

TEXTS = [
    *(
        "",
        " ",
        "a",
        "ü😀",
        "\ufffd",
        "x\ufffdy",
        "\x00",
        "\x85",
        "a\nb",
        "\n",
        UUID.upper(),
        f" {UUID[:9]} {UUID[9:]}\t",
    ),
    *(
        "0",
        "7",
        "007",
        "99200001",
        "191476239145",
        "0191476239145",
        "01914762391450",
        "٣",
        "-5",
        "+5",
        "1.0",
        "1e3",
        "0x1",
    ),
    *("19.90", "-0", "-0.0", ".5", "5.", "1_000", "NaN", "Infinity", "true", "false", "yes", "off", "null"),
    *("99999999999999999999", "100000000000000000000", "9223372036854775807", "9223372036854775808", "0." + "1" * 18),
    *("0.1234567890123456785", "123456789012345.123456789012345678", "1234567890123456.5"),
]
AMOUNTS = ["1e9999999", "-1e9999999", "1e-9999999", "0e9999999", "99999999999999999999.9999999999999999"]
TIMES = [
    *(
        f"{date}T10:17:05Z"
        for date in ("2026-11-19", "2024-02-29", "2023-02-29", "2000-02-29", "2100-02-29", "2026-04-31")
    ),
    *(f"{year}-06-30T23:59:60Z" for year in (1970, 2016)),
    *(
        f"{year}-01-01T00:00:00Z"
        for year in ("0001", "1969", "1970", "1971", "1972", "2099", "2100", "2199", "2200", "9999")
    ),
    *(f"{year}-02-29T00:00:00Z" for year in range(1972, 2104)),
    *(f"2026-11-19T10:17:05.{'123456789'[:digits]}Z" for digits in range(10)),
    *(
        f"2026-11-19T10:17:05{zone}"
        for zone in ("", "z", "+00:00", "-00:00", "+0100", "+01", "+14:59", "+15:00", "-23:59")
    ),
    *(f"2026-11-19T10:17:05{zone}" for zone in ("+24:00", "+01:60", "-12:00", " +01:00", "Z ", "\n")),
    *(
        f"2026-11-19T{time}Z"
        for time in ("24:00:00", "23:59:59", "23:60:00", "10:17", "10", "", "10:17:5", "10:17:05,5")
    ),
    *("2026-11-19 10:17:05Z", "2026-11-19t10:17:05Z", "2026-11-19", "20261119T101705Z", "2026-W47-4", "2026-13-01"),
    *(
        "2026-00-10",
        "2026-01-00",
        "2026-1-1",
        "2026-11-19T",
        "2026-11-19Tnoon\n",
        "1700000000",
        "-2026-11-19",
        "2026-323",
    ),
]
LITERALS = [
    *("null", "true", "false", "0", "-0", "-0.0", "1", "-5", "99200001", "191476239145", "01914762391450"),
    *("1.0", "1.5", "1e3", "1E-7", "1e400", "-1e400", "1e15", "1e16", "123456789012.5", "0.1", "0.30000000000000004"),
    *(str(2**power + more) for power in (53, 63, 64, 70) for more in (-1, 0, 1)),
    *(f"-{2**63 + more}" for more in (-1, 0, 1)),
    *("9" * 400, "1" + "0" * 4400, "0.1234567890123456789", "12345678901234567890.5"),
    *(
        "[]",
        "{}",
        '[""]',
        "[null]",
        '["b","a","a"]',
        '["a","b"]',
        "[1]",
        "[{}]",
        '[{"a":""}]',
        '{"a":""}',
        '{"href":"/x/1"}',
    ),
    *(
        r'"\ud83d"',
        r'"\ud83d\ude00"',
        r'"\u0041\n"',
        r'"\/"',
        r'"\u0000"',
        '"\\u007f"',
        '"\x7f"',
        r'"\x"',
        '"a\tb"',
        "NaN",
        "01",
        "+1",
    ),
    *("[" * depth + "]" * depth for depth in (5, 190, *range(195, 203), 300, 2000)),
    *('{"a":' * depth + "1" + "}" * depth for depth in (195, *range(196, 202))),
]
SOURCES = [
    *map(json.dumps, [*TEXTS, *AMOUNTS]),
    *(json.dumps(text, ensure_ascii=False) for text in TEXTS),
    *map(json.dumps, TIMES[:3]),
    *LITERALS,
]
TIME_SOURCES = [*SOURCES, *map(json.dumps, TIMES)]


def as_object(members: Sequence[tuple[str, str]]) -> str:
    return "{" + ",".join(f"{name}: {value}" for name, value in members) + "}"


any_json = st.recursive(
    st.sampled_from(TIME_SOURCES)
    | st.integers().map(str)
    | st.floats(allow_nan=False).map(json.dumps)
    | st.text().map(json.dumps),
    lambda inner: (
        st.lists(inner, max_size=3).map(lambda items: f"[{','.join(items)}]")
        | st.lists(st.tuples(st.text(max_size=3).map(json.dumps), inner), max_size=3).map(as_object)
    ),
    max_leaves=4,
)


def plain_value(annotation: Any) -> str:
    """The JSON of a plain value."""
    if get_origin(annotation) is not list and (inner := [a for a in get_args(annotation) if a is not NoneType]):
        return plain_value(inner[0])
    if get_origin(annotation) is list:
        return f"[{plain_value(get_args(annotation)[0])}]"
    if isinstance(annotation, type) and issubclass(annotation, Record):
        return as_object(list(plain_members(annotation)))
    return PLAIN[arrow_type(annotation)]


def plain_members(model: type[Record]) -> Iterator[tuple[str, str]]:
    digits = {
        "ean": '"0191476239145"',
        "zalando_advice_id": '"99200001"',
        "zalando_shipment_number": '"0000000099200001"',
    }
    for name, info in model.model_fields.items():
        yield json.dumps(name), digits.get(name) or plain_value(info.annotation)


def models_in(annotation: Any) -> list[type[Record]]:
    """The model of an object in a field."""
    return [each for each in (annotation, *get_args(annotation)) if isinstance(each, type) and issubclass(each, Record)]


def plain_source(model: type[Record]) -> str:
    return as_object(list(plain_members(model)))


@st.composite
def members_of(draw: st.DrawFn, model: type[Record]) -> str:
    """An object with most fields of the model plain, and some not."""
    members = []
    for name, info in model.model_fields.items():
        how = draw(st.sampled_from(["plain"] * 12 + ["absent", "null", "any"]))
        inner = models_in(info.annotation)
        value = plain_value(info.annotation)
        if how == "any":
            value = draw(any_json)
        elif how == "null":
            value = "null"
        elif inner and draw(st.booleans()):
            value = draw(members_of(inner[0]))
        if how != "absent":
            members.append((json.dumps(name), value))
    if draw(st.integers(0, 3)) == 0:
        names = st.sampled_from(
            [*model.model_fields, "new", "newer", "ü", "self", "href", MISSING, "_x", '"', "\n", ""]
        )
        spelled = names.map(json.dumps) | names.map(lambda name: '"' + "".join(f"\\u{ord(c):04x}" for c in name) + '"')
        # Of an unknown field that is there twice, only the last value is looked at (see plain_records).
        members += draw(st.lists(st.tuples(spelled, any_json), max_size=3, unique_by=lambda each: json.loads(each[0])))
    return as_object(draw(st.permutations(members)) if draw(st.booleans()) else members)


def by_model(model: type[Record], sources: list[bytes]) -> tuple[pa.Table, list[tuple[bytes, str]]]:
    """What the model alone makes of records."""
    rejected: list[Any] = []
    found = list(validate._by_model(model, dict(enumerate(sources)), LINEAGE, rejected))
    rows = pa.concat_tables([arrow_schema(model).empty_table(), *(table for table, _ in found)])
    return rows, [(bad.record, bad.reason) for bad in rejected]


def check(model: type[Record], sources: list[str]) -> None:
    """Both ways give the same, to the bit."""
    records = [source.encode("utf-8", "surrogatepass") for source in sources]
    rows, reasons = by_model(model, records)
    tables: list[pa.Table] = [arrow_schema(model).empty_table()]
    rejected = validate.take_valid(model, records, LINEAGE, tables.append)
    found = pa.concat_tables(tables)
    found.validate(full=True)
    # As text, because an IEEE zero is the same as a negative one.
    assert [repr(row) for row in found.to_pylist()] == [repr(row) for row in rows.to_pylist()]
    assert found.schema == rows.schema
    assert sorted((bad.record, bad.reason) for bad in rejected) == sorted(reasons)


batches = st.sampled_from(MODELS).flatmap(
    lambda model: st.tuples(st.just(model), st.lists(members_of(model) | any_json, min_size=1, max_size=8))
)


@pytest.mark.parametrize("model", MODELS)
def test_of_a_field_that_is_there_twice_the_last_value_counts(model: type[Record]) -> None:
    plain = plain_source(model)[:-1]
    check(model, [f'{plain}, "new": 1, "n\\u0065w": "two"}}', f"{plain}, {plain[1:]}}}"])


@settings(max_examples=60)
@given(batches)
def test_columns_and_the_model_say_the_same(batch: tuple[type[Record], list[str]]) -> None:
    check(*batch)


@pytest.mark.exhaustive
@settings(max_examples=1_500)
@given(batches)
def test_columns_and_the_model_say_the_same_of_very_many_records(batch: tuple[type[Record], list[str]]) -> None:
    check(*batch)


def variants(model: type[Record], outer: str = "%s") -> Iterator[str]:
    """Plain records with one other value, in each field at each depth and beside them, as JSON."""
    members = dict(plain_members(model))
    for name, info in model.model_fields.items():
        around = as_object([(other, "%s" if other == json.dumps(name) else value) for other, value in members.items()])
        for kind in models_in(info.annotation):
            yield from variants(kind, outer % around)
        sources = TIME_SOURCES if pa.types.is_temporal(arrow_type(info.annotation)) else SOURCES
        yield from (outer % around % value for value in sources)
    for name in ('"new"', '"ü"', r'"\n"', r'"a\"b"', '"self"'):
        yield from (outer % as_object([*members.items(), (name, value)]) for value in SOURCES)


@pytest.mark.parametrize("name", exhaustive(DATASETS))
def test_each_value_in_each_field_is_read_as_the_model_reads_it(name: str) -> None:
    model = DATASETS[name].model
    check(model, list(dict.fromkeys(variants(model))))


@pytest.fixture(autouse=True)
def nothing_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    """The unknown fields that another test has shown are not known."""
    monkeypatch.setattr(plain_records, "_known", {})


@pytest.fixture
def looked_at(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """The records that a model has looked at."""
    seen: list[bytes] = []

    def by_model(model: type[Record], sources: dict[int, bytes], *others: Any) -> Iterator[Any]:
        seen.extend(sources.values())
        return original(model, sources, *others)

    original = validate._by_model
    monkeypatch.setattr(validate, "_by_model", by_model)
    return seen


def count_rows(model: type[Record], sources: Sequence[str]) -> int:
    rows: list[pa.Table] = []
    assert not validate.take_valid(model, [source.encode() for source in sources], LINEAGE, rows.append)
    return sum(table.num_rows for table in rows)


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_no_model_looks_at_plain_records(model: type[Record], looked_at: list[bytes]) -> None:
    sparse = as_object(
        [(name, value) for name, value in plain_members(model) if model.model_fields[json.loads(name)].is_required()]
    )
    nulls = as_object(
        [
            (name, value if model.model_fields[json.loads(name)].is_required() else "null")
            for name, value in plain_members(model)
        ]
    )
    assert count_rows(model, [plain_source(model), sparse, nulls] * 5) == 15
    assert not looked_at


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_no_model_looks_at_plain_records_to_which_the_api_adds_fields(
    model: type[Record], looked_at: list[bytes]
) -> None:
    added = [f'"added": {value}' for value in ("1", '"ü"', "1.50", '{"b":[1,{}],"a":null}', r'"\u00fc"', "-0", "[]")]
    records = [plain_source(model).replace("{", f"{{{each}, ") for each in added]
    # In the objects of a list, it is for the model.
    in_list = [record for record in records if "[{" in record]
    assert count_rows(model, records) == len(records)
    assert len(looked_at) == len(in_list)


def test_of_many_records_the_model_looks_at_those_that_are_not_plain(looked_at: list[bytes]) -> None:
    plain = plain_source(ReceivedItem)
    doubtful = [plain.replace('"0191476239145"', value) for value in ("1.0", '"no digits"')]
    count = 2 * validate.BATCH + 7
    records = [doubtful[number // 100 % 2] if number % 100 == 3 else plain for number in range(count)]
    assert count_rows(ReceivedItem, records) == count
    assert len(looked_at) == sum(record in doubtful for record in records)


def test_unknown_fields_with_ever_other_names_are_for_the_model(looked_at: list[bytes]) -> None:
    records = [f'{{"new{number}": 1, {plain_source(ReceivedItem)[1:]}' for number in range(3 * MOST_UNKNOWN)]
    assert count_rows(ReceivedItem, records) == len(records)
    assert looked_at


def test_a_field_of_another_type_is_for_the_model(looked_at: list[bytes]) -> None:
    class Strict(Record):
        id: Annotated[Text, AfterValidator(lambda value: value)] = None

    class Checked(Record):
        id: Text = None

        @model_validator(mode="after")
        def _is_whole(self) -> Checked:
            return self

    for model in (Strict, Checked):
        assert plain_form(model) is None
        assert count_rows(model, ['{"id":"1"}']) == 1
    assert len(looked_at) == 2


def test_fields_that_are_not_content_do_not_change_the_hash_of_a_record() -> None:
    first, second = (f'{{"order_modified_at":"{at}","order_id":"1"}}'.encode() for at in (1, 2))
    hashes = record_hashes([first, second, second.replace(b"1", b"3")], frozenset({"order_modified_at"})).to_pylist()
    assert hashes[0] == hashes[1] != hashes[2]
    assert len(set(record_hashes([first, second]).to_pylist())) == 2
