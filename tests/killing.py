"""A process that is killed at a change of the base path."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from airflow_provider_zdirect.storage.object_store import ObjectStore

CHANGES = ("write", "upload", "move", "delete", "delete_folder")


class Killed(BaseException):
    pass


def kill_at(change: int, patched: pytest.MonkeyPatch) -> None:
    """Let the n-th change of the base path be the last."""
    changes = itertools.count(1)

    def dying(name: str) -> Any:
        original = getattr(ObjectStore, name)

        def call(self: ObjectStore, *args: object) -> Any:
            if next(changes) >= change:
                raise Killed
            return original(self, *args)

        return call

    for name in CHANGES:
        patched.setattr(ObjectStore, name, dying(name))
