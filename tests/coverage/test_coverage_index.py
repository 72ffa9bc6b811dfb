"""What a second look at a base path reads: only what has changed; and what it makes of damage."""

from __future__ import annotations

import json
import logging
from datetime import date, timedelta
from pathlib import Path

import pytest
from histories import DAY, MERCHANT, NOW, OTHER, Base, at, gaps_of, window

from airflow_provider_zdirect.coverage.index import index_path
from airflow_provider_zdirect.storage.layout import Layout
from airflow_provider_zdirect.storage.object_store import ObjectStore
from airflow_provider_zdirect.windows import Window

HOURS = [window(f"11-20 {hour:02}:00", f"11-20 {hour + 1:02}:00") for hour in range(20)]
INDEX = index_path(Layout("returned_items", MERCHANT))


@pytest.fixture
def reads(monkeypatch) -> list[str]:
    """Paths of the manifests that were read."""
    found: list[str] = []
    read = ObjectStore.read

    def noting(store: ObjectStore, path: str) -> bytes | None:
        if path.startswith("_manifests/"):
            found.append(path)
        return read(store, path)

    monkeypatch.setattr(ObjectStore, "read", noting)
    return found


@pytest.fixture
def landed(base):
    for hour in HOURS:
        base.land("returned_items", hour)
    return base


def look(base, reads, **options):
    """The row, and how many manifests it took."""
    reads.clear()
    row = base.row("returned_items", **options)
    return row.as_json(""), len(reads)


def test_only_new_and_changed_manifests_are_read_again(landed, reads):
    first = look(landed, reads)
    assert first[1] == 20
    assert look(landed, reads) == (first[0], 0)
    path = landed.land("returned_items", HOURS[3], rejected=1)
    landed.land("returned_items", window("11-20 20:00", "11-20 21:00"))
    row, count = look(landed, reads)
    assert count == 2
    assert path in reads
    assert row["days"]["2026-11-20"] == "LLLR" + 17 * "L" + "MMM"


def test_a_deleted_manifest_is_a_gap_at_once(landed, reads):
    look(landed, reads)
    landed.store.delete(Layout("returned_items", MERCHANT).manifest(HOURS[7]))
    row, count = look(landed, reads)
    assert (count, row["days"]["2026-11-20"][:20]) == (0, "LLLLLLLMLLLLLLLLLLLL")
    landed.land("returned_items", HOURS[7])
    assert look(landed, reads)[0]["days"]["2026-11-20"][:20] == "L" * 20


@pytest.mark.parametrize("damage", [b"", b"{}", b'{"format": 1, "windows": {"a": [1]}}', b"\xff\xfe", None])
def test_a_lost_or_damaged_index_costs_only_time(landed, reads, damage, caplog):
    first = look(landed, reads)
    if damage is None:
        landed.store.delete(INDEX)
    else:
        landed.store.write(INDEX, damage)
    assert look(landed, reads) == first
    assert look(landed, reads) == (first[0], 0)
    assert [record.message for record in caplog.records if INDEX in record.message] or damage is None


def test_the_index_of_another_version_of_the_package_is_made_anew(landed, reads):
    first = look(landed, reads)
    index = json.loads(landed.store.read(INDEX))
    landed.store.write_json(INDEX, {**index, "format": 0})
    assert look(landed, reads) == first


def test_nothing_is_read_that_does_not_touch_the_days_that_are_shown(landed, reads):
    landed.land("returned_items", Window(NOW - 90 * DAY, NOW - 20 * DAY))
    landed.land("returned_items", Window(NOW - 9 * DAY, NOW - 8 * DAY))
    landed.land("returned_items", HOURS[0], OTHER)
    row, count = look(landed, reads, days=3)
    assert count == 20
    assert row["days"]["2026-11-20"] == "L" * 20 + "MMMM"
    assert look(landed, reads, days=30)[1] == 2
    assert look(landed, reads, days=3)[1] == 0


def test_no_index_is_written_where_the_base_path_may_only_be_read(landed, reads):
    look(landed, reads, keeps_index=False)
    assert not (landed.root / "_reports").exists()
    assert look(landed, reads)[1] == 20


@pytest.mark.parametrize(
    "content",
    [
        "no json",
        "{}",
        json.dumps({"environment": "production"}),
        '{"environment": "production", "window": {"from": "2026-11-20T05:00:00", "to": "2026-11-20T06:00:00"}}',
    ],
)
def test_a_damaged_manifest_is_a_gap_and_named_in_the_log(landed, reads, content, caplog):
    path = Layout("returned_items", MERCHANT).manifest(HOURS[5])
    landed.store.write(path, content.encode())
    for _ in range(2):
        caplog.clear()
        with caplog.at_level(logging.WARNING):
            row, _ = look(landed, reads)
        assert row["gaps"][0]["from"] == HOURS[5].start.isoformat()
        assert path in caplog.text
    # The command of the gap writes it anew.
    landed.land("returned_items", HOURS[5])
    assert look(landed, reads)[0]["days"]["2026-11-20"][:20] == "L" * 20


def test_a_manifest_that_is_deleted_after_it_was_listed_is_a_gap(landed, monkeypatch):
    path = Layout("returned_items", MERCHANT).manifest(HOURS[5])
    read = ObjectStore.read

    def deleting(store: ObjectStore, asked: str) -> bytes | None:
        if asked == path:
            (Path(store.root) / path).unlink()
        return read(store, asked)

    monkeypatch.setattr(ObjectStore, "read", deleting)
    assert gaps_of(landed.row("returned_items"))[0] == ("11-20 05:00", "11-20 06:00", "missing")


def test_a_window_to_the_microsecond_is_found_by_its_name(base):
    odd = timedelta(microseconds=1)
    base.land("returned_items", Window(at("11-20 05:00") + odd, at("11-20 06:00")))
    base.land("returned_items", Window(at("11-20 06:00"), at("11-21 10:00")))
    row = base.row("returned_items")
    assert row.spans[0].window.start == at("11-20 05:00") + odd
    assert gaps_of(row) == []


def test_where_a_listing_says_nothing_but_sizes_every_manifest_is_read_each_time(landed, reads, monkeypatch):
    def sizes(store: ObjectStore, folder: str) -> dict[str, dict[str, int]]:
        return {path: {"size": details["size"]} for path, details in find(store, folder).items()}

    find = ObjectStore._find
    monkeypatch.setattr(ObjectStore, "_find", sizes)
    assert look(landed, reads)[1] == 20
    assert look(landed, reads)[1] == 20


def test_files_that_are_no_manifests_are_left_alone(landed, reads):
    folder = Layout("returned_items", MERCHANT).manifest(HOURS[0]).rpartition("/")[0]
    for name in ("note.txt", "a_b.json", "copy of 20261120T000000Z_20261120T010000Z.json"):
        landed.store.write(f"{folder}/{name}", b"no json")
    assert look(landed, reads)[1] == 20


def test_a_month_of_a_daily_report_is_one_manifest(base, reads):
    base.land_days("liquidated_items", *(date(2026, 10, 1) + number * DAY for number in range(31)))
    row = base.row("liquidated_items")
    assert len(reads) == 1
    assert row.as_json("")["days"]["2026-10-31"] == "L"
    assert gaps_of(row) == [("11-01 00:00", "11-21 00:00", "missing")]


@pytest.mark.usefixtures("s3_endpoint")
def test_a_bucket_is_read_by_its_etags(in_bucket, reads, tmp_path):
    class InBucket(Base):
        @property
        def store(self) -> ObjectStore:
            return ObjectStore(*in_bucket.open(self.root))

    base = InBucket(tmp_path)
    for hour in HOURS:
        base.land("returned_items", hour)
    assert look(base, reads)[1] == 20
    assert look(base, reads)[1] == 0
    base.land("returned_items", HOURS[3], rejected=1)
    row, count = look(base, reads)
    assert (count, row["days"]["2026-11-20"][:5]) == (1, "LLLRL")
