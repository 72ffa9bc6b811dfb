from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import httpx
import pytest

from airflow_provider_zdirect.emulator.server import EmulatorServer

from .movement_answers import (
    AT_ONCE,
    CROSS_BORDER,
    DATASET,
    DATES,
    ICM,
    body,
    flat,
    get,
    pages,
    shown,
    truth,
)


@pytest.mark.parametrize("path", [ICM, CROSS_BORDER])
def test_paging_goes_on_into_a_report_that_appears_meanwhile(
    server: EmulatorServer, api: httpx.Client, path: str
) -> None:
    server.set_options(icm_page_size=4, empty_reports=0, rate_limits=False)
    query = {"from": "2026-03-07", "to": "2026-03-09", **({"limit": 4} if path == CROSS_BORDER else {})}
    server.clock.set(datetime(2026, 3, 10, 10, 29, tzinfo=UTC))
    first = body(api, path, server.merchant_ids[0], **query)
    server.clock.advance(60)
    answers = [first, *pages(api, path, server.merchant_ids[0], first["next"], **query)]
    rows = [row for a in answers for row in (a["items"] if path == CROSS_BORDER else flat(a["items"]))]
    assert rows == truth(server, path, "2026-03-07", "2026-03-10")
    assert truth(server, path, "2026-03-09", "2026-03-10") != []


@pytest.mark.parametrize("path", [ICM, AT_ONCE, CROSS_BORDER])
def test_a_report_appears_at_its_time_on_the_next_day(server: EmulatorServer, api: httpx.Client, path: str) -> None:
    server.set_options(empty_reports=0, rate_limits=False)
    query = {"from": "2026-03-08", "to": "2026-03-09"}
    first, both = truth(server, path, "2026-03-08", "2026-03-09"), truth(server, path, "2026-03-08", "2026-03-10")
    assert len(both) > len(first) > 0
    moments = {
        datetime(2026, 3, 9, 10, 29, 59, tzinfo=UTC): [],
        datetime(2026, 3, 9, 10, 30, tzinfo=UTC): first,
        datetime(2026, 3, 10, 10, 29, 59, tzinfo=UTC): first,
        datetime(2026, 3, 10, 10, 30, tzinfo=UTC): both,
    }
    for now, visible in moments.items():
        server.clock.set(now)
        assert shown(api, server, path, **query) == visible
    server.clock.set(datetime(2026, 3, 10, 10, 30, tzinfo=UTC))
    server.set_options(report_time="10:31")
    assert shown(api, server, path, **query) == first


@pytest.mark.parametrize("path", [ICM, AT_ONCE, CROSS_BORDER])
def test_reports_of_a_weekend_can_wait_for_the_next_business_day(
    server: EmulatorServer, api: httpx.Client, path: str
) -> None:
    # The 6th is a Friday.
    server.set_options(empty_reports=0, report_days="business", rate_limits=False)
    query, start = {"from": "2026-03-05", "to": "2026-03-08"}, "2026-03-05"

    def visible_on(day: int) -> list[dict[str, Any]]:
        server.clock.set(datetime(2026, 3, day, 12, tzinfo=UTC))
        return shown(api, server, path, **query)

    thursday, everything = truth(server, path, start, "2026-03-06"), truth(server, path, start, "2026-03-09")
    assert [visible_on(day) == thursday for day in (6, 7, 8)] == [True] * 3
    assert visible_on(9) == everything
    server.set_options(report_holidays=["2026-03-09"])
    assert visible_on(9) == thursday
    assert visible_on(10) == everything


@pytest.mark.parametrize("dataset", ["intra_community_movements", "cross_border_movements"])
def test_records_know_when_they_become_visible(server: EmulatorServer, api: httpx.Client, dataset: str) -> None:
    server.set_options(report_days="business", report_holidays=["2026-03-03"], report_time="07:00", rate_limits=False)
    path = CROSS_BORDER if dataset == "cross_border_movements" else ICM
    records = server.records(dataset, server.merchant_ids[0], "2026-02-23", "2026-03-09")
    for hours in range(0, 24 * 9, 5):
        now = datetime(2026, 3, 1, 2, tzinfo=UTC) + timedelta(hours=hours)
        server.clock.set(now)
        count = len(shown(api, server, path, **{"from": "2026-02-23", "to": "2026-03-08"}))
        assert count == sum(record.visible_at <= now for record in records)
    assert len({record.visible_at for record in records}) > 5


@pytest.mark.parametrize("path", [ICM, AT_ONCE, CROSS_BORDER])
def test_a_report_that_is_not_there_yet_is_empty_or_a_404(server: EmulatorServer, api: httpx.Client, path: str) -> None:
    server.set_options(empty_reports=0, rate_limits=False)
    merchant = server.merchant_ids[0]
    for day in ("2026-03-10", "2026-03-11", "9999-12-31"):
        missing = {"from": day, "to": day}
        server.set_options(missing_report="empty")
        assert shown(api, server, path, **missing) == []
        server.set_options(missing_report="404")
        refused = get(api, path, merchant, **missing)
        assert refused.status_code == 404
        assert refused.headers["Content-Type"] == "application/problem+json"
        assert day in refused.json()["detail"]
    # Only a request for one report, and only until it is there.
    assert shown(api, server, path, **{"from": "2026-03-09", "to": "2026-03-10"}) != []
    assert shown(api, server, path, **{"from": "2026-03-10", "to": "2026-03-11"}) == []
    assert shown(api, server, path, **{"from": "2026-03-09", "to": "2026-03-09"}) != []


@pytest.mark.parametrize("path", [ICM, AT_ONCE, CROSS_BORDER])
def test_an_empty_report_is_no_missing_one(server: EmulatorServer, api: httpx.Client, path: str) -> None:
    server.set_options(empty_reports=1, missing_report="404")
    assert shown(api, server, path, **{"from": "2026-03-09", "to": "2026-03-09"}) == []
    assert shown(api, server, path, **DATES) == []


def test_some_reports_are_empty(server: EmulatorServer, api: httpx.Client) -> None:
    server.set_options(empty_reports=0.4, rate_limits=False)
    days = [(date(2026, 2, 1) + timedelta(days=number)).isoformat() for number in range(30)]
    empty = [day for day in days if not shown(api, server, ICM, **{"from": day, "to": day})]
    assert 5 < len(empty) < 20
    reported = {row["report_date"] for row in server.truth(DATASET[ICM], server.merchant_ids[0], days[0], "2026-03-03")}
    assert set(days) - reported == set(empty)


@pytest.mark.parametrize(
    "wrong",
    [
        {"icm_prefix": "zfs"},
        {"icm_page_size": 0},
        {"icm_page_size": "9"},
        {"icm_max_movements": True},
        {"icm_list_key": "movements"},
        {"report_time": "24:00"},
        {"report_time": 1030},
        {"report_days": "workdays"},
        {"report_holidays": "2026-05-01"},
        {"report_holidays": ["20260501"]},
        {"report_holidays": [1]},
        {"empty_reports": 1.5},
        {"missing_report": "500"},
    ],
)
def test_options_of_reports_that_mean_nothing_are_refused(
    server: EmulatorServer, anonymous: httpx.Client, wrong: dict[str, Any]
) -> None:
    before = server.options
    assert anonymous.patch("/_emulator/options", json=wrong).status_code == 400
    assert server.options is before


def test_options_of_reports_are_set_over_http(server: EmulatorServer, anonymous: httpx.Client) -> None:
    changes = {"report_holidays": ["2026-05-01"], "missing_report": 404, "report_days": "business", "icm_prefix": ""}
    after = anonymous.patch("/_emulator/options", json=changes).json()
    assert after.items() >= {**changes, "missing_report": "404"}.items()
    assert anonymous.patch("/_emulator/options", json=after).json() == after
