"""What a listener of the client is told, compared with what the server has seen and the clock has waited."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest
from clocks import FakeClock

from airflow_provider_zdirect.client.metrics import BYTES, METRICS, REQUESTS, RETRIES, TOKENS, WAIT_SECONDS, Metric
from airflow_provider_zdirect.datasets.endpoint import Rate
from airflow_provider_zdirect.exceptions import AnswerTooLargeError, TransportError
from client.conftest import MakeClient
from client.scripted_server import RESET, Script, ScriptedServer, reply
from client.test_client import eans, page, refuse

pytestmark = pytest.mark.anyio

DOCUMENT = Path(__file__).parent.parent.parent / "docs" / "metrics.md"


class Counts(dict[str, Counter[tuple[str, ...]]]):
    """By name of the metric and values of its tags."""

    def __call__(self, metric: Metric, value: float, /, **tags: str) -> None:
        assert set(tags) == set(metric.tags)
        self.setdefault(metric.name, Counter())[tuple(tags[name] for name in metric.tags)] += value  # type: ignore[assignment]

    def of(self, metric: Metric) -> dict[tuple[str, ...], float]:
        return dict(self.get(metric.name, {}))


@pytest.mark.parametrize(
    ("wrong", "outcome", "reason"),
    [
        (reply(429, headers={"Retry-After": "7"}), "429", "RateLimitedError"),
        (RESET, "no_answer", "TransportError"),
        (reply(200, b'{"rec'), "200", "MalformedResponseError"),
        (refuse("secret-token-1"), "401", "AuthenticationError"),
    ],
)
async def test_every_request_and_retry_is_counted_with_its_outcome_and_reason(
    server: ScriptedServer, make_client: MakeClient, clock: FakeClock, wrong: Script, outcome: str, reason: str
) -> None:
    counts, start = Counts(), clock.now()
    server.script = [page("1", after="a"), wrong, page("2")]
    client = make_client(listener=counts)
    await eans(client)
    requests = Counter({("received_items", "200"): 2})
    requests["received_items", outcome] += 1
    assert counts.of(REQUESTS) == requests
    assert counts.of(RETRIES) == {("received_items", reason): 1}
    assert counts.of(TOKENS) == {("200",): len(server.token_requests)}
    assert counts.of(BYTES) == {("received_items",): client.stats.bytes}
    waited = sum(counts.of(WAIT_SECONDS).values())
    assert waited == pytest.approx((clock.now() - start).total_seconds(), abs=0.001)
    assert waited >= (0 if outcome == "401" else 1)


async def test_what_waits_for_a_token_says_so(
    server: ScriptedServer, make_client: MakeClient, clock: FakeClock
) -> None:
    counts, start = Counts(), clock.now()
    granted = reply(200, {"access_token": "t", "expires_in": 99})
    server.token_script = [reply(429, headers={"Retry-After": "3"}), granted]
    server.script = [page("1")]
    await eans(make_client(listener=counts))
    assert counts.of(TOKENS) == {("429",): 1, ("200",): 1}
    waited = pytest.approx((clock.now() - start).total_seconds(), abs=0.001)
    assert counts.of(WAIT_SECONDS) == {("token",): waited}


async def test_a_request_that_fails_for_good_is_counted_too(server: ScriptedServer, make_client: MakeClient) -> None:
    counts = Counts()
    server.script = [RESET]
    with pytest.raises(TransportError):
        await eans(make_client(listener=counts))
    assert counts.of(REQUESTS) == {("received_items", "no_answer"): len(server.requests)}
    assert sum(counts.of(RETRIES).values()) == len(server.requests) - 1
    server.script = [reply(200, b"x" * 2_000_000)]
    with pytest.raises(AnswerTooLargeError):
        await eans(make_client(listener=counts, max_answer_size=1.0))
    assert counts.of(REQUESTS)["received_items", "too_large"] == 1


async def test_tags_hold_no_ids_and_only_what_statsd_takes(server: ScriptedServer, make_client: MakeClient) -> None:
    counts = Counts()
    server.script = [reply(200, {})]
    client = make_client(listener=counts)
    merchant = "0a1b2c3d-0000-4000-8000-00000000abcd"
    await client.get(f"/merchants/{merchant}/orders/{merchant}", rate=Rate(10))
    await client.get(f"/merchants/{merchant}/labels", rate=Rate(10), endpoint="shipping documents")
    assert counts.of(REQUESTS).keys() == {("/merchants/id/orders/id", "200"), ("shipping_documents", "200")}


def test_the_document_lists_exactly_the_metrics() -> None:
    rows = re.findall(r"^\| `(zdirect\..*)` \| (.*) \| (.*) \|$", DOCUMENT.read_text(), re.MULTILINE)
    assert rows == [(metric.name, ", ".join(f"`{tag}`" for tag in metric.tags), metric.meaning) for metric in METRICS]
