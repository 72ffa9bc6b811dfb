"""Writing shipping notices: creation, item sets, confirmations, and every refusal."""

from __future__ import annotations

import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from airflow_provider_zdirect.emulator.server import EmulatorServer

from .conftest import log_in
from .notice_calls import (
    ANNOUNCED,
    DISPATCH,
    EAN,
    NOTICES,
    OTHER_EAN,
    announce,
    create,
    etag,
    fields,
    id_of,
    items,
    new_id,
    post,
)

SOME = items(e0191476239145=3, e4006381333931=1)
QUANTITIES = {EAN: 3, OTHER_EAN: 1}
CONFIRM_ANNOUNCEMENT, CONFIRM_DISPATCH = "announcement-confirmations", "dispatch-confirmations"


@pytest.fixture(autouse=True)
def without_limits_and_other_notices(server: EmulatorServer) -> None:
    server.set_options(rate_limits=False, notice_days=0)


def only(server: EmulatorServer) -> dict[str, Any]:
    (notice,) = server.notices(server.merchant_ids[0])
    return notice


def test_a_notice_goes_through_all_its_states(server: EmulatorServer, api: httpx.Client) -> None:
    id = create(server, api)
    tags = [etag(api, id)]
    expected = {"id": id, "zalando_advice_id": only(server)["zalando_advice_id"], "state": "initial"}
    assert only(server) == {**expected, "announced": {}, "dispatched": None, "fields": fields(server)}
    steps: list[tuple[str, object, str]] = [
        (ANNOUNCED, SOME, "initial"),
        (CONFIRM_ANNOUNCEMENT, {}, "ready_for_delivery_date"),
        ("", None, "ready_for_dispatch"),
        (DISPATCH, items(e0191476239145=2), "ready_for_dispatch"),
        (CONFIRM_DISPATCH, {}, "ready_for_receive"),
    ]
    for path, content, state in steps:
        if path:
            assert post(api, id, path, content).status_code == 201
        else:
            server.confirm_delivery_date(id)
        tags.append(etag(api, id))
        assert api.get(f"{NOTICES}/{id}").json()["state"] == only(server)["state"] == state
    assert len(set(tags)) == len(tags)
    assert (only(server)["announced"], only(server)["dispatched"]) == (QUANTITIES, {EAN: 2})
    shown = api.get(f"{NOTICES}/{id}").json()
    assert (shown["announced_item_count"], shown["dispatch_item_count"]) == (4, 2)
    assert shown["confirmed_delivery_date"] == "2026-03-20T00:00:00+01:00"
    assert [id_of(notice) for notice in api.get(NOTICES).json()["shipping-notices"]] == [id]
    server.reset()
    assert id not in [notice["id"] for notice in server.notices(server.merchant_ids[0])]


@pytest.mark.parametrize("way", ["put", "post", "both"])
def test_the_way_to_create_is_an_option_and_the_other_is_405(
    server: EmulatorServer, api: httpx.Client, way: str
) -> None:
    server.set_options(create_notice=way)
    id = new_id()
    put = api.put(f"{NOTICES}/{id}", json=fields(server))
    posted = api.post(NOTICES, json=fields(server))
    assert [put.status_code, posted.status_code] == [201 if way != "post" else 405, 201 if way != "put" else 405]
    for answer in (put, posted):
        if answer.status_code == 405:
            assert answer.headers["Allow"]
            continue
        location = answer.headers["Location"]
        assert id_of(answer.json()) == location.rpartition("/")[2]
        assert api.get(location).json() == answer.json()
        assert answer.json()["state"] == "initial"
        assert "ETag" not in answer.headers
    if way != "put":
        made = posted.headers["Location"].rpartition("/")[2]
        assert uuid.UUID(made).version == 4
        assert made != id


@pytest.mark.parametrize("stale", [412, 409])
def test_a_stale_or_missing_tag_is_refused(server: EmulatorServer, api: httpx.Client, stale: int) -> None:
    id = create(server, api)
    path, old = f"{NOTICES}/{id}", etag(api, id)
    assert post(api, id, ANNOUNCED, SOME).status_code == 201
    server.set_options(stale_etag_status=stale)
    writes: list[tuple[str, str, object]] = [
        ("POST", f"{path}/{ANNOUNCED}", SOME),
        ("POST", f"{path}/{DISPATCH}", SOME),
        ("POST", f"{path}/{CONFIRM_ANNOUNCEMENT}", {}),
        ("POST", f"{path}/{CONFIRM_DISPATCH}", {}),
        ("PUT", path, fields(server)),
    ]
    before = only(server)
    for method, url, content in writes:
        for tag in (old, '"other"', f"W/{etag(api, id)}"):
            refused = api.request(method, url, json=content, headers={"If-Match": tag})
            assert (refused.status_code, refused.headers["Content-Type"]) == (stale, "application/problem+json")
        refused = api.request(method, url, json=content)
        # Without If-Match a PUT is a second attempt to create.
        assert refused.status_code == (stale if method == "PUT" else 428)
    assert only(server) == before
    # The tag of a sub-resource is not that of the notice.
    of_set = api.get(f"{path}/{ANNOUNCED}").headers["ETag"]
    assert api.post(f"{path}/{ANNOUNCED}", json=SOME, headers={"If-Match": of_set}).status_code == stale
    for tag in (f'"other", {etag(api, id)}', "*"):
        assert api.post(f"{path}/{ANNOUNCED}", json=SOME, headers={"If-Match": tag}).status_code == 201


@pytest.mark.parametrize(
    "change",
    [
        {"zalando_merchant_id": None},
        {"zalando_merchant_id": "x"},
        {"zalando_merchant_id": 7},
        {"pallets_count": -1},
        {"pallets_count": "2"},
        {"colli_count": 1.5},
        {"hanging_goods_count": True},
        {"earliest_delivery_date": "2026-03-20T00:00:00+01:00"},
        {"earliest_delivery_date": "20.3.2026"},
        {"requested_zalando_location_id": "Erfurt"},
        {"comments": 7},
        {"state": "initial"},
        {"contact_mail": "x@merchant.example"},
        {"announced_items": {"items": []}},
        {"announced_items": [{"ean": EAN, "quantity": 1}]},
    ],
)
def test_a_notice_that_does_not_fit_is_a_400(
    server: EmulatorServer, api: httpx.Client, change: dict[str, object]
) -> None:
    answer = api.put(f"{NOTICES}/{new_id()}", json=fields(server, **change))
    assert (answer.status_code, answer.headers["Content-Type"]) == (400, "application/problem+json")
    assert server.notices(server.merchant_ids[0]) == []


def test_each_post_replaces_the_set_and_both_shapes_show_it(server: EmulatorServer, api: httpx.Client) -> None:
    id = create(server, api)
    assert api.get(f"{NOTICES}/{id}/{ANNOUNCED}").json() == {"items": []}
    server.set_options(item_sets_shape="list")
    assert api.get(f"{NOTICES}/{id}/{ANNOUNCED}").json() == {ANNOUNCED: []}
    answers = [post(api, id, ANNOUNCED, content) for content in (SOME, items(e0191476239145=5))]
    assert [answer.status_code for answer in answers] == [201, 201]
    first, second = (answer.json() for answer in answers)
    assert first == {"id": first["id"], **SOME}
    assert api.get(f"{NOTICES}/{id}/{ANNOUNCED}").json() == {ANNOUNCED: [first, second]}
    server.set_options(item_sets_shape="set")
    assert api.get(f"{NOTICES}/{id}/{ANNOUNCED}").json() == {"items": second["items"]}
    assert only(server)["announced"] == {EAN: 5}
    assert api.get(f"{NOTICES}/{id}/{DISPATCH}").json() == {"items": []}


def test_sets_and_confirmations_wait_for_their_state(server: EmulatorServer, api: httpx.Client) -> None:
    id = create(server, api)

    def refused(*paths: str) -> bool:
        return {post(api, id, path, SOME if "sets" in path else {}).status_code for path in paths} == {409}

    # In the beginning nothing is announced.
    assert refused(DISPATCH, CONFIRM_ANNOUNCEMENT, CONFIRM_DISPATCH)
    announce(api, id)
    assert refused(ANNOUNCED, CONFIRM_ANNOUNCEMENT, CONFIRM_DISPATCH)
    assert post(api, id, DISPATCH, SOME).status_code == 201
    server.confirm_delivery_date(id)
    assert refused(ANNOUNCED, CONFIRM_ANNOUNCEMENT)
    assert post(api, id, CONFIRM_DISPATCH).status_code == 201
    assert refused(ANNOUNCED, DISPATCH, CONFIRM_ANNOUNCEMENT, CONFIRM_DISPATCH)
    assert only(server)["dispatched"] == QUANTITIES


def test_a_delivery_date_can_come_by_itself(server: EmulatorServer, api: httpx.Client) -> None:
    server.set_options(delivery_date_after_minutes=90, token_seconds=10**6)
    log_in(api)
    id = create(server, api)
    announce(api, id)
    tag = etag(api, id)
    server.clock.advance(90 * 60 - 1)
    assert (only(server)["state"], etag(api, id)) == ("ready_for_delivery_date", tag)
    server.clock.advance(1)
    assert only(server)["state"] == "ready_for_dispatch"
    assert etag(api, id) != tag
    assert post(api, id, CONFIRM_DISPATCH).status_code == 201
    # What has happened stays so without the option.
    server.set_options(delivery_date_after_minutes=None)
    assert api.get(f"{NOTICES}/{id}").json()["confirmed_delivery_date"] == "2026-03-20T00:00:00+01:00"


def test_of_many_at_once_one_creates_and_one_changes(server: EmulatorServer, api: httpx.Client) -> None:
    id = new_id()
    with ThreadPoolExecutor(8) as pool:
        created = list(pool.map(lambda _: api.put(f"{NOTICES}/{id}", json=fields(server)).status_code, range(8)))
        assert sorted(created) == [201, *[412] * 7]
        tag = {"If-Match": etag(api, id)}
        url = f"{NOTICES}/{id}/{ANNOUNCED}"
        posted = list(pool.map(lambda _: api.post(url, json=SOME, headers=tag).status_code, range(8)))
        assert sorted(posted) == [201, *[412] * 7]
