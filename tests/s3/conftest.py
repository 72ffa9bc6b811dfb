from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from types import MappingProxyType
from typing import Any

import airflow_home
import pytest
import s3fs
from bucket import Bucket, S3Extraction
from s3_server import CREDENTIALS

from airflow_provider_zdirect.datasets import table as datasets
from airflow_provider_zdirect.emulator.server import EmulatorServer

NOW = "2026-11-20T21:00:00+00:00"


@pytest.fixture
def bucket(s3_endpoint: str, tmp_path: Path) -> Bucket:
    return Bucket.create(s3_endpoint, tmp_path / "mirror")


@pytest.fixture
def plain(s3_endpoint: str) -> Callable[..., s3fs.S3FileSystem]:
    """Makes a filesystem with caches of its own, as each worker process has."""

    def make(**changes: Any) -> s3fs.S3FileSystem:
        options = {"endpoint_url": s3_endpoint, **CREDENTIALS, **changes}
        return s3fs.S3FileSystem(skip_instance_cache=True, **options)

    return make


@pytest.fixture(scope="module")
def shared_emulator() -> Iterator[EmulatorServer]:
    with EmulatorServer(seed=7, now=NOW, rate_limits=False) as emulator:
        yield emulator


@pytest.fixture
def runs(shared_emulator: EmulatorServer, bucket: Bucket, plain: Callable[..., s3fs.S3FileSystem]) -> S3Extraction:
    shared_emulator.reset()
    return S3Extraction(shared_emulator, bucket.mirror, bucket=bucket, filesystem=plain)


@pytest.fixture
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    table = dict(datasets.DATASETS)
    received = table["received_items"]
    table["received_items"] = received.but(paging={"limit": 20})
    monkeypatch.setattr(datasets, "DATASETS", MappingProxyType(table))


@pytest.fixture
def airflow_storage(monkeypatch: pytest.MonkeyPatch, s3_endpoint: str) -> Callable[..., None]:
    """Sets the fields of the storage connection; an id of its own, because Airflow keeps the filesystem of each id."""
    airflow_home.migrate()

    def connect(**fields: Any) -> None:
        import json

        connection = {
            "conn_type": "aws",
            "login": CREDENTIALS["key"],
            "password": CREDENTIALS["secret"],
            "extra": {"endpoint_url": s3_endpoint, "region_name": "us-east-1"},
            **fields,
        }
        monkeypatch.setenv("AIRFLOW_CONN_ZDIRECT_TEST_STORAGE", json.dumps(connection))

    connect()
    return connect
