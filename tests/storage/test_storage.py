"""Row files, object store, checkpoint and names."""

from __future__ import annotations

import errno
import gzip
import json
import os
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import fsspec
import pyarrow as pa
import pytest
from fsspec.implementations.local import LocalFileSystem
from item_rows import MERCHANT, at, hours, put, table_of

from airflow_provider_zdirect.exceptions import StorageUnavailableError, ZDirectConfigurationError
from airflow_provider_zdirect.storage.checkpoint import MAX_AGE, Checkpoint, Progress
from airflow_provider_zdirect.storage.layout import Layout, PublishedName, named_window
from airflow_provider_zdirect.storage.object_store import ObjectStore
from airflow_provider_zdirect.storage.row_files import read_batches

SUFFIXES = pytest.mark.parametrize("suffix", ["parquet", "jsonl.gz"])
DAY = date(2026, 11, 20)


SEEN = datetime(2026, 1, 1, 1, 2, 3, 456789, tzinfo=UTC)
RETURNED = table_of(
    "returned_items",
    {"quality_label": "a", "consumed_timestamp": "2020-01-01T00:00:00.123456Z", "destination": {"city": "Köln"}},
    {"quality_label": "b", "consumed_timestamp": "2020-01-01T00:00:00Z", "parent": {"id": "1"}, "new": 1},
    seen=SEEN,
)
SOLD = table_of(
    "liquidated_items", {"total_price": "12.50", "liquidation_date": "2020-01-01", "quantity": 4}, seen=SEEN
)


@SUFFIXES
@pytest.mark.parametrize("table", [RETURNED, SOLD], ids=["returned", "liquidated"])
def test_rows_survive_the_way_through_a_file(store: ObjectStore, suffix: str, table: pa.Table) -> None:
    written = {put(store, f"folder/rows.{suffix}", table, table) for _ in range(2)}
    read = pa.concat_tables(read_batches(store, f"folder/rows.{suffix}", table.schema))
    assert read.equals(pa.concat_tables([table, table]))
    assert len(written) == 1, "the same rows are the same bytes"


@SUFFIXES
def test_a_column_that_an_older_file_does_not_have_is_null(store: ObjectStore, suffix: str) -> None:
    older = RETURNED.drop_columns(["quality_category"])
    put(store, f"folder/rows.{suffix}", older)
    (read,) = read_batches(store, f"folder/rows.{suffix}", RETURNED.schema, ["quality_category", "quality_label"])
    assert read.to_pylist() == [
        {"quality_category": None, "quality_label": "a"},
        {"quality_category": None, "quality_label": "b"},
    ]


def test_json_lines_are_readable_by_people(store: ObjectStore) -> None:
    row = json.loads(gzip.decompress(put(store, "rows.jsonl.gz", SOLD)))
    assert (row["total_price"], row["liquidation_date"], row["quantity"]) == ("12.5", "2020-01-01", 4)
    assert row["_extracted_at"] == "2026-01-01T01:02:03.456789Z"
    assert Decimal(row["total_price"]) == Decimal("12.50")


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


def test_an_error_names_a_base_path_that_is_not_a_folder(tmp_path: Path) -> None:
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


def begun(store: ObjectStore, scratch: Path, **fingerprint: object) -> tuple[Checkpoint, Progress]:
    """A checkpoint, and the progress of two requests with a staged file each."""
    checkpoint = Checkpoint(store, "_staging/w", fingerprint, scratch)
    progress = Progress(at(0).isoformat(), {"from": "then"})
    for request in ("10:00", "11:00"):
        path, local = checkpoint.new_file("parquet")
        local.write_bytes(b"rows")
        done = progress.of(request)
        done.cursor, done.staged["x"], done.requests_sent = "next", [path], 3
    return checkpoint, progress


def loaded(checkpoint: Checkpoint, now: datetime | None = None) -> Progress | None:
    return checkpoint.load(checkpoint.head(), now or at(1))


def test_a_checkpoint_is_resumed_by_the_same_task_and_by_no_other(store: ObjectStore, tmp_path: Path) -> None:
    checkpoint, progress = begun(store, tmp_path, dataset="x")
    for request in progress.requests:
        checkpoint.save(progress, request)
    assert loaded(checkpoint) == progress
    assert progress.total("requests_sent") == 6
    assert loaded(Checkpoint(store, "_staging/w", {"dataset": "y"}, tmp_path)) is None
    assert loaded(checkpoint) is None, "what is not for this is cleared away"
    assert store.files("_staging/w") == []


def test_nothing_is_written_before_the_first_save_and_then_only_what_belongs_to_it(
    store: ObjectStore, tmp_path: Path
) -> None:
    checkpoint, progress = begun(store, tmp_path)
    assert store.files("_staging/w") == []
    assert loaded(checkpoint) is None
    checkpoint.discard()
    checkpoint.save(progress, "10:00")
    (staged,) = progress.of("10:00").staged["x"]
    assert staged in store.files("_staging/w")
    assert len(store.files("_staging/w")) == 3, "with the request and what all requests have in common"
    (only_here,) = progress.of("11:00").staged["x"]
    with store.open(only_here) as file:
        assert file.read() == b"rows"


def test_a_checkpoint_that_is_too_old_is_not_used(store: ObjectStore, tmp_path: Path) -> None:
    checkpoint, progress = begun(store, tmp_path)
    checkpoint.save(progress, "10:00")
    assert loaded(checkpoint, at(0) + MAX_AGE)
    assert loaded(checkpoint, at(0) + MAX_AGE + timedelta(seconds=1)) is None


def test_a_request_whose_staged_files_are_gone_starts_again_and_the_others_go_on(
    store: ObjectStore, tmp_path: Path
) -> None:
    checkpoint, progress = begun(store, tmp_path)
    for request in progress.requests:
        checkpoint.save(progress, request)
    store.delete(progress.of("10:00").staged["x"][0])
    found = loaded(checkpoint)
    assert found is not None
    assert set(found.requests) == {"11:00"}


@pytest.mark.parametrize(
    ("number", "kind"), [(errno.EMFILE, StorageUnavailableError), (errno.EACCES, ZDirectConfigurationError)]
)
@pytest.mark.parametrize(
    ("name", "work"),
    [
        ("open", lambda store: store.open("a/b")),
        ("cat_file", lambda store: store.read("a/b")),
        ("cat_ranges", lambda store: store.read_many(["a/b"])),
        ("ls", lambda store: store.files("a")),
        ("ls", lambda store: store.files_below("a")),
        ("rm_file", lambda store: store.delete("a/b")),
        ("rm_file", lambda store: store.delete_all(["a/b"])),
        ("rm_file", lambda store: store.delete_folder("a")),
        ("mv", lambda store: store.move("a/b", "a/c")),
        ("pipe_file", lambda store: store.write("a/b", b"")),
        ("pipe_file", lambda store: store.write_if_absent("a/b", b"")),
    ],
)
def test_errors_of_a_disk_name_the_base_path(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    number: int,
    kind: type[Exception],
    name: str,
    work: Callable[[ObjectStore], object],
) -> None:
    def fail(*arguments: object, **options: object) -> None:
        raise OSError(number, os.strerror(number))

    store = ObjectStore(fsspec.filesystem("file"), str(tmp_path))
    store.write("a/b", b"")
    if name == "pipe_file":
        store.delete("a/b")
    monkeypatch.setattr(LocalFileSystem, name, fail)
    with pytest.raises(kind, match=f"the base path {tmp_path}"):
        work(store)


@pytest.mark.parametrize("content", [b"", b"{", b"\xff", b"[]", b"1", b"[" * 100_000])
def test_a_file_that_is_not_a_json_object_is_named(store: ObjectStore, content: bytes) -> None:
    store.write("_states/latest.json", content)
    with pytest.raises(ZDirectConfigurationError, match=r"/_states/latest\.json is damaged .* What to do: Restore it"):
        store.read_json("_states/latest.json")


@pytest.mark.parametrize("name", ["README.json", "20261199T000000Z_20261122T000000Z.json", "x.parquet"])
def test_a_foreign_file_has_no_window_in_its_name(name: str) -> None:
    assert named_window(f"_manifests/{name}", ".json") is None


def test_a_published_file_has_a_name_with_a_window() -> None:
    assert PublishedName.parse("20261120T000000Z_20261120T010000Z-ab.parquet")
    assert PublishedName.parse("20261199T000000Z_20261122T000000Z-ab.parquet") is None
    assert PublishedName.parse("20261120T000000Z_20261120T000000Z-ab.parquet") is None
