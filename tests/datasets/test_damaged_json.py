"""Records are cut out of an answer that is not valid JSON as a whole, or the answer is malformed: nothing between."""

from __future__ import annotations

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_zdirect.datasets.damaged_json import cut_elements, cut_members, mended, sound_members

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
INDENTS = st.sampled_from([None, 1])


@given(st.lists(JSON, max_size=5), INDENTS, st.booleans())
def test_a_valid_list_is_cut_into_its_elements(values: list[object], indent: int | None, in_ascii: bool) -> None:
    body = json.dumps(values, indent=indent, ensure_ascii=in_ascii).encode("utf-8", "surrogatepass")
    assert [bytes(each) for each in cut_elements(body)] == [
        bytes(each) for each in msgspec.json.decode(body, type=list[msgspec.Raw])
    ]


@given(st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), JSON, max_size=5), INDENTS)
def test_a_valid_object_is_cut_into_its_members(values: dict[str, object], indent: int | None) -> None:
    body = json.dumps(values, indent=indent).encode()
    assert {name: json.loads(bytes(value)) for name, value in cut_members(body).items()} == values


@given(st.lists(JSON, min_size=1, max_size=4), st.data())
def test_an_answer_that_breaks_off_is_never_cut(values: list[object], data: st.DataObject) -> None:
    body = json.dumps(values).encode()
    with pytest.raises(msgspec.DecodeError):
        cut_elements(body[: data.draw(st.integers(0, len(body) - 1))])


@pytest.mark.parametrize(
    "damaged",
    [
        rb'{"a":"5" pipe"}',
        rb'{"a":"5" x 7" pipe"}',
        rb'{"a":"1"/*x*/}',
        rb'{"a":1}{"b":2}',
        rb'{"a":[1,2}',
        rb'{"a":1 "b":2}',
        rb'{"a":"x',
        rb'{"a":1}:{"b":2}',
    ],
)
def test_where_a_record_ends_is_certain_or_the_answer_is_not_cut(damaged: bytes) -> None:
    with pytest.raises(msgspec.DecodeError):
        cut_elements(b'[{"g":1},' + damaged + b',{"g":2}]')


@pytest.mark.parametrize("body", [b"[1,", b"[,1", b"[1 2]", b"[]x", b"{}", b"[1", b"", b"null"])
def test_what_is_not_a_list_is_not_cut(body: bytes) -> None:
    with pytest.raises(msgspec.DecodeError):
        cut_elements(body)


@pytest.mark.parametrize(
    ("damaged", "value"),
    [
        (rb"Haus \ud83d", "Haus \ufffd"),
        (rb"\ude00x", "\ufffdx"),
        (rb"\ud83d\ud83d\ude00", "\ufffd\U0001f600"),
        (rb"\\ud83d \ud83d", "\\ud83d \ufffd"),
        (b"M\xfcller", "M\ufffdller"),
        (b"\xe2\x82", "\ufffd"),
        (b"a\nb\tc\x00d", "a\nb\tc\x00d"),
    ],
)
def test_a_damaged_text_is_mended_and_its_neighbours_are_not_touched(damaged: bytes, value: str) -> None:
    sound = bytes(mended(msgspec.Raw(rb'{"n":1.50,"t":"' + damaged + rb'","u":"\u00e4\ud83d\ude00"}')))
    assert sound.startswith(rb'{"n":1.50,"t":')
    assert sound.endswith(rb'","u":"\u00e4\ud83d\ude00"}')
    assert msgspec.json.decode(sound)["t"] == value


@given(JSON, INDENTS)
def test_what_is_valid_is_not_mended(value: object, indent: int | None) -> None:
    body = msgspec.Raw(json.dumps(value, indent=indent, ensure_ascii=False).encode("utf-8", "replace"))
    assert mended(body) is body


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        (rb'{"\ud83d":1}', "name of a field"),
        (rb'{"a":{"b\ud83d" : 1}}', "name of a field"),
        (b'{"a\xff":1}', "name of a field"),
        (b'{"a":NaN}', "not valid JSON"),
        (rb'{"a":"\x41"}', "not valid JSON"),
        (b'{"a":007}', "not valid JSON"),
        (b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}", "nested too deeply"),
    ],
)
def test_what_cannot_be_mended_is_refused_with_the_reason(record: bytes, reason: str) -> None:
    (cut,) = cut_elements(b"[" + record + b"]")
    with pytest.raises(ValueError, match=reason):
        mended(cut)


@pytest.mark.parametrize("body", [b"[1,,2]", b"[1,2,]", b"[ , 1 , , 2 , ]"])
def test_commas_too_many_are_skipped(body: bytes) -> None:
    assert [bytes(each) for each in cut_elements(body)] == [b"1", b"2"]
    assert {name: bytes(value) for name, value in cut_members(b'{"a":1,}').items()} == {"a": b"1"}


@pytest.mark.parametrize("shift", range(4))
def test_an_answer_in_utf_8_is_sound_and_one_that_is_damaged_anywhere_is_not(shift: int) -> None:
    body = b'{"a":"' + b"x" * shift + "😀".encode() * 600_000 + b'"}'
    assert sound_members(body)[1]
    assert sound_members(bytearray(body))[1]
    for at in (7 + shift, 2**20, len(body) - 3):
        assert not sound_members(body[:at] + b"\xff" + body[at + 1 :])[1]
    for damaged in (b'{"a":"\xf0\x9f\x98"}', b'{"a":1,}', b'{"a":1,,"b":2}'):
        assert not sound_members(damaged)[1]
