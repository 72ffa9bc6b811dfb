from __future__ import annotations

import json
import uuid
from collections import deque
from datetime import timedelta
from types import SimpleNamespace

import pytest
import real_time
from airflow.providers.common.compat.sdk import DAG, AirflowFailException, TaskDeferred

from airflow_provider_zdirect.client import Transport, checked_merchant_id
from airflow_provider_zdirect.exceptions import (
    ConflictError,
    RateLimitedError,
    TransportError,
    ZDirectConfigurationError,
)
from airflow_provider_zdirect.operators import arguments
from airflow_provider_zdirect.operators.shipping_notices import ZDirectShippingNoticeOperator

MERCHANT = "01924c48-49bb-40c2-9c32-ab582e6db6f4"
NOTICE_ID = "5b1f6a52-9d3c-4d6e-8f3a-0c9a5b7e1d24"
NOTICE = {"carrier_name": "DHL", "pallets_count": 2, "earliest_delivery_date": "2026-03-20"}
REFERENCE = {"merchant_b2b_reference": "PO-1"}
ITEMS = [{"ean": "0191476239145", "quantity": 3}, {"ean": "4006381333931", "quantity": 1}]
QUANTITIES = {"0191476239145": 3, "4006381333931": 1}
ANNOUNCING = ["create", "announce", "confirm_announcement"]
DISPATCHING = ["dispatch", "confirm_dispatch"]


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
    ("arguments", "named"),
    [
        ({"operations": []}, "operations is empty"),
        ({"operations": ["announce", "create"]}, "not the order"),
        ({"operations": "create, deliver"}, "'deliver' is unknown"),
        ({"notice": None}, "notice is empty"),
        ({"notice": {"carrier": "DHL", "comments": "{{ ds }}"}}, "unknown field carrier"),
        ({"notice": {**NOTICE, "pallets_count": -1}}, "notice['pallets_count']='-1'"),
        ({"items": None}, "operations has announce, but there are no items"),
        ({"items": [{"ean": "4006381333930", "quantity": 1}]}, "its check digit is wrong"),
        ({"items": "[{'ean': '4006381333931', 'quantity': 0}]"}, "quantity='0'"),
        ({"items_path": "/data/items.csv"}, "items and items_path are both given"),
        ({"dispatch_items": ITEMS}, "dispatch_items are given, but operations has no dispatch"),
        ({"notice": "{'carrier': 'DHL'}"}, "unknown field carrier"),
        ({"create_by": "post"}, "notice has no merchant_b2b_reference"),
        ({"create_by": "post", "notice": {**NOTICE, **REFERENCE}, "shipping_notice_id": NOTICE_ID}, "zDirect gives"),
        ({"operations": "confirm_announcement", "items": None}, "notice is given"),
        ({"operations": "confirm_announcement", "items": None, "notice": None}, "shipping_notice_id is missing"),
    ],
)
def test_a_wrong_literal_is_refused_at_parse_with_task_parameter_and_remedy(arguments, named):
    with pytest.raises(ZDirectConfigurationError, match="Task write") as caught:
        write(**arguments)
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


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"operations": ["create"], "items": ITEMS}, "items are given, but operations has no announce"),
        ({"operations": ["create"], "notice": {}}, "notice is empty"),
        ({"operations": ["create"], "notice": NOTICE, "create_by": "post"}, "notice has no merchant_b2b_reference"),
        ({"operations": ["create"], "shipping_notice_id": NOTICE_ID, "create_by": "post"}, "zDirect gives the id"),
        ({"operations": ["announce"], "notice": NOTICE}, "notice is given, but operations has no create"),
        ({"operations": ["announce"], "shipping_notice_id": None}, "shipping_notice_id is missing"),
        ({"operations": ["announce"], "items": None, "items_path": None}, "there are no items"),
    ],
)
def test_what_a_mapped_task_is_given_is_judged(given, named):
    with pytest.raises(ZDirectConfigurationError, match=named):
        ZDirectShippingNoticeOperator.partial(task_id="mapped", **given)


def test_the_operators_take_those_merchant_ids_that_the_client_takes():
    for text in (MERCHANT, f" {MERCHANT.upper()} ", MERCHANT.replace("-", ""), f"{{{MERCHANT}}}", "", f"{MERCHANT}/x"):
        taken = []
        for check in (arguments.merchant_id, checked_merchant_id):
            try:
                taken.append(check(text))
            except ZDirectConfigurationError:
                taken.append(None)
        assert taken == [MERCHANT if text.strip().lower() == MERCHANT else None] * 2, text


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
        ({"items": deque(ITEMS), "items_path": "/data/items.csv"}, "items and items_path are both given"),
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


def test_all_errors_of_a_file_are_named_and_nothing_is_sent(world, context, tmp_path):
    path = tmp_path / "items.csv"
    path.write_text("ean,quantity\n4006381333930,1\n4006381333931,none\n4006381333931,2\n4006381333931,3\n")
    with pytest.raises(AirflowFailException, match=r"has 3 errors: row 2: .* row 3: .* row 5: ") as caught:
        write(items=None, items_path=str(path)).resume(context)
    assert str(path) in str(caught.value)
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


@pytest.mark.parametrize("made", [json.dumps, str])
def test_arguments_may_be_what_a_template_made_of_small_xcoms(world, context, made):
    task = write(**dict.fromkeys(("items", "notice"), "{{ ti.xcom_pull('x') }}"), merchant_id=None)
    task.items, task.notice = made(ITEMS), made(NOTICE)
    assert task.resume(context)["pieces"] == 4
    assert only(world)["fields"]["pallets_count"] == 2


def test_arguments_may_be_native_objects_and_the_results_of_mapped_tasks(world, context):
    task = write(notice={**NOTICE, "merchant_b2b_reference": "{{ x }}"}, merchant_id=None)
    # A lazy sequence of XComs is a sequence that is no list, too.
    task.items, task.notice = deque(ITEMS), {**NOTICE, "merchant_b2b_reference": 4711}
    assert task.resume(context)["pieces"] == 4
    assert only(world)["fields"]["merchant_b2b_reference"] == "4711"


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


def test_a_conflicting_repeat_fails_without_retry(world, context):
    write(merchant_id=None, shipping_notice_id=NOTICE_ID).resume(context)
    with pytest.raises(AirflowFailException, match="carrier_name") as caught:
        write(merchant_id=None, shipping_notice_id=NOTICE_ID, notice={"carrier_name": "UPS"}).resume(context)
    assert isinstance(caught.value.__cause__, ConflictError)


class Killed(BaseException):
    pass


@pytest.mark.parametrize(("create_by", "after"), [("put", False), ("post", True)])
def test_killed_around_any_request_and_retried_there_is_one_notice(world, context, monkeypatch, create_by, after):
    send = Transport.send
    left = None

    async def deadly(self, *arguments, **options):
        nonlocal left
        left -= 1
        if left == 0 and not after:
            raise Killed
        answer = await send(self, *arguments, **options)
        if left == 0:
            raise Killed
        return answer

    monkeypatch.setattr(Transport, "send", deadly)
    world.set_options(create_notice=create_by)
    was_killed, made = True, 0
    while was_killed:
        made += 1
        # Every number of a run that is killed is about a notice of its own; the limits have room again.
        world.clock.advance(3600)
        instance = {**context, "ti": SimpleNamespace(**{**vars(context["ti"]), "run_id": f"run {made}"})}
        notice = {**NOTICE, "merchant_b2b_reference": f"PO-{made}"}
        task = write(notice=notice, merchant_id=None, create_by=create_by)
        left = made
        try:
            task.resume(instance)
        except Killed:
            world.clock.advance(120)
            left = 0
            task.resume(instance)
        else:
            was_killed = False
        notices = world.notices(world.merchant_ids[0])
        assert len(notices) == made
        assert (notices[-1]["state"], notices[-1]["announced"]) == ("ready_for_delivery_date", QUANTITIES)
    assert made > 8


def test_a_lost_answer_is_left_to_the_retry_of_the_task(world, context):
    world.faults.add({"match": {"path": "announced-item-sets", "method": "POST"}, "action": {"cut_body": 0}})
    task = write(merchant_id=None, deferrable=False)
    with pytest.raises(TransportError) as caught:
        task.resume(context)
    assert caught.value.retry_after == 120
    assert task.resume(context)["operations"] == {
        "create": "already",
        "announce": "already",
        "confirm_announcement": "done",
    }


def test_a_full_hour_is_waited_for_without_a_worker_slot_however_many_are_before(world, context):
    limit = {"status": 429, "headers": {"Retry-After": "200"}}
    world.faults.add({"match": {"path": "announcement-confirmations"}, "action": limit, "times": 12})
    task = write(merchant_id=None)
    arguments = {}
    for turn in range(1, 13):
        with pytest.raises(TaskDeferred) as deferred:
            task.resume(context, **arguments)
        arguments = deferred.value.kwargs
        assert arguments == {"waits": 0, "turns": turn}
        wait = deferred.value.trigger.moment - real_time.now()
        assert timedelta(seconds=120) < wait <= timedelta(seconds=201)
        world.clock.advance(200)
    assert task.resume(context, **arguments)["operations"]["confirm_announcement"] == "done"
    assert only(world)["state"] == "ready_for_delivery_date"


def test_without_deferral_a_full_hour_is_for_the_retry_of_the_task(world, context):
    limit = {"status": 429, "headers": {"Retry-After": "200"}}
    world.faults.add({"match": {"path": "announcement-confirmations"}, "action": limit})
    with pytest.raises(RateLimitedError) as caught:
        write(merchant_id=None, deferrable=False).resume(context)
    assert caught.value.retry_after == 200
