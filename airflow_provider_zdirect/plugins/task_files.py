# SPDX-License-Identifier: Apache-2.0
"""What a task has published, as far as its own result names it.

Users who may change XComs must not read other files through this page. So it opens only what is below the base path of
the task's run and has the form of this provider's paths: it lists the names in a merchant's folder, shows a manifest,
and counts the reasons of rejected records, of which it shows no content.
"""

from __future__ import annotations

import gzip
import io
import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from airflow_provider_zdirect.assets import place_of
from airflow_provider_zdirect.operators.base_path import open_path
from airflow_provider_zdirect.operators.links import MANIFEST, PUBLISHED, REJECTED, result_files
from airflow_provider_zdirect.storage.damaged import naming_damaged
from airflow_provider_zdirect.storage.object_store import ObjectStore

MOST = 50
"""Files and reasons that the page shows."""

MOST_LINES = 100_000
MANIFEST_LENGTH = 100_000

_UUID = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_PATH = re.compile(rf"(?:(?P<room>_[a-z]+)/)?[a-z][a-z_]*/merchant_id={_UUID}(?:/[^/]+)*", re.ASCII)
_ROOMS = {PUBLISHED: None, MANIFEST: "_manifests", REJECTED: "_rejected"}


@dataclass(frozen=True)
class File:
    """A published file.

    :param path: relative to the base path.
    :param size: bytes; None: it is not there any more.
    :param rows: how many of its rows are the task's; None: unknown.
    """

    path: str
    size: int | None
    rows: int | None = None


@dataclass
class TaskFiles:
    """What the page shows.

    :param uris: what the task's result names, by kind.
    :param refused: the kinds that the page does not open.
    :param more: files that are not shown.
    :param rejected: how many records were rejected.
    :param reasons: how many of them, by reason.
    """

    uris: Mapping[str, str]
    refused: set[str]
    files: list[File] = field(default_factory=list)
    more: int = 0
    manifest: str | None = None
    rejected: int = 0
    reasons: list[tuple[str, int]] = field(default_factory=list)


def read_task_files(result: Mapping[str, Any], base_path: str, storage_conn_id: str | None) -> TaskFiles:
    """What is in the storage of what a result names.

    :param result: what the task returned.
    :param base_path: as the task's run was given it; ``storage_conn_id`` too.
    :raises ZDirectError: if the storage cannot be read from here.
    """
    uris = result_files(result)
    below = {kind: _below(base_path, uri) for kind, uri in uris.items()}
    paths = {kind: path for kind, path in below.items() if path and _is_own(kind, path)}
    found = TaskFiles(uris, uris.keys() - paths.keys(), rejected=int(result.get("rejected") or 0))
    if not paths:
        return found
    base = open_path(base_path, storage_conn_id, name="base_path")
    store = ObjectStore(base.fs, base.root)
    manifest: Mapping[str, Any] = {}
    if MANIFEST in paths:
        manifest = store.read_json(paths[MANIFEST]) or {}
        found.manifest = json.dumps(manifest, indent=2, ensure_ascii=False)[:MANIFEST_LENGTH]
    if PUBLISHED in paths:
        listed = [(str(each["path"]), each.get("rows")) for each in manifest.get("files") or []]
        files = [(path, rows) for path, rows in listed if _is_own(PUBLISHED, path)]
        if files:
            found.files = [File(path, _size(store, path), rows) for path, rows in files[:MOST]]
            found.more = len(files) - len(found.files)
        elif not manifest:
            found.files = list(_newest(store, paths[PUBLISHED]))
    if REJECTED in paths:
        found.reasons = _reasons(store, paths[REJECTED])
    return found


def _below(base_path: str, uri: str) -> str | None:
    """The path of a URI, relative to the base path; None if it is not below."""
    base, place = f"{place_of(base_path)}/", place_of(uri)
    return place.removeprefix(base) if place.startswith(base) else None


def _is_own(kind: str, path: str) -> bool:
    """Whether a path, relative to the base path, has the form of this provider's."""
    match = _PATH.fullmatch(path)
    return match is not None and match["room"] == _ROOMS[kind] and not {".", ".."} & set(path.split("/"))


def _size(store: ObjectStore, path: str) -> int | None:
    with suppress(FileNotFoundError):
        return int(store.fs.info(store.full(path))["size"])
    return None


def _newest(store: ObjectStore, folder: str) -> Iterator[File]:
    """The files of the newest dates of a folder, for results without a manifest."""
    shown = 0
    for path in sorted(store.files(folder), reverse=True):
        for each in sorted(store.files(path), reverse=True) or [path]:
            if shown == MOST:
                return
            shown += 1
            yield File(each, _size(store, each))


def _reasons(store: ObjectStore, path: str) -> list[tuple[str, int]]:
    """How many records were rejected by reason, the most frequent first."""
    content = store.read(path)
    if content is None:
        return []
    counts: Counter[str] = Counter()
    with naming_damaged(store.full(path)), gzip.open(io.BytesIO(content), "rt", encoding="utf-8") as lines:
        counts.update(str(json.loads(line)["reason"]) for line in islice(lines, MOST_LINES))
    return counts.most_common(MOST)
