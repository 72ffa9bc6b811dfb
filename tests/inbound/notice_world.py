"""An emulator without other notices, whose clock is the client's, and clients that can be killed at any request."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from threading import Thread
from typing import Any

import httpx
from emulated_time import EmulatedTime
from killing import DeadlyTransport
from own_emulator import config_of

from airflow_provider_zdirect.client import MemoryRateLimiter, RetryPolicy, Transport
from airflow_provider_zdirect.client.client import ZDirectClient
from airflow_provider_zdirect.datasets.assumptions import Assumptions
from airflow_provider_zdirect.emulator.server import EmulatorServer
from airflow_provider_zdirect.exceptions import RateLimitedError
from airflow_provider_zdirect.inbound.notice_plan import NoticePlan
from airflow_provider_zdirect.inbound.steps import carry_out

NOTICES = "/zfs/shipping-notices"
NOTICE_ID = "5b1f6a52-9d3c-4d6e-8f3a-0c9a5b7e1d24"
FIELDS = {
    "carrier_name": "DHL",
    "pallets_count": 2,
    "earliest_delivery_date": "2026-03-20",
    "merchant_b2b_reference": "PO-1",
    "contact_email": "inbound@merchant.example",
}
ITEMS = {"0191476239145": 3, "4006381333931": 1}
FEWER = {"0191476239145": 2}
ANNOUNCING = ("create", "announce", "confirm_announcement")
DISPATCHING = ("dispatch", "confirm_dispatch")


def notice_emulator() -> EmulatorServer:
    """One in which there are only those notices that a test makes."""
    return EmulatorServer(seed=7, now="2026-03-10T08:00:00+00:00", notice_days=0)


class NoticeWorld:
    """One merchant's notices."""

    def __init__(self, emulator: EmulatorServer) -> None:
        self.emulator = emulator
        self.clock = EmulatedTime(emulator)
        self.limiter = MemoryRateLimiter(self.clock)
        self.merchant_id = emulator.merchant_ids[0]
        self.assumptions: dict[str, Any] = {}

    def plan(self, operations: tuple[str, ...] = ANNOUNCING, *, create_by: str = "put", **changes: Any) -> NoticePlan:
        put = create_by == "put" or "create" not in operations
        arguments: dict[str, Any] = {
            "operations": operations,
            "merchant_id": self.merchant_id,
            "notice_id": NOTICE_ID if put else None,
            "create_by": create_by,
            "fields": FIELDS if "create" in operations else {},
            "items": {
                "announced": ITEMS if "announce" in operations else None,
                "dispatched": FEWER if "dispatch" in operations else None,
            },
        }
        return NoticePlan(**{**arguments, **changes})

    def client(self, transport: Transport | None = None) -> ZDirectClient:
        config = config_of(self.emulator, assumptions=Assumptions(self.assumptions))
        policy = RetryPolicy(jitter=lambda: 0.0)
        return ZDirectClient(config, clock=self.clock, limiter=self.limiter, transport=transport, policy=policy)

    def run(self, plan: NoticePlan, transport: Transport | None = None) -> dict[str, Any]:
        """Once, in a process of its own."""

        async def go() -> dict[str, Any]:
            async with self.client(transport) as client:
                return await carry_out(plan, client)

        return asyncio.run(go())

    def run_in_turn(self, plan: NoticePlan, transport: Transport | None = None) -> dict[str, Any]:
        """As a task does that waits for its turn."""
        while True:
            try:
                return self.run(plan, transport)
            except RateLimitedError as error:
                asyncio.run(self.clock.sleep(error.retry_after))

    def answer(self, path: str, method: str = "GET", times: int | None = None, **action: Any) -> None:
        """Let zDirect answer so to such requests."""
        self.emulator.faults.add({"match": {"path": path, "method": method}, "action": action, "times": times})

    def notices(self) -> list[dict[str, Any]]:
        return self.emulator.notices(self.merchant_id)

    def only(self) -> dict[str, Any]:
        (notice,) = self.notices()
        return notice

    def writes(self) -> list[str]:
        """What was asked to be changed, with the statuses of the answers."""
        return [
            f"{request.method} {request.path.removeprefix('/zfs/shipping-notices').lstrip('/')[37:]} {request.status}"
            for request in self.emulator.requests
            if request.method != "GET" and "/auth/" not in request.path
        ]


class Colleague:
    """Somebody else who works with the same notices."""

    def __init__(self, world: NoticeWorld) -> None:
        # Not counted: it is about the client under test.
        world.emulator.set_options(rate_limits=False)
        self._http = httpx.Client(base_url=world.emulator.url)
        answer = self._http.post(
            "/auth/token", data={"grant_type": "client_credentials"}, auth=("demo", "demo-secret")
        ).json()
        self._http.headers["Authorization"] = f"Bearer {answer['access_token']}"

    def announce(self, items: dict[str, int], path: str = "announced-item-sets") -> None:
        self.post(path, {"items": [{"ean": ean, "quantity": count} for ean, count in items.items()]})

    def post(self, path: str, content: dict[str, Any]) -> None:
        etag = self._http.get(f"{NOTICES}/{NOTICE_ID}").headers["ETag"]
        answer = self._http.post(f"{NOTICES}/{NOTICE_ID}/{path}", json=content, headers={"If-Match": etag})
        assert answer.status_code == 201, answer.text


def in_thread(act: Callable[[], Any]) -> None:
    """asyncio has one loop in each thread."""
    thread = Thread(target=act)
    thread.start()
    thread.join()


class Meeting(DeadlyTransport):
    """Lets something happen just before, or just after, each of the first writes to a path."""

    def __init__(self, act: Callable[[], Any], path: str, *, after: bool = False, times: int = 1) -> None:
        super().__init__(lambda *_: False)
        self._act, self._path, self._after, self._left = act, path, after, times

    async def send(self, method: str, url: str, **options: Any) -> Any:
        if method == "GET" or not url.endswith(self._path) or not self._left:
            return await super().send(method, url, **options)
        self._left -= 1
        if not self._after:
            self._act()
        answer = await super().send(method, url, **options)
        if self._after:
            self._act()
        return answer
