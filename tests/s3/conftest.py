from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from types import MappingProxyType
from typing import Any

import airflow_home
import pytest
import s3fs
from bucket import CREDENTIALS, Bucket, S3Extraction
from moto.server import ThreadedMotoServer

from airflow_provider_zdirect.datasets import table as datasets
from airflow_provider_zdirect.emulator.server import EmulatorServer

NOW = "2026-11-20T21:00:00+00:00"


@pytest.fixture(scope="session")
def endpoint() -> Iterator[str]:
    """A real S3 endpoint over HTTP."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture(scope="session", autouse=True)
def aws(endpoint: str) -> Iterator[None]:
    """No credentials, settings or instance metadata of the machine that runs the tests."""
    names = [name for name in os.environ if name.startswith("AWS_")]
    before = {name: os.environ.pop(name) for name in names}
    os.environ.update(
        AWS_EC2_METADATA_DISABLED="true",
        AWS_CONFIG_FILE=os.devnull,
        AWS_SHARED_CREDENTIALS_FILE=os.devnull,
        AWS_DEFAULT_REGION="us-east-1",
    )
    yield
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        del os.environ[name]
    os.environ.update(before)


@pytest.fixture
def bucket(endpoint: str, tmp_path: Path) -> Bucket:
    return Bucket.create(endpoint, tmp_path / "mirror")


@pytest.fixture
def plain(endpoint: str) -> Callable[..., s3fs.S3FileSystem]:
    """Makes a filesystem with caches of its own, as each worker process has."""

    def make(**changes: Any) -> s3fs.S3FileSystem:
        options = {"endpoint_url": endpoint, **CREDENTIALS, **changes}
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
def airflow_storage(monkeypatch: pytest.MonkeyPatch, endpoint: str) -> Callable[..., None]:
    """Sets the fields of the storage connection; an id of its own, because Airflow keeps the filesystem of each id."""
    airflow_home.migrate()

    def connect(**fields: Any) -> None:
        import json

        connection = {
            "conn_type": "aws",
            "login": CREDENTIALS["key"],
            "password": CREDENTIALS["secret"],
            "extra": {"endpoint_url": endpoint, "region_name": "us-east-1"},
            **fields,
        }
        monkeypatch.setenv("AIRFLOW_CONN_ZDIRECT_TEST_STORAGE", json.dumps(connection))

    connect()
    return connect
