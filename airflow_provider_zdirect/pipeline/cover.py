# SPDX-License-Identifier: Apache-2.0
"""Which part of a window is complete: what this run has fetched of it, and what earlier runs have.

A run with ``filters``, or one whose window is clipped, replaces the manifest of the same window. It removes nothing
that earlier runs have published, so its manifest repeats what they have covered.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import Any

import msgspec

from airflow_provider_zdirect.exceptions import ZDirectConfigurationError
from airflow_provider_zdirect.publish.landed import Fetch, WindowManifest
from airflow_provider_zdirect.storage.object_store import ObjectStore
from airflow_provider_zdirect.windows import Window

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Cover:
    """What is covered of a window; both fields as in the manifest."""

    covered: Window | None
    covered_by: list[dict[str, Any]] = field(default_factory=list)


def with_earlier(own: Window | None, store: ObjectStore, path: str, environment: str) -> Cover:
    """What is covered after a run, by itself and by earlier ones.

    :param own: what the run covers by itself.
    :param path: of the window's manifest, which the earlier run has written, or already this one.
    :param environment: a manifest of another one does not count.
    """
    try:
        known = _known(store, path, environment)
    except ZDirectConfigurationError as error:
        log.warning("The manifest %s is replaced; what it covered counts as not covered: %s", path, error.message)
        known = []
    # All fetches reach to the end of the window, since only its front part is ever clipped.
    kept = [(covered, fetch) for covered, fetch in known if own is None or covered.start < own.start]
    covered = min([*(covered for covered, _ in kept), *([own] if own else [])], default=None)
    return Cover(covered, [fetch for _, fetch in kept])


def _known(store: ObjectStore, path: str, environment: str) -> list[tuple[Window, dict[str, Any]]]:
    """The fetches that a manifest names, as later manifests repeat them."""
    content = store.read_json(path, WindowManifest)
    if content is None or content["environment"] != environment:
        return []
    said = [
        *content.get("covered_by", ()),
        {name: content[name] for name in Fetch.__struct_fields__ if name in content},
    ]
    fetches = msgspec.convert(content, WindowManifest).fetches()
    return [
        (covered, {"covered": {"from": covered.start.isoformat(), "to": covered.end.isoformat()}, **each})
        for (covered, _), each in zip(fetches, said, strict=False)
    ]
