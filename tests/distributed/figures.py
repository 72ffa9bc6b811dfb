"""What a run has shown, in numbers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from airflow_provider_zdirect.emulator.limits import LIMITS, TOKEN_LIMIT

TOKENS = TOKEN_LIMIT["production"]
Request = Mapping[str, Any]


@dataclass(frozen=True)
class Difference:
    """Rows of a table, compared with the truth."""

    rows: int
    lost: int
    doubled: int
    surplus: int


@dataclass(frozen=True)
class Requests:
    """Requests of one operation.

    :param busiest: the most that were sent in any period of the limit, refused ones too.
    :param refused: answers of 429 that no fault has made.
    """

    limit: str
    sent: int
    busiest: int
    refused: int

    @property
    def refused_share(self) -> float:
        return self.refused / self.sent if self.sent else 0.0


def difference(truth: Counter[Any], published: Counter[Any]) -> Difference:
    return Difference(
        rows=published.total(),
        lost=(truth - published).total(),
        doubled=sum(count - 1 for count in published.values()),
        surplus=sum(row not in truth for row in published),
    )


def most_within(seconds: float, times: Iterable[float]) -> int:
    """The most of these moments that lie in any period of so many seconds."""
    ordered = sorted(times)
    first = most = 0
    for last, moment in enumerate(ordered):
        while ordered[first] <= moment - seconds:
            first += 1
        most = max(most, last - first + 1)
    return most


def by_operation(requests: Iterable[Request]) -> dict[str, Requests]:
    """Requests of every operation that has a limit, token requests included."""
    sent: dict[str, list[Request]] = {}
    for request in requests:
        if operation := _operation(request["path"]):
            sent.setdefault(operation, []).append(request)
    return {operation: _counted(operation, sent[operation]) for operation in sorted(sent)}


def _operation(path: str) -> str | None:
    return "token" if path == "/auth/token" else next((part for part in path.split("/") if part in LIMITS), None)


def _counted(operation: str, sent: list[Request]) -> Requests:
    limit = TOKENS if operation == "token" else LIMITS[operation]
    return Requests(
        limit=f"{limit.requests} in {limit.seconds:g} s",
        sent=len(sent),
        busiest=most_within(limit.seconds, (request["elapsed"] for request in sent)),
        refused=sum(request["status"] == 429 and not request["fault"] for request in sent),
    )


@dataclass(frozen=True)
class Figures:
    """One run.

    :param failed: tasks that failed for good.
    :param repeated: tasks that needed more than one try.
    :param faults: requests that the server spoiled.
    :param broken: what was killed or became invalid, in this order.
    :param revived: what ended by itself thereafter, and was started again.
    :param hosts: tasks by the host on which they ended.
    """

    seconds: int
    tables: dict[str, Difference]
    operations: dict[str, Requests]
    runs: int
    tasks: int
    failed: list[str]
    repeated: int
    sensors: int
    faults: int
    broken: list[str]
    revived: dict[str, int]
    hosts: dict[str, int]

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)

    def table(self) -> str:
        """For people."""
        lines = [f"{'table':<28}{'rows':>8}{'lost':>8}{'doubled':>9}{'surplus':>9}"]
        lines += [
            f"{name:<28}{each.rows:>8}{each.lost:>8}{each.doubled:>9}{each.surplus:>9}"
            for name, each in self.tables.items()
        ]
        lines += ["", f"{'requests':<28}{'sent':>8}{'429':>8}{'share':>9}{'busiest':>9}   limit"]
        lines += [
            f"{name:<28}{each.sent:>8}{each.refused:>8}{each.refused_share:>9.1%}{each.busiest:>9}   {each.limit}"
            for name, each in self.operations.items()
        ]
        broken = ", ".join(self.broken)
        revived = ", ".join(f"{name} {count}" for name, count in self.revived.items()) or "nothing"
        hosts = ", ".join(f"{name} {count}" for name, count in self.hosts.items())
        return "\n".join(
            [
                *lines,
                "",
                f"{self.runs} runs, {self.tasks} tasks ({self.sensors} sensors), {self.repeated} of them tried again, "
                f"{len(self.failed)} failed for good; {self.faults} requests spoiled by the server",
                f"broken: {broken}; ended by itself and started again: {revived}",
                f"tasks by host: {hosts}",
                f"{self.seconds} seconds",
            ]
        )
