"""What values of arguments mean: lists of ids, durations, and the merchant of a mapped task."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_zdirect.airflow_sdk import DAG, AirflowFailException
from airflow_provider_zdirect.exceptions import ZDirectConfigurationError
from airflow_provider_zdirect.operators import arguments
from airflow_provider_zdirect.operators.extract import ZDirectExtractOperator

ID = "01924c48-49bb-40c2-9c32-ab582e6db6f4"


def uuids(value):
    return arguments.entries(value, name="merchant_ids", parse=arguments.uuid)


def other_case(text):
    return st.sampled_from([text, text.upper(), f"  {text}\t", f"{text.upper()}\n"])


blanks = st.sampled_from(["", " ", "\t", "\n", " , ", ";"])
ids = st.uuids().map(str)
lists = st.lists(
    st.one_of(blanks, ids.flatmap(other_case), st.lists(ids.flatmap(other_case), min_size=2).map(", ".join))
)


@given(lists, st.data())
def test_a_list_of_ids_is_its_ids_in_lower_case_once_each_and_in_order(value, data):
    value += data.draw(st.lists(st.sampled_from(value)) if value else st.just([]))
    wanted = list(dict.fromkeys(re.findall(r"[0-9a-f-]{36}", " ".join(value).lower())))
    if value and not wanted:
        with pytest.raises(ZDirectConfigurationError, match="merchant_ids has only blank entries"):
            uuids(value)
        return
    assert uuids(value) == wanted
    # What a template makes of the list, and the list as somebody writes it.
    assert uuids(repr(value)) == wanted
    if wanted:
        assert uuids("\n".join(value)) == wanted


@pytest.mark.parametrize("nothing", [None, "", "  ", "None", [], "[]", ()])
def test_what_is_not_given_is_an_empty_list(nothing):
    assert uuids(nothing) == []


@pytest.mark.parametrize("blank", [[""], [" "], ["", "\n"], " , ", ["  ", ";"], '[""]'])
def test_a_list_of_blanks_is_not_taken_for_all(blank):
    with pytest.raises(ZDirectConfigurationError, match="only blank entries") as caught:
        uuids(blank)
    assert "without blank entries" in caught.value.remedy


@pytest.mark.parametrize(
    ("value", "named"),
    [
        ([ID, 4711], "entry 2 is 4711, which is not text"),
        ([ID, None], "entry 2 is None"),
        ([[ID]], "entry 1 is ["),
        ([ID, "4711"], "'4711' is not a UUID (entry 2)"),
        (f"{ID}, {ID[:-1]}", f"'{ID[:-1]}' is not a UUID"),
        (4711, "merchant_ids=4711 is not a list"),
        (True, "merchant_ids=True is not a list"),
        ({"id": ID}, "is not a list"),
        (b"x", "is not a list"),
    ],
)
def test_a_wrong_entry_is_named(value, named):
    with pytest.raises(ZDirectConfigurationError) as caught:
        uuids(value)
    assert named in str(caught.value)
    assert caught.value.remedy


def test_eans_are_taken_as_they_are_and_checked():
    parse = {"name": "eans", "parse": arguments.ean}
    assert arguments.entries(["0191476239145", " 4006381333931 "], **parse) == ["0191476239145", "4006381333931"]
    for wrong in ("191476239145", "4006381333930", "04006381333931"):
        with pytest.raises(ZDirectConfigurationError, match=f"eans: '{wrong}' is not a valid EAN"):
            arguments.entries([wrong], **parse)


@given(st.one_of(st.integers(), st.floats(), st.booleans()), st.sampled_from([str, repr, lambda number: number]))
def test_no_number_is_a_duration(number, written):
    with pytest.raises(ZDirectConfigurationError, match="A bare number has no unit"):
        arguments.duration(written(number), name="overlap")


@given(
    st.integers(0, 99).map(lambda weeks: (f"P{weeks}W", timedelta(weeks=weeks)))
    | st.tuples(*[st.integers(0, 300)] * 4).map(
        lambda parts: (
            "P{}DT{}H{}M{}S".format(*parts),
            timedelta(**dict(zip(("days", "hours", "minutes", "seconds"), parts, strict=True))),
        )
    ),
    st.sampled_from([str, str.lower, lambda text: f" {text}\n"]),
)
def test_a_duration_in_iso_8601_is_what_it_says(of, written):
    text, meant = of
    assert arguments.duration(written(text), name="overlap") == meant
    assert arguments.duration(meant, name="overlap") == meant


@pytest.mark.parametrize(
    "wrong", ["", "P", "PT", "P1Y", "P1M", "-P1D", "PT1", "48H", "2 days, 0:00:00", "01:00:00", None, [], "P1D2H"]
)
def test_anything_else_is_not_a_duration(wrong):
    with pytest.raises(ZDirectConfigurationError, match="is not a duration"):
        arguments.duration(wrong, name="overlap")


def test_a_mapped_task_with_a_blank_merchant_asks_zdirect_for_nothing(emulator, context, tmp_path):
    with DAG("a_dag", schedule=None):
        mapped = ZDirectExtractOperator.partial(
            task_id="extract", dataset="sales_channels", base_path=tmp_path.as_uri()
        ).expand(merchant_id=[""])
    with pytest.raises(AirflowFailException, match="Remove the blank entry"):
        mapped.unmap({"merchant_id": ""}).execute(context)
    assert not emulator.requests
    assert not list(tmp_path.iterdir())
