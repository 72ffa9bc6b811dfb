from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import fsspec
import pytest
from clocks import FakeClock

from airflow_provider_zdirect.datasets.arrow import Lineage, arrow_schema, to_table
from airflow_provider_zdirect.datasets.inbound import ShippingNotice
from airflow_provider_zdirect.datasets.record import Record
from airflow_provider_zdirect.exceptions import MalformedResponseError, RateLimitedError, ServerError
from airflow_provider_zdirect.inbound import item_set_sync
from airflow_provider_zdirect.inbound.item_set_sync import NOTICES, TABLE, NoticeItem, sync_item_sets
from airflow_provider_zdirect.publish.latest import LatestTable
from airflow_provider_zdirect.publish.place import Place

MERCHANT = "29809185-6a98-4691-a15b-e8d16839b6e8"
EANS = ["4006381333931", "0191476239145"]


class Zalando:
    """Answers with item sets, and remembers what was asked."""

    def __init__(self, **sets: dict[str, int] | Exception | None) -> None:
        self.sets = sets
        self.asked: list[tuple[str, str]] = []

    async def __call__(self, notice_id: str, kind: str) -> dict[str, int] | None:
        self.asked.append((notice_id, kind))
        answer = self.sets.get(f"{notice_id}_{kind}")
        if isinstance(answer, Exception):
            raise answer
        return answer


class Inbound:
    """A base path with published notices."""

    def __init__(self, root: Path) -> None:
        fs = fsspec.filesystem("file", skip_instance_cache=True)
        self.place = Place(fs, str(root), root.as_uri(), MERCHANT, "production")
        self.clock = FakeClock()

    def table(self, name: str, model: type[Record]) -> LatestTable:
        return LatestTable(self.place, name, arrow_schema(model))

    def publish(self, *notices: dict[str, Any]) -> None:
        self.clock.advance(60)
        now = self.clock.now()
        records = [ShippingNotice(zalando_advice_id="10000001", **notice) for notice in notices]
        lineage = Lineage(MERCHANT, "production", now, now, now)
        sources = [json.dumps(notice).encode() for notice in notices]
        self.table(NOTICES, ShippingNotice).replace(to_table(ShippingNotice, records, sources, lineage), now)

    def sync(self, zalando: Zalando) -> dict[str, Any]:
        self.clock.advance(60)
        return asyncio.run(sync_item_sets(self.place, zalando, self.clock))

    def items(self) -> list[tuple[Any, ...]]:
        names = ("shipping_notice_id", "item_set", "ean", "quantity")
        rows = self.table(TABLE, NoticeItem).read().to_pylist()
        return sorted((tuple(row[name] for name in names) for row in rows), key=repr)


@pytest.fixture
def inbound(tmp_path: Path) -> Inbound:
    return Inbound(tmp_path)


def test_announced_and_dispatched_goods_become_rows(inbound: Inbound) -> None:
    inbound.publish({"shipping_notice_id": "n1", "state": "ready_for_receive"})
    zalando = Zalando(n1_announced={EANS[0]: 2, EANS[1]: 3}, n1_dispatched={EANS[0]: 1})
    summary = inbound.sync(zalando)
    assert inbound.items() == [
        ("n1", "announced", EANS[1], 3),
        ("n1", "announced", EANS[0], 2),
        ("n1", "dispatched", EANS[0], 1),
    ]
    assert (summary["notices"], summary["sets_fetched"], summary["items"], summary["retry_after"]) == (1, 2, 3, None)


def test_a_locked_set_is_never_asked_for_again_not_even_one_that_does_not_exist(inbound: Inbound) -> None:
    inbound.publish({"shipping_notice_id": "n1", "state": "ready_for_receive"})
    inbound.sync(Zalando(n1_announced={EANS[0]: 2}, n1_dispatched=None))
    assert inbound.items() == [("n1", "announced", EANS[0], 2), ("n1", "dispatched", None, None)]
    again = Zalando()
    inbound.sync(again)
    assert again.asked == []


@pytest.mark.parametrize("nothing", [None, {}])
def test_a_set_that_the_notice_counts_and_that_is_not_there_is_asked_for_again(
    inbound: Inbound, nothing: dict[str, int] | None, caplog: pytest.LogCaptureFixture
) -> None:
    counts = {"announced_item_count": 5, "dispatch_item_count": 3}
    inbound.publish({"shipping_notice_id": "n1", "state": "ready_for_receive", **counts})
    summary = inbound.sync(Zalando(n1_announced=nothing, n1_dispatched={EANS[0]: 3}))
    assert (summary["sets_fetched"], summary["sets_pending"]) == (1, 1)
    assert "zDirect counts 5 announced items, but has no such set" in caplog.text
    inbound.sync(Zalando(n1_announced={EANS[0]: 5}))
    assert inbound.items() == [("n1", "announced", EANS[0], 5), ("n1", "dispatched", EANS[0], 3)]


@pytest.mark.parametrize("between", ["delivery_date_confirmed", "ready_for_dispatch", None])
def test_a_state_of_an_unknown_name_does_not_freeze_a_set(inbound: Inbound, between: str | None) -> None:
    states = [("initial", 0), (between, 0), ("ready_for_receive", 3)]
    for state, dispatched in states:
        counts = {"announced_item_count": 5, "dispatch_item_count": dispatched}
        inbound.publish({"shipping_notice_id": "n1", "state": state, **counts})
        inbound.sync(Zalando(n1_announced={EANS[0]: 5}, n1_dispatched={EANS[1]: 3} if dispatched else None))
    assert inbound.items() == [("n1", "announced", EANS[0], 5), ("n1", "dispatched", EANS[1], 3)]


def test_a_notice_that_went_back_is_looked_at_again(inbound: Inbound) -> None:
    for state, pieces in (("ready_for_delivery_date", 5), ("initial", 9), ("ready_for_delivery_date", 9)):
        inbound.publish({"shipping_notice_id": "n1", "state": state, "announced_item_count": pieces})
        inbound.sync(Zalando(n1_announced={EANS[0]: pieces}))
    assert ("n1", "announced", EANS[0], 9) in inbound.items()


def test_a_set_that_cannot_be_read_does_not_hold_up_the_others(inbound: Inbound) -> None:
    inbound.publish(*({"shipping_notice_id": f"n{n}", "state": "initial"} for n in (1, 2)))
    unreadable = MalformedResponseError("no items", retry_after=120.0)
    with pytest.raises(MalformedResponseError):
        inbound.sync(Zalando(n1_announced=unreadable, n2_announced={EANS[0]: 2}))
    assert inbound.items() == [("n2", "announced", EANS[0], 2)]


def test_a_set_that_may_still_change_is_asked_for_when_the_notice_has_changed(inbound: Inbound) -> None:
    inbound.publish({"shipping_notice_id": "n1", "state": "initial", "announced_item_count": 2})
    inbound.sync(Zalando(n1_announced={EANS[0]: 2}))
    same = Zalando()
    inbound.sync(same)
    assert same.asked == [], "neither state nor count has changed"
    inbound.publish({"shipping_notice_id": "n1", "state": "initial", "announced_item_count": 5})
    inbound.sync(Zalando(n1_announced={EANS[0]: 5}))
    assert inbound.items() == [("n1", "announced", EANS[0], 5)]
    inbound.publish({"shipping_notice_id": "n1", "state": "ready_for_delivery_date", "announced_item_count": 5})
    locked = Zalando(n1_announced={EANS[1]: 5})
    inbound.sync(locked)
    assert ("n1", "announced") in locked.asked, "the last one before it was locked may be another of the same size"
    assert ("n1", "announced", EANS[1], 5) in inbound.items()


def test_no_request_is_spent_on_a_set_that_the_notice_says_is_empty(inbound: Inbound) -> None:
    inbound.publish(
        {
            "shipping_notice_id": "n1",
            "state": "ready_for_receive",
            "announced_item_count": 4,
            "dispatch_item_count": 0,
        }
    )
    zalando = Zalando(n1_announced={EANS[0]: 4})
    inbound.sync(zalando)
    assert zalando.asked == [("n1", "announced")]


@pytest.mark.parametrize("failure", [ServerError("down", retry_after=120.0), KeyboardInterrupt()])
def test_what_was_fetched_before_a_failure_is_published(inbound: Inbound, failure: BaseException) -> None:
    inbound.publish(
        *({"shipping_notice_id": f"n{n}", "state": "initial", "announced_item_count": None} for n in range(1, 4))
    )

    class Failing(Zalando):
        async def __call__(self, notice_id: str, kind: str) -> dict[str, int] | None:
            if len(self.asked) == 2:
                raise failure
            return await super().__call__(notice_id, kind)

    with pytest.raises(type(failure)):
        inbound.sync(Failing(n1_announced={EANS[0]: 1}, n2_announced={EANS[0]: 2}))
    rest = Zalando(n3_announced={EANS[0]: 3})
    inbound.sync(rest)
    assert rest.asked == [("n3", "announced")]
    assert [item[3] for item in inbound.items()] == [1, 2, 3]


def test_the_end_of_the_rate_limit_is_no_failure(inbound: Inbound) -> None:
    inbound.publish({"shipping_notice_id": "n1", "state": "initial"}, {"shipping_notice_id": "n2", "state": "initial"})
    full = RateLimitedError("full", retry_after=133.0)
    summary = inbound.sync(Zalando(n1_announced={EANS[0]: 1}, n2_announced=full))
    assert (summary["sets_fetched"], summary["sets_pending"], summary["retry_after"]) == (1, 1, 133.0)


def test_many_sets_are_published_on_the_way(inbound: Inbound, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(item_set_sync, "PUBLISH_EVERY", 2)
    inbound.publish(*({"shipping_notice_id": f"n{n}", "state": "initial"} for n in range(5)))
    seen: list[int] = []

    class Looking(Zalando):
        async def __call__(self, notice_id: str, kind: str) -> dict[str, int] | None:
            inbound.clock.advance(1)
            seen.append(len(inbound.items()))
            return {EANS[0]: 1}

    inbound.sync(Looking())
    assert seen == [0, 0, 2, 2, 4]
    assert len(inbound.items()) == 5
    assert len(list((Path(inbound.place.root) / "shipping_notice_items").rglob("*.parquet"))) == 1
