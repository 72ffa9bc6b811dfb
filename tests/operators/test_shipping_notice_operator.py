from __future__ import annotations

import json
import uuid
from collections import deque
from types import SimpleNamespace

import pytest

from airflow_provider_zdirect.airflow_sdk import DAG, AirflowFailException, TaskDeferred
from airflow_provider_zdirect.exceptions import ConflictError, ZDirectConfigurationError
from airflow_provider_zdirect.operators.shipping_notices import ZDirectShippingNoticeOperator

MERCHANT = "01924c48-49bb-40c2-9c32-ab582e6db6f4"
NOTICE_ID = "5b1f6a52-9d3c-4d6e-8f3a-0c9a5b7e1d24"
NOTICE = {"carrier_name": "DHL", "pallets_count": 2, "earliest_delivery_date": "2026-03-20"}
REFERENCE = {"merchant_b2b_reference": "PO-1"}
ITEMS = [{"ean": "0191476239145", "quantity": 3}, {"ean": "4006381333931", "quantity": 1}]
QUANTITIES = {"0191476239145": 3, "4006381333931": 1}
ANNOUNCING = ["create", "announce", "confirm_announcement"]
DISPATCHING = ["dispatch", "confirm_dispatch"]
POSTED = {"create_by": "post", "notice": {**NOTICE, **REFERENCE}}
ANNOUNCED = {"operations": ["announce"], "shipping_notice_id": NOTICE_ID, "items": ITEMS}


def write(**arguments):
    good = {"task_id": "write", "operations": ANNOUNCING, "notice": NOTICE, "items": ITEMS, "merchant_id": MERCHANT}
    return ZDirectShippingNoticeOperator(**{**good, **arguments})


def dispatch(**arguments):
    good = {"operations": DISPATCHING, "notice": None, "items": None, "dispatch_items": ITEMS[:1]}
    return write(**{**good, "shipping_notice_id": NOTICE_ID, **arguments})


def only(world):
    (notice,) = world.notices(world.merchant_ids[0])
    return notice


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"operations": "create"}, "notice is empty"),
        ({"operations": "create", "notice": {"carrier": "DHL", "comments": "{{ ds }}"}}, "unknown field carrier"),
        ({"operations": "create", "notice": "{'carrier': 'DHL'}"}, "unknown field carrier"),
        ({"operations": "create", "notice": NOTICE, "create_by": "post"}, "notice has no merchant_b2b_reference"),
        ({"operations": "create", **POSTED, "shipping_notice_id": NOTICE_ID}, "zDirect gives the id"),
        ({"operations": "create", "notice": NOTICE, "items": ITEMS}, "items are given, but operations has no announce"),
        ({"operations": "create", "notice": NOTICE, "dispatch_items": ITEMS}, "operations has no dispatch"),
        ({**ANNOUNCED, "notice": NOTICE}, "notice is given, but operations has no create"),
        ({**ANNOUNCED, "shipping_notice_id": None}, "shipping_notice_id is missing"),
        ({**ANNOUNCED, "items": None}, "operations has announce, but there are no items"),
        ({**ANNOUNCED, "items_path": "/data/items.csv"}, "items and items_path are both given"),
    ],
)
def test_what_does_not_go_together_is_refused_at_parse_also_of_a_mapped_task(given, named):
    known = dict.fromkeys(("notice", "items", "items_path", "shipping_notice_id"))
    for make in (ZDirectShippingNoticeOperator, ZDirectShippingNoticeOperator.partial):
        with pytest.raises(ZDirectConfigurationError, match="Task write") as caught:
            make(task_id="write", **{**known, **given})
        assert named in str(caught.value)
        assert caught.value.remedy


@pytest.mark.parametrize(
    ("given", "expanded"),
    [
        ({"operations": ["create", "announce"], "notice": NOTICE}, {"items_path": ["/a.csv"]}),
        ({"operations": ["create", "announce"], "items": ITEMS}, {"notice": [NOTICE]}),
        ({"operations": DISPATCHING}, {"shipping_notice_id": [NOTICE_ID], "dispatch_items": [ITEMS]}),
        ({"operations": "create", "notice": {**NOTICE, **REFERENCE}}, {"merchant_id": [MERCHANT]}),
    ],
)
@pytest.mark.parametrize("create_by", [{}, {"create_by": "put"}, {"create_by": "post"}])
def test_what_a_mapped_task_is_not_given_yet_is_neither_missing_nor_too_much(given, expanded, create_by):
    if create_by == {"create_by": "post"} and "notice" in given:
        given = {**given, "notice": {**NOTICE, **REFERENCE}}
    with DAG("a_dag", schedule=None):
        assert ZDirectShippingNoticeOperator.partial(task_id="mapped", **given, **create_by).expand(**expanded)


def test_a_notice_with_templates_is_judged_when_it_is_known():
    write(notice={**NOTICE, "merchant_b2b_reference": "PO-{{ ds }}"}, create_by="post")
    write(operations="announce", notice="{{ params.notice }}", shipping_notice_id="{{ params.id }}")


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"notice": {"carrier_name": ""}}, "notice is empty"),
        ({"items": None, "items_path": "/nowhere/items.csv"}, "items_path='/nowhere/items.csv'"),
        ({"items": "", "items_path": "nope://bucket/items.csv"}, "items_path='nope://bucket/items.csv'"),
        ({"items": None}, "there are no items"),
        ({"conn_id": "missing"}, "Connection 'missing'"),
    ],
)
def test_a_wrong_rendered_value_fails_without_retry_and_before_any_request(arguments, named, world, context):
    task = write()
    for name, value in {"merchant_id": world.merchant_ids[0], **arguments}.items():
        setattr(task, name, value)
    with pytest.raises(AirflowFailException) as caught:
        task.resume(context)
    assert isinstance(caught.value.__cause__, ZDirectConfigurationError)
    assert named in str(caught.value)
    assert "What to do:" in str(caught.value)
    assert not world.requests


@pytest.mark.parametrize("create_by", ["put", "post"])
def test_a_notice_is_announced_by_one_task_and_dispatched_by_a_later_one(world, context, tmp_path, create_by):
    world.set_options(create_notice=create_by)
    path = tmp_path / "items.jsonl"
    path.write_text("\n".join(map(json.dumps, ITEMS)))
    task = write(
        notice={**NOTICE, **REFERENCE}, items=None, items_path=path.as_uri(), merchant_id=None, create_by=create_by
    )
    first = task.resume(context)
    notice = only(world)
    assert first == {
        "shipping_notice_id": notice["id"],
        "merchant_id": world.merchant_ids[0],
        "zalando_advice_id": notice["zalando_advice_id"],
        "state": "ready_for_delivery_date",
        "etag": first["etag"],
        "operations": dict.fromkeys(ANNOUNCING, "done"),
        "items": 2,
        "pieces": 4,
        "dispatch_items": None,
        "dispatch_pieces": None,
    }
    assert (notice["announced"], json.loads(json.dumps(first))) == (QUANTITIES, first)
    later = dispatch(shipping_notice_id=first["shipping_notice_id"], merchant_id=None, create_by=create_by)
    with pytest.raises(AirflowFailException, match="when ZFS Operations has confirmed") as caught:
        later.resume(context)
    assert isinstance(caught.value.__cause__, ConflictError)
    world.confirm_delivery_date(notice["id"])
    last = later.resume(context)
    assert (last["state"], last["items"], last["dispatch_items"], last["dispatch_pieces"]) == (
        "ready_for_receive",
        None,
        1,
        3,
    )
    assert only(world)["dispatched"] == {"0191476239145": 3}


@pytest.mark.parametrize("made", [json.dumps, str, lambda value: value, deque], ids=["JSON", "text", "native", "lazy"])
def test_arguments_may_be_what_a_template_made_of_small_xcoms(world, context, made):
    task = write(**dict.fromkeys(("items", "notice"), "{{ ti.xcom_pull('x') }}"), merchant_id=None)
    # A lazy sequence of the results of mapped tasks is a sequence that is not a list.
    task.items, task.notice = made(ITEMS), NOTICE if made is deque else made({**NOTICE, "contact_name": 4711})
    assert task.resume(context)["pieces"] == 4
    assert only(world)["fields"]["pallets_count"] == 2
    assert only(world)["fields"].get("contact_name", "4711") == "4711"


def test_the_id_belongs_to_the_task_instance_and_its_retry_has_the_same(world, context):
    task = write(merchant_id=None, notice={**NOTICE, "comments": "{{ x }}"})
    task.notice = {**NOTICE, "comments": "None"}
    first = task.resume(context)
    assert uuid.UUID(first["shipping_notice_id"]).version == 4
    assert task.resume(context)["operations"] == dict.fromkeys(ANNOUNCING, "already")
    assert "comments" not in only(world)["fields"]
    for name, other in {"run_id": "b", "map_index": 1}.items():
        ti = SimpleNamespace(**{**vars(context["ti"]), name: other})
        assert task.resume({**context, "ti": ti})["shipping_notice_id"] != first["shipping_notice_id"]
    assert len(world.notices(world.merchant_ids[0])) == 3


def test_a_lost_answer_and_a_full_hour_are_waited_for_without_a_worker_slot(world, context):
    world.faults.add({"match": {"path": "announced-item-sets", "method": "POST"}, "action": {"cut_body": 0}})
    limit = {"status": 429, "headers": {"Retry-After": "200"}}
    world.faults.add({"match": {"path": "announcement-confirmations"}, "action": limit})
    task, arguments = write(merchant_id=None), {}
    for handed_on in ({"waits"}, {"waits", "turn_since"}):
        with pytest.raises(TaskDeferred) as deferred:
            task.resume(context, **arguments)
        arguments = deferred.value.kwargs
        assert (arguments.keys(), arguments["waits"]) == (handed_on, 1)
        world.clock.advance(200)
    done = task.resume(context, **arguments)["operations"]
    assert done == {"create": "already", "announce": "already", "confirm_announcement": "done"}
    assert only(world)["state"] == "ready_for_delivery_date"
