from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import httpx

from airflow_provider_zdirect.emulator.catalog import merchant_id
from airflow_provider_zdirect.emulator.server import EmulatorServer
from airflow_provider_zdirect.emulator.truth import Record, Timeline

from .test_stock_movements import LIQUIDATED, get, rows

START = datetime(2026, 2, 1, tzinfo=UTC)
DAY, HOUR = timedelta(days=1), timedelta(hours=1)
MERCHANTS = (merchant_id(7, 0),)
SCRIPTED = date(2026, 3, 8)
NOON = datetime(2026, 3, 9, 12, tzinfo=UTC)


def liquidated(**shares: Any) -> list[Record]:
    return list(Timeline(7, MERCHANTS, **shares).records("liquidated_items", MERCHANTS[0], START, START + 300 * DAY))


def shown(server: EmulatorServer, api: httpx.Client, first: date, last: date) -> list[dict[str, Any]]:
    server.set_options(rate_limits=False)
    query = {"from": first.isoformat(), "to": last.isoformat()}
    return rows(get(api, LIQUIDATED, server.merchant_ids[0], **query), "liquidated_items")


def test_late_rows_come_in_the_47_hours_after_their_day() -> None:
    delays = {record.visible_at - record.event_time - DAY for record in liquidated(late_share=1.0)}
    assert delays == {number * HOUR for number in range(1, 48)}
    assert {record.visible_at - record.event_time for record in liquidated(late_share=0.0)} == {DAY}


def test_rows_that_vanish_are_there_first_and_the_others_stay_as_they_were() -> None:
    plain, some = liquidated(), liquidated(liquidated_vanish=0.2)
    assert len(some) == len(plain)
    gone = [record for record in some if record.visible_until]
    assert 0.15 < len(gone) / len(some) < 0.25
    assert {record.visible_at - record.event_time for record in gone} == {DAY}
    assert {(record.visible_until - record.event_time - DAY) / HOUR for record in gone if record.visible_until} == set(
        range(1, 48)
    )
    assert [r for r in some if r.visible_until is None] == [
        p for p, s in zip(plain, some, strict=True) if s.visible_until is None
    ]


def test_rows_that_change_end_as_the_truth_without_changes() -> None:
    plain, some = liquidated(), liquidated(liquidated_change=0.3)
    final, first = [r for r in some if r.visible_until is None], [r for r in some if r.visible_until]
    assert [record.body for record in final] == [record.body for record in plain]
    later = {record.key: record for record in final}
    assert 0.25 < len(first) / len(plain) < 0.35
    changed = set()
    for record in first:
        final_form = later[record.key]
        assert record.visible_until == final_form.visible_at
        names = frozenset(name for name in record.body if record.body[name] != final_form.body[name])
        changed.add(names)
    assert changed == {frozenset({"quantity", "total_price"}), frozenset({"total_price"})}


def test_the_api_shows_the_rows_of_the_moment_and_the_truth_those_of_the_end(
    server: EmulatorServer, api: httpx.Client
) -> None:
    server.set_options(liquidated_vanish=0.3, liquidated_change=0.3, late_share=0.3)
    merchant, first, last = server.merchant_ids[0], date(2026, 3, 1), date(2026, 3, 6)
    records = server.records("liquidated_items", merchant, first, last + DAY)
    moments = {record.visible_until for record in records if record.visible_until}
    assert len(moments) > 5
    for moment in sorted(moments):
        for now in (moment - timedelta(microseconds=1), moment):
            server.clock.set(now)
            expected = [
                record.body
                for record in records
                if record.visible_at <= now and (record.visible_until is None or now < record.visible_until)
            ]
            assert shown(server, api, first, last) == expected
    server.clock.set(datetime(2026, 3, 9, tzinfo=UTC))
    truth = server.truth("liquidated_items", merchant, first, last + DAY)
    assert shown(server, api, first, last) == truth
    assert len(truth) < len(records)


def test_a_script_says_exactly_what_is_visible_when(server: EmulatorServer, api: httpx.Client) -> None:
    merchant = server.merchant_ids[0]
    before = shown(server, api, SCRIPTED - DAY, SCRIPTED - DAY)
    server.script_liquidated(
        merchant,
        SCRIPTED,
        [
            ({"quantity": 5}, NOON, NOON + HOUR),
            ({"quantity": 6}, NOON + HOUR, None),
            ({"ean": "0191476239145", "merchant_name": None}, NOON, None),
        ],
    )
    for now, quantities in ((NOON - HOUR / 60, []), (NOON, [5, ...]), (NOON + HOUR, [6, ...])):
        server.clock.set(now)
        found = shown(server, api, SCRIPTED, SCRIPTED)
        assert [row["quantity"] for row in found][:1] == quantities[:1]
        assert len(found) == len(quantities)
    assert found[1]["ean"] == "0191476239145"
    assert found[1]["merchant_name"] is None
    assert {found[0]["liquidation_date"], found[0]["reporting_date"]} == {SCRIPTED.isoformat()}
    assert found[0]["merchant_id"] == merchant
    # The rows of a day share what is not scripted, so that one can be a form of another.
    assert found[0]["total_price"] == found[1]["total_price"]
    assert server.truth("liquidated_items", merchant, SCRIPTED, SCRIPTED + DAY) == found
    assert len(server.records("liquidated_items", merchant, SCRIPTED, SCRIPTED + DAY)) == 3
    assert shown(server, api, SCRIPTED - DAY, SCRIPTED)[: len(before)] == before


def test_a_script_is_about_one_merchant_and_ends_with_a_reset(server: EmulatorServer, api: httpx.Client) -> None:
    mine, other = server.merchant_ids
    days = [server.truth("liquidated_items", merchant, SCRIPTED, SCRIPTED + DAY) for merchant in (mine, other)]
    assert all(days)
    server.script_liquidated(mine, SCRIPTED, [])
    assert shown(server, api, SCRIPTED, SCRIPTED) == []
    assert server.truth("liquidated_items", mine, SCRIPTED, SCRIPTED + DAY) == []
    assert server.truth("liquidated_items", other, SCRIPTED, SCRIPTED + DAY) == days[1]
    server.reset()
    assert server.truth("liquidated_items", mine, SCRIPTED, SCRIPTED + DAY) == days[0]
