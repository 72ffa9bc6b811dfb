"""A base path in a bucket is that prefix and no other, whatever it is called."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import s3fs
from bucket import Bucket, S3Extraction
from exhaustive import exhaustive
from extraction import whole
from literal_names import NAMES, neighbour_of, use_every_operation
from test_extract_to_s3 import HOURS

from airflow_provider_zdirect.exceptions import ServerError
from airflow_provider_zdirect.storage.layout import documents_folder
from airflow_provider_zdirect.storage.object_store import ObjectStore

ALL_AT_ONCE = "ERP [prod] a?b*c/100% a%20b+#ü 東京/zd"


@pytest.mark.parametrize("name", exhaustive(NAMES, representatives=4))
def test_every_operation_takes_a_name_as_it_is_and_leaves_the_neighbour_alone(
    bucket: Bucket, plain: Callable[..., s3fs.S3FileSystem], tmp_path: Path, name: str
) -> None:
    other = ObjectStore(plain(), f"{bucket.name}/{neighbour_of(name)}/zd")
    other.write("folder/a", b"theirs")
    other.write("folder/deep/b", b"theirs")
    use_every_operation(ObjectStore(plain(), f"{bucket.name}/{name}/zd"), tmp_path)
    assert bucket.names() == [f"{neighbour_of(name)}/zd/folder/{path}" for path in ("a", "deep/b")]


def test_a_whole_bucket_is_a_base_path_too(
    bucket: Bucket, plain: Callable[..., s3fs.S3FileSystem], tmp_path: Path
) -> None:
    use_every_operation(ObjectStore(plain(), bucket.name), tmp_path)
    assert bucket.names() == []


def test_of_first_runs_at_the_same_moment_one_wins(bucket: Bucket, plain: Callable[..., s3fs.S3FileSystem]) -> None:
    stores = [ObjectStore(plain(), bucket.root) for _ in range(4)]
    with ThreadPoolExecutor(max_workers=4) as pool:
        found = list(pool.map(lambda number: stores[number].write_if_absent("a", str(number).encode()), range(4)))
    assert set(found) == {stores[0].read("a")}


def test_a_window_that_is_retried_is_published_once(runs: S3Extraction, small_pages: None) -> None:
    runs.bucket.prefix = ALL_AT_ONCE
    path = "reports/received-items"
    runs.fault(path, {"status": 503}, nth=5)
    with pytest.raises(ServerError):
        runs.run("received_items", whole(HOURS))
    assert runs.paths("_staging")
    assert not runs.paths("received_items"), "nothing is published before all is fetched"
    runs.run("received_items", whole(HOURS))
    cursors = [query.get("cursor") for query in runs.requests(path)]
    assert len(cursors) == len(set(cursors)) > 5, "a page was fetched twice"
    runs.run("received_items", HOURS[1])
    assert runs.keys("received_items") == runs.truth("received_items", whole(HOURS))
    assert not runs.paths("_staging")


def test_documents_that_are_deleted_are_gone_and_those_of_the_neighbour_are_not(
    bucket: Bucket, plain: Callable[..., s3fs.S3FileSystem]
) -> None:
    merchant_id, order_id = "29809185-6a98-4691-a15b-e8d16839b6e8", "3c8bb0ec-2a2d-4f8e-9b1d-4b6b2f6a2a0e"
    file = f"{documents_folder(merchant_id, order_id)}/1-OUTBOUND_LABEL.pdf"
    mine, theirs = (ObjectStore(plain(), f"{bucket.name}/{name}/zd") for name in ("a?b [c]", "aXb c"))
    for store in (mine, theirs):
        store.write(file, b"Zebulonia")
    mine.delete_folder(documents_folder(merchant_id, order_id))
    assert (mine.read(file), theirs.read(file)) == (None, b"Zebulonia")


def test_what_s3_refuses_to_delete_is_an_error(
    bucket: Bucket, plain: Callable[..., s3fs.S3FileSystem], monkeypatch: pytest.MonkeyPatch
) -> None:
    """S3 answers 200 and names what it did not delete, as where a policy or a lock forbids it."""
    store = ObjectStore(plain(), bucket.root)
    store.write("folder/a", b"")
    asked = s3fs.S3FileSystem.call_s3

    def refusing(self: s3fs.S3FileSystem, method: str, **options: object) -> object:
        if method == "delete_objects":
            return {"Errors": [{"Key": "a", "Code": "AccessDenied", "Message": "Access Denied"}]}
        return asked(self, method, **options)

    monkeypatch.setattr(s3fs.S3FileSystem, "call_s3", refusing)
    with pytest.raises(OSError, match="AccessDenied"):
        store.delete_folder("folder")
