# SPDX-License-Identifier: Apache-2.0
"""The plan of misbehaviour: which requests are hit, and what happens to them.

A plan is a list of faults::

    {"match": {"path": regex, "method": "GET", "query": {name: part of the value}, "nth": 2},
     "action": {"status": 503, "headers": {"Retry-After": "3"}},
     "times": 1}

``nth`` (default 1) is the first matching request that is hit, ``times`` (default 1, null = always) says how
many are. With ``every`` instead of ``nth`` each k-th matching request is hit, by default without end.
All keys of ``match`` are optional. The first fault of the plan that fires wins.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator


def _pattern(text: str) -> str:
    try:
        re.compile(text)
    except re.error as error:
        raise ValueError(str(error)) from error
    return text


class Match(BaseModel):
    """Requests that a fault is about."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    path: Annotated[str, AfterValidator(_pattern)] = ""
    method: str | None = None
    query: dict[str, Any] = {}
    nth: Annotated[int, Field(ge=1)] = 1
    every: Annotated[int, Field(ge=1)] | None = None

    def covers(self, method: str, path: str, query: Mapping[str, str]) -> bool:
        return (
            re.search(self.path, path) is not None
            and (self.method is None or self.method.upper() == method)
            and all(str(part) in query.get(name, "") for name, part in self.query.items())
        )

    def fires(self, count: int) -> bool:
        return count % self.every == 0 if self.every else count >= self.nth


class Action(BaseModel):
    """What happens to a request that is hit; several may be combined.

    :param status: answer with this status instead of the real answer.
    :param headers: headers added to the answer.
    :param body: body that goes with ``status``: an object is sent as JSON, a string as it is; U+DC80 to U+DCFF in it
        are the bytes 0x80 to 0xFF, for what is not UTF-8.
    :param delay: seconds of real time before anything else.
    :param cut_body: bytes that are sent of the body (``true``: half) before the connection is closed.
    :param malformed_json: the body breaks off in the middle, with a matching Content-Length.
    :param cut_gzip: the body is compressed and breaks off in the middle, with a matching Content-Length.
    :param trickle: the body comes in twenty pieces, so many seconds of real time apart.
    :param duplicate: so many of the page's first records are sent again at its end.
    :param repeat_cursor: ``next`` is the cursor that the request itself carried, or among links the request itself.
    :param endless_cursor: ``next`` is a cursor that was never given before, and asks for the same page again.
    :param reset: the connection is reset without an answer.
    :param empty_body: the real status and headers, but no body.
    :param revoke_tokens: all tokens become invalid before the request is handled.
    :param hang: no answer until the client gives up (``true``), or for so many seconds.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    status: Annotated[int, Field(ge=200, le=599)] | None = None
    headers: dict[str, str] = {}
    body: Any = None
    delay: float = 0
    cut_body: Literal[True] | Annotated[int, Field(ge=0)] | None = None
    malformed_json: bool = False
    cut_gzip: bool = False
    trickle: Annotated[float, Field(ge=0)] = 0
    duplicate: int = 0
    repeat_cursor: bool = False
    endless_cursor: bool = False
    reset: bool = False
    empty_body: bool = False
    revoke_tokens: bool = False
    hang: bool | float = False

    @model_validator(mode="after")
    def _body_has_status(self) -> Action:
        if self.body is not None and self.status is None:
            raise ValueError("body needs a status")
        return self

    def names(self) -> str:
        """The parts that are set, for the request log."""
        return ",".join(name for name in type(self).model_fields if name in self.model_fields_set)


class Fault(BaseModel):
    """One line of the plan and how often it was met."""

    model_config = ConfigDict(extra="forbid")

    match: Match = Match()
    action: Action
    times: int | None = 1
    seen: int = 0
    hits: int = 0

    @model_validator(mode="after")
    def _always_every(self) -> Fault:
        if self.match.every and "times" not in self.model_fields_set:
            self.times = None
        return self


class FaultPlan:
    """The faults in force."""

    def __init__(self, faults: Iterable[Mapping[str, Any]] = ()) -> None:
        self._lock = threading.Lock()
        self.set(faults)

    def set(self, faults: Iterable[Mapping[str, Any]]) -> None:
        """Replace the plan; all counts start anew."""
        fresh = [Fault.model_validate(fault) for fault in faults]
        with self._lock:
            self._faults = fresh

    def add(self, fault: Mapping[str, Any]) -> Fault:
        """Append one fault; its ``hits`` count how often it fired."""
        fresh = Fault.model_validate(fault)
        with self._lock:
            self._faults.append(fresh)
        return fresh

    def clear(self) -> None:
        self.set(())

    def as_list(self) -> list[dict[str, Any]]:
        with self._lock:
            return [fault.model_dump() for fault in self._faults]

    def take(self, method: str, path: str, query: Mapping[str, str]) -> Action | None:
        """The action for this request, which is counted by every fault that covers it."""
        taken: Action | None = None
        with self._lock:
            for fault in self._faults:
                if not fault.match.covers(method, path, query):
                    continue
                fault.seen += 1
                is_spent = fault.times is not None and fault.hits >= fault.times
                if taken is None and not is_spent and fault.match.fires(fault.seen):
                    fault.hits += 1
                    taken = fault.action
        return taken
