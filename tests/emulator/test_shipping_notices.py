"""Reading shipping notices: the list, one of them, entity tags, and the notices that belong to received items."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, date, datetime, timedelta

import httpx
import pytest

from airflow_provider_zdirect.emulator.limits import LIMITS, limit_of
from airflow_provider_zdirect.emulator.server import EmulatorServer

from .conftest import log_in
from .notice_calls import ANNOUNCED, DISPATCH, NOTICES, create, id_of, new_id, pages

DAY = timedelta(days=1)
WRITTEN = {
    "zalando_merchant_id",
    "carrier_name",
    "requested_zalando_location_id",
    "pallets_count",
    "colli_count",
    "hanging_goods_count",
    "earliest_delivery_date",
    "merchant_b2b_reference",
    "contact_email",
    "comments",
}
SOMETIMES = {"requested_zalando_location_name", "contact_name", "additional_contact_email"}
LINKS = {
    "self",
    "announced_item_sets",
    "dispatch_item_sets",
    "delivery_date_request",
    "delivery_date_confirmation",
    "delivery_time_slot",
    "inbound_tour",
}
READ = LINKS | {"zalando_advice_id", "announced_item_count", "dispatch_item_count", "state"}


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


def test_the_page_size_and_the_end_of_pages_are_options(server: EmulatorServer, api: httpx.Client) -> None:
    server.set_options(notices_page_size=30)
    assert [len(page) for page in pages(api)] == [30, 30, 30, 6]
    server.set_options(notices_page_size=96)
    ends = {}
    for way in ("absent", "empty", "null"):
        server.set_options(last_page_next=way)
        ends[way] = api.get(NOTICES).json().get("next", "no key")
    assert ends == {"absent": "no key", "empty": "", "null": None}


def test_a_cursor_under_another_name_is_ignored(server: EmulatorServer, api: httpx.Client) -> None:
    first = api.get(NOTICES).json()
    assert api.get(NOTICES, params={"next": first["next"]}).json() == first
    server.set_options(notices_cursor_parameter="next")
    assert api.get(NOTICES, params={"cursor": first["next"]}).json() == first
    assert len(api.get(NOTICES, params={"next": first["next"]}).json()["shipping-notices"]) == 46
    assert api.get(NOTICES, params={"next": "nonsense"}).status_code == 400


def test_a_fault_repeats_the_cursor_under_its_name(server: EmulatorServer, api: httpx.Client) -> None:
    server.set_options(notices_cursor_parameter="page_token", notices_page_size=40)
    cursor = api.get(NOTICES).json()["next"]
    server.faults.set([{"match": {"path": NOTICES}, "action": {"repeat_cursor": True, "duplicate": 1}}])
    again = api.get(NOTICES, params={"page_token": cursor}).json()
    assert again["next"] == cursor
    assert len(again["shipping-notices"]) == 41


def test_paging_goes_on_while_notices_are_created(server: EmulatorServer, api: httpx.Client) -> None:
    before = [id_of(notice) for page in pages(api) for notice in page]
    first = api.get(NOTICES).json()
    created = create(server, api)
    rest = api.get(NOTICES, params={"cursor": first["next"]}).json()["shipping-notices"]
    assert [id_of(notice) for notice in (*first["shipping-notices"], *rest)] == [*before, created]


def test_a_notice_has_the_documented_fields(server: EmulatorServer, api: httpx.Client) -> None:
    every = [notice for page in pages(api) for notice in page]
    for notice in every:
        assert WRITTEN | READ <= set(notice) <= WRITTEN | READ | SOMETIMES | {"confirmed_delivery_date"}
        assert {set(notice[name]) == {"href"} for name in LINKS} == {True}
        assert notice["self"]["href"].startswith(f"{server.url}{NOTICES}/")
        assert isinstance(notice["zalando_advice_id"], str)
    assert {frozenset(SOMETIMES & set(notice)) for notice in every} >= {frozenset(), frozenset(SOMETIMES)}
    march = next(notice for notice in every if "2026-03-09" in notice["earliest_delivery_date"])
    assert march["earliest_delivery_date"] == "2026-03-09T00:00:00+01:00"
    assert march["confirmed_delivery_date"] == "2026-03-09T00:00:00+01:00"
    unconfirmed = [notice for notice in every if notice["state"] == "ready_for_delivery_date"]
    assert {notice.get("confirmed_delivery_date", "no key") for notice in unconfirmed} == {None, "no key"}


def test_delivery_dates_follow_summer_time(server: EmulatorServer, api: httpx.Client) -> None:
    id = create(server, api, earliest_delivery_date="2026-07-01")
    assert api.get(f"{NOTICES}/{id}").json()["earliest_delivery_date"] == "2026-07-01T00:00:00+02:00"


def test_the_id_and_the_merchant_of_a_notice_are_shown_by_option(server: EmulatorServer, api: httpx.Client) -> None:
    notice = api.get(NOTICES).json()["shipping-notices"][0]
    server.set_options(notice_id_field="id", notices_without_merchant=True)
    other = api.get(NOTICES).json()["shipping-notices"][0]
    expected = {name: value for name, value in notice.items() if name != "zalando_merchant_id"}
    assert other == {**expected, "id": id_of(notice)}
    assert api.get(f"{NOTICES}/{other['id']}").json() == other


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
    set_id = api.get(f"{one}/{ANNOUNCED}").json()[ANNOUNCED][0]["id"]
    tags = set()
    for path in (NOTICES, one, f"{one}/{ANNOUNCED}", f"{one}/{DISPATCH}", f"{one}/{ANNOUNCED}/{set_id}"):
        tag = api.get(path).headers["ETag"]
        tags.add(tag)
        assert tag[0] == tag[-1] == '"'
        for header in (tag, f"W/{tag}", f'"other", {tag}', "*"):
            answer = api.get(path, headers={"If-None-Match": header})
            assert (answer.status_code, answer.content, answer.headers["ETag"]) == (304, b"", tag)
        assert api.get(path, headers={"If-None-Match": '"other"'}).status_code == 200
    assert len(tags) == 5


def test_a_fault_on_an_unchanged_answer_leaves_it_as_it_is(server: EmulatorServer, api: httpx.Client) -> None:
    tag = api.get(NOTICES).headers["ETag"]
    server.faults.set([{"match": {"path": NOTICES}, "action": {"duplicate": 1}}])
    answer = api.get(NOTICES, headers={"If-None-Match": tag})
    assert (answer.status_code, answer.content) == (304, b"")


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


def test_announced_items_are_nearly_the_received_ones(server: EmulatorServer) -> None:
    merchant, kinds = server.merchant_ids[0], Counter[str]()
    received: dict[str, Counter[str]] = {}
    for item in server.truth("received_items", merchant, "2026-03-06", "2026-03-11"):
        received.setdefault(item["zalando_advice_id"], Counter())[item["ean"]] += 1
    for notice in server.notices(merchant):
        if notice["zalando_advice_id"] not in received:
            continue
        got, announced = received[notice["zalando_advice_id"]], notice["announced"]
        for ean in got.keys() | announced.keys():
            kinds["received only" if ean not in announced else "announced only" if ean not in got else ""] += 1
            difference = announced.get(ean, 0) - got[ean]
            kinds["same" if not difference else "more" if difference > 0 else "less"] += 1
    assert kinds["same"] > 0.7 * sum(kinds[name] for name in ("same", "more", "less"))
    assert min(kinds["more"], kinds["less"], kinds["received only"], kinds["announced only"]) > 20


def test_dispatch_sets_are_the_same_or_others_or_missing(server: EmulatorServer, api: httpx.Client) -> None:
    notices = [notice for merchant in server.merchant_ids for notice in server.notices(merchant)]
    arrived = [notice for notice in notices if notice["state"] == "ready_for_receive"]
    assert len(arrived) == 40
    assert {notice["dispatched"] for notice in notices if notice["state"] != "ready_for_receive"} == {None}
    without = [notice for notice in arrived if notice["dispatched"] is None]
    same = [notice for notice in arrived if notice["dispatched"] == notice["announced"]]
    assert 0 < len(without) < len(same) < len(arrived) - len(without)
    for notice in (without[0], same[0]):
        shown = api.get(f"{NOTICES}/{notice['id']}/{DISPATCH}").json()["items"]
        assert {row["ean"]: row["quantity"] for row in shown} == (notice["dispatched"] or {})
        shown = api.get(f"{NOTICES}/{notice['id']}/{ANNOUNCED}").json()["items"]
        assert {row["ean"]: row["quantity"] for row in shown} == notice["announced"]


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


def test_the_days_of_notices_are_an_option(server: EmulatorServer, api: httpx.Client) -> None:
    server.set_options(notice_days=1)
    days = {notice["fields"]["earliest_delivery_date"] for notice in server.notices(server.merchant_ids[0])}
    assert (min(days), max(days), len(days)) == ("2026-03-10", "2026-03-17", 8)
    server.set_options(notice_days=0)
    assert server.notices(server.merchant_ids[0]) == []
    assert api.get(NOTICES).json() == {"shipping-notices": []}


def test_two_servers_with_one_seed_have_the_same_notices(server: EmulatorServer) -> None:
    with EmulatorServer(seed=7, now="2026-03-10T12:30:00Z", drift=0.3, bad_records=0.3) as twin:
        assert twin.notices(twin.merchant_ids[0]) == server.notices(server.merchant_ids[0])
    with EmulatorServer(seed=8, now="2026-03-10T12:30:00Z") as other:
        ids = {notice["id"] for notice in other.notices(other.merchant_ids[0])}
        assert not ids & {notice["id"] for notice in server.notices(server.merchant_ids[0])}


def test_drift_leaves_identity_state_and_tags_alone(server: EmulatorServer, api: httpx.Client) -> None:
    plain = api.get(NOTICES).json()["shipping-notices"]
    tag = api.get(f"{NOTICES}/{id_of(plain[0])}").headers["ETag"]
    server.set_options(drift=0.6)
    drifted = api.get(NOTICES).json()["shipping-notices"]
    assert api.get(f"{NOTICES}/{id_of(plain[0])}").headers["ETag"] == tag
    assert 15 < sum(a != b for a, b in zip(plain, drifted, strict=True)) < 45
    for name in ("self", "zalando_advice_id", "zalando_merchant_id", "state"):
        assert [notice[name] for notice in drifted] == [notice[name] for notice in plain]
    assert {type(notice["announced_item_count"]) for notice in drifted} == {int, str}
    assert {"comments" in notice for notice in drifted} == {True, False}
    assert any("handling_unit" in notice for notice in drifted)


@pytest.mark.parametrize(
    ("operation", "requests", "seconds"),
    [
        ("shipping-notices", 60, 60),
        ("shipping-notice", 10, 60),
        (ANNOUNCED, 30, 3600),
        (DISPATCH, 30, 3600),
        ("announcement-confirmations", 30, 3600),
        ("dispatch-confirmations", 30, 3600),
        ("tours", 60, 60),
    ],
)
def test_each_operation_is_limited_for_itself(
    server: EmulatorServer, api: httpx.Client, operation: str, requests: int, seconds: int
) -> None:
    limits = [limit_of(operation, environment) for environment in ("production", "sandbox")]
    assert [(limit.requests, limit.seconds) for limit in limits] == [(requests, seconds), (10, 60)]
    id = server.notices(server.merchant_ids[0])[0]["id"]
    calls = {
        "shipping-notices": ("GET", NOTICES),
        "shipping-notice": ("PUT", f"{NOTICES}/{id}"),
        ANNOUNCED: ("POST", f"{NOTICES}/{id}/{ANNOUNCED}"),
        DISPATCH: ("GET", f"{NOTICES}/{id}/{DISPATCH}"),
        "announcement-confirmations": ("POST", f"{NOTICES}/{id}/announcement-confirmations"),
        "dispatch-confirmations": ("POST", f"{NOTICES}/{id}/dispatch-confirmations"),
        "tours": ("GET", "/zfs/tours"),
    }
    server.set_options(rate_limits=True)
    for _ in range(requests):
        assert server.state.limiter.refusal(operation, LIMITS[operation]) is None
    statuses = {name: api.request(*call).status_code for name, call in calls.items()}
    assert [name for name, status in statuses.items() if status == 429] == [operation]
    refused = api.request(*calls[operation])
    assert refused.headers["X-Rate-Limit"] == str(requests)
    assert seconds - 30 < int(refused.headers["Retry-After"]) <= seconds
    server.clock.advance(seconds)
    assert api.request(*calls[operation]).status_code != 429


@pytest.mark.parametrize(
    "wrong",
    [
        {"create_notice": "patch"},
        {"created_notice_body": "half"},
        {"item_sets_shape": "array"},
        {"notice_days": -1},
        {"notices_page_size": 0},
        {"notices_cursor_parameter": ""},
        {"notice_id_field": None},
        {"stale_etag_status": 200},
        {"missing_etag_status": "428"},
        {"delivery_date_after_minutes": -1},
        {"tours_without_parameter": "yes"},
        {"notices_without_merchant": 1},
    ],
)
def test_wrong_options_of_notices_are_refused(server: EmulatorServer, wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError):
        server.set_options(**wrong)
