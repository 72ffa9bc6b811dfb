"""A base path belongs to one environment: the first run writes it down, and a run in another one is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import fsspec
import pytest

from airflow_provider_zdirect.exceptions import ZDirectConfigurationError
from airflow_provider_zdirect.publish.environment import RECORD, claim_environment
from airflow_provider_zdirect.storage.object_store import ObjectStore

URI = "s3://bucket/zdirect"


def owner(store: ObjectStore) -> Any:
    return store.read_json(RECORD)["environment"]


def refused(store: ObjectStore, environment: str, **options: Any) -> str:
    with pytest.raises(ZDirectConfigurationError) as caught:
        claim_environment(store, environment, URI, **options)
    assert caught.value.remedy
    return str(caught.value)


@pytest.mark.parametrize(("first", "other"), [("production", "sandbox"), ("sandbox", "production")])
def test_the_first_run_writes_it_down_and_another_environment_is_refused(
    store: ObjectStore, first: str, other: str
) -> None:
    claim_environment(store, first, URI)
    claim_environment(store, first, URI)
    said = refused(store, other)
    assert f"base_path='{URI}' belongs to {first}" in said
    assert f"is for {other}" in said
    assert RECORD in said
    assert owner(store) == first


def test_of_first_runs_at_the_same_moment_one_environment_wins(store: ObjectStore) -> None:
    """All have looked and found nothing, before any of them writes."""
    environments = ["production", "sandbox"] * 4

    def write(environment: str) -> bytes:
        return store.write_if_absent(RECORD, json.dumps({"environment": environment}).encode())

    with ThreadPoolExecutor(max_workers=8) as pool:
        found = set(pool.map(write, environments))
    assert found == {store.read(RECORD)}
    assert not store.files("_staging/_tmp")


def test_a_run_that_is_overtaken_between_its_look_and_its_write_is_refused(
    store: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = ObjectStore.write_if_absent

    def overtaken(self: ObjectStore, path: str, data: bytes) -> bytes:
        self.write_json(path, {"environment": "production"})
        return write(self, path, data)

    monkeypatch.setattr(ObjectStore, "write_if_absent", overtaken)
    assert "belongs to production" in refused(store, "sandbox")
    assert owner(store) == "production"


@pytest.mark.parametrize(
    "error",
    [
        TypeError("unexpected keyword 'mode'"),
        OSError(5, "A header you provided implies functionality that is not implemented"),
    ],
)
def test_a_storage_without_conditional_writes_gets_a_record_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    store = ObjectStore(fsspec.filesystem("memory"), f"/{tmp_path.name}")
    pipe = type(store.fs).pipe_file

    def without(self: Any, path: str, value: bytes, mode: str = "overwrite", **options: Any) -> None:
        if mode == "create":
            raise error
        pipe(self, path, value, **options)

    monkeypatch.setattr(type(store.fs), "pipe_file", without)
    claim_environment(store, "sandbox", URI)
    assert owner(store) == "sandbox"
    refused(store, "production")


def test_a_disk_without_links_gets_a_record_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = ObjectStore(fsspec.filesystem("file", skip_instance_cache=True), str(tmp_path))

    def forbidden(self: Any, *_: str) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(type(store.fs), "link", forbidden)
    claim_environment(store, "sandbox", URI)
    assert owner(store) == "sandbox"
    assert not store.files("_staging/_tmp")


def test_who_only_reads_writes_nothing_and_is_refused_all_the_same(store: ObjectStore) -> None:
    claim_environment(store, "sandbox", URI, writes=False)
    assert store.read(RECORD) is None
    claim_environment(store, "production", URI)
    refused(store, "sandbox", writes=False)


@pytest.mark.parametrize("damaged", [b"", b"production", b"[]", b"{}", b"\xff"])
def test_a_damaged_record_is_an_error_that_names_the_file_and_what_to_write(store: ObjectStore, damaged: bytes) -> None:
    store.write(RECORD, damaged)
    assert RECORD in refused(store, "production")


def test_a_base_path_that_has_its_record_costs_one_request(store: ObjectStore) -> None:
    claim_environment(store, "production", URI)
    asked: list[str] = []

    class Counting:
        protocol = store.fs.protocol

        def __getattr__(self, name: str) -> Callable[..., Any]:
            asked.append(name)
            return getattr(store.fs, name)

    claim_environment(ObjectStore(Counting(), store.root), "production", URI)  # type: ignore[arg-type]
    # Of the S3 file system, the signature of _cat_file is looked at, too.
    assert [name for name in asked if name not in ("invalidate_cache", "_cat_file")] == ["cat_file"]
