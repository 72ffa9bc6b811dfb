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

    def die() -> None:
        if next(changes) >= change:
            raise Killed

    before_changes(patched, die)


def before_changes(patched: pytest.MonkeyPatch, do: Callable[[], None]) -> None:
    """Call ``do`` before every change of the base path, as another run that is there at every moment."""
    _around_changes(patched, before=do)


def look_after_changes(patched: pytest.MonkeyPatch, look: Callable[[], None]) -> None:
    """Call ``look`` after every change of the base path, as a reader who is there at every moment."""
    _around_changes(patched, after=look)


def _around_changes(
    patched: pytest.MonkeyPatch, before: Callable[[], None] = lambda: None, after: Callable[[], None] = lambda: None
) -> None:
    def around(name: str) -> Any:
        original = getattr(ObjectStore, name)

        def call(self: ObjectStore, *args: object) -> Any:
            before()
            done = original(self, *args)
            after()
            return done

        return call

    for name in CHANGES:
        patched.setattr(ObjectStore, name, around(name))
