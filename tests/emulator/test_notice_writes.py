"""Writing shipping notices: creation, item sets, confirmations, and every refusal."""

from __future__ import annotations

import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
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


def test_confirmations_answer_an_empty_object(server: EmulatorServer, api: httpx.Client) -> None:
    id = create(server, api)
    assert post(api, id, ANNOUNCED, SOME).status_code == 201
    headers = {"If-Match": etag(api, id), "Content-Type": "application/json"}
    answer = api.post(f"{NOTICES}/{id}/{CONFIRM_ANNOUNCEMENT}", headers=headers)
    assert (answer.status_code, answer.json()) == (201, {})
    assert post(api, id, CONFIRM_DISPATCH, {"really": True}).status_code == 400


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


def test_the_answer_to_a_write_can_be_empty(server: EmulatorServer, api: httpx.Client) -> None:
    server.set_options(created_notice_body="empty", create_notice="both")
    for answer in (api.put(f"{NOTICES}/{new_id()}", json=fields(server)), api.post(NOTICES, json=fields(server))):
        assert (answer.status_code, answer.content) == (201, b"")
        path = answer.headers["Location"]
        changed = api.put(path, json=fields(server, comments="x"), headers={"If-Match": api.get(path).headers["ETag"]})
        assert (changed.status_code, changed.content) == (204, b"")
        assert api.get(path).json()["comments"] == "x"


def test_advices_of_created_notices_are_numbered(server: EmulatorServer, api: httpx.Client) -> None:
    for _ in range(2):
        create(server, api)
    advices = [notice["zalando_advice_id"] for notice in server.notices(server.merchant_ids[0])]
    assert sorted(advices) == ["90000001", "90000002"]


def test_an_update_replaces_the_fields_in_state_initial(server: EmulatorServer, api: httpx.Client) -> None:
    id = create(server, api)
    changed = {"zalando_merchant_id": server.merchant_ids[0], "contact_name": "Erika Mustermann", "colli_count": 7}
    answer = api.put(f"{NOTICES}/{id}", json=changed, headers={"If-Match": etag(api, id)})
    assert answer.status_code == 200
    assert answer.json() == api.get(f"{NOTICES}/{id}").json()
    assert only(server)["fields"] == changed
    other = {**changed, "zalando_merchant_id": server.merchant_ids[1]}
    assert api.put(f"{NOTICES}/{id}", json=other, headers={"If-Match": etag(api, id)}).status_code == 400
    announce(api, id)
    assert api.put(f"{NOTICES}/{id}", json=changed, headers={"If-Match": etag(api, id)}).status_code == 409


def test_items_can_come_with_the_notice(server: EmulatorServer, api: httpx.Client) -> None:
    id = create(server, api, announced_items=SOME)
    assert only(server)["announced"] == QUANTITIES
    assert "announced_items" not in only(server)["fields"]
    assert "announced_items" not in api.get(f"{NOTICES}/{id}").json()
    changed = fields(server, announced_items=items(e0191476239145=9))
    assert api.put(f"{NOTICES}/{id}", json=changed, headers={"If-Match": etag(api, id)}).status_code == 200
    assert only(server)["announced"] == {EAN: 9}
    assert post(api, id, CONFIRM_ANNOUNCEMENT).status_code == 201


@pytest.mark.parametrize(("stale", "missing"), [(412, 428), (409, 400)])
def test_a_stale_or_missing_tag_is_refused_with_the_status_of_the_option(
    server: EmulatorServer, api: httpx.Client, stale: int, missing: int
) -> None:
    id = create(server, api)
    path, old = f"{NOTICES}/{id}", etag(api, id)
    assert post(api, id, ANNOUNCED, SOME).status_code == 201
    server.set_options(stale_etag_status=stale, missing_etag_status=missing)
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
        assert refused.status_code == (stale if method == "PUT" else missing)
    assert only(server) == before
    # The tag of a sub-resource is not that of the notice.
    of_set = api.get(f"{path}/{ANNOUNCED}").headers["ETag"]
    assert api.post(f"{path}/{ANNOUNCED}", json=SOME, headers={"If-Match": of_set}).status_code == stale
    for tag in (f'"other", {etag(api, id)}', "*"):
        assert api.post(f"{path}/{ANNOUNCED}", json=SOME, headers={"If-Match": tag}).status_code == 201


def test_a_write_changes_the_tag_even_if_the_counts_stay(server: EmulatorServer, api: httpx.Client) -> None:
    id = create(server, api)
    tags = []
    for content in (items(e0191476239145=1), items(e4006381333931=1), items(e4006381333931=1)):
        assert post(api, id, ANNOUNCED, content).status_code == 201
        tags.append(etag(api, id))
    assert len(set(tags)) == 3


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


def test_creation_has_more_refusals(server: EmulatorServer, api: httpx.Client) -> None:
    unknown, json = "11111111-2222-4333-8444-555555555555", {"Content-Type": "application/json"}
    for merchant in (server.foreign_merchant_id, unknown):
        answer = api.put(f"{NOTICES}/{new_id()}", json=fields(server, zalando_merchant_id=merchant))
        assert answer.status_code == 403
    assert api.put(f"{NOTICES}/{uuid.uuid1()}", json=fields(server)).status_code == 400
    assert api.put(f"{NOTICES}/mine", json=fields(server)).status_code == 400
    assert api.put(f"{NOTICES}/{new_id()}", json=fields(server), headers={"If-Match": '"x"'}).status_code == 404
    assert api.put(f"{NOTICES}/{new_id()}", content=b"{", headers=json).status_code == 400
    assert api.put(f"{NOTICES}/{new_id()}", content=b"[]", headers=json).status_code == 400
    assert api.put(f"{NOTICES}/{new_id()}", content=b"{}", headers={"Content-Type": "text/plain"}).status_code == 415
    assert api.delete(f"{NOTICES}/{new_id()}").status_code == 405
    assert api.post(f"{NOTICES}/{new_id()}", json={}).status_code == 405
    assert server.notices(server.merchant_ids[0]) == []


def test_a_notice_of_the_foreign_merchant_cannot_be_written(server: EmulatorServer, api: httpx.Client) -> None:
    server.set_options(notice_days=5)
    path = f"{NOTICES}/{server.notices(server.foreign_merchant_id)[0]['id']}"
    tag = {"If-Match": "*"}
    assert api.put(path, json=fields(server), headers=tag).status_code == 403
    for sub in (ANNOUNCED, DISPATCH, CONFIRM_ANNOUNCEMENT, CONFIRM_DISPATCH):
        assert api.post(f"{path}/{sub}", json=SOME, headers=tag).status_code == 403
        assert api.post(f"{NOTICES}/{new_id()}/{sub}", json=SOME, headers=tag).status_code == 404


@pytest.mark.parametrize(
    "content",
    [
        {},
        {"items": []},
        {"items": {}},
        {"items": [{"ean": EAN}]},
        {"items": [{"ean": EAN, "quantity": 0}]},
        {"items": [{"ean": EAN, "quantity": "2"}]},
        {"items": [{"ean": EAN, "quantity": 1.5}]},
        {"items": [{"ean": EAN, "quantity": True}]},
        {"items": [{"ean": "0191476239146", "quantity": 1}]},
        {"items": [{"ean": "191476239145", "quantity": 1}]},
        {"items": [{"ean": 4006381333931, "quantity": 1}]},
        {"items": [{"ean": EAN, "quantity": 1, "sku": "x"}]},
        {"items": [{"ean": EAN, "quantity": 1}, {"ean": EAN, "quantity": 2}]},
        {"items": [7]},
        [],
    ],
)
def test_items_that_do_not_fit_are_a_400(server: EmulatorServer, api: httpx.Client, content: object) -> None:
    id = create(server, api)
    assert post(api, id, ANNOUNCED, SOME).status_code == 201
    answer = post(api, id, ANNOUNCED, content)
    assert (answer.status_code, answer.headers["Content-Type"]) == (400, "application/problem+json")
    assert only(server)["announced"] == QUANTITIES


def test_each_post_replaces_the_set_and_both_shapes_show_it(server: EmulatorServer, api: httpx.Client) -> None:
    id = create(server, api)
    assert api.get(f"{NOTICES}/{id}/{ANNOUNCED}").json() == {"items": []}
    server.set_options(item_sets_shape="list")
    assert api.get(f"{NOTICES}/{id}/{ANNOUNCED}").json() == {ANNOUNCED: []}
    answers = [post(api, id, ANNOUNCED, content) for content in (SOME, items(e0191476239145=5))]
    assert [answer.status_code for answer in answers] == [201, 201]
    first, second = (answer.json() for answer in answers)
    assert first == {"id": first["id"], **SOME}
    assert api.get(answers[0].headers["Location"]).json() == first
    assert api.get(f"{NOTICES}/{id}/{ANNOUNCED}").json() == {ANNOUNCED: [first, second]}
    server.set_options(item_sets_shape="set")
    assert api.get(f"{NOTICES}/{id}/{ANNOUNCED}").json() == {"items": second["items"]}
    assert only(server)["announced"] == {EAN: 5}
    assert api.get(f"{NOTICES}/{id}/{DISPATCH}/{second['id']}").status_code == 404
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


def test_a_dispatch_can_be_confirmed_without_a_set(server: EmulatorServer, api: httpx.Client) -> None:
    id = create(server, api)
    announce(api, id)
    server.confirm_delivery_date(id)
    assert post(api, id, CONFIRM_DISPATCH).status_code == 201
    assert (only(server)["state"], only(server)["dispatched"]) == ("ready_for_receive", None)
    assert api.get(f"{NOTICES}/{id}").json()["dispatch_item_count"] == 0


def test_a_delivery_date_is_set_only_for_announced_notices(server: EmulatorServer, api: httpx.Client) -> None:
    id = create(server, api, earliest_delivery_date=None)
    with pytest.raises(ValueError, match="initial"):
        server.confirm_delivery_date(id)
    with pytest.raises(ValueError, match="unknown"):
        server.confirm_delivery_date(new_id())
    announce(api, id)
    server.confirm_delivery_date(id)
    assert api.get(f"{NOTICES}/{id}").json()["confirmed_delivery_date"] == "2026-03-12T00:00:00+01:00"
    with pytest.raises(ValueError, match="ready_for_dispatch"):
        server.confirm_delivery_date(id)


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


def test_a_notice_of_the_world_can_be_dispatched_by_the_client(server: EmulatorServer, api: httpx.Client) -> None:
    server.set_options(notice_days=5, token_seconds=10**7)
    log_in(api)
    merchant = server.merchant_ids[0]
    tomorrow = [n for n in server.notices(merchant) if n["fields"]["earliest_delivery_date"] == "2026-03-11"]
    confirmed, posted = (notice["id"] for notice in tomorrow[:2])
    for id in (confirmed, posted):
        assert post(api, id, DISPATCH, SOME).status_code == 201
    assert post(api, confirmed, CONFIRM_DISPATCH).status_code == 201
    for state in ("ready_for_dispatch", "ready_for_receive"):
        found = {notice["id"]: notice for notice in server.notices(merchant)}
        assert (found[confirmed]["state"], found[posted]["state"]) == ("ready_for_receive", state)
        # The client's set is instead of the one that would have come.
        assert found[confirmed]["dispatched"] == found[posted]["dispatched"] == QUANTITIES
        server.clock.advance(24 * 3600)


def test_a_delivery_date_set_early_leaves_the_dispatch_where_it_was(server: EmulatorServer, api: httpx.Client) -> None:
    server.set_options(notice_days=5)
    merchant = server.merchant_ids[0]
    id = next(n["id"] for n in server.notices(merchant) if n["state"] == "ready_for_delivery_date")
    server.confirm_delivery_date(id)
    assert {n["id"]: n["state"] for n in server.notices(merchant)}[id] == "ready_for_dispatch"
    server.clock.advance(timedelta(days=7).total_seconds())
    assert {n["id"]: n["state"] for n in server.notices(merchant)}[id] == "ready_for_receive"


def test_of_many_at_once_one_creates_and_one_changes(server: EmulatorServer, api: httpx.Client) -> None:
    id = new_id()
    with ThreadPoolExecutor(8) as pool:
        created = list(pool.map(lambda _: api.put(f"{NOTICES}/{id}", json=fields(server)).status_code, range(8)))
        assert sorted(created) == [201, *[412] * 7]
        tag = {"If-Match": etag(api, id)}
        url = f"{NOTICES}/{id}/{ANNOUNCED}"
        posted = list(pool.map(lambda _: api.post(url, json=SOME, headers=tag).status_code, range(8)))
        assert sorted(posted) == [201, *[412] * 7]


def test_a_dropped_answer_has_still_created_the_notice(server: EmulatorServer, api: httpx.Client) -> None:
    id = new_id()
    server.faults.set([{"match": {"path": f"{NOTICES}/", "method": "PUT"}, "action": {"cut_body": 0}}])
    with pytest.raises(httpx.RemoteProtocolError):
        api.put(f"{NOTICES}/{id}", json=fields(server))
    assert api.put(f"{NOTICES}/{id}", json=fields(server)).status_code == 412
    assert only(server)["id"] == id
