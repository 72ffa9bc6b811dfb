"""Rules that all operators' arguments share: lists of ids, durations, and the merchant of a mapped task."""

from __future__ import annotations

import inspect
import re
from datetime import timedelta
from importlib import import_module

import pytest
from airflow.providers.common.compat.sdk import DAG, AirflowFailException, task_group
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_zdirect.exceptions import ZDirectConfigurationError
from airflow_provider_zdirect.operators import arguments

ID, OTHER = "01924c48-49bb-40c2-9c32-ab582e6db6f4", "0a7bd8c1-0000-4fc0-8cd9-86e454e6dfa3"
MODULES = ("extract", "liquidation", "intrastat", "stocks", "orders", "order_tracking", "order_erasure", "inbound")
MODULES += ("shipping_documents", "shipping_notices")


def classes():
    """Every operator and sensor with arguments of its own."""
    for name in [*(f"operators.{module}" for module in MODULES), "sensors.report"]:
        module = import_module(f"airflow_provider_zdirect.{name}")
        yield from (
            found
            for found in vars(module).values()
            if inspect.isclass(found) and found.__module__ == module.__name__ and hasattr(found, "template_fields")
        )


OPERATORS = list(classes())
AIRFLOWS_OWN = {"retry_delay", "poke_interval"}
DURATIONS = [
    (each, name)
    for each in OPERATORS
    for name, argument in inspect.signature(each.__init__).parameters.items()
    if "timedelta" in str(argument.annotation) and name not in AIRFLOWS_OWN
]
NEEDED = {
    "dataset": "intra_community_movements",
    "base_path": "/data/zdirect",
    "operations": "create",
    "notice": "{{ params.notice }}",
    "updates_path": "/data/updates.csv",
}


def needed(operator):
    return {name: NEEDED[name] for name in NEEDED if name in operator.template_fields}


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


@pytest.mark.parametrize(("operator", "name"), DURATIONS, ids=lambda value: getattr(value, "__name__", value))
@pytest.mark.parametrize("number", [48, 0, 1.5, "172800", True])
def test_a_number_is_not_a_duration_of_any_operator(operator, name, number):
    with pytest.raises(ZDirectConfigurationError, match="is not a duration") as caught:
        operator(**{"task_id": "a_task", **needed(operator), name: number})
    assert f"{name}={number!r}" in str(caught.value)
    assert "timedelta(hours=48)" in caught.value.remedy
    assert "'PT48H'" in caught.value.remedy


@given(st.one_of(st.integers(), st.floats(), st.booleans()), st.sampled_from([str, repr, lambda number: number]))
def test_no_number_is_a_duration(number, written):
    with pytest.raises(ZDirectConfigurationError, match="A bare number has no unit"):
        arguments.duration(written(number), name="overlap")


def test_the_durations_of_all_operators_are_looked_at():
    assert {name for _, name in DURATIONS} == {
        *("overlap", "passes", "max_orders_age", "resend_after", "remind_after", "poll_interval", "empty_after")
    }


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


OF_ONE_MERCHANT = [each for each in OPERATORS if "merchant_id" in each.template_fields]


@pytest.mark.parametrize("operator", OF_ONE_MERCHANT, ids=lambda each: each.__name__)
@pytest.mark.parametrize("blank", ["", " \n", "None", None])
def test_a_blank_merchant_of_a_mapped_task_is_not_that_of_the_connection(operator, blank):
    with DAG("a_dag", schedule=None):
        mapped = operator.partial(task_id="a_task", **needed(operator)).expand(merchant_id=[ID, blank])

        @task_group
        def group(merchant_id):
            operator(task_id="b_task", merchant_id=merchant_id, **needed(operator))

        group.expand(merchant_id=[ID, blank])
    in_group = mapped.dag.get_task("group.b_task")
    in_group.merchant_id = blank
    for task in (mapped.unmap({"merchant_id": blank}), in_group):
        with pytest.raises(ZDirectConfigurationError, match=r"merchant_id=.* is blank. It is not taken for"):
            arguments.own_merchant_id(task)
    assert arguments.own_merchant_id(mapped.unmap({"merchant_id": f" {ID.upper()}"})) == ID


@pytest.mark.parametrize("operator", OF_ONE_MERCHANT, ids=lambda each: each.__name__)
def test_a_merchant_that_a_template_or_the_author_leaves_out_is_that_of_the_connection(operator):
    template = "{{ params.merchant or '' }}"
    tasks = [operator(task_id="a_task", merchant_id=value, **needed(operator)) for value in (template, "", None)]
    with DAG("a_dag", schedule=None):
        for number, of in enumerate(({"merchant_id": template}, {"merchant_id": None}, {})):
            mapped = operator.partial(task_id=f"b_{number}", **of, **needed(operator)).expand(conn_id=["a"])
            tasks.append(mapped.unmap({"conn_id": "a"}))
    for task in tasks:
        task.merchant_id = task.merchant_id and ""
        assert arguments.own_merchant_id(task) is None


def test_a_mapped_task_with_a_blank_merchant_asks_zdirect_for_nothing(emulator, context, tmp_path):
    from airflow_provider_zdirect.operators.extract import ZDirectExtractOperator

    with DAG("a_dag", schedule=None):
        mapped = ZDirectExtractOperator.partial(
            task_id="extract", dataset="sales_channels", base_path=tmp_path.as_uri()
        ).expand(merchant_id=[""])
    with pytest.raises(AirflowFailException, match="Remove the blank entry"):
        mapped.unmap({"merchant_id": ""}).execute(context)
    assert not emulator.requests
    assert not list(tmp_path.iterdir())
