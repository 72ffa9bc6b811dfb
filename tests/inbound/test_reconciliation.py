"""The reconciliation is SQL; what it is compared with here is counted in plain Python."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from clocks import FakeClock
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_zdirect.datasets.arrow import arrow_schema
from airflow_provider_zdirect.datasets.inbound import ShippingNotice, Tour
from airflow_provider_zdirect.datasets.stock_movements import ReceivedItem
from airflow_provider_zdirect.exceptions import ZDirectConfigurationError
from airflow_provider_zdirect.inbound.item_set_sync import NoticeItem
from airflow_provider_zdirect.inbound.reconciliation import open_advices, reconcile_merchant
from airflow_provider_zdirect.publish.latest import LatestTable
from airflow_provider_zdirect.publish.place import Place

MERCHANT = "29809185-6a98-4691-a15b-e8d16839b6e8"
MONDAY = datetime(2026, 11, 16, 8, tzinfo=UTC)
ADVICES = ["10000001", "10000002", "10000003", None]
EANS = ["4006381333931", "0191476239145", "8712345678906"]
NOTICES = ["n1", "n2", "n3"]
MODELS = {
    "shipping_notices_current": ShippingNotice,
    "shipping_notice_items": NoticeItem,
    "tours_current": Tour,
    "received_items": ReceivedItem,
}

Row = dict[str, Any]


class Published:
    """A base path with the tables that are compared."""

    def __init__(self, root: Path) -> None:
        self.root = root
        fs = fsspec.filesystem("file", skip_instance_cache=True)
        self.place = Place(fs, str(root), root.as_uri(), MERCHANT, "production")
        self.clock = FakeClock(MONDAY)
        (manifests := root / f"_manifests/shipping_notices/merchant_id={MERCHANT}").mkdir(parents=True)
        (manifests / "w.json").write_text("{}")

    def write(self, dataset: str, rows: Iterable[Row], part: str = "01") -> None:
        """A file of that dataset; the one with the greatest ``part`` was made last."""
        folder = self.root / dataset / f"merchant_id={MERCHANT}" / "date=2026-11-16"
        folder.mkdir(parents=True, exist_ok=True)
        schema = pa.schema([field.with_nullable(True) for field in arrow_schema(MODELS[dataset])])
        made = "" if dataset == "received_items" else f"20261116T000000.0000{part}Z-"
        path = folder / f"20261116T000000Z_20261117T000000Z-{made}{part}.parquet"
        pq.write_table(pa.Table.from_pylist(list(rows), schema=schema), path)

    def reconcile(self, *columns: str) -> list[tuple[Any, ...]]:
        reconcile_merchant(self.place, self.clock)
        table = LatestTable(self.place, "inbound_reconciliation", pa.schema([]))
        (_, path) = table.files()[-1]
        return [tuple(row[name] for name in columns) for row in pq.read_table(self.root / path).to_pylist()]


@pytest.fixture
def published(tmp_path: Path) -> Published:
    return Published(tmp_path)


def notice(notice_id: str, advice_id: str | None, state: str = "ready_for_receive", **more: Any) -> Row:
    return {"shipping_notice_id": notice_id, "zalando_advice_id": advice_id, "state": state, **more}


def items(notice_id: str, item_set: str, pieces: dict[str, int] | None) -> list[Row]:
    """Without pieces: zDirect said that there is no such set."""
    common = {"shipping_notice_id": notice_id, "item_set": item_set}
    return [{**common, "ean": ean, "quantity": count} for ean, count in (pieces or {}).items()] or [common]


def received(advice_id: str | None, ean: str | None, pieces: int, first: int = 0) -> list[Row]:
    return [
        {
            "zalando_advice_id": advice_id,
            "ean": ean,
            "quality_label": f"{advice_id} {ean} {number}",
            "received_timestamp": MONDAY + timedelta(hours=number),
        }
        for number in range(first, first + pieces)
    ]


def test_the_dispatch_set_counts_and_without_one_the_announced_and_what_is_not_known_expects_nothing(
    published: Published,
) -> None:
    notices = [notice("n1", ADVICES[0]), notice("n2", ADVICES[1]), notice("n3", None, "initial")]
    published.write("shipping_notices_current", [*notices, notice("n4", None, "initial")])
    sets = [
        *items("n1", "announced", {EANS[0]: 5}),
        *items("n1", "dispatched", {EANS[1]: 3}),
        *items("n2", "announced", {EANS[0]: 7}),
        *items("n2", "dispatched", None),
        *items("n3", "announced", {EANS[0]: 6}),
        *items("n4", "announced", {EANS[0]: 6}),
    ]
    published.write("shipping_notice_items", sets)
    came = ((ADVICES[0], EANS[0], 1), (ADVICES[1], EANS[0], 7), (ADVICES[2], EANS[0], 2), (None, EANS[1], 1))
    published.write("received_items", [row for each in came for row in received(*each)])
    numbers = ("announced", "dispatched", "expected", "received", "difference", "last_received")
    last = [None, *(MONDAY + timedelta(hours=hours) for hours in range(7))]
    assert published.reconcile("zalando_advice_id", "shipping_notice_id", "ean", *numbers) == [
        (None, None, EANS[1], None, None, None, 1, None, last[1]),
        (None, "n3", EANS[0], 6, None, 6, 0, -6, None),
        (None, "n4", EANS[0], 6, None, 6, 0, -6, None),
        (ADVICES[0], "n1", EANS[1], 0, 3, 3, 0, -3, None),
        (ADVICES[0], "n1", EANS[0], 5, 0, 0, 1, 1, last[1]),
        (ADVICES[1], "n2", EANS[0], 7, None, 7, 7, 0, last[7]),
        (ADVICES[2], None, EANS[0], None, None, None, 2, None, last[2]),
    ]
    assert {row[0] for row in published.reconcile("first_received")} == {None, MONDAY}


def test_two_notices_of_one_advice_are_added_up_and_unknown_if_one_is(published: Published) -> None:
    notices = [notice("n2", ADVICES[0], "initial"), notice("n1", ADVICES[0]), notice("n3", ADVICES[0], "initial")]
    published.write("shipping_notices_current", notices)
    sets = [*items("n1", "announced", {EANS[0]: 5}), *items("n3", "announced", {EANS[0]: 1})]
    published.write("shipping_notice_items", sets, "01")
    columns = ("shipping_notice_id", "state", "announced", "expected", "difference")
    assert published.reconcile(*columns) == [("n1, n2, n3", "ready_for_receive, initial", 6, None, None)]
    published.write("shipping_notice_items", [*sets, *items("n2", "announced", {EANS[0]: 2})], "02")
    assert published.reconcile(*columns) == [("n1, n2, n3", "ready_for_receive, initial", 8, 8, -8)], "the last file"


def test_the_tour_that_was_updated_last_is_shown(published: Published) -> None:
    published.write("shipping_notices_current", [notice("n1", ADVICES[0])])
    published.write("shipping_notice_items", items("n1", "announced", {EANS[0]: 1}))
    tours = [
        {"zalando_advice_id": ADVICES[0], "tour_number": "T2", "current_status": {"status": "initialized"}},
        {
            "zalando_advice_id": ADVICES[0],
            "tour_number": "T1",
            "current_status": {"status": "unloaded", "last_updated": MONDAY},
        },
        {"zalando_advice_id": None, "tour_number": "T3", "current_status": None},
    ]
    published.write("tours_current", tours)
    assert published.reconcile("tour_number", "tour_status") == [("T1", "unloaded")]


def test_tours_are_asked_for_until_all_are_unloaded_or_the_delivery_is_long_past(published: Published) -> None:
    past, recent = MONDAY - timedelta(days=101), MONDAY - timedelta(days=100)
    cases: dict[str, tuple[list[str | None], Row]] = {
        "nothing is known": ([], {}),
        "unloaded": (["unloaded"], {}),
        "one of two is unloaded": (["unloaded", "canceled"], {}),
        "a status is not known": ([None], {}),
        "long past": (["initialized"], {"confirmed_delivery_date": past}),
        "was to be long ago, and was confirmed for later": (
            [],
            {"earliest_delivery_date": past.date(), "confirmed_delivery_date": recent},
        ),
        "was to be long ago": ([], {"earliest_delivery_date": past.date()}),
    }
    rows = [notice(f"n{number}", advice, **dates) for number, (advice, (_, dates)) in enumerate(cases.items())]
    published.write("shipping_notices_current", [*rows, notice("n9", None)])
    tours = [
        {
            "tour_number": f"{advice} {number}",
            "zalando_advice_id": advice,
            "current_status": status and {"status": status},
        }
        for advice, (statuses, _) in cases.items()
        for number, status in enumerate(statuses)
    ]
    published.write("tours_current", [*tours, {"tour_number": "T", "zalando_advice_id": None}])
    assert set(open_advices(published.place, MONDAY)) == {
        "nothing is known",
        "one of two is unloaded",
        "a status is not known",
        "was to be long ago, and was confirmed for later",
    }


def test_a_received_record_that_is_there_twice_for_a_moment_counts_once(published: Published) -> None:
    published.write("received_items", received(ADVICES[0], EANS[0], 3), "01")
    published.write("received_items", received(ADVICES[0], EANS[0], 3, first=1), "02")
    assert published.reconcile("received") == [(4,)]


def test_without_notices_it_is_an_error_and_without_received_items_a_warning(
    published: Published, caplog: pytest.LogCaptureFixture
) -> None:
    reconcile_merchant(published.place, published.clock)
    assert "no received items are published under" in caplog.text
    assert not (published.root / "inbound_reconciliation").exists()
    (manifest,) = published.root.rglob("w.json")
    manifest.unlink()
    with pytest.raises(ZDirectConfigurationError, match="never extracted"):
        reconcile_merchant(published.place, published.clock)


QUANTITIES = st.dictionaries(st.sampled_from(EANS), st.integers(1, 9), min_size=1, max_size=3)
WORLD = st.fixed_dictionaries(
    {
        "advices": st.fixed_dictionaries({notice_id: st.sampled_from(ADVICES) for notice_id in NOTICES}),
        "announced": st.dictionaries(st.sampled_from(NOTICES), QUANTITIES),
        "dispatched": st.dictionaries(st.sampled_from(NOTICES), QUANTITIES),
        "received": st.dictionaries(
            st.tuples(st.sampled_from(ADVICES), st.sampled_from([*EANS, None])), st.integers(1, 3), max_size=8
        ),
    }
)


@settings(max_examples=20, deadline=None)
@given(WORLD)
def test_it_is_what_counting_by_hand_makes_of_the_same(world: dict[str, Any]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        published = Published(Path(folder) / "zdirect")
        published.write("shipping_notices_current", [notice(*each) for each in world["advices"].items()])
        sets = [
            row
            for kind in ("announced", "dispatched")
            for notice_id, pieces in world[kind].items()
            for row in items(notice_id, kind, pieces)
        ]
        published.write("shipping_notice_items", sets)
        published.write(
            "received_items", [row for key, pieces in world["received"].items() for row in received(*key, pieces)]
        )
        expected = sorted(counted(world), key=repr)
        if expected:
            columns = ("zalando_advice_id", "ean", "announced", "dispatched", "expected", "received", "difference")
            assert sorted(published.reconcile(*columns), key=repr) == expected


def counted(world: dict[str, Any]) -> Iterable[tuple[Any, ...]]:
    deliveries: dict[str | None, list[str]] = {}
    for notice_id, advice in world["advices"].items():
        deliveries.setdefault(advice or notice_id, []).append(notice_id)
    came = Counter(world["received"])
    for name in {*deliveries, *(advice for advice, _ in came)}:
        notices = deliveries.get(name, [])
        sets = {
            kind: [world[kind][each] for each in notices if each in world[kind]] for kind in ("announced", "dispatched")
        }
        counting = [world["dispatched"].get(each, world["announced"].get(each)) for each in notices]
        eans = {ean for kind in sets.values() for pieces in kind for ean in pieces}
        for ean in eans | {ean for advice, ean in came if advice == name}:
            announced, dispatched = (
                sum(pieces.get(ean, 0) for pieces in sets[kind]) if sets[kind] else None for kind in sets
            )
            is_known = notices and None not in counting
            expected = sum(pieces.get(ean, 0) for pieces in counting) if is_known else None
            pieces = came[name, ean]
            difference = None if expected is None else pieces - expected
            yield (None if name in NOTICES else name), ean, announced, dispatched, expected, pieces, difference
