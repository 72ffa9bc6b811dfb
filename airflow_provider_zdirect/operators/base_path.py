"""The base path as an author gives it, opened and tried before anything is asked of zDirect."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from airflow.providers.common.compat.sdk import ObjectStoragePath

from airflow_provider_zdirect.exceptions import ZDirectConfigurationError
from airflow_provider_zdirect.storage.object_store import ObjectStore

EXTRAS = {"s3": "s3", "s3a": "s3"}


@dataclass(frozen=True)
class BasePath:
    """A base path that can be written to.

    :param fs: the fsspec filesystem.
    :param root: the path as ``fs`` names it.
    :param uri: the path as the author gave it.
    """

    fs: Any
    root: str
    uri: str


def open_base_path(base_path: str, storage_conn_id: str | None = None) -> BasePath:
    """The base path, after one small object was written there and deleted again.

    :param base_path: a URL that ObjectStoragePath understands, or an absolute local path.
    :param storage_conn_id: Airflow connection of the storage; None means the one that the URL names.
    :raises ZDirectConfigurationError: if it is relative, of an unknown kind, or cannot be written to.
    """
    check_base_path(base_path)
    try:
        path: Any = ObjectStoragePath(base_path, conn_id=storage_conn_id)
        fs = path.fs
    except Exception as error:
        raise ZDirectConfigurationError(
            f"base_path={base_path!r} cannot be used: {type(error).__name__}: {error}.",
            remedy=_missing_support(base_path),
        ) from error
    root = str(path.path).rstrip("/")
    ObjectStore(fs, root).check_writable(base_path)
    return BasePath(fs, root, base_path.rstrip("/"))


def check_base_path(base_path: str) -> None:
    """Raise ZDirectConfigurationError if the text cannot be a base path."""
    if "://" not in base_path and not base_path.startswith("/"):
        raise ZDirectConfigurationError(
            f"base_path={base_path!r} is a relative path; each worker would write somewhere else.",
            remedy="Give a URL (s3://bucket/zdirect, file:///data/zdirect) or an absolute path.",
        )


def _missing_support(base_path: str) -> str:
    scheme = base_path.partition("://")[0]
    if extra := EXTRAS.get(scheme):
        return f'Install the support for {scheme}:// with `pip install "airflow-provider-zdirect[{extra}]"`.'
    return f"Install the Airflow provider that knows {scheme}://, or correct base_path and storage_conn_id."
