from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from threading import Thread
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


A, D = "announced", "dispatched"
Sets = dict[tuple[str, str], Any]


class Inbound:
    """A base path with published notices, and a zDirect that answers with item sets and remembers what was asked."""

    def __init__(self, root: Path) -> None:
        fs = fsspec.filesystem("file", skip_instance_cache=True)
        self.place = Place(fs, str(root), root.as_uri(), MERCHANT, "production")
        self.clock = FakeClock()
        self.asked: list[tuple[str, str]] = []

    def table(self, name: str, model: type[Record]) -> LatestTable:
        return LatestTable(self.place, name, arrow_schema(model))

    def publish(self, *names: str, state: str | None = "initial", counts: tuple[int | None, int | None]) -> None:
        """Notices with the numbers of announced and dispatched items that zDirect counts."""
        self.clock.advance(60)
        now = self.clock.now()
        common = {"state": state, "announced_item_count": counts[0], "dispatch_item_count": counts[1]}
        notices = [{"shipping_notice_id": name, "zalando_advice_id": "10000001", **common} for name in names]
        lineage = Lineage(MERCHANT, "production", now, now, now)
        records, sources = map(ShippingNotice.model_validate, notices), [json.dumps(one).encode() for one in notices]
        self.table(NOTICES, ShippingNotice).replace(to_table(ShippingNotice, list(records), sources, lineage), now)

    def sync(self, sets: Sets, before: Callable[[], None] = lambda: None) -> dict[str, Any]:
        """:param before: called before each answer; answers that are errors are raised."""
        self.asked.clear()

        async def answer(notice_id: str, kind: str) -> Any:
            self.asked.append((notice_id, kind))
            before()
            found = sets.get((notice_id, kind))
            if isinstance(found, BaseException):
                raise found
            return found

        self.clock.advance(60)
        return asyncio.run(sync_item_sets(self.place, answer, self.clock))

    def sets(self) -> Sets:
        """What is published; a set without pieces does not exist."""
        found: Sets = {}
        for row in self.table(TABLE, NoticeItem).read().to_pylist():
            pieces = found.setdefault((row["shipping_notice_id"], row["item_set"]), {})
            pieces.update({row["ean"]: row["quantity"]} if row["ean"] else {})
        return found


@pytest.fixture
def inbound(tmp_path: Path) -> Inbound:
    return Inbound(tmp_path)


def test_announced_and_dispatched_goods_become_rows(inbound: Inbound) -> None:
    inbound.publish("n1", state="ready_for_receive", counts=(None, None))
    sets = {("n1", A): {EANS[0]: 2, EANS[1]: 3}, ("n1", D): {EANS[0]: 1}}
    summary = inbound.sync(sets)
    assert inbound.sets() == sets
    assert (summary["notices"], summary["sets_fetched"], summary["items"], summary["retry_after"]) == (1, 2, 3, None)


def pieces(count: int, number: int = 0) -> dict[str, int]:
    return {EANS[number]: count}


# State, counts, answers, what is asked for, and what is published then.
SCENARIOS: dict[str, list[tuple[Any, ...]]] = {
    "a locked set is not, not even one that does not exist": [
        ("ready_for_receive", (None, None), {A: pieces(2), D: None}, [A, D], {A: pieces(2), D: {}}),
        ("ready_for_receive", (None, None), {}, [], {A: pieces(2), D: {}}),
    ],
    "one that is empty by its count is not": [
        ("ready_for_receive", (4, 0), {A: pieces(4)}, [A], {A: pieces(4), D: {}}),
    ],
    "one that may still change is when the notice has changed": [
        ("initial", (2, None), {A: pieces(2)}, [A], {A: pieces(2)}),
        ("initial", (2, None), {}, [], {A: pieces(2)}),
        ("initial", (5, None), {A: pieces(5)}, [A], {A: pieces(5)}),
        # The last one before it was locked may be another of the same size.
        ("ready_for_delivery_date", (5, 0), {A: pieces(5, 1)}, [A], {A: pieces(5, 1), D: {}}),
    ],
    "that of a notice that went back is": [
        ("ready_for_delivery_date", (5, 0), {A: pieces(5)}, [A], {A: pieces(5), D: {}}),
        ("initial", (9, 0), {A: pieces(9)}, [A], {A: pieces(9), D: {}}),
        ("ready_for_delivery_date", (9, 0), {A: pieces(9)}, [A], {A: pieces(9), D: {}}),
    ],
}
for nothing in (None, {}):
    SCENARIOS[f"one that the notice counts and that is {nothing} is"] = [
        ("ready_for_receive", (5, 3), {A: nothing, D: pieces(3)}, [A, D], {D: pieces(3)}),
        ("ready_for_receive", (5, 3), {A: pieces(5)}, [A], {A: pieces(5), D: pieces(3)}),
    ]
for between in ("delivery_date_confirmed", "ready_for_dispatch", None):
    SCENARIOS[f"one of a notice that was in the state {between} is"] = [
        ("initial", (5, 0), {A: pieces(5)}, [A], {A: pieces(5)}),
        (between, (5, 0), {A: pieces(5)}, [A], {A: pieces(5), D: {}}),
        ("ready_for_receive", (5, 3), {A: pieces(5), D: pieces(3)}, ..., {A: pieces(5), D: pieces(3)}),
    ]


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_a_set_is_asked_for_only_if_it_may_have_changed(inbound: Inbound, scenario: str) -> None:
    for state, counts, sets, asked, there in SCENARIOS[scenario]:
        inbound.publish("n1", state=state, counts=counts)
        inbound.sync({("n1", kind): found for kind, found in sets.items()})
        assert asked in (..., [kind for _, kind in inbound.asked])
        assert {kind: found for (_, kind), found in inbound.sets().items()} == there


def test_a_set_that_cannot_be_read_does_not_hold_up_the_others_nor_does_one_that_is_missing(
    inbound: Inbound, caplog: pytest.LogCaptureFixture
) -> None:
    inbound.publish("n1", "n2", "n3", counts=(2, None))
    unreadable = MalformedResponseError("no items", retry_after=120.0)
    with pytest.raises(MalformedResponseError):
        inbound.sync({("n1", A): unreadable, ("n3", A): pieces(2)})
    assert inbound.sets() == {("n3", A): pieces(2)}
    assert "notice n2, merchant" in caplog.text
    assert "zDirect counts 2 announced items, but has no such set" in caplog.text


FULL = RateLimitedError("full", retry_after=133.0)


@pytest.mark.parametrize("failure", [ServerError("down", retry_after=120.0), KeyboardInterrupt(), FULL])
def test_what_was_fetched_before_a_failure_is_published_and_the_end_of_the_rate_limit_is_none(
    inbound: Inbound, failure: BaseException
) -> None:
    inbound.publish("n1", "n2", "n3", counts=(None, None))
    first = {("n1", A): pieces(1), ("n2", A): pieces(2)}
    if failure is FULL:
        summary = inbound.sync({**first, ("n3", A): failure})
        assert (summary["sets_fetched"], summary["sets_pending"], summary["retry_after"]) == (2, 1, 133.0)
    else:
        with pytest.raises(type(failure)):
            inbound.sync({**first, ("n3", A): failure})
    inbound.sync({("n3", A): pieces(3)})
    assert inbound.asked == [("n3", A)]
    assert inbound.sets() == {**first, ("n3", A): pieces(3)}


def test_a_run_without_room_leaves_what_another_has_published_meanwhile(inbound: Inbound) -> None:
    inbound.publish("n1", counts=(1, 0))
    other = Inbound(Path(inbound.place.root))
    other.clock.advance(600)
    assert inbound.sync({("n1", A): FULL}, before=lambda: sync_elsewhere(other))["sets_fetched"] == 0
    assert inbound.sets() == {("n1", A): pieces(1)}


def sync_elsewhere(other: Inbound) -> None:
    thread = Thread(target=other.sync, args=({("n1", A): pieces(1)},))
    thread.start()
    thread.join()


def test_many_sets_are_published_on_the_way(inbound: Inbound, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(item_set_sync, "PUBLISH_EVERY", 2)
    names = [f"n{number}" for number in range(5)]
    inbound.publish(*names, counts=(None, None))
    seen: list[int] = []

    def look() -> None:
        inbound.clock.advance(1)
        seen.append(len(inbound.sets()))

    inbound.sync({(name, A): pieces(1) for name in names}, before=look)
    assert seen == [0, 0, 2, 2, 4]
    assert len(inbound.sets()) == 5
    assert len(list((Path(inbound.place.root) / "shipping_notice_items").rglob("*.parquet"))) == 1
