"""A process that is killed at a request, or at a change of the base path."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import pytest

from airflow_provider_zdirect.client import Timeouts, Transport
from airflow_provider_zdirect.storage.object_store import ObjectStore

CHANGES = ("write", "upload", "move", "delete", "delete_folder")


class Killed(BaseException):
    """The process is gone."""


class DeadlyTransport(Transport):
    """Sends until the moment of death.

    :param dies: is asked before and after every request, with its number from 1 and ``before`` or ``after``.
    """

    def __init__(self, dies: Callable[[int, str], bool]) -> None:
        super().__init__(Timeouts(10, 10, 10))
        self._dies = dies
        self.sent = 0

    async def send(self, *arguments: Any, **options: Any) -> Any:
        self.sent += 1
        number = self.sent
        if self._dies(number, "before"):
            raise Killed
        answer = await super().send(*arguments, **options)
        if self._dies(number, "after"):
            raise Killed
        return answer


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
