"""The base path as an author gives it, opened and tried before anything is asked of zDirect."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from airflow.providers.common.compat.sdk import ObjectStoragePath

from airflow_provider_zdirect.exceptions import ZDirectConfigurationError
from airflow_provider_zdirect.operators import arguments
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
    opened = open_path(base_path, storage_conn_id, name="base_path")
    ObjectStore(opened.fs, opened.root).check_writable(base_path)
    return opened


def open_path(text: str, storage_conn_id: str | None = None, *, name: str) -> BasePath:
    """A path of the storage, of which nothing is tried yet.

    :param name: the parameter that the path came in, for errors.
    :raises ZDirectConfigurationError: if it is relative or of an unknown kind.
    """
    check_path(text, name=name)
    try:
        path: Any = ObjectStoragePath(text, conn_id=storage_conn_id)
        fs = path.fs
    except Exception as error:
        raise ZDirectConfigurationError(
            f"{name}={text!r} cannot be used: {type(error).__name__}: {error}.",
            remedy=_missing_support(text, name),
        ) from error
    return BasePath(fs, str(path.path).rstrip("/"), text.rstrip("/"))


def check_path(text: str, *, name: str) -> None:
    """Raise ZDirectConfigurationError if the text cannot be a path of the storage."""
    if "://" not in text and not text.startswith("/"):
        raise ZDirectConfigurationError(
            f"{name}={text!r} is a relative path; each worker would look somewhere else.",
            remedy="Give a URL (s3://bucket/zdirect, file:///data/zdirect) or an absolute path.",
        )


def check_base_path(base_path: str) -> None:
    """Raise ZDirectConfigurationError if the text cannot be a base path."""
    check_path(base_path, name="base_path")


def check_place(values: Mapping[str, Any]) -> None:
    """Raise ZDirectConfigurationError if ``base_path``, ``conn_id`` or ``merchant_id`` is known at parse and wrong.

    :param values: an operator's arguments by name.
    """
    for name in ("base_path", "conn_id"):
        arguments.check_not_empty(values[name], name=name)
    arguments.check(values["base_path"], check_base_path)
    arguments.check(values["merchant_id"], arguments.check_merchant_id)


def _missing_support(text: str, name: str) -> str:
    scheme = text.partition("://")[0]
    if extra := EXTRAS.get(scheme):
        return f'Install the support for {scheme}:// with `pip install "airflow-provider-zdirect[{extra}]"`.'
    return f"Install the Airflow provider that knows {scheme}://, or correct {name} and storage_conn_id."
