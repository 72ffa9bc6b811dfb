# SPDX-License-Identifier: Apache-2.0
"""The base path as an author gives it, opened and tried before anything is asked of zDirect."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airflow_provider_zdirect.airflow_sdk import AirflowNotFoundException, BaseHook, ObjectStoragePath
from airflow_provider_zdirect.exceptions import ZDirectConfigurationError

if TYPE_CHECKING:
    from airflow_provider_zdirect.hooks.zdirect import ZDirectHook

EXTRAS = {"s3": "s3", "s3a": "s3"}
LOCAL = ("file", "local", "")

_URL = re.compile(r"(?:(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://)?(?P<rest>.*)", re.DOTALL)
_EXAMPLES = "Give a URL (s3://bucket/zdirect, file:///data/zdirect) or an absolute path."


@dataclass(frozen=True)
class BasePath:
    """A path of the storage.

    :param fs: the fsspec filesystem.
    :param root: the path as ``fs`` names it.
    :param uri: the path as the author gave it.
    :param storage: which connection and address it is reached by, in words, for errors.
    """

    fs: Any
    root: str
    uri: str
    storage: str = ""


def open_base_path(
    base_path: str, storage_conn_id: str | None = None, *, environment: str | None = None, writes: bool = True
) -> BasePath:
    """The base path, after it was tried: one small object was written there and deleted again.

    :param base_path: a URL with the scheme of a filesystem of Airflow, or an absolute local path. The connection may
        stand before the bucket (``s3://my_conn@bucket/zdirect``). Characters mean themselves, ``?``, ``#`` and ``%``
        too.
    :param storage_conn_id: Airflow connection of the storage; None means the one that the URL names.
    :param environment: that of the zDirect connection, to which the base path belongs from now on; None: any.
    :param writes: False for tasks that only read: then the environment is not recorded, and a path that has a record is
        not tried.
    :raises ZDirectConfigurationError: as :func:`open_path`; or if it is another environment's, or not writable.
    :raises StorageUnavailableError: if the storage does not answer.
    """
    from airflow_provider_zdirect.publish.environment import claim_environment
    from airflow_provider_zdirect.storage.object_store import ObjectStore, naming_base_path

    opened = open_path(base_path, storage_conn_id, name="base_path")
    store = ObjectStore(opened.fs, opened.root)
    recorded = False
    if environment is not None:
        with naming_base_path(base_path, opened.storage):
            recorded = claim_environment(store, environment, opened.uri, writes=writes)
    if writes or not recorded:
        store.check_writable(base_path, opened.storage)
    return opened


def known_environment(hook: ZDirectHook) -> str | None:
    """The environment of the hook's connection, for tasks that ask zDirect for nothing: None if there is none.

    :raises ZDirectConfigurationError: if the connection exists and is wrong.
    """
    config = hook.known_config()
    return config.environment if config else None


def open_path(text: str, storage_conn_id: str | None = None, *, name: str) -> BasePath:
    """A path of the storage, of which nothing is tried yet.

    :param name: the parameter that the path came in, for errors.
    :raises ZDirectConfigurationError: if it is relative or of an unknown kind, or its connection does not exist.
    """
    check_path(text, name=name)
    scheme, conn_id, path = _parts(text)
    given = f"{name}={text!r}"
    if storage_conn_id is not None:
        conn_id, given = storage_conn_id, f"storage_conn_id={storage_conn_id!r} (for {given})"
    if conn_id is not None:
        _check_connection(conn_id, given)
    try:
        # For the filesystem only: of the path, it drops a ``?`` at the end.
        fs: Any = ObjectStoragePath(f"{scheme or 'file'}:///", conn_id=conn_id).fs
        root = str(fs._strip_protocol(f"{scheme}://{path}" if scheme else path))
    except Exception as error:
        extra = EXTRAS.get(scheme)
        raise ZDirectConfigurationError(
            f"{name}={text!r} cannot be used: {type(error).__name__}: {error}.",
            remedy=f'Install the support for {scheme}:// with `pip install "airflow-provider-zdirect[{extra}]"`.'
            if extra
            else f"Install the Airflow provider that knows {scheme}://, or correct {name} and storage_conn_id.",
        ) from error
    _check_read_literally(fs, root, path, f"{name}={text!r}")
    endpoint = getattr(fs, "endpoint_url", None)
    reached = (f"storage connection {conn_id!r}" if conn_id else "", f"endpoint {endpoint}" if endpoint else "")
    return BasePath(fs, root, text.rstrip("/"), ", ".join(filter(None, reached)))


def check_path(text: str, *, name: str) -> None:
    """Raise ZDirectConfigurationError if the text cannot be a path of the storage, or would lead somewhere else."""
    text = str(text)
    scheme, _, path = _parts(text)
    if text != text.strip() or any(ord(character) < 32 or ord(character) == 127 for character in text):
        wrong = "begins or ends with a blank, or holds a line break or another control character"
    elif "://" in path:
        wrong = "holds two addresses" if scheme else "is not an address that begins with a scheme such as s3://"
    elif scheme in LOCAL and not path.startswith("/"):
        if scheme:
            wrong = f"has one slash too few, so it is a relative path; local paths begin with {scheme}:///"
        else:
            wrong = "is a relative path; each worker would look somewhere else"
    elif scheme in LOCAL and path.startswith("/~"):
        wrong = "begins with ~, which is not expanded: it would be a folder of that name"
    elif not path.strip("/"):
        wrong = "names no folder" if scheme in LOCAL else "names no bucket or container"
    elif scheme not in LOCAL and scheme != "memory" and path.startswith("/"):
        wrong = "names no bucket or container: there is a slash too many"
    elif scheme not in LOCAL and {".", ".."} & set(path.split("/")):
        wrong = "holds . or .., which are ordinary names in an object store"
    else:
        return
    raise ZDirectConfigurationError(f"{name}={text!r} {wrong}.", remedy=_EXAMPLES)


def _parts(text: str) -> tuple[str, str | None, str]:
    """Scheme in small letters (blank without one), connection if the URL names one, and the path as it is."""
    match = _URL.fullmatch(str(text))
    assert match is not None
    scheme, path = (match["scheme"] or "").lower(), match["rest"]
    authority, slash, rest = path.partition("/")
    conn_id, at, host = authority.rpartition("@")
    if not scheme or not at:
        return scheme, None, path
    return scheme, conn_id or None, f"{host}{slash}{rest}"


def _check_connection(conn_id: str, given: str) -> None:
    """Airflow's filesystems would go on without: with other credentials, to another address."""
    try:
        BaseHook.get_connection(conn_id)
    except AirflowNotFoundException as error:
        raise ZDirectConfigurationError(
            f"{given}: the storage connection {conn_id!r} does not exist.",
            remedy=f"Add it (for S3: type aws) in the UI, with `airflow connections add`, or as "
            f"AIRFLOW_CONN_{conn_id.upper()}; or correct its name.",
        ) from error


def _check_read_literally(fs: Any, root: str, path: str, given: str) -> None:
    """Refuse a name that the filesystem would read otherwise, and so write somewhere else."""
    inside = f"{root.rstrip('/')}/x"
    # Some filesystems know the host by their connection, and leave it out.
    literal = path.strip("/").endswith(root.strip("/"))
    read = str(fs._strip_protocol(inside))
    if callable(split := getattr(fs, "split_path", None)):
        read = "/".join(split(inside)[:2])
    if not literal or read.lstrip("/") != inside.lstrip("/"):
        raise ZDirectConfigurationError(
            f"{given}: the filesystem would read this name as {read.removesuffix('/x')!r}.",
            remedy="Give a path without special characters (?, #, ::).",
        )
