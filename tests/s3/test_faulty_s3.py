"""S3 that is busy (503 SlowDown) or fails (500): what is published is right, and once it works all is there."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
import s3fs
from bucket import S3Extraction
from extraction import whole
from faulty_s3 import FaultyS3, faulty_s3
from test_extract_to_s3 import HOURS

from airflow_provider_zdirect.exceptions import StorageUnavailableError, ZDirectError

WINDOW = whole(HOURS[:3])
ERRORS = pytest.mark.parametrize("error", [(503, "SlowDown"), (500, "InternalError")], ids=lambda error: error[1])
DATASETS = pytest.mark.parametrize("dataset", ["received_items", "returned_items"])


@pytest.fixture
def proxy(s3_endpoint: str) -> Iterator[FaultyS3]:
    with faulty_s3(s3_endpoint) as running:
        yield running


@DATASETS
@ERRORS
def test_a_request_that_fails_now_and_then_costs_nothing(
    runs: S3Extraction,
    plain: Callable[..., s3fs.S3FileSystem],
    proxy: FaultyS3,
    dataset: str,
    error: tuple[int, str],
) -> None:
    proxy.every, proxy.error = 5, error
    runs.filesystem = lambda: plain(endpoint_url=proxy.url)
    runs.run(dataset, WINDOW)
    assert proxy.hits > 2
    assert runs.keys(dataset) == runs.truth(dataset, WINDOW)


@ERRORS
@pytest.mark.parametrize("let_through", [0, 12])
def test_s3_that_is_down_for_long_fails_the_try_and_the_next_one_completes_it(
    runs: S3Extraction,
    plain: Callable[..., s3fs.S3FileSystem],
    proxy: FaultyS3,
    error: tuple[int, str],
    let_through: int,
) -> None:
    few = {"config_kwargs": {"retries": {"max_attempts": 0}}}
    runs.filesystem = lambda: plain(endpoint_url=proxy.url, **few)
    proxy.down_after, proxy.error = let_through, error
    with pytest.raises((ZDirectError, OSError)) as failed:
        runs.run("returned_items", WINDOW)
    assert let_through or isinstance(failed.value, StorageUnavailableError)
    proxy.down_after = None
    assert not runs.published("returned_items")
    runs.run("returned_items", WINDOW)
    assert runs.keys("returned_items") == runs.truth("returned_items", WINDOW)
