"""Makes the modules beside this file importable from every test folder; keeps away from the machine's own Airflow."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fsspec
import pytest
from hypothesis import settings

sys.path.insert(0, str(Path(__file__).parent))

# Before anything imports Airflow: it reads its home and configuration once.
import airflow_home  # noqa: F401

# How long an example takes says something about the machine only.
settings.register_profile("patient", deadline=None)
settings.load_profile("patient")


MASKERS = (
    "airflow.utils.log.secrets_masker",
    "airflow.sdk.execution_time.secrets_masker",
    "airflow._shared.secrets_masker.secrets_masker",
    "airflow.sdk._shared.secrets_masker.secrets_masker",
)
"""Where one version of Airflow or another keeps the secrets of a process."""


@pytest.fixture(autouse=True)
def forget_secrets() -> Iterator[None]:
    """Airflow masks all secrets that a process has seen, with one pattern that it compiles again for each new one.

    A task has a few. The tests would have hundreds, and compile for minutes.
    """
    yield
    for module in filter(None, map(sys.modules.get, MASKERS)):
        # Not there where an older name is only kept for imports.
        if masker := vars(module).get("_secrets_masker"):
            masker().patterns, masker().replacer = set(), None


@pytest.fixture
def refused() -> Iterator[str]:
    """An address on this machine that refuses connections: its port is taken, and nobody listens."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{bound.getsockname()[1]}"


@pytest.fixture(scope="session")
def s3_endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A real S3 server; and no credentials, settings or instance metadata of the machine that runs the tests."""
    from s3_server import s3_server

    with pytest.MonkeyPatch.context() as patched, s3_server(tmp_path_factory.mktemp("s3")) as address:
        for name in [name for name in os.environ if name.startswith("AWS_")]:
            patched.delenv(name)
        patched.setenv("AWS_EC2_METADATA_DISABLED", "true")
        patched.setenv("AWS_CONFIG_FILE", os.devnull)
        patched.setenv("AWS_SHARED_CREDENTIALS_FILE", os.devnull)
        patched.setenv("AWS_DEFAULT_REGION", "us-east-1")
        yield address


@pytest.fixture(scope="session")
def in_bucket(s3_endpoint: str, tmp_path_factory: pytest.TempPathFactory) -> Any:
    from base_paths import InBucket

    return InBucket(s3_endpoint, tmp_path_factory.mktemp("scratch"))


def use_s3(request: pytest.FixtureRequest) -> None:
    """Let the base paths of this test lie in a bucket."""
    import base_paths

    in_bucket = request.getfixturevalue("in_bucket")
    in_bucket.forget()
    request.getfixturevalue("monkeypatch").setattr(base_paths, "storage", in_bucket)


S3 = pytest.param("s3", marks=pytest.mark.exhaustive)


@pytest.fixture(params=["file", S3])
def storage(request: pytest.FixtureRequest) -> str:
    """Base paths on the local disk, and in a bucket that the test's folder mirrors."""
    if request.param == "s3":
        use_s3(request)
    return request.param


@pytest.fixture
def sparse(storage: str) -> int:
    """Which of the moments, or seeds, of a loop are tried: on a disk all, in a bucket every third.

    There each takes several times as long.
    """
    return 3 if storage == "s3" else 1


@pytest.fixture(params=["file", "memory", S3])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    """An empty base path on the local disk, one in memory, and one in a bucket."""
    import base_paths

    from airflow_provider_zdirect.storage.object_store import ObjectStore

    if request.param == "memory":
        return ObjectStore(fsspec.filesystem("memory", skip_instance_cache=True), f"/{tmp_path.name}")
    if request.param == "s3":
        use_s3(request)
    return ObjectStore(*base_paths.storage.open(tmp_path))


LONG = ("dags", "operators", "triggers", "sensors", "intrastat", "s3", "orders")
"""Folders with tests that take long."""


MOST_ON_S3 = 8
"""Cases of one test in a bucket, where each takes several times as long as on a disk; all run on a disk."""


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Fewer cases over S3, and long tests apart from each other."""
    _thin_out_s3(config, items)
    _spread(items)


def _thin_out_s3(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Of each test, some cases in the bucket, evenly spread."""
    cases: dict[str, list[pytest.Item]] = {}
    for item in items:
        if "s3" in getattr(getattr(item, "callspec", None), "params", {}).values():
            cases.setdefault(item.nodeid.partition("[")[0], []).append(item)
    left_out = {
        item.nodeid
        for each in cases.values()
        for number, item in enumerate(each)
        if number * MOST_ON_S3 % len(each) >= MOST_ON_S3 < len(each)
    }
    config.hook.pytest_deselected(items=[item for item in items if item.nodeid in left_out])
    items[:] = [item for item in items if item.nodeid not in left_out]


def _spread(items: list[pytest.Item]) -> None:
    """The two files that wait for a minute, apart from each other and while there is other work to do beside them.

    Both are at the end of the alphabet: one process would have to do them when there is nothing left for the other.
    """
    restart, thousand = (
        [item for item in items if item.path.name == name] for name in ("test_restart.py", "test_thousand_triggers.py")
    )
    others = [item for item in items if item.path.name not in ("test_restart.py", "test_thousand_triggers.py")]
    # Long files first, so that both processes come to their end at about the same time.
    others.sort(key=lambda item: item.path.parent.name not in LONG)
    quarter, half = len(others) // 4, len(others) // 2
    items[:] = [*others[:quarter], *restart, *others[quarter:half], *thousand, *others[half:]]
