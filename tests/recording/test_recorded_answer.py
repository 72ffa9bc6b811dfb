"""Hostile and real answers of every dataset: nothing of a record gets into what is recorded of it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from contextlib import aclosing, suppress
from dataclasses import dataclass
from datetime import timedelta
from itertools import cycle
from typing import Any

import pytest
from clocks import NOON, FakeClock
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from own_emulator import config_of, own_emulator

from airflow_provider_zdirect.client import MemoryRateLimiter, Page, Timeouts, ZDirectClient
from airflow_provider_zdirect.client.transport import Answer
from airflow_provider_zdirect.datasets.assumptions import Assumptions
from airflow_provider_zdirect.datasets.table import DATASETS, Dataset
from airflow_provider_zdirect.exceptions import ZDirectError
from airflow_provider_zdirect.recording.answer import recorded, recorded_read
from airflow_provider_zdirect.recording.transport import Exchange, RecordingTransport
from airflow_provider_zdirect.windows import Window

ALONE = [name for name, dataset in DATASETS.items() if dataset.part_of is None]
DAY = Window.of_day((NOON - timedelta(days=4)).date())


@dataclass(frozen=True)
class Read:
    exchange: Exchange
    parameters: dict[str, str]
    expected: Any


def parameters_of(dataset: Dataset) -> tuple[dict[str, str], Any]:
    if not dataset.has_windows:
        since = NOON - timedelta(hours=1) if dataset.states.since_parameter else None
        return dict(dataset.states.requests(dataset.name, since, {})[0].parameters), None
    span, day = dataset.windows.spans(DAY, "UTC")[12 if dataset.name == "returned_items" else 0]
    expected = dataset.windows.expected(dataset.publish.time_field, span, day)
    return dataset.windows.parameters(day or span.start, day or span.end) | dataset.paging.of_size(20), expected


@pytest.fixture(scope="module")
def reads() -> Iterator[dict[str, Read]]:
    """The first page of every dataset, as the emulator answers it."""

    async def read_all() -> dict[str, Read]:
        found, transport, clock = {}, RecordingTransport(Timeouts()), FakeClock()
        config = config_of(emulator)
        async with ZDirectClient(config, transport=transport, clock=clock, limiter=MemoryRateLimiter(clock)) as client:
            for name in ALONE:
                parameters, expected = parameters_of(DATASETS[name])
                async with aclosing(client.pages(DATASETS[name], emulator.merchant_ids[0], parameters)) as pages:
                    await anext(pages)
                found[name] = Read(transport.take()[-1], parameters, expected)
        return found

    with own_emulator(seed=7, now=NOON, drift=0.2, bad_records=0.1) as emulator:
        yield asyncio.run(read_all())


def record_of(name: str, read: Read, body: bytes, status: int = 200) -> dict[str, Any]:
    dataset = DATASETS[name]
    answer = Answer(status, read.exchange.answer.headers, bytearray(body), 0.1)
    exchange = Exchange("GET", read.exchange.path, read.exchange.parameters, answer)
    page: Page | None = None
    with suppress(ZDirectError):
        page = dataset.read(answer.body, read.parameters, answered_at=NOON)
    return recorded_read(dataset, exchange, page, read.expected, Assumptions())


def leaves(value: Any) -> Iterator[Any]:
    if isinstance(value, (dict, list)):
        for each in value.values() if isinstance(value, dict) else value:
            yield from leaves(each)
    else:
        yield value


def replaced(value: Any, planted: Iterator[Any]) -> Any:
    if isinstance(value, dict):
        return {name: replaced(each, planted) for name, each in value.items()}
    if isinstance(value, list):
        return [replaced(each, planted) for each in value]
    return next(planted)


@pytest.mark.parametrize("name", ALONE)
def test_nothing_of_a_real_answer_is_recorded(name: str, reads: dict[str, Read]) -> None:
    body = bytes(reads[name].exchange.answer.body)
    record = record_of(name, reads[name], body)
    written = json.dumps(record, ensure_ascii=False)
    assert record["records"]["valid"] > 0 or name in ("announced_returns", "order_deletion_requests")
    for value in leaves(json.loads(body)):
        # Numbers and single words, such as a status, are parts of the recording's own texts, too.
        if isinstance(value, str) and len(value) > 7 and not value.isalpha():
            assert value not in written


@pytest.mark.parametrize("name", ALONE)
@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(data=st.data())
def test_nothing_that_is_planted_in_every_field_is_recorded(name: str, reads: dict[str, Read], data: Any) -> None:
    content = json.loads(bytes(reads[name].exchange.answer.body))
    mark = data.draw(st.text(st.characters(codec="utf-8"), min_size=6), label="mark")
    kinds = data.draw(
        st.lists(
            st.sampled_from(
                [
                    f"plänted-{mark}",
                    f"plänted {mark}@example.com",
                    f"https://example.com/plänted/{mark}",
                    f"2026-11-22T10:00:00Z plänted {mark}",
                    "PLANTED_0815",
                    "8e0a1f6e-5a1c-4a56-9a5c-0d6b0c0f8e11",
                    "9780815047110",
                    815047115432,
                    "2031-12-24T18:15:47Z",
                    [f"plänted-{mark}"],
                    {"inner": f"plänted-{mark}"},
                ]
            ),
            min_size=1,
        ),
        label="kinds",
    )
    planted = cycle(kinds)
    status = data.draw(st.sampled_from([200, 200, 400, 500]), label="status")
    hostile = json.dumps(replaced(content, planted)).encode()
    written = json.dumps(record_of(name, reads[name], hostile, status), ensure_ascii=False)
    hidden = ("plänted", "PLANTED", "8e0a1f6e", "97808", "815047", "2031-", "18:15", "example.com")
    assert not [each for each in hidden if each in written]


def test_text_that_is_not_json_is_not_recorded(reads: dict[str, Read]) -> None:
    record = record_of("orders", reads["orders"], b"<html>Jane Doe</html>", 500)
    assert record["shape"] == "not JSON"
    assert record["records"] is None
    assert "Jane" not in json.dumps(record)


def test_headers_are_recorded_by_what_they_say_about_the_api() -> None:
    headers = {
        "content-type": "application/problem+json; charset=utf-8",
        "retry-after": "120",
        "x-rate-limit": "8",
        "ratelimit-remaining": "Jane",
        "x-flow-id": "jane.doe",
        "set-cookie": "session=secret",
        "etag": '"123"',
    }
    exchange = Exchange("POST", "/auth/token", (), Answer(429, headers, bytearray(b""), 0.5))
    assert recorded(exchange, "/auth/token")["headers"] == {
        "content-type": "application/problem+json",
        "etag": "text",
        "ratelimit-remaining": "text",
        "retry-after": "120",
        "x-flow-id": "text",
        "x-rate-limit": "8",
    }


def test_what_differs_from_the_model_is_counted(reads: dict[str, Read]) -> None:
    good = {"quality_label": "A", "consumed_timestamp": "2026-11-18T12:10:00Z", "ean": "1", "colour": {"code": 7}}
    late = {**good, "consumed_timestamp": "2026-11-19T12:10:00Z"}
    bad = {"quality_label": "", "consumed_timestamp": "yesterday"}
    body = json.dumps({"returned_items": [good, late, bad]}).encode()
    record = record_of("returned_items", reads["returned_items"], body)
    assert record["records"]["valid"] == 2
    assert set(record["records"]["rejected"]) == {"quality_label: string_type", "consumed_timestamp: value_error"}
    assert record["records"]["unknown_fields"] == {"colour": {"object": 2}, "colour.code": {"integer": 2}}
    assert record["records"]["missing_fields"]["destination"] == 2
    assert record["outside_of_request"] == 1
    assert record["has_next_page"] is False


@pytest.mark.parametrize(
    ("name", "body", "finding"),
    [
        ("liquidated_items", {"liquidated_items": [{"liquidation_date": "2026-11-18"}]}, "confirmed"),
        ("liquidated_items", {"liquidated_items": [{"liquidation_date": "2026-11-25"}]}, "contradicted"),
        ("liquidated_items", {}, "open"),
        ("orders", {"data": [], "links": {"next": "https://x/orders?page%5Bnumber%5D=1"}}, "confirmed"),
        ("orders", {"data": [], "links": {"next": "https://x/orders?page_number=1"}}, "contradicted"),
        ("orders", {"data": [], "links": {"self": "https://x/orders?page[number]=0"}}, "open"),
        ("sales_channels", {"items": [{"sales_channel_id": "a", "live": True}]}, "not needed: every channel has live"),
        ("sales_channels", {"items": [{"sales_channel_id": "a"}]}, "open"),
        (
            "item_quantity_snapshots",
            {"item_quantity_snapshot": {"created": "2026-11-22T01:00:00Z", "item_quantities": []}},
            "met: the snapshot is empty",
        ),
    ],
)
def test_an_answer_confirms_or_contradicts_assumptions(
    name: str, body: dict[str, Any], finding: str, reads: dict[str, Read]
) -> None:
    record = record_of(name, reads[name], json.dumps(body).encode())
    assert list(record["assumptions"].values()) == [finding]


def test_a_parameter_that_is_refused_contradicts_its_name(reads: dict[str, Read]) -> None:
    record = record_of("item_quantities", reads["item_quantities"], b"{}", 400)
    assert record["assumptions"] == {"changed_since_parameter": "contradicted"}
