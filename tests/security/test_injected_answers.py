"""Whatever text zDirect sends, in whatever field: it stays a text.

An answer of the emulator is taken, and one of its fields after the other gets the payloads, each record another. The
answer is fetched over HTTP and published. Nothing is written outside of the base path or under a strange name, no other
request is sent than usual, and no message has a second line.
"""

from __future__ import annotations

import json
import logging
import re
import urllib.request
from collections.abc import Iterator
from copy import deepcopy
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import payloads
import pytest
from exhaustive import exhaustive
from state_extraction import StateExtraction

from airflow_provider_zdirect.datasets.table import DATASETS, check_stands_alone
from airflow_provider_zdirect.emulator.server import EmulatorServer
from airflow_provider_zdirect.exceptions import ZDirectConfigurationError, ZDirectError
from airflow_provider_zdirect.windows import Window

NOW = datetime(2026, 11, 20, 10, tzinfo=UTC)
WINDOW = Window(datetime(2026, 11, 18, tzinfo=UTC), datetime(2026, 11, 19, tzinfo=UTC))
WINDOWS = {
    # Many records, with many texts each.
    "orders": Window(datetime(2026, 11, 18, 8, tzinfo=UTC), datetime(2026, 11, 18, 9, tzinfo=UTC)),
    # zDirect keeps them for a day.
    "item_quantities": Window(NOW - timedelta(hours=20), NOW),
}
SAFE = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._=-]{0,199}(/[A-Za-z0-9_-][A-Za-z0-9._=-]{0,199})*")
TEXTS = payloads.ALL
MOST_COPIES = 4


def standing_alone() -> list[str]:
    names = []
    for name, dataset in DATASETS.items():
        try:
            check_stands_alone(dataset)
        except ZDirectConfigurationError:
            continue
        names.append(name)
    return names


@pytest.fixture(scope="module")
def emulator() -> Iterator[EmulatorServer]:
    with EmulatorServer(seed=7, now=NOW, rate_limits=False, empty_reports=0.0, volume=0.3) as server:
        yield server


def places(content: Any, at: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], list[Any]]]:
    """Where texts are: the keys on the way (``*`` for any item of a list), and the way itself."""
    members = content.items() if isinstance(content, dict) else enumerate(content)
    for key, value in members:
        step = "*" if isinstance(content, list) else key
        if isinstance(value, str):
            yield (*at, step), [key]
        elif isinstance(value, dict | list):
            for names, way in places(value, (*at, step)):
                yield names, [key, *way]


def injected(content: Any) -> Iterator[tuple[str, Any]]:
    """The answer with payloads in one of its fields, for each field.

    What stands beside the records, as a cursor does, gets all payloads, one after the other; a field of few records
    gets some of them, and another field others.
    """
    fields: dict[tuple[str, ...], list[list[Any]]] = {}
    for names, way in places(content):
        fields.setdefault(names, []).append(way)
    for number, (names, ways) in enumerate(fields.items()):
        most = len(ways) * MOST_COPIES if "*" in names else len(TEXTS)
        first = number * 7 % len(TEXTS)
        rest = [*TEXTS[first:], *TEXTS[:first]][:most]
        while rest:
            changed = deepcopy(content)
            for way in ways[: len(rest)]:
                *folders, last = way
                inner = changed
                for key in folders:
                    inner = inner[key]
                inner[last] = rest.pop(0)
            yield ".".join(names), changed


def raw_answer(emulator: EmulatorServer, path: str) -> Any:
    token = emulator.state.tokens.issue(emulator.clock.now(), 7200)
    request = urllib.request.Request(f"{emulator.url}{path}", headers={"Authorization": f"Bearer {token}"})
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request) as answer:
        return json.load(answer)


def publish(runs: StateExtraction, dataset: str) -> str | None:
    """The error that fetching and publishing ends in, if any."""
    window = WINDOWS.get(dataset, WINDOW)
    try:
        runs.run(dataset, window if DATASETS[dataset].selection.takes_window else None, max_rejected=10**6)
    except ZDirectError as error:
        return str(error)
    return None


@pytest.mark.parametrize("dataset", exhaustive(standing_alone()))
def test_texts_of_an_answer_stay_texts(
    emulator: EmulatorServer, tmp_path: Path, dataset: str, caplog: pytest.LogCaptureFixture
) -> None:
    emulator.reset()
    (order,) = emulator.add_orders(emulator.merchant_ids[0], customer_number="CUSTOMER-1", start=WINDOW.start)
    emulator.request_deletion(emulator.merchant_ids[0], "CUSTOMER-1", WINDOW.start)
    emulator.announce_return(order, at=WINDOW.start)
    caplog.set_level(logging.DEBUG, "airflow_provider_zdirect")
    assert publish(StateExtraction(emulator, tmp_path / "plain" / "base"), dataset) is None
    usual = {request.path for request in emulator.requests}
    (asked, *_) = [request for request in emulator.requests if not request.path.startswith("/auth/")]
    answer = raw_answer(emulator, f"{asked.path}?{asked.query}")
    cases = list(injected(answer))
    assert len({field for field, _ in cases}) > 1
    published = 0
    for number, (field, content) in enumerate(cases):
        emulator.state.log.clear()
        emulator.faults.set(
            [{"match": {"path": f"^{re.escape(asked.path)}$"}, "action": {"status": 200, "body": content}}]
        )
        caplog.clear()
        home = tmp_path / str(number)
        error = publish(StateExtraction(emulator, home / "base"), dataset)
        published += error is None
        written = [str(path.relative_to(home)) for path in home.rglob("*") if path.is_file()]
        assert [name for name in written if not (name.startswith("base/") and SAFE.fullmatch(name))] == [], field
        assert {request.path for request in emulator.requests} <= usual, field
        messages = [record.getMessage() for record in caplog.records] + ([error] if error else [])
        assert [message for message in messages if not message.isprintable()] == [], field
    assert published
    assert not Path("/tmp/zdirect-injected").exists()
