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

import json
import re
import threading
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any


@dataclass(frozen=True)
class Match:
    """Requests that a fault is about."""

    path: str = ""
    method: str | None = None
    query: Mapping[str, str] = field(default_factory=dict)
    nth: int = 1
    every: int | None = None

    def __post_init__(self) -> None:
        re.compile(self.path)
        if self.nth < 1 or (self.every is not None and self.every < 1):
            raise ValueError("nth and every count from 1")

    def covers(self, method: str, path: str, query: Mapping[str, str]) -> bool:
        return (
            re.search(self.path, path) is not None
            and (self.method is None or self.method.upper() == method)
            and all(str(part) in query.get(name, "") for name, part in self.query.items())
        )

    def fires(self, count: int) -> bool:
        return count % self.every == 0 if self.every else count >= self.nth


@dataclass(frozen=True)
class Action:
    """What happens to a request that is hit; several may be combined.

    :param status: answer with this status instead of the real answer.
    :param headers: headers added to the answer.
    :param body: body that goes with ``status``: an object is sent as JSON, a string as it is; U+DC80 to U+DCFF in it
        are the bytes 0x80 to 0xFF, for what is not UTF-8.
    :param delay: seconds of real time before anything else.
    :param cut_body: bytes that are sent of the body (``true``: half) before the connection is closed.
    :param malformed_json: the body breaks off in the middle, with a matching Content-Length.
    :param duplicate: so many of the page's first records are sent again at its end.
    :param repeat_cursor: ``next`` is the cursor that the request itself carried, or among links the request itself.
    :param reset: the connection is reset without an answer.
    :param empty_body: the real status and headers, but no body.
    :param revoke_tokens: all tokens become invalid before the request is handled.
    :param hang: no answer until the client gives up (``true``), or for so many seconds.
    """

    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Any = None
    delay: float = 0
    cut_body: int | bool | None = None
    malformed_json: bool = False
    duplicate: int = 0
    repeat_cursor: bool = False
    reset: bool = False
    empty_body: bool = False
    revoke_tokens: bool = False
    hang: bool | float = False

    def __post_init__(self) -> None:
        if self.status is not None and not (isinstance(self.status, int) and 200 <= self.status <= 599):
            raise ValueError("status is a number from 200 to 599")
        if self.body is not None and self.status is None:
            raise ValueError("body needs a status")
        if isinstance(self.cut_body, int) and self.cut_body < 0:
            raise ValueError("cut_body is a number of bytes, 0 or more")

    def names(self) -> str:
        """The parts that are set, for the request log."""
        return ",".join(item.name for item in fields(self) if getattr(self, item.name) not in (None, {}, 0))


@dataclass
class Fault:
    """One line of the plan and how often it was met."""

    match: Match
    action: Action
    times: int | None = 1
    seen: int = 0
    hits: int = 0

    @classmethod
    def from_dict(cls, plan: Mapping[str, Any]) -> Fault:
        """:raises ValueError: for anything that is not a fault."""
        unknown = set(plan) - {"match", "action", "times", "seen", "hits"}
        if unknown or "action" not in plan:
            raise ValueError("a fault has the keys match, action and times")
        try:
            match, action = Match(**plan.get("match", {})), Action(**plan["action"])
        except (TypeError, re.error) as error:
            raise ValueError(f"fault {json.dumps(plan, default=str)}: {error}") from error
        return cls(match, action, plan.get("times", None if match.every else 1))


class FaultPlan:
    """The faults in force."""

    def __init__(self, faults: Iterable[Mapping[str, Any]] = ()) -> None:
        self._lock = threading.Lock()
        self._faults = [Fault.from_dict(fault) for fault in faults]

    def set(self, faults: Iterable[Mapping[str, Any]]) -> None:
        """Replace the plan; all counts start anew."""
        fresh = [Fault.from_dict(fault) for fault in faults]
        with self._lock:
            self._faults = fresh

    def add(self, fault: Mapping[str, Any]) -> Fault:
        """Append one fault; its ``hits`` tell how often it fired."""
        fresh = Fault.from_dict(fault)
        with self._lock:
            self._faults.append(fresh)
        return fresh

    def clear(self) -> None:
        self.set(())

    def as_list(self) -> list[dict[str, Any]]:
        with self._lock:
            return [asdict(fault) for fault in self._faults]

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
