"""One deployment at work while its parts are killed: nothing is lost or doubled, and zDirect sees one client.

``make test-distributed`` runs it, prints the figures and keeps them in ``.bench/distributed.json``, the logs beside.
"""

from __future__ import annotations

import json
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from chaos import STEPS, Chaos, Look
from cluster import PROJECT, Cluster
from figures import TOKENS, Figures, by_operation, difference
from load import OPTIONS, SENSORS, Load
from real_time import now
from sessions import stopped_by_signals
from topology import WORKERS

pytestmark = pytest.mark.distributed

MOST_SECONDS = 20 * 60.0
MOST_REFUSED = 0.03
"""Share of requests that may be refused because of a limit. Hosts learn from them how many they are."""
RESULTS = PROJECT / ".bench"


@pytest.fixture(scope="module")
def home() -> Iterator[Path]:
    """Not pytest's own folder, which only its user may enter."""
    home = Path(tempfile.mkdtemp(prefix="zdirect-distributed-"))
    home.chmod(0o711)
    yield home
    logs = RESULTS / "distributed-logs"
    shutil.rmtree(logs, ignore_errors=True)
    if (home / "logs").is_dir():
        shutil.copytree(home / "logs", logs)
    shutil.rmtree(home)


@pytest.fixture(scope="module")
def figures(home: Path, pytestconfig: pytest.Config) -> Figures:
    started = time.monotonic()
    capture: Any = pytestconfig.pluginmanager.getplugin("capturemanager")

    def say(text: str) -> None:
        with capture.global_and_fixture_disabled():
            print(f"[{time.monotonic() - started:5.0f} s] {text}", flush=True)

    cluster = Cluster(home, OPTIONS)
    say(f"Starting {len(WORKERS)} workers, two schedulers and what belongs to them")
    # Around all of it, so that the S3 server ends, too.
    with stopped_by_signals(), cluster.running():
        load, chaos = Load(cluster, now()), Chaos(cluster, say)
        load.begin()
        say("20 backfill runs and 100 sensors have begun")
        follow(load, chaos, say, until=started + MOST_SECONDS)
        say("All runs have ended")
        found = measure(load, chaos, seconds=round(time.monotonic() - started))
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "distributed.json").write_text(json.dumps(found.as_dict(), indent=1) + "\n", encoding="utf-8")
    say(f"Nothing is left running\n\n{found.table()}\n")
    return found


def follow(load: Load, chaos: Chaos, say: Any, until: float) -> None:
    """Break things until all runs have ended."""
    cluster, reports_are_there, told = load.cluster, False, 0.0
    while time.monotonic() < until:
        cluster.check()
        look = Look(cluster.instances())
        if time.monotonic() - told > 20:
            told = time.monotonic()
            say(f"{dict(look.states)}")
        chaos.next(look)
        if not reports_are_there and look.waiting_sensors == SENSORS and (chaos.is_over or look.is_idle):
            load.publish_reports()
            reports_are_there = True
            say("The reports that the sensors wait for are there")
        if all(run["state"] in ("success", "failed") for run in cluster.runs()):
            return
        time.sleep(2)
    pytest.fail(f"Not done after {MOST_SECONDS:.0f} s. Logs: {RESULTS / 'distributed-logs'}")


def measure(load: Load, chaos: Chaos, seconds: int) -> Figures:
    cluster = load.cluster
    instances, requests = cluster.instances(), cluster.emulator("/_emulator/requests")["requests"]
    truth, published = load.truth(), load.published()
    return Figures(
        seconds=seconds,
        tables={name: difference(truth[name], published[name]) for name in truth},
        operations=by_operation(requests),
        runs=len(cluster.runs()),
        tasks=len(instances),
        failed=[
            f"{each['dag_id']} {each['dag_run_id']} {each['task_id']}[{each['map_index']}] {each['state']}"
            for each in instances
            if each["state"] not in ("success", "skipped")
        ],
        repeated=sum(each["try_number"] > 1 for each in instances),
        sensors=sum(each["dag_id"] == "distributed_sensors" for each in instances),
        faults=sum(bool(request["fault"]) for request in requests),
        broken=chaos.done,
        revived=dict(cluster.restarts),
        hosts=dict(sorted(Counter(each["hostname"] for each in instances).items())),
    )


def test_all_was_done_while_everything_broke_once(figures: Figures) -> None:
    assert figures.broken == [step.what for step in STEPS]
    assert (figures.runs, figures.sensors) == (21, SENSORS)
    assert set(figures.hosts) == set(WORKERS)
    assert figures.faults > 0


def test_no_task_failed_for_good(figures: Figures) -> None:
    assert figures.failed == []


def test_nothing_is_lost_and_nothing_doubled(figures: Figures) -> None:
    assert all(table.rows > 100 for table in figures.tables.values())
    wrong = {
        name: table for name, table in figures.tables.items() if (table.lost, table.doubled, table.surplus) != (0, 0, 0)
    }
    assert wrong == {}


def test_no_more_tokens_are_requested_than_documented(figures: Figures) -> None:
    # A second one after the first had become invalid.
    assert figures.operations["token"].sent >= 2
    assert figures.operations["token"].busiest <= TOKENS.requests


def test_the_hosts_share_the_limits(figures: Figures) -> None:
    over = {name: each for name, each in figures.operations.items() if each.refused_share > MOST_REFUSED}
    assert over == {}
