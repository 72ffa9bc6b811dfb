"""Row files, object store, checkpoint, names and the replacing of days."""

from __future__ import annotations

import gzip
import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import fsspec
import pyarrow as pa
import pytest
from item_rows import MERCHANT, at, hours

from airflow_provider_zdirect.datasets.arrow import Lineage, arrow_schema
from airflow_provider_zdirect.datasets.table import DATASETS
from airflow_provider_zdirect.exceptions import EmptyAnswerError, ZDirectConfigurationError
from airflow_provider_zdirect.pipeline.validate import validate
from airflow_provider_zdirect.publish.day import DayReplacer, ReplacedDay
from airflow_provider_zdirect.publish.day_changes import DayChange, published_changes
from airflow_provider_zdirect.storage.checkpoint import MAX_AGE, Checkpoint, Progress
from airflow_provider_zdirect.storage.layout import Layout, PublishedName
from airflow_provider_zdirect.storage.object_store import ObjectStore
from airflow_provider_zdirect.storage.row_files import open_writer, read_batches, sha256

SUFFIXES = pytest.mark.parametrize("suffix", ["parquet", "jsonl.gz"])
DAY = date(2026, 11, 20)
LIQUIDATED = DATASETS["liquidated_items"]


@pytest.fixture(params=["file", "memory"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> ObjectStore:
    root = str(tmp_path) if request.param == "file" else f"/{tmp_path.name}"
    return ObjectStore(fsspec.filesystem(request.param), root)


def table_of(name: str, *records: dict[str, object]) -> pa.Table:
    model = DATASETS[name].model
    moment = datetime(2026, 1, 1, 1, 2, 3, 456789, tzinfo=UTC)
    ((table, rejected),) = validate(
        model, [json.dumps(record).encode() for record in records], Lineage(MERCHANT, "production", *[moment] * 3)
    )
    assert not rejected
    return table


RETURNED = table_of(
    "returned_items",
    {"quality_label": "a", "consumed_timestamp": "2020-01-01T00:00:00.123456Z", "destination": {"city": "Köln"}},
    {"quality_label": "b", "consumed_timestamp": "2020-01-01T00:00:00Z", "parent": {"id": "1"}, "new": 1},
)
SOLD = table_of("liquidated_items", {"total_price": "12.50", "liquidation_date": "2020-01-01", "quantity": 4})


@SUFFIXES
@pytest.mark.parametrize("table", [RETURNED, SOLD], ids=["returned", "liquidated"])
def test_rows_survive_the_way_through_a_file(store: ObjectStore, tmp_path: Path, suffix: str, table: pa.Table) -> None:
    digests = set()
    for number in range(2):
        local = tmp_path / f"rows{number}.{suffix}"
        writer = open_writer(local, table.schema, suffix=suffix)
        writer.write(table)
        writer.write(table)
        writer.close()
        digests.add(sha256(local))
        store.upload(local, f"folder/rows.{suffix}")
    read = pa.concat_tables(read_batches(store, f"folder/rows.{suffix}", table.schema))
    assert read.equals(pa.concat_tables([table, table]))
    assert len(digests) == 1, "the same rows are the same bytes"


@SUFFIXES
def test_a_column_that_an_older_file_does_not_have_is_null(store: ObjectStore, tmp_path: Path, suffix: str) -> None:
    older = RETURNED.drop_columns(["quality_category"])
    local = tmp_path / f"rows.{suffix}"
    writer = open_writer(local, older.schema, suffix=suffix)
    writer.write(older)
    writer.close()
    store.upload(local, f"folder/rows.{suffix}")
    (read,) = read_batches(store, f"folder/rows.{suffix}", RETURNED.schema, ["quality_category", "quality_label"])
    assert read.to_pylist() == [
        {"quality_category": None, "quality_label": "a"},
        {"quality_category": None, "quality_label": "b"},
    ]


def test_json_lines_are_readable_by_people(tmp_path: Path) -> None:

    local = tmp_path / "rows.jsonl.gz"
    writer = open_writer(local, SOLD.schema, suffix="jsonl.gz")
    writer.write(SOLD)
    writer.close()
    row = json.loads(gzip.decompress(local.read_bytes()))
    assert (row["total_price"], row["liquidation_date"], row["quantity"]) == ("12.5", "2020-01-01", 4)
    assert row["_extracted_at"] == "2026-01-01T01:02:03.456789Z"
    assert Decimal(row["total_price"]) == Decimal("12.50")


def test_what_is_not_there_is_no_error(store: ObjectStore) -> None:
    assert store.files("nowhere") == []
    assert store.read("nowhere/at-all") is None
    store.delete("nowhere/at-all")
    store.delete_folder("nowhere")
    store.move("nowhere/at-all", "somewhere/else")


def test_a_folder_that_somebody_deletes_while_it_is_made_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An attempt that was believed dead clears up, while its retry writes; os.makedirs has an error for each moment."""
    store = ObjectStore(fsspec.filesystem("file", skip_instance_cache=True), str(tmp_path))
    errors: list[OSError] = []
    make = type(store.fs).makedirs

    def deleted_meanwhile(self: Any, path: str, exist_ok: bool = False) -> None:
        if errors:
            raise errors.pop()
        make(self, path, exist_ok=exist_ok)

    monkeypatch.setattr(type(store.fs), "makedirs", deleted_meanwhile)
    for kind in (FileExistsError, FileNotFoundError):
        errors[:] = [kind(), kind()]
        store.write(f"folder/{kind.__name__}", b"1")
        assert store.read(f"folder/{kind.__name__}") == b"1"
    errors[:] = [FileExistsError() for _ in range(99)]
    with pytest.raises(FileExistsError):
        store.write("folder/in-the-way/a", b"1")


def test_objects_are_listed_written_over_moved_and_deleted(store: ObjectStore) -> None:
    store.write("a/x", b"1")
    store.write("a/x", b"2")
    store.write("a/y", b"")
    assert store.files("a") == ["a/x", "a/y"]
    store.move("a/x", "b/z")
    assert (store.read("a/x"), store.read("b/z")) == (None, b"2")
    store.delete("a/y")
    assert store.files("a") == []
    store.delete_folder("b")
    assert store.files("b") == []


def test_a_base_path_that_is_no_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ZDirectConfigurationError, match=r"base_path='s3://mine'"):
        ObjectStore(fsspec.filesystem("file"), str(tmp_path / "file")).check_writable("s3://mine")


@pytest.mark.parametrize("fetched", [None, datetime(2026, 11, 22, 10, 0, 0, 5, tzinfo=UTC)])
@pytest.mark.parametrize("suffix", ["parquet", "jsonl.gz"])
def test_names_of_published_files_are_read_back(fetched: datetime | None, suffix: str) -> None:
    name = PublishedName(hours(10, 10.0000001), "0123456789abcdef", fetched)
    assert PublishedName.parse(f"any/folder/{name.file_name(suffix)}") == name


@pytest.mark.parametrize("name", ["part-0.parquet", "_SUCCESS", "20261120T100000Z.parquet", "x.csv"])
def test_foreign_files_are_not_taken_for_ours(name: str) -> None:
    assert PublishedName.parse(f"any/{name}") is None


def test_everything_but_data_lies_beside_the_dataset() -> None:
    layout = Layout("received_items", MERCHANT)
    window = hours(0, 1)
    beside = [
        layout.manifest(window),
        layout.rejected(window),
        layout.revisions(DAY),
        layout.announced(DAY),
        layout.staging(window, "run"),
    ]
    assert all(path.startswith("_") for path in beside)
    assert layout.published(DAY) == f"received_items/merchant_id={MERCHANT}/date=2026-11-20"


def begun(store: ObjectStore, fingerprint: dict[str, object] | None = None) -> tuple[Checkpoint, Progress]:
    checkpoint = Checkpoint(store, "_staging/w", fingerprint or {})
    progress = Progress(at(0).isoformat(), {"from": "then"})
    checkpoint.begin(progress)
    return checkpoint, progress


def test_a_checkpoint_is_taken_up_by_the_same_and_by_nobody_else(store: ObjectStore, tmp_path: Path) -> None:
    checkpoint, progress = begun(store, {"dataset": "x"})
    (tmp_path / "page").write_bytes(b"rows")
    for request in ("10:00", "11:00"):
        progress.of(request).cursor = "next"
        progress.of(request).staged.append(checkpoint.stage(tmp_path / "page", "parquet"))
        progress.of(request).requests_sent = 3
        checkpoint.save(progress, request)
    assert checkpoint.load(at(1)) == progress
    assert progress.total("requests_sent") == 6
    assert Checkpoint(store, "_staging/w", {"dataset": "y"}).load(at(1)) is None
    assert checkpoint.load(at(1)) is None, "what is not for this is cleared away"
    assert store.files("_staging/w") == []


def test_a_checkpoint_that_is_too_old_is_not_used(store: ObjectStore) -> None:
    checkpoint, _ = begun(store)
    assert checkpoint.load(at(0) + MAX_AGE)
    assert checkpoint.load(at(0) + MAX_AGE + timedelta(seconds=1)) is None


def test_a_request_whose_staged_files_are_gone_starts_again_and_the_others_go_on(
    store: ObjectStore, tmp_path: Path
) -> None:
    checkpoint, progress = begun(store)
    (tmp_path / "page").write_bytes(b"rows")
    for request in ("a", "b"):
        progress.of(request).staged.append(checkpoint.stage(tmp_path / "page", "parquet"))
        progress.of(request).done = True
        checkpoint.save(progress, request)
    store.delete(progress.of("a").staged[0])
    found = checkpoint.load(at(1))
    assert found is not None
    assert set(found.requests) == {"b"}


def replacer(store: ObjectStore) -> DayReplacer:
    layout = Layout(LIQUIDATED.name, MERCHANT)
    return DayReplacer(store, layout, LIQUIDATED, "UTC", "parquet", run="a-run", now=at(59))


def counts(replaced: ReplacedDay) -> tuple[int, int, int]:
    """How many rows were added, removed and changed."""
    assert replaced.change is not None
    return replaced.change.name.added, replaced.change.name.removed, replaced.change.name.changed


def lines_in(store: ObjectStore, change: DayChange | None) -> list[dict[str, Any]]:
    assert change is not None
    return [json.loads(line) for line in gzip.decompress(store.read(change.file) or b"").splitlines()]


def stage_sold(store: ObjectStore, tmp_path: Path, name: str, *quantities: int) -> list[str]:
    if not quantities:
        return []
    return stage_rows(store, tmp_path, name, *({"quantity": quantity} for quantity in quantities))


def stage_rows(store: ObjectStore, tmp_path: Path, name: str, *rows: dict[str, object]) -> list[str]:
    table = table_of("liquidated_items", *rows)
    local = tmp_path / f"{name}.parquet"
    writer = open_writer(local, table.schema, suffix="parquet")
    writer.write(table)
    writer.close()
    store.upload(local, f"_staging/{name}.parquet")
    return [f"_staging/{name}.parquet"]


def sold(store: ObjectStore, folder: str) -> list[int]:
    schema = arrow_schema(LIQUIDATED.model)
    return sorted(
        quantity
        for path in store.files(folder)
        for table in read_batches(store, path, schema, ["quantity"])
        for quantity in table.column(0).to_pylist()
    )


PUBLISHED = Layout(LIQUIDATED.name, MERCHANT).published(DAY)
REVISIONS = Layout(LIQUIDATED.name, MERCHANT).revisions(DAY)


def test_identical_rows_of_a_day_are_all_kept(store: ObjectStore, tmp_path: Path) -> None:
    replacer(store).replace(DAY, stage_sold(store, tmp_path, "a", 5, 5, 5), at(30))
    assert sold(store, PUBLISHED) == [5, 5, 5]


def test_a_day_with_other_rows_is_replaced_and_one_with_the_same_is_not(store: ObjectStore, tmp_path: Path) -> None:
    day = replacer(store)
    assert day.replace(DAY, stage_sold(store, tmp_path, "a", 5, 7), at(30)).change
    before = store.files(PUBLISHED)
    assert not day.replace(DAY, stage_sold(store, tmp_path, "b", 7, 5), at(40)).change, "the order does not matter"
    assert store.files(PUBLISHED) == before
    assert day.replace(DAY, stage_sold(store, tmp_path, "c", 5, 5, 7), at(50)).change, "the number of equal rows does"
    assert sold(store, PUBLISHED) == [5, 5, 7]
    assert sold(store, REVISIONS) == [5, 7]


@pytest.mark.parametrize(
    ("before", "after", "changed"),
    [
        ({"quantity": 4, "ean": "4006381333931"}, {"ean": "4006381333931", "quantity": "4"}, 0),
        ({"quantity": 4}, {"quantity": 4, "new": None, "more": "", "nested": {"deep": None}}, 0),
        ({"quantity": 4, "new": {"a": None, "b": 1}}, {"quantity": 4, "new": {"b": 1}}, 0),
        ({"quantity": 4}, {"quantity": 4, "new": 0}, 1),
    ],
    ids=["another spelling", "empty unknown fields", "one less", "unknown fields that hold something"],
)
def test_rows_are_compared_by_what_they_say(
    store: ObjectStore, tmp_path: Path, before: dict[str, object], after: dict[str, object], changed: int
) -> None:
    day = replacer(store)
    day.replace(DAY, stage_rows(store, tmp_path, "a", before, {"quantity": 9}), at(30))
    replaced = day.replace(DAY, stage_rows(store, tmp_path, "b", {"quantity": 9}, after), at(40))
    assert bool(replaced.change) == bool(changed)
    if changed:
        assert counts(replaced) == (0, 0, 1)


def test_a_day_that_became_empty_is_empty_only_if_that_is_allowed(store: ObjectStore, tmp_path: Path) -> None:
    day = replacer(store)
    assert day.replace(DAY, [], at(20)) == ReplacedDay([], None)
    day.replace(DAY, stage_sold(store, tmp_path, "a", 5), at(30))
    with pytest.raises(EmptyAnswerError, match="and 1 are published"):
        day.replace(DAY, [], at(35))
    assert sold(store, PUBLISHED) == [5]
    replaced = replace(day, by_nothing=True).replace(DAY, [], at(40))
    assert counts(replaced) == (0, 1, 0)
    assert [file.rows for file in replaced.files] == [0]
    assert sold(store, PUBLISHED) == []
    assert sold(store, REVISIONS) == [5]


def test_the_latest_answer_stays_in_whatever_order_it_is_published(store: ObjectStore, tmp_path: Path) -> None:
    day = replacer(store)
    day.replace(DAY, stage_sold(store, tmp_path, "late", 9), at(50))
    replaced = day.replace(DAY, stage_sold(store, tmp_path, "early", 1), at(40))
    assert sold(store, PUBLISHED) == [9]
    assert [file.path for file in replaced.files] == store.files(PUBLISHED)
    assert replaced.change is None


def test_a_file_of_a_worker_whose_clock_was_ahead_is_replaced_and_a_warning_names_it(
    store: ObjectStore, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    wrong, right = replace(replacer(store), now=at(59) + timedelta(days=3)), replacer(store)
    wrong.replace(DAY, stage_sold(store, tmp_path, "wrong", 1), at(30) + timedelta(days=3))
    (future,) = store.files(PUBLISHED)
    replaced = right.replace(DAY, stage_sold(store, tmp_path, "right", 2), at(40))
    assert counts(replaced) == (0, 0, 1)
    assert future in caplog.text
    assert at(59).isoformat() in caplog.text
    assert (sold(store, PUBLISHED), sold(store, REVISIONS)) == ([2], [1])
    # From then on the order is right again.
    assert right.replace(DAY, stage_sold(store, tmp_path, "earlier", 3), at(35)).change is None
    assert right.replace(DAY, stage_sold(store, tmp_path, "later", 4), at(50)).change
    assert sold(store, PUBLISHED) == [4]


def test_a_try_that_was_killed_after_publishing_tells_the_same_changes_again(
    store: ObjectStore, tmp_path: Path
) -> None:
    day = replacer(store)
    day.replace(DAY, stage_sold(store, tmp_path, "a", 5, 7, 7), at(30))
    staged = stage_sold(store, tmp_path, "b", 5, 8, 9)
    first = day.replace(DAY, staged, at(40))
    again = day.replace(DAY, staged, at(40))
    assert again == first
    assert counts(first) == (0, 0, 2)
    assert sold(store, PUBLISHED) == [5, 8, 9]
    lines = lines_in(store, first.change)
    assert [(line["change"], line["before"]["quantity"], line["after"]["quantity"]) for line in lines] == [
        ("changed", 7, 8),
        ("changed", 7, 9),
    ]
    # Also if another fetch came in between.
    replace(day, run="another").replace(DAY, stage_sold(store, tmp_path, "c", 1), at(50))
    assert day.replace(DAY, staged, at(40)).change == first.change
    assert sold(store, PUBLISHED) == [1]


def test_what_was_published_of_a_date_is_told_by_its_files_alone(store: ObjectStore, tmp_path: Path) -> None:
    day = replacer(store)
    for minute, quantities in ((30, [5, 7]), (40, [5, 7]), (50, [5, 8, 9])):
        day.replace(DAY, stage_sold(store, tmp_path, f"r{minute}", *quantities), at(minute))
    told = published_changes(store, day.layout, {DAY})
    assert [(change.name.fetched, change.name.first) for change in told] == [(at(30), True), (at(50), False)]
    assert [(change.name.added, change.name.removed, change.name.changed) for change in told] == [(2, 0, 0), (1, 0, 1)]
    assert {change.name.run for change in told} == {"a-run"}
    assert [len(lines_in(store, change)) for change in told] == [0, 2]
    assert [change.as_dict()["file"] for change in told] == [None, told[1].file]
    assert published_changes(store, day.layout, {DAY + timedelta(days=1)}) == []


def test_a_try_that_is_killed_before_it_publishes_has_changed_nothing(
    store: ObjectStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    day = replacer(store)
    day.replace(DAY, stage_sold(store, tmp_path, "a", 5), at(30))
    staged = stage_sold(store, tmp_path, "b", 6, 7)
    with monkeypatch.context() as patched:
        patched.setattr(DayReplacer, "_write", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            day.replace(DAY, staged, at(50))
    assert len(store.files(day.layout.changes(DAY))) == 2
    assert len(published_changes(store, day.layout, {DAY})) == 1
    # Its retry finds the day replaced by another, and tells what it has changed itself.
    replace(day, run="another").replace(DAY, stage_sold(store, tmp_path, "c", 6), at(40))
    assert counts(day.replace(DAY, staged, at(50))) == (1, 0, 0)
    assert [(change.name.run, change.name.added) for change in published_changes(store, day.layout, {DAY})] == [
        ("a-run", 1),
        ("another", 0),
        ("a-run", 1),
    ]


def test_many_runs_of_a_day_at_once_end_with_the_latest_and_what_each_changed_is_told(tmp_path: Path) -> None:
    store = ObjectStore(fsspec.filesystem("file"), str(tmp_path))
    staged = [stage_sold(store, tmp_path, f"r{n}", *[n] * 3) for n in range(12)]

    def run(number: int) -> ReplacedDay:
        return replace(replacer(store), run=f"run-{number}").replace(DAY, staged[number], at(30 + number))

    with ThreadPoolExecutor(max_workers=6) as pool:
        done = [future.result() for future in [pool.submit(run, number) for number in range(12)]]
    assert sold(store, PUBLISHED) == [11, 11, 11]
    assert len(store.files(PUBLISHED)) == 1
    told = published_changes(store, Layout(LIQUIDATED.name, MERCHANT), {DAY})
    assert told == [replaced.change for replaced in done if replaced.change is not None]
