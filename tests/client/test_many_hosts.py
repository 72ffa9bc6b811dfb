"""Hosts that share nothing but a store without locks keep to one limit together, evenly, with few 429s."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Iterator

import pytest
from exhaustive import exhaustive

from airflow_provider_zdirect.client.rates import ALONE, LOOK_AGAIN, PATIENCE, MemoryPaces, RateLimiter, Step, T
from airflow_provider_zdirect.client.shared_paces import SharedPaces
from airflow_provider_zdirect.datasets.endpoint import Rate
from airflow_provider_zdirect.exceptions import RateLimitedError
from client.many_hosts import Limit, LoopClock, SlowTexts, run

MINUTE = 60.0
SLOW = (0.01, 0.4)


class OneAtATime(MemoryPaces):
    """As the file of a host: one process after the other."""

    def __init__(self) -> None:
        super().__init__()
        self._lock = asyncio.Lock()

    async def change(self, endpoint: str, step: Step[T], *, surely: bool = True) -> T:
        async with self._lock:
            return await super().change(endpoint, step)


class Load:
    """Hosts with several workers each, which all send as fast as they may.

    :ivar sent: per host, the seconds after the start of the requests that were accepted.
    """

    def __init__(self, limit: int, *, hosts: int, workers: int, minutes: float = 5, seed: int = 0) -> None:
        self.rng = random.Random(seed)
        self.server = Limit(limit, MINUTE)
        self.rate = Rate(limit, MINUTE).shared(1)
        self.hosts, self.workers, self.seconds = hosts, workers, minutes * MINUTE
        self.sent: dict[int, list[float]] = {host: [] for host in range(hosts)}
        self.latency = (0.003, 0.03)
        self.short_lived = False
        self.is_down: Callable[[], bool] = lambda: False
        self.ahead: dict[int, float] = {}

    def run(self) -> Load:
        run(self._main())
        return self

    async def _main(self) -> None:
        self.start = asyncio.get_running_loop().time()
        self.texts = SlowTexts(self.rng, self.latency, self.is_down)
        await asyncio.gather(*(self._host(host) for host in range(self.hosts)))

    @property
    def used(self) -> float:
        """Part of the limit that was used while all were sending."""
        accepted = [at for at in self.server.accepted if at < self.start + self.seconds]
        return len(accepted) / (self.server.requests * self.seconds / MINUTE)

    def now(self) -> float:
        return asyncio.get_running_loop().time() - self.start

    async def _host(self, host: int) -> None:
        limiter = self._limiter(host)
        await asyncio.gather(*(self._worker(host, limiter) for _ in range(self.workers)))

    def _limiter(self, host: int) -> RateLimiter:
        clock = LoopClock(self.ahead.get(host, 0))
        return RateLimiter(OneAtATime(), SharedPaces(self.texts, clock), clock)

    async def _worker(self, host: int, limiter: RateLimiter) -> None:
        await asyncio.sleep(self.rng.uniform(0, 0.5))
        while self.now() < self.seconds:
            if self.short_lived:
                # Every request from a machine that nobody has seen before, as the pods of Kubernetes are.
                limiter = self._limiter(host)
            try:
                await limiter.acquire("orders", self.rate, max_wait=30)
            except RateLimitedError as error:
                await asyncio.sleep(error.retry_after + self.rng.uniform(0, 5))
                continue
            await asyncio.sleep(self.rng.uniform(0.01, 0.1))
            if wait := self.server.ask(asyncio.get_running_loop().time()):
                await limiter.pause("orders", self.rate, wait)
            else:
                self.sent[host].append(self.now())
            await asyncio.sleep(self.rng.uniform(0.01, 0.1))


@pytest.fixture(params=exhaustive(range(10)))
def seed(request: pytest.FixtureRequest) -> int:
    return request.param


def in_windows_of_a_minute(load: Load, first: int) -> Iterator[list[int]]:
    """Requests of each host in each minute after the ``first``."""
    for minute in range(first, int(load.seconds / MINUTE)):
        yield [sum(minute <= at / MINUTE < minute + 1 for at in sent) for sent in load.sent.values()]


@pytest.mark.parametrize(("hosts", "workers"), [(1, 4), (3, 2), (3, 8), (20, 1), (20, 4)])
@pytest.mark.parametrize("limit", [10, 40])
def test_hosts_that_start_together_use_one_limit_evenly_with_few_429s(
    hosts: int, workers: int, limit: int, seed: int
) -> None:
    load = Load(limit, hosts=hosts, workers=workers, seed=seed).run()
    accepted = len(load.server.accepted)
    assert load.server.refused <= 2 + 0.03 * accepted
    # After a 429 all go on with half the rate, for a while.
    assert load.used >= 0.75
    for minute in in_windows_of_a_minute(load, 1):
        if limit / hosts >= 5:
            assert min(minute) >= 0.4 * sum(minute) / hosts


@pytest.mark.parametrize("hosts", [5, 30])
def test_machines_that_live_for_one_request_keep_to_the_limit(hosts: int, seed: int) -> None:
    load = Load(40, hosts=hosts, workers=1, seed=seed)
    load.short_lived = True
    load.run()
    assert load.server.refused <= 2 + 0.02 * len(load.server.accepted)
    assert load.used >= 0.75


@pytest.mark.parametrize("seconds", [60, 7200])
@pytest.mark.parametrize("who", ["ahead", "behind"])
def test_a_host_with_a_wrong_clock_gets_its_part_and_no_more(who: str, seconds: int, seed: int) -> None:
    load = Load(40, hosts=3, workers=4, seed=seed)
    load.ahead = {0: seconds} if who == "ahead" else {1: seconds, 2: seconds}
    load.run()
    assert load.server.refused <= 2 + 0.03 * len(load.server.accepted)
    for minute in in_windows_of_a_minute(load, 1):
        assert min(minute) >= 0.4 * sum(minute) / 3


@pytest.mark.parametrize(("hosts", "used"), [(1, 0.2), (10, 0.5)])
def test_a_slow_store_costs_some_429s_at_the_start_and_not_more(hosts: int, used: float, seed: int) -> None:
    load = Load(40, hosts=hosts, workers=2, seed=seed)
    load.latency = SLOW
    load.run()
    assert load.server.refused <= 0.05 * len(load.server.accepted)
    assert load.used >= used


def test_while_the_store_is_down_each_host_uses_a_part_of_the_limit(seed: int) -> None:
    load = Load(40, hosts=3, workers=4, minutes=6, seed=seed)
    load.is_down = lambda: 1 * MINUTE < load.now() < 4 * MINUTE
    load.run()
    # When it goes down, what was reserved before is still sent.
    assert load.server.refused <= 0.06 * len(load.server.accepted)
    for minute in (2, 3):
        for sent in load.sent.values():
            assert 0 < sum(minute <= at / MINUTE < minute + 1 for at in sent) <= 40 * ALONE + 1
    # And then they see each other again.
    assert sum(at >= 5 * MINUTE for sent in load.sent.values() for at in sent) >= 30


def test_the_pace_of_somebody_else_on_the_same_limit_is_found(seed: int) -> None:
    """A program that knows nothing of this one uses half the limit."""
    load = Load(40, hosts=3, workers=2, minutes=10, seed=seed)
    load.server = Limit(20, MINUTE)
    load.run()
    assert load.server.refused <= 0.12 * len(load.server.accepted)
    assert load.used >= 0.5


def test_the_store_is_asked_about_once_a_second_by_a_busy_host(seed: int) -> None:
    async def main() -> None:
        texts = SlowTexts(random.Random(seed), (0.003, 0.03), lambda: False)
        clock = LoopClock()
        limiter = RateLimiter(OneAtATime(), SharedPaces(texts, clock), clock)
        start = clock.now()
        for _ in range(2000):
            await limiter.acquire("items", Rate(2000, 60), max_wait=30)
        assert texts.requests <= 3 * (clock.now() - start).total_seconds() + 20

    run(main())


def test_a_write_that_is_refused_now_and_then_is_repeated() -> None:
    """Of two that set the same Variable at once, Airflow 2 refuses one."""

    class Refusing(SlowTexts):
        writes = 0

        async def write(self, name: str, text: str) -> None:
            self.writes += 1
            if self.writes % 2:
                raise OSError("duplicate key")
            await super().write(name, text)

    async def main() -> None:
        texts, clock = Refusing(random.Random(0), (0.003, 0.03), lambda: False), LoopClock()
        limiters = [RateLimiter(OneAtATime(), SharedPaces(texts, clock), clock) for _ in range(2)]
        start = clock.now()
        for number in range(6):
            await limiters[number % 2].acquire("orders", Rate(6, 60), max_wait=60)
        assert (clock.now() - start).total_seconds() == pytest.approx(50, abs=1)

    run(main())


def test_a_host_whose_writes_are_all_refused_uses_a_part_of_the_limit(caplog: pytest.LogCaptureFixture) -> None:
    class ReadOnly(SlowTexts):
        async def write(self, name: str, text: str) -> None:
            raise OSError("read-only")

    async def main() -> None:
        clock = LoopClock()
        texts = ReadOnly(random.Random(0), (0.003, 0.03), lambda: False)
        limiter = RateLimiter(OneAtATime(), SharedPaces(texts, clock), clock)
        start = clock.now()
        for _ in range(3):
            await limiter.acquire("orders", Rate(6, 60), max_wait=60)
        assert (clock.now() - start).total_seconds() == pytest.approx(2 * 10 / ALONE, abs=5)

    run(main())
    assert "not shared with the other hosts: read-only" in caplog.text


def test_the_last_free_slot_is_found_however_slow_the_store_is() -> None:
    """Whoever is slow reserves twice, in case it has undone what another had reserved; here only one fits."""

    async def main() -> None:
        texts, clock = SlowTexts(random.Random(0), (0.07, 0.4), lambda: False), LoopClock()
        limiters = [RateLimiter(OneAtATime(), SharedPaces(texts, clock), clock) for _ in range(2)]
        assert await limiters[0].acquire("token", Rate(1, 60), max_wait=1) < 1
        for limiter in limiters:
            with pytest.raises(RateLimitedError):
                await limiter.acquire("token", Rate(1, 60), max_wait=30)

    run(main())


def test_a_429_of_one_host_also_holds_those_who_already_wait_on_another() -> None:
    async def main() -> None:
        texts, clock = SlowTexts(random.Random(0), (0.003, 0.03), lambda: False), LoopClock()
        one, other = (RateLimiter(OneAtATime(), SharedPaces(texts, clock), clock) for _ in range(2))
        await one.acquire("orders", Rate(6, 60), max_wait=0)
        waiting = asyncio.create_task(other.acquire("orders", Rate(6, 60), max_wait=120))
        await asyncio.sleep(2)
        await one.pause("orders", Rate(6, 60), 60)
        assert await waiting >= 60

    run(main())


def test_a_store_that_hangs_holds_up_a_host_once_and_not_each_of_its_processes() -> None:
    async def main() -> None:
        texts, clock, host = SlowTexts(random.Random(0), (1000, 1000), lambda: False), LoopClock(), OneAtATime()
        loop = asyncio.get_running_loop()
        start = loop.time()
        processes = [RateLimiter(host, SharedPaces(texts, clock), clock) for _ in range(20)]
        waits = await asyncio.gather(*(each.acquire("orders", Rate(100), max_wait=30) for each in processes))
        assert loop.time() - start < PATIENCE + 2 < LOOK_AGAIN
        # Twenty at a quarter of the limit.
        assert max(waits) == pytest.approx(19 * 0.04, abs=0.01)

    run(main())


def figures() -> Iterator[str]:
    """The table of the documents."""
    for limit, hosts, workers, short_lived, latency in (
        (10, 3, 8, False, None),
        (10, 20, 4, False, None),
        (40, 3, 8, False, None),
        (40, 20, 1, False, None),
        (40, 20, 4, False, None),
        (40, 30, 1, True, None),
        (40, 1, 2, False, SLOW),
        (40, 10, 2, False, SLOW),
    ):
        loads = [Load(limit, hosts=hosts, workers=workers, seed=seed) for seed in range(10)]
        for load in loads:
            load.short_lived, load.latency = short_lived, latency or load.latency
            load.run()
        refused = sum(load.server.refused for load in loads)
        sent = refused + sum(len(load.server.accepted) for load in loads)
        who = f"{hosts} machines that live for one request" if short_lived else f"{hosts}, {workers}"
        who += ", slow store" if latency else ""
        used = sum(load.used for load in loads) / len(loads)
        yield f"| {limit} a minute | {who} | {refused} of {sent:,} | {used:.0%} |"


if __name__ == "__main__":
    print(*figures(), sep="\n")
