"""What a measured process prints of itself. Needs nothing but Python: contestants have environments of their own."""

from __future__ import annotations

import json
import resource
import sys
import time
from collections.abc import Callable, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

MARK = "FIGURES "
NOTES: dict[str, Any] = {}
"""Figures that come from elsewhere in the process, and replace those of the whole."""


class _NoPandas:
    """pyarrow imports pandas where it is installed, which takes a second or more; only tests need it here."""

    @staticmethod
    def find_spec(name: str, *_: Any) -> None:
        if name == "pandas":
            raise ModuleNotFoundError(name)


def measured(work: Callable[[Mapping[str, Any]], Mapping[str, Any] | None], *packages: str) -> None:
    """Do the work that the first argument describes (JSON), and print one line: seconds, CPU seconds and peak memory.

    What was imported before counts for the memory, and not for the time.

    :param work: its result is added to the figures.
    :param packages: whose versions are added.
    """
    task = json.loads(sys.argv[1])
    sys.meta_path.insert(0, _NoPandas)  # type: ignore[arg-type]
    before_mb, cpu, started = peak_mb(), cpu_seconds(), time.monotonic()
    result = work(task) or {}
    figures = {
        "seconds": round(time.monotonic() - started, 3),
        "cpu": round(cpu_seconds() - cpu, 3),
        "peak_mb": round(peak_mb(), 1),
        "before_mb": round(before_mb, 1),
        "versions": {name: version(name) for name in packages},
        **result,
        **NOTES,
    }
    print(f"\n{MARK}{json.dumps(figures)}", flush=True)


def peak_mb() -> float:
    """Largest resident memory of this process so far, in MB (10^6 bytes)."""
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
        return int(next(line.split()[1] for line in lines if line.startswith("VmHWM"))) * 1024 / 1e6
    except (OSError, StopIteration):
        pass
    # Of a process that another one has started, this may be the peak of that one.
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6


def cpu_seconds() -> float:
    """Of this process and its children that have ended."""
    used = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in used)
