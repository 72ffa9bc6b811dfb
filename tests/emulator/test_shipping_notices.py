"""Reading shipping notices: the list, one of them, entity tags, and the notices that belong to received items."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import httpx
import pytest

from airflow_provider_zdirect.emulator.server import EmulatorServer

from .conftest import log_in
from .notice_calls import ANNOUNCED, DISPATCH, NOTICES, create, id_of, new_id, pages

DAY = timedelta(days=1)


@pytest.fixture(autouse=True)
def without_limits(server: EmulatorServer) -> None:
    server.set_options(rate_limits=False)


def test_the_list_is_of_all_merchants_of_the_client_in_pages(server: EmulatorServer, api: httpx.Client) -> None:
    found = pages(api)
    assert [len(page) for page in found] == [50, 46]
    truth = {notice["id"]: notice for merchant in server.merchant_ids for notice in server.notices(merchant)}
    shown = {id_of(notice): notice for page in found for notice in page}
    assert shown.keys() == truth.keys()
    for id, notice in shown.items():
        expected = truth[id]
        assert notice["zalando_advice_id"] == expected["zalando_advice_id"]
        assert notice["state"] == expected["state"]
        assert notice["zalando_merchant_id"] == expected["fields"]["zalando_merchant_id"]
        assert notice["announced_item_count"] == sum(expected["announced"].values())
        assert notice["dispatch_item_count"] == sum((expected["dispatched"] or {}).values())
    assert {notice["zalando_merchant_id"] for notice in shown.values()} == set(server.merchant_ids)


def test_paging_goes_on_while_notices_are_created(server: EmulatorServer, api: httpx.Client) -> None:
    before = [id_of(notice) for page in pages(api) for notice in page]
    first = api.get(NOTICES).json()
    created = create(server, api)
    rest = api.get(NOTICES, params={"cursor": first["next"]}).json()["shipping-notices"]
    assert [id_of(notice) for notice in (*first["shipping-notices"], *rest)] == [*before, created]


def test_one_notice_is_found_by_id(server: EmulatorServer, api: httpx.Client) -> None:
    notice = api.get(NOTICES).json()["shipping-notices"][3]
    path = f"{NOTICES}/{id_of(notice)}"
    assert api.get(path).json() == notice
    assert api.get(path.replace(id_of(notice), id_of(notice).upper())).json() == notice
    foreign = server.notices(server.foreign_merchant_id)[0]["id"]
    statuses = [api.get(f"{NOTICES}/{id}").status_code for id in (new_id(), foreign, "x")]
    assert statuses == [404, 403, 400]
    for kind in (ANNOUNCED, DISPATCH):
        assert [api.get(f"{NOTICES}/{id}/{kind}").status_code for id in (new_id(), foreign, "x")] == [404, 403, 400]
    api.headers.pop("Authorization")
    assert [api.get(url).status_code for url in (NOTICES, path)] == [401, 401]


def test_an_unchanged_answer_is_304_with_its_tag_and_no_body(server: EmulatorServer, api: httpx.Client) -> None:
    notice = api.get(NOTICES).json()["shipping-notices"][0]
    one = f"{NOTICES}/{id_of(notice)}"
    server.set_options(item_sets_shape="list")
    tags = set()
    for path in (NOTICES, one, f"{one}/{ANNOUNCED}", f"{one}/{DISPATCH}"):
        tag = api.get(path).headers["ETag"]
        tags.add(tag)
        assert tag[0] == tag[-1] == '"'
        for header in (tag, f"W/{tag}", f'"other", {tag}', "*"):
            answer = api.get(path, headers={"If-None-Match": header})
            assert (answer.status_code, answer.content, answer.headers["ETag"]) == (304, b"", tag)
        assert api.get(path, headers={"If-None-Match": '"other"'}).status_code == 200
    assert len(tags) == 4


def test_each_received_advice_has_a_notice(server: EmulatorServer) -> None:
    today = date(2026, 3, 10)
    for merchant in server.merchant_ids:
        notices = server.notices(merchant)
        days = [today + number * DAY for number in range(-4, 8)]
        by_day = {
            day: [notice for notice in notices if notice["fields"]["earliest_delivery_date"] == day.isoformat()]
            for day in days
        }
        assert sum(map(len, by_day.values())) == len(notices) == 48
        for day in (today - 4 * DAY, today - DAY):
            received = server.truth("received_items", merchant, day, day + DAY)
            assert {n["zalando_advice_id"] for n in by_day[day]} == {item["zalando_advice_id"] for item in received}


def test_a_notice_comes_a_week_before_and_moves_on_by_the_day(server: EmulatorServer, api: httpx.Client) -> None:
    merchant, arrives = server.merchant_ids[0], datetime(2026, 3, 12, tzinfo=UTC)
    instant = timedelta(microseconds=1)
    id = next(n["id"] for n in server.notices(merchant) if n["fields"]["earliest_delivery_date"] == "2026-03-12")
    moments = [
        (arrives - 7 * DAY - instant, None),
        (arrives - 7 * DAY, "ready_for_delivery_date"),
        (arrives - 2 * DAY - instant, "ready_for_delivery_date"),
        (arrives - 2 * DAY, "ready_for_dispatch"),
        (arrives - instant, "ready_for_dispatch"),
        (arrives, "ready_for_receive"),
        (arrives + 5 * DAY - instant, "ready_for_receive"),
        (arrives + 5 * DAY, None),
    ]
    tags: dict[str, set[str]] = {}
    for moment, state in moments:
        server.clock.set(moment)
        log_in(api)
        answer = api.get(f"{NOTICES}/{id}")
        found = {notice["id"]: notice["state"] for notice in server.notices(merchant)}.get(id)
        assert (answer.status_code, found) == ((200, state) if state else (404, None))
        if state:
            assert answer.json()["state"] == state
            tags.setdefault(state, set()).add(answer.headers["ETag"])
    assert [len(found) for found in tags.values()] == [1, 1, 1]
    assert len(set.union(*tags.values())) == 3


def test_dates_have_the_offset_of_germany_and_may_be_missing_before_they_are_set(
    server: EmulatorServer, api: httpx.Client
) -> None:
    every = [notice for page in pages(api) for notice in page]
    march = next(notice for notice in every if "2026-03-09" in notice["earliest_delivery_date"])
    assert march["earliest_delivery_date"] == march["confirmed_delivery_date"] == "2026-03-09T00:00:00+01:00"
    unconfirmed = [notice for notice in every if notice["state"] == "ready_for_delivery_date"]
    assert {notice.get("confirmed_delivery_date", "no key") for notice in unconfirmed} == {None, "no key"}
