"""The process that is measured: Airflow runs the DAG of one extract task in it. Prints one line of JSON.

Its peak memory includes everything: Python, Airflow, the DAG run, the operator and what it fetches.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent / "dags"))

SECONDS: dict[str, float] = defaultdict(float)
PEAKS: dict[str, float] = {}
"""Peak memory when a phase began for the first time."""

IN_MEGABYTES = 1024 / 1e6


def main() -> None:
    from bench_received_items import dag

    before = peak_megabytes()
    _time_the_phases()
    started = time.monotonic()
    run = dag.test()
    seconds = time.monotonic() - started
    figures = {
        "state": str(getattr(run.state, "value", run.state)),
        "seconds": round(seconds, 2),
        "peak_mb": round(peak_megabytes(), 1),
        "peak_of_children_mb": round(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * IN_MEGABYTES, 1),
        "before_the_run_mb": round(before, 1),
        "before_the_first_page_mb": round(PEAKS.get("begin", 0.0), 1),
        "before_publishing_mb": round(PEAKS.get("publish", 0.0), 1),
        "phases": _phases(seconds),
        "cpu_seconds": round(sum(resource.getrusage(resource.RUSAGE_SELF)[:2]), 2),
    }
    print(f"\nFIGURES {json.dumps(figures)}", flush=True)


def peak_megabytes() -> float:
    """Largest resident memory of this process so far, in MB (10^6 bytes)."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * IN_MEGABYTES


def _time_the_phases() -> None:
    from airflow_provider_zdirect.client.transport import Transport
    from airflow_provider_zdirect.pipeline import extract, validate
    from airflow_provider_zdirect.pipeline.staging import PageStager
    from airflow_provider_zdirect.publish import merge
    from airflow_provider_zdirect.publish.merge import RowMerger, _Round

    send, validate_page = Transport.send, validate.validate

    async def timed_send(*args: Any, **named: Any) -> Any:
        started = time.monotonic()
        try:
            return await send(*args, **named)
        finally:
            SECONDS["download"] += time.monotonic() - started

    def timed_validate(*args: Any) -> Iterator[Any]:
        batches = validate_page(*args)
        while True:
            started = time.monotonic()
            batch = next(batches, None)
            SECONDS["validate"] += time.monotonic() - started
            if batch is None:
                return
            yield batch

    Transport.send = timed_send  # type: ignore[method-assign]
    validate.validate = timed_validate
    extract.announce = _timed(extract.announce, "begin")
    PageStager.stage = _timed(PageStager.stage, "validate and stage")  # type: ignore[method-assign]
    RowMerger.merge = _timed(RowMerger.merge, "publish")  # type: ignore[method-assign]
    merge.find_winners = _timed(merge.find_winners, "publish: which rows win")
    _Round._write = _timed(_Round._write, "publish: write")  # type: ignore[method-assign]


def _timed(function: Callable[..., Any], phase: str) -> Callable[..., Any]:
    def timed(*args: Any, **named: Any) -> Any:
        PEAKS.setdefault(phase, peak_megabytes())
        started = time.monotonic()
        try:
            return function(*args, **named)
        finally:
            SECONDS[phase] += time.monotonic() - started

    return timed


def _phases(total: float) -> dict[str, float]:
    phases = {name: seconds for name, seconds in SECONDS.items() if name != "begin"}
    phases["stage"] = phases.pop("validate and stage", 0.0) - phases.get("validate", 0.0)
    own = sum(phases.get(name, 0.0) for name in ("download", "validate", "stage", "publish"))
    phases["Airflow and the rest"] = total - own
    return {name: round(seconds, 2) for name, seconds in sorted(phases.items())}


if __name__ == "__main__":
    main()
