from __future__ import annotations

from typing import Any

import pytest
from notice_world import ANNOUNCING, ITEMS, NOTICE_ID, NOTICES, NoticeWorld

from airflow_provider_zdirect.exceptions import (
    ConflictError,
    MalformedResponseError,
    ServerError,
    TransportError,
    ZDirectError,
)


def test_an_answer_without_etag_does_not_lead_to_a_write(world: NoticeWorld) -> None:
    world.run(world.plan(("create",)))
    world.answer(f"{NOTICE_ID}$", status=200, body={"state": "initial", "announced_item_count": 0})
    with pytest.raises(MalformedResponseError, match="no ETag"):
        world.run(world.plan(("announce",)))
    assert world.writes() == ["PUT  201"]


@pytest.mark.parametrize("body", [[], "text", {"zalando_advice_id": []}, {"state": ["x"]}])
def test_an_answer_that_is_no_notice_is_malformed(world: NoticeWorld, body: Any) -> None:
    world.answer(f"{NOTICE_ID}$", status=200, body=body if body != "text" else '"text"')
    with pytest.raises(MalformedResponseError, match="not a shipping notice"):
        world.run(world.plan())
    assert not world.writes()


@pytest.mark.parametrize(
    ("body", "announced"),
    [
        ({"items": [{"ean": 191476239145, "quantity": "3"}, {"ean": "4006381333931", "quantity": 1}]}, "already"),
        ({"sets": [{"items": []}, {"items": [{"ean": e, "quantity": n} for e, n in ITEMS.items()]}]}, "already"),
        ([{"items": [{"ean": e, "quantity": n} for e, n in ITEMS.items()]}], "already"),
        ({"sets": []}, "done"),
        ({"items": []}, "done"),
        (None, "done"),
        ({"sets": [{"href": "x"}]}, None),
        ({"a": [], "b": []}, None),
        ({}, None),
        ({"items": [{"ean": "x", "quantity": 1}]}, None),
        ({"items": [{"ean": "4006381333931", "quantity": 1.5}]}, None),
    ],
)
def test_item_sets_come_in_two_shapes_and_anything_else_is_malformed(
    world: NoticeWorld, body: Any, announced: str | None
) -> None:
    world.run(world.plan(ANNOUNCING[:2]))
    # Whether there is an empty collection without a set is not confirmed.
    world.answer("announced-item-sets$", **({"status": 404} if body is None else {"status": 200, "body": body}))
    if announced is None:
        with pytest.raises(MalformedResponseError):
            world.run(world.plan(("announce",)))
    else:
        assert world.run(world.plan(("announce",)))["operations"] == {"announce": announced}


@pytest.mark.parametrize(
    ("path", "method", "action", "error"),
    [
        (NOTICE_ID, "PUT", {"status": 503}, ServerError),
        (NOTICE_ID, "PUT", {"reset": True}, TransportError),
        (NOTICE_ID, "PUT", {"cut_body": True}, TransportError),
        (NOTICE_ID, "PUT", {"malformed_json": True}, MalformedResponseError),
        ("announced-item-sets", "POST", {"reset": True}, TransportError),
        ("announced-item-sets", "POST", {"cut_body": 0}, TransportError),
        ("announcement-confirmations", "POST", {"status": 500}, ServerError),
        ("announcement-confirmations", "POST", {"cut_body": 0}, TransportError),
    ],
)
@pytest.mark.parametrize("create_by", ["put", "post"])
def test_a_failed_write_is_raised_at_once_and_its_repeat_finds_out_what_became_of_it(
    world: NoticeWorld, path: str, method: str, action: dict[str, Any], error: type[ZDirectError], create_by: str
) -> None:
    world.emulator.set_options(create_notice=create_by)
    if create_by == "post" and method == "PUT":
        path, method = f"{NOTICES}$", "POST"
    world.answer(path, method, times=1, **action)
    with pytest.raises(error):
        world.run(world.plan(create_by=create_by))
    world.emulator.clock.advance(120)
    assert world.run(world.plan(create_by=create_by))["state"] == "ready_for_delivery_date"
    assert world.only()["announced"] == ITEMS


def test_a_posted_notice_whose_reference_is_not_shown_is_left_to_a_person(world: NoticeWorld) -> None:
    world.emulator.set_options(create_notice="post")
    body = {"state": "initial", "zalando_merchant_id": world.merchant_id}
    world.answer("shipping-notices/[-0-9a-f]+$", status=200, body=body, headers={"ETag": '"x"'})
    with pytest.raises(ConflictError, match="does not show its merchant_b2b_reference") as caught:
        world.run(world.plan(create_by="post"))
    assert world.only()["id"] in str(caught.value)


@pytest.mark.parametrize("create_by", ["put", "post"])
def test_a_notice_that_is_not_shown_after_its_creation_is_not_made_again(world: NoticeWorld, create_by: str) -> None:
    world.emulator.set_options(create_notice=create_by)
    world.answer("shipping-notices/[-0-9a-f]+$", status=404)
    with pytest.raises(ServerError if create_by == "put" else ConflictError, match="does not show"):
        world.run(world.plan(create_by=create_by))
    assert len(world.notices()) == 1
