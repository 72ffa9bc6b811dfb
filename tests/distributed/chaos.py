"""What breaks meanwhile: one thing after the other, each while it matters and after work has gone on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from cluster import Cluster
from load import SENSORS
from topology import SLOTS

WORKING = ("scheduled", "queued", "running", "restarting", "up_for_retry", "up_for_reschedule")
TOKENS = "tokens"
BETWEEN = 12
"""Tasks that have to end or defer between two steps."""


class Look:
    """The task instances at one moment."""

    def __init__(self, instances: list[dict[str, Any]]) -> None:
        self.states = Counter(each["state"] for each in instances)
        self.running_on = Counter(each["hostname"] for each in instances if each["state"] == "running")
        self.waiting_sensors = sum(
            each["dag_id"] == "distributed_sensors" and each["state"] == "deferred" for each in instances
        )
        self.progress = self.states["success"] + self.waiting_sensors
        self.is_idle = not any(self.states[state] for state in (None, *WORKING))


@dataclass(frozen=True)
class Step:
    """One component is killed, with all that it started, and started again; or all tokens become invalid.

    :param when: whether it does harm at that moment.
    """

    what: str
    when: Callable[[Look], bool]

    def take(self, cluster: Cluster) -> None:
        if self.what == TOKENS:
            cluster.emulator("/_emulator/tokens/revoke", method="POST")
        else:
            cluster.restart(self.what)


STEPS = (
    Step("worker-1", lambda look: look.running_on["worker-1"] > 0),
    Step("scheduler-1", lambda look: look.states["queued"] > 0),
    Step("triggerer", lambda look: look.waiting_sensors >= SENSORS // 2),
    Step("redis", lambda look: look.states["queued"] > 0),
    Step(TOKENS, lambda look: look.states["running"] >= SLOTS),
    Step("worker-2", lambda look: look.running_on["worker-2"] > 0),
    Step("postgres", lambda look: look.states["running"] > 0),
    Step("triggerer", lambda look: look.waiting_sensors >= SENSORS * 9 // 10),
)


class Chaos:
    """All steps, in their order.

    :param say: is told what was done.
    """

    def __init__(self, cluster: Cluster, say: Callable[[str], None]) -> None:
        self._cluster, self._say = cluster, say
        self._left = list(STEPS)
        self._from = BETWEEN
        self.done: list[str] = []

    def next(self, look: Look) -> None:
        """Do the next step, if its time has come."""
        if not self._left or not self._left[0].when(look):
            return
        if look.progress < self._from and not look.is_idle:
            return
        step = self._left.pop(0)
        step.take(self._cluster)
        self._from = look.progress + BETWEEN
        self.done.append(step.what)
        self._say(f"Broken and started again: {step.what}, at {dict(look.states)}")

    @property
    def is_over(self) -> bool:
        return not self._left
