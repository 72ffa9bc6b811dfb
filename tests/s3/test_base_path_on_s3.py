"""A base path that cannot be used is refused in words, before zDirect is asked for anything."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any

import pytest
from bucket import S3Extraction
from extraction import hourly
from s3_server import READER
from test_extract_to_s3 import HOURS, NOON

from airflow_provider_zdirect.exceptions import StorageUnavailableError, ZDirectConfigurationError, ZDirectError


def refused(runs: S3Extraction, kind: type[ZDirectError] = ZDirectConfigurationError) -> str:
    """What a run into the bucket is refused with."""
    with pytest.raises(kind) as error:
        runs.run("received_items", HOURS[0])
    assert f"base_path='{runs.bucket.uri}'" in str(error.value)
    assert error.value.remedy
    assert runs.emulator.requests == [], "zDirect was asked although nothing could be written"
    return str(error.value)


def test_a_bucket_that_does_not_exist(runs: S3Extraction) -> None:
    runs.bucket.name = "no-such-bucket-anywhere"
    assert "bucket" in refused(runs)


@pytest.mark.parametrize(
    "changes",
    [{"key": "AKIAUNKNOWN", "secret": "wrong-secret"}, {"secret": "wrong-secret"}, {}],
    ids=["unknown to S3", "a wrong secret", "may only read"],
)
def test_credentials_that_do_not_suffice(
    runs: S3Extraction, plain: Callable[..., Any], changes: dict[str, str]
) -> None:
    credentials = {**READER, **changes}
    runs.filesystem = lambda: plain(**credentials)
    assert credentials["secret"] not in refused(runs)


def test_no_credentials_at_all(runs: S3Extraction, plain: Callable[..., Any]) -> None:
    runs.filesystem = lambda: plain(key=None, secret=None)
    assert "redentials" in refused(runs)


def test_an_endpoint_where_nobody_answers(runs: S3Extraction, plain: Callable[..., Any]) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
    quick = {"retries": {"max_attempts": 1}, "connect_timeout": 1}
    runs.filesystem = lambda: plain(endpoint_url=url, config_kwargs=quick)
    assert url in refused(runs, StorageUnavailableError), "it may pass, so the task may be tried again"


def test_through_airflow_s_storage_connection(runs: S3Extraction, airflow_storage: Callable[..., None]) -> None:
    from airflow_provider_zdirect.operators.base_path import open_base_path

    path = open_base_path(runs.bucket.uri, "zdirect_test_storage")
    assert path.root == runs.bucket.root
    runs.filesystem = lambda: path.fs
    for window in hourly(NOON, 2):
        runs.run("returned_items", window)
    truth = [key for window in hourly(NOON, 2) for key in runs.truth("returned_items", window)]
    assert runs.keys("returned_items") == sorted(truth)
    assert not runs.paths("_staging")


def test_a_bucket_that_airflow_s_storage_connection_does_not_find(airflow_storage: Callable[..., None]) -> None:
    from airflow_provider_zdirect.operators.base_path import open_base_path

    with pytest.raises(ZDirectConfigurationError, match="base_path='s3://no-such-bucket-anywhere/x'"):
        open_base_path("s3://no-such-bucket-anywhere/x", "zdirect_test_storage")
