"""The promise holds on S3 as on a local disk: whole windows, from the emulator to a bucket over HTTP."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
import s3fs
from bucket import PREFIX, S3Extraction
from extraction import hourly, whole

from airflow_provider_zdirect.storage import object_store
from airflow_provider_zdirect.storage.object_store import ObjectStore
from airflow_provider_zdirect.windows import Window

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
HOURS = hourly(NOON, 4)


def test_the_manifest_names_the_objects_and_their_checksums(runs: S3Extraction) -> None:
    result = runs.run("returned_items", HOURS[0])
    manifest = runs.manifest(result)
    assert manifest["records"] == result.manifest.records == len(runs.truth("returned_items", HOURS[0]))
    assert result.as_dict()["uri"] == f"{runs.bucket.uri}/returned_items/merchant_id={runs.merchant_id}"
    for file, uri in zip(manifest["files"], result.as_dict()["files"], strict=True):
        data = runs.local(uri).read_bytes()
        assert uri.endswith(file["path"])
        assert (len(data), hashlib.sha256(data).hexdigest()) == (file["bytes"], file["sha256"])


@pytest.mark.parametrize("format", ["parquet", "jsonl"])
def test_a_window_run_twice_writes_nothing_new(runs: S3Extraction, format: str) -> None:
    first = runs.run("received_items", HOURS[0], format=format)
    before = runs.bucket.versions()
    second = runs.run("received_items", HOURS[0], format=format)
    assert runs.bucket.versions() == before
    assert runs.keys("received_items") == runs.truth("received_items", HOURS[0])
    assert (second.manifest.records, second.manifest.new_records, second.manifest.files) == (
        first.manifest.records,
        0,
        first.manifest.files,
    )
    assert all(key.endswith({"parquet": ".parquet", "jsonl": ".jsonl.gz"}[format]) for key in before)


def test_windows_at_once_that_overlap(runs: S3Extraction) -> None:
    """Each with a filesystem of its own, as workers have: what one has listed must not hide what another wrote."""
    windows = [*HOURS, whole(HOURS), Window(NOON + timedelta(minutes=30), NOON + timedelta(minutes=150)), HOURS[1]]
    with ThreadPoolExecutor(max_workers=4) as pool:
        jobs = [
            pool.submit(runs.run, "returned_items", window, resume_key=f"run{number}")
            for number, window in enumerate(windows)
        ]
        for job in jobs:
            job.result()
    assert runs.keys("returned_items") == runs.truth("returned_items", whole(windows))
    assert not runs.paths("_staging")


def test_windows_at_once_through_one_filesystem(runs: S3Extraction) -> None:
    shared = runs.filesystem()
    runs.filesystem = lambda: shared

    async def together() -> None:
        await asyncio.gather(*(runs.extract("received_items", window) for window in HOURS))

    asyncio.run(together())
    assert runs.keys("received_items") == runs.truth("received_items", whole(HOURS))


def test_days_without_identity_are_replaced_and_the_former_kept(runs: S3Extraction) -> None:
    midnight = NOON.replace(hour=0)
    day = Window(midnight - timedelta(days=12), midnight - timedelta(days=9))
    runs.emulator.set_options(volume=3)
    runs.run("liquidated_items", day)
    runs.emulator.set_options(volume=5)
    runs.emulator.clock.set(NOON + timedelta(hours=12))
    runs.run("liquidated_items", day)
    truth = runs.emulator.truth("liquidated_items", runs.merchant_id, day.start, day.end)
    assert len(runs.published("liquidated_items")) == len(truth) > 0
    assert runs.paths("_revisions")
    assert not runs.paths("_staging")


def test_a_listing_never_comes_from_a_cache(runs: S3Extraction, plain: Callable[..., s3fs.S3FileSystem]) -> None:
    one, other = ObjectStore(plain(), runs.bucket.root), ObjectStore(plain(), runs.bucket.root)
    assert one.files("folder") == []
    other.write("folder/a", b"1")
    assert one.files("folder") == ["folder/a"]
    assert one.read("folder/a") == b"1"
    other.write("folder/a", b"22")
    assert one.read("folder/a") == b"22"
    with one.open("folder/a") as file:
        assert file.read() == b"22"
    other.write("folder/a", b"333")
    with one.open("folder/a") as file:
        assert file.read() == b"333"
    one.delete("folder/a")
    one.delete("folder/a")
    assert other.read("folder/a") is None
    assert other.files("folder") == []
    other.write("folder/deep/b", b"")
    one.delete_folder("folder")
    one.delete_folder("folder")
    assert runs.bucket.names() == []


def test_a_large_file_is_uploaded_in_pieces_and_appears_whole(
    runs: S3Extraction, plain: Callable[..., s3fs.S3FileSystem], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(object_store, "CHUNK", 5 * 1024 * 1024)
    local = runs.bucket.mirror.parent / "large"
    local.write_bytes(bytes(range(256)) * (17 * 4096))
    store = ObjectStore(plain(), runs.bucket.root)
    store.upload(local, "large")
    found = runs.bucket.client.head_object(Bucket=runs.bucket.name, Key=f"{PREFIX}/large")
    assert found["ETag"].strip('"').endswith("-4"), "17 MiB in pieces of 5 MiB"
    assert store.read("large") == local.read_bytes()
