"""What a case relies on, and how to take it out: then the case has to fail, or it shows nothing."""

from __future__ import annotations

import inspect
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import reduce
from importlib import import_module
from types import CodeType, FunctionType
from typing import Any


@dataclass(frozen=True)
class Protection:
    """A few words of the source, and what a version without the protection has there.

    :param by: ``module:function`` below the package.
    :param was: stands in the source of the function, once.
    :param also: what protects as well; then only without both of them the case fails.
    :param endless: without it the case never ends.
    """

    by: str
    was: str
    becomes: str
    also: Protection | None = None
    endless: bool = False

    @property
    def names(self) -> str:
        return ", ".join(dict.fromkeys(each.by for each in self._all()))

    @contextmanager
    def taken_out(self) -> Iterator[None]:
        """Whoever has imported the function gets the changed one, too."""
        sources: dict[str, str] = {}
        for each in self._all():
            source = sources.get(each.by) or textwrap.dedent(inspect.getsource(_function(each.by)))
            assert source.count(each.was) == 1, f"{each.by} has {source.count(each.was)} times: {each.was}"
            sources[each.by] = source.replace(each.was, each.becomes)
        before = {name: _function(name).__code__ for name in sources}
        try:
            for name, source in sources.items():
                _function(name).__code__ = _code(_function(name), source)
            yield
        finally:
            for name, code in before.items():
                _function(name).__code__ = code

    def _all(self) -> Iterator[Protection]:
        yield self
        if self.also:
            yield from self.also._all()


def _function(by: str) -> FunctionType:
    module, _, path = by.partition(":")
    *owner, name = path.split(".")
    # Not by getattr alone, which binds class methods and computes properties.
    return _plain(vars(reduce(getattr, owner, import_module(f"airflow_provider_zdirect.{module}")))[name])


def _code(function: FunctionType, source: str) -> CodeType:
    changed: dict[str, Any] = {}
    text = f"from __future__ import annotations\n{source}"
    exec(compile(text, f"<{function.__name__} without protection>", "exec"), function.__globals__, changed)
    return _plain(changed[function.__name__]).__code__


def _plain(function: Any) -> FunctionType:
    """Without what decorators have put around it."""
    function = getattr(function, "fget", None) or getattr(function, "__func__", function)
    found = inspect.unwrap(function)
    assert isinstance(found, FunctionType)
    return found
