"""From the wire to the staging folder: what distance, pages and rate limits cost. Ends with 1 if a promise is broken.

python benchmarks/latency.py [--days 100] [--pages 6] [--output .bench]

* Many small requests: hours of returned items from a server that answers after 200 ms.
* Large pages: 100,000 received items each, from a server that needs half a second to make one.
* A rate limit: orders, 40 requests a minute, by the emulator's clock.
* A large answer against a plain ``httpx`` stream.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import signal
import subprocess
import sys
import tempfile
import threading
import time
from bisect import bisect_left
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import fsspec
import httpx
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from airflow_provider_zdirect.client import ClientConfig, MemoryRateLimiter, Transport, ZDirectClient
from airflow_provider_zdirect.datasets.endpoint import Rate
from airflow_provider_zdirect.datasets.table import get_dataset
from airflow_provider_zdirect.emulator.requests import check_bearer
from airflow_provider_zdirect.emulator.server import EmulatorServer
from airflow_provider_zdirect.pipeline import fetch
from airflow_provider_zdirect.pipeline.extract import ExtractJob, ExtractResult, extract
from airflow_provider_zdirect.pipeline.fetch import REQUESTS_AT_ONCE
from airflow_provider_zdirect.publish.place import Place
from airflow_provider_zdirect.windows import Window

LATENCY, MAKING_A_PAGE = 0.2, 0.5
"""Seconds until the server answers."""
PAGE_SIZE = 100_000
RETURNED_A_SECOND, ORDERS_A_MINUTE = 100, 40
"""Documented limits."""
ORDERS, ORDERS_ON_A_PAGE = 5_000, 50
ROUNDS = 5


@dataclass(frozen=True)
class Outcome:
    """What one part came to.

    :param figures: numbers by their name, with the unit.
    """

    title: str
    figures: dict[str, float]
    failures: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Server:
    url: str
    merchant_id: str
    client_id: str

    def asked(self, part: str) -> list[dict[str, Any]]:
        """The requests whose path holds ``part``."""
        requests = httpx.get(f"{self.url}/_emulator/requests", timeout=60).json()["requests"]
        return [request for request in requests if part in request["path"]]

    def client(self, transport: Transport | None = None) -> ZDirectClient:
        return ZDirectClient(ClientConfig(self.client_id, "demo-secret", base_url=self.url), transport=transport)


@contextmanager
def server(*arguments: object) -> Iterator[Server]:
    """A server in a process of its own."""
    client_id = f"app-{uuid4()}"
    command = [sys.executable, __file__, "--serve", client_id, *map(str, arguments)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        url, merchant_id = process.stdout.readline().split()
        yield Server(url, merchant_id, client_id)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)


def serve(client_id: str, pages: int, day: date) -> None:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    delay = {"match": {"path": "returned-items", "every": 1}, "action": {"delay": LATENCY}}
    emulator = EmulatorServer(client_id=client_id, faults=[delay])
    bodies = [received_items(number, number + 1 < pages, day) for number in range(pages)]

    async def page(request: Request) -> Response:
        check_bearer(emulator.state, request)
        await asyncio.sleep(MAKING_A_PAGE)
        return Response(bodies[int(request.query_params.get("cursor") or 0)], media_type="application/json")

    path = f"/zfs/stock-movements/reports/received-items/{emulator.merchant_ids[0]}"
    emulator.app.router.routes.insert(0, Route(path, page))
    with emulator:
        print(emulator.url, emulator.merchant_ids[0], flush=True)
        threading.Event().wait()


def received_items(number: int, more: bool, day: date) -> bytes:
    """A page of them; each is there once."""
    items = ",".join(
        f'{{"zalando_advice_id":"20000001","ean":"4006381333931","quality_label":"{number:04d}-{item:06d}",'
        f'"location_id":"0a1b2c3d-0000-4000-8000-00000000abcd","merchant_article_id":"UPOS-1234",'
        f'"received_timestamp":"{day}T{item // 3600 % 24:02d}:{item // 60 % 60:02d}:{item % 60:02d}.{number:06d}Z",'
        f'"merchant_item_id":"UPOS-1234-{number * PAGE_SIZE + item}"}}'
        for item in range(PAGE_SIZE)
    )
    following = f',"next":"{number + 1}"' if more else ""
    return f'{{"received_items":[{items}]{following}}}'.encode()


class TimedTransport(Transport):
    """Notes when requests whose address holds ``part`` were under way, in seconds."""

    def __init__(self, part: str) -> None:
        super().__init__()
        self._part = part
        self.spans: list[tuple[float, float]] = []

    async def send(self, method: str, url: str, **options: Any) -> Any:
        started = time.monotonic()
        answer = await super().send(method, url, **options)
        if self._part in url:
            self.spans.append((started, time.monotonic()))
        return answer


@contextmanager
def timed_staging() -> Iterator[list[tuple[float, float]]]:
    """When pages were staged, in seconds."""
    spans: list[tuple[float, float]] = []
    original = fetch.stage_page

    def stage(*arguments: Any) -> None:
        started = time.monotonic()
        original(*arguments)
        spans.append((started, time.monotonic()))

    fetch.stage_page = stage
    try:
        yield spans
    finally:
        fetch.stage_page = original


def job(merchant_id: str, dataset: str, window: Window, folder: str) -> ExtractJob:
    place = Place(fsspec.filesystem("file"), folder, f"file://{folder}", merchant_id, "production")
    return ExtractJob(place, get_dataset(dataset), window, resume_key="latency", overlap=timedelta(0))


async def _extract(job: ExtractJob, client: ZDirectClient) -> ExtractResult:
    async with client:
        return await extract(job, client)


def small_requests(days: int) -> Outcome:
    """Hours of returned items, each a request that takes 200 ms."""
    end = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) - timedelta(hours=2)
    # The last hours of the hundred days that are kept pass while this runs.
    window = Window(end - timedelta(hours=24 * days - 12), end)
    requests = int(window.duration / timedelta(hours=1))
    with server(0, end.date()) as distant, tempfile.TemporaryDirectory() as folder, timed_staging() as staged:
        transport = TimedTransport("returned-items")
        result = asyncio.run(
            _extract(job(distant.merchant_id, "returned_items", window, folder), distant.client(transport))
        )
        span = {"merchant_id": distant.merchant_id, "from": window.start.isoformat(), "to": window.end.isoformat()}
        truth = httpx.get(f"{distant.url}/_emulator/truth/returned_items", params=span, timeout=300).json()["records"]
        asked = distant.asked("returned-items")
    times = sorted(request["elapsed"] for request in asked)
    busiest = max(bisect_left(times, time + 1) - number for number, time in enumerate(times))
    seconds = max(end for _, end in staged) - min(start for start, _ in transport.spans)
    allowed = requests * LATENCY / REQUESTS_AT_ONCE
    failures = []
    if seconds > 1.1 * allowed:
        failures.append(f"{seconds:.1f} s for {requests} requests; {REQUESTS_AT_ONCE} at once allow {allowed:.1f} s.")
    if busiest > RETURNED_A_SECOND or any(request["status"] == 429 for request in asked):
        failures.append(f"{busiest} requests in a second; {RETURNED_A_SECOND} are allowed.")
    if result.manifest.records != len(truth):
        failures.append(f"{result.manifest.records} records; the server has {len(truth)}.")
    figures = {
        "requests": requests,
        "at once, at most": REQUESTS_AT_ONCE,
        "seconds": seconds,
        "seconds that this allows": allowed,
        "ratio": seconds / allowed,
        "in the busiest second": busiest,
        "staging one answer, ms": 1000 * sum(end - start for start, end in staged) / len(staged),
    }
    return Outcome(f"{requests} requests of {LATENCY * 1000:.0f} ms", figures, failures)


def large_pages(pages: int) -> Outcome:
    """Received items: how much of fetching and staging goes on at the same time."""
    day = datetime.now(UTC).date() - timedelta(days=1)
    with server(pages, day) as distant, tempfile.TemporaryDirectory() as folder, timed_staging() as staged:
        transport = TimedTransport("received-items")
        task = job(distant.merchant_id, "received_items", Window.of_day(day), folder)
        result = asyncio.run(_extract(task, distant.client(transport)))
    fetched = transport.spans
    both = sum(max(0.0, min(a[1], b[1]) - max(a[0], b[0])) for a in fetched for b in staged)
    # Each page but the first can come while the one before is staged.
    possible = sum(min(a[1] - a[0], b[1] - b[0]) for a, b in zip(fetched[1:], staged, strict=False))
    failures = []
    if both < 0.9 * possible:
        failures.append(f"Only {both:.1f} of {possible:.1f} s were used for fetching and staging at the same time.")
    if result.manifest.records != pages * PAGE_SIZE:
        failures.append(f"{result.manifest.records} records; the server has {pages * PAGE_SIZE}.")
    figures = {
        "pages": pages,
        "seconds": staged[-1][1] - fetched[0][0],
        "fetching, s": sum(end - start for start, end in fetched),
        "staging, s": sum(end - start for start, end in staged),
        "both at the same time, s": both,
        "share of what is possible": both / possible,
    }
    return Outcome(f"{pages} pages of {PAGE_SIZE:,} records", figures, failures)


@dataclass(frozen=True)
class EmulatedTime:
    """A clock that is the emulator's: who sleeps on it moves it."""

    emulator: EmulatorServer

    def now(self) -> datetime:
        return self.emulator.clock.now()

    async def sleep(self, seconds: float) -> None:
        self.emulator.clock.advance(seconds)
        await asyncio.sleep(0)


@dataclass
class Distant(Transport):
    """Answers take a while, by the emulator's clock."""

    emulator: EmulatorServer

    def __post_init__(self) -> None:
        super().__init__()

    async def send(self, *arguments: Any, **options: Any) -> Any:
        answer = await super().send(*arguments, **options)
        self.emulator.clock.advance(LATENCY)
        return answer


def rate_limit() -> Outcome:
    """Orders, as fast as their limit allows."""
    end = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    day = Window(end - timedelta(days=1), end)
    with (
        tempfile.TemporaryDirectory() as folder,
        EmulatorServer(now=end + timedelta(hours=1), order_days=0, orders_page_limit=ORDERS_ON_A_PAGE) as emulator,
    ):
        merchant_id, clock = emulator.merchant_ids[0], EmulatedTime(emulator)
        emulator.add_orders(merchant_id, ORDERS, start=day.start, step_seconds=86_400 / ORDERS, items=1, lines=1)
        client = ZDirectClient(
            ClientConfig("demo", "demo-secret", base_url=emulator.url),
            clock=clock,
            limiter=MemoryRateLimiter(clock),
            transport=Distant(emulator),
        )

        async def run() -> ExtractResult:
            async with client:
                return await extract(job(merchant_id, "orders", day, folder), client, clock)

        result = asyncio.run(run())
        asked = [request for request in emulator.requests if request.path.endswith("/orders")]
    minutes = (asked[-1].time - asked[0].time) / timedelta(minutes=1)
    rate = (len(asked) - 1) / minutes
    refused = sum(request.status == 429 for request in asked)
    failures = []
    if rate < 0.95 * ORDERS_A_MINUTE or refused:
        failures.append(f"{rate:.1f} requests a minute of {ORDERS_A_MINUTE}, and {refused} were answered with 429.")
    if result.manifest.records != ORDERS:
        failures.append(f"{result.manifest.records} orders; the server has {ORDERS}.")
    figures = {
        "requests": len(asked),
        "minutes": minutes,
        "requests a minute": rate,
        "share of the limit": rate / ORDERS_A_MINUTE,
        "answered with 429": refused,
    }
    return Outcome(f"{ORDERS_A_MINUTE} requests a minute", figures, failures)


def large_answer() -> Outcome:
    """A page through the client, and the same bytes through httpx alone."""
    day = datetime.now(UTC).date() - timedelta(days=1)
    seconds: dict[str, list[float]] = {"client": [], "httpx": []}

    async def measure(distant: Server) -> int:
        async with distant.client() as client, httpx.AsyncClient(trust_env=False, timeout=60) as plain:
            headers = {"Authorization": f"Bearer {await client.access_token()}"}
            path = f"{distant.url}/zfs/stock-movements/reports/received-items/{distant.merchant_id}"
            for _ in range(ROUNDS):
                started = time.process_time()
                body = bytearray()
                async with plain.stream("GET", path, headers=headers) as answer:
                    async for piece in answer.aiter_bytes():
                        body += piece
                seconds["httpx"].append(time.process_time() - started)
                started = time.process_time()
                received = await client.get_bytes(path.removeprefix(distant.url), rate=Rate(1000))
                seconds["client"].append(time.process_time() - started)
                assert received == body
        return len(body)

    with server(1, day) as distant:
        size = asyncio.run(measure(distant))
    best = {name: min(each) for name, each in seconds.items()}
    ratio = best["client"] / best["httpx"]
    failures = [] if ratio < 1.5 else [f"The client takes {ratio:.1f} times the processor time of plain httpx."]
    figures = {
        "MB": size / 1e6,
        "client, CPU seconds": best["client"],
        "httpx alone, CPU seconds": best["httpx"],
        "ratio": ratio,
    }
    return Outcome("one large answer", figures, failures)


def main() -> int:
    cli = argparse.ArgumentParser(description="Benchmarks of fetching.")
    cli.add_argument("--days", type=int, default=100, help="of returned items, an hour in each request")
    cli.add_argument("--pages", type=int, default=6, help="of received items")
    cli.add_argument("--output", type=Path, default=Path(".bench"))
    cli.add_argument("--serve", nargs=3, help=argparse.SUPPRESS)
    args = cli.parse_args()
    if args.serve:
        client_id, pages, day = args.serve
        serve(client_id, int(pages), date.fromisoformat(day))
    outcomes = [large_answer(), rate_limit(), large_pages(args.pages), small_requests(args.days)]
    for outcome in outcomes:
        print(f"\n{outcome.title}")
        for name, number in outcome.figures.items():
            print(f"  {name:32}{number:>12,}" if isinstance(number, int) else f"  {name:32}{number:>12,.2f}")
    args.output.mkdir(exist_ok=True)
    report = {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} CPUs",
        "python": platform.python_version(),
        "parts": [asdict(outcome) for outcome in outcomes],
    }
    path = args.output / "latency.json"
    path.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    print(f"\nFigures: {path}")
    failures = [f"{outcome.title}: {failure}" for outcome in outcomes for failure in outcome.failures]
    for failure in failures:
        print(f"FAILED: {failure}", file=sys.stderr)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
