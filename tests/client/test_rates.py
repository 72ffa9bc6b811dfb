from __future__ import annotations

import asyncio
import fcntl
import multiprocessing
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import psutil
import pytest
from clocks import FakeClock
from exhaustive import exhaustive
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_zdirect.client.access_token import TOKEN_RATES
from airflow_provider_zdirect.client.pace import Pace
from airflow_provider_zdirect.client.rates import (
    LOOK_AGAIN,
    FileRateLimiter,
    MemoryPaces,
    MemoryRateLimiter,
    Rate,
    RateLimiter,
)
from airflow_provider_zdirect.datasets.table import DATASETS
from airflow_provider_zdirect.exceptions import RateLimitedError
from airflow_provider_zdirect.inbound.notices import ONE_NOTICE, PER_HOUR
from airflow_provider_zdirect.orders import order_calls
from client.processes import send_five

pytestmark = pytest.mark.anyio

START = 1_763_800_000.0


@given(
    limit=st.integers(1, 50),
    period=st.sampled_from([1.0, 60.0, 3600.0]),
    burst=st.integers(1, 5),
    share=st.floats(0.05, 1),
    gaps=st.lists(st.floats(0, 30), min_size=1, max_size=120),
    pauses=st.dictionaries(st.integers(0, 119), st.floats(0, 100), max_size=5),
)
def test_no_period_ever_holds_more_than_the_limit(
    limit: int, period: float, burst: int, share: float, gaps: list[float], pauses: dict[int, float]
) -> None:
    rate = Rate(limit, period, burst).shared(share)
    pace, now, sends = Pace(), START, []
    for number, gap in enumerate(gaps):
        now += gap
        if number in pauses:
            pace = pace.pause(now, rate, pauses[number])
        reserved, slot = pace.reserve(now, rate)
        if slot - now <= 7200:
            pace = reserved
            sends.append(slot)
    assert sends == sorted(sends)
    for first in range(len(sends)):
        # A microsecond of tolerance: times since 1970 are no more exact than that.
        inside = [send for send in sends[first:] if send < sends[first] + period - 1e-5]
        assert len(inside) <= limit


def documented() -> set[Rate]:
    limits = [dataset.endpoint.rate_limits for dataset in DATASETS.values()]
    limits += [order_calls.RATES, order_calls.BY_NUMBER, ONE_NOTICE, PER_HOUR, TOKEN_RATES]
    return {rate for each in limits for rate in (each.production, each.sandbox)}


@pytest.mark.parametrize("hosts", exhaustive([3, 1, 2, 7]))
@pytest.mark.parametrize("rate", sorted(documented(), key=str), ids=str)
async def test_hosts_that_divide_a_documented_limit_never_exceed_it(rate: Rate, hosts: int, tmp_path: Path) -> None:
    """Each host has several processes, which all want to send as much as they can, after a time of rest."""
    if rate.limit < hosts:
        pytest.skip("Each host has to send something.")
    times: list[float] = []
    for host in range(hosts):
        clock = FakeClock()
        processes = [FileRateLimiter(tmp_path / str(host), clock) for _ in range(3)]
        for number in range(2 * int(rate.limit / hosts) + 5):
            await processes[number % 3].acquire("orders", rate.shared(1 / hosts), max_wait=7200)
            times.append(clock.now().timestamp())
    times.sort()
    most = int(rate.limit)
    assert all(late - early > rate.period for early, late in zip(times, times[most:], strict=False))


@given(limit=st.integers(1, 50), gaps=st.lists(st.floats(0, 5), max_size=50), pause=st.floats(0.1, 1000))
def test_nothing_is_sent_during_a_pause(limit: int, gaps: list[float], pause: float) -> None:
    rate, now = Rate(limit, 1, burst=3), START
    pace = Pace()
    for _ in range(5):
        pace, _ = pace.reserve(now, rate)
    pace = pace.pause(now, rate, pause)
    for gap in gaps:
        now += gap
        pace, slot = pace.reserve(now, rate)
        assert slot >= START + pause


def test_after_a_429_half_the_rate_is_used_and_little_by_little_all_of_it() -> None:
    rate = Rate(60, 60)
    pace = Pace().pause(START, rate, 2)
    shares = [pace.share_now(START + 2 + seconds, rate) for seconds in (0, 60, 150, 1000)]
    assert shares == pytest.approx([0.5, 0.7, 1, 1])
    # One 429 seldom comes alone: the server still counts what was sent before.
    assert pace.pause(START + 10, rate, 2).share_now(START + 2, rate) == 0.5
    assert pace.pause(START + 70, rate, 2).share_now(START + 72, rate) == pytest.approx(0.36, abs=0.01)
    for minute in range(100):
        pace = pace.pause(START + 1.1 * rate.period * minute, rate, 1)
    assert pace.share == pytest.approx(0.22, abs=0.01)
    assert Pace(share=0.0, share_at=START).share_now(START, rate) == 1 / 16


def test_a_burst_is_paid_back_within_the_period() -> None:
    pace, sends = Pace(), []
    for _ in range(9):
        pace, slot = pace.reserve(START, Rate(8, 60, burst=2))
        sends.append(slot - START)
    assert sends[:2] == [0, 0]
    assert sends[8] == pytest.approx(60)


def test_a_pace_from_the_far_future_is_not_obeyed() -> None:
    _, slot = Pace(arrival=START + 1e9, paused_until=START + 1e9).reserve(START, Rate(1))
    assert slot == START


def test_a_429_counts_and_a_share_comes_back_after_a_pace_from_the_far_future() -> None:
    pace = Pace(share=0.1, share_at=START + 1e9, paused_until=START + 1e9)
    assert pace.share_now(START, Rate(1)) == 1
    paused = pace.pause(START, Rate(1), 10)
    assert (paused.paused_until, paused.share) == (START + 10, 0.5)
    assert pace.paused_until_at_least(START + 10, START).is_paused(START)


def test_requests_granted_in_the_far_future_are_not_waited_for() -> None:
    assert Pace(granted=(START + 0.5, START + 1e9)).usable(START, Rate(1)) == (START + 0.5,)


def test_who_uses_up_its_grant_gets_twice_as_much_and_who_does_not_gets_half() -> None:
    rate, used_up = Rate(1000, 1), Pace(grant=8, arrival=START)
    assert used_up.next_grant(START, rate) == 16
    assert msgspec.structs.replace(used_up, granted=(START,)).next_grant(START, rate) == 4
    assert msgspec.structs.replace(used_up, grant=800).next_grant(START, rate) == 1000
    assert used_up.next_grant(START + 2, rate) == 1, "it has been idle"


def test_a_rate_is_positive() -> None:
    for values in ((0, 1, 1), (1, 0, 1), (1, 1, 0), (-1, 1, 1)):
        with pytest.raises(ValueError):
            Rate(*values)


Limiter = MemoryRateLimiter | FileRateLimiter


@pytest.fixture(params=["memory", "file"])
def make_limiter(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[FakeClock], Limiter]:
    if request.param == "memory":
        return MemoryRateLimiter
    return lambda clock: FileRateLimiter(tmp_path / "rates", clock)


async def test_requests_to_one_endpoint_are_evenly_spaced(
    make_limiter: Callable[[FakeClock], Limiter], clock: FakeClock
) -> None:
    limiter = make_limiter(clock)
    waits = [await limiter.acquire("orders", Rate(10, 60), max_wait=30) for _ in range(4)]
    assert waits == pytest.approx([0, 6, 6, 6], abs=1e-3)
    assert await limiter.acquire("items", Rate(10, 60), max_wait=0) == 0


async def test_too_long_a_wait_is_refused_and_reserves_nothing(
    make_limiter: Callable[[FakeClock], Limiter], clock: FakeClock
) -> None:
    limiter = make_limiter(clock)
    await limiter.acquire("snapshots", Rate(1, 60), max_wait=30)
    for _ in range(3):
        with pytest.raises(RateLimitedError) as caught:
            await limiter.acquire("snapshots", Rate(1, 60), max_wait=30)
        assert caught.value.retry_after == pytest.approx(60, abs=1e-3)
    clock.advance(60)
    assert await limiter.acquire("snapshots", Rate(1, 60), max_wait=0) == 0


async def test_a_pause_holds_everybody_and_lets_them_out_one_by_one(
    make_limiter: Callable[[FakeClock], Limiter], clock: FakeClock
) -> None:
    limiter = make_limiter(clock)
    start = clock.now()
    await limiter.pause("orders", Rate(1), 10)
    sent = []
    for _ in range(3):
        await limiter.acquire("orders", Rate(1), max_wait=30)
        sent.append((clock.now() - start) / timedelta(seconds=1))
    # At half the rate.
    assert sent == pytest.approx([10, 12, 14], abs=0.01)


async def test_a_pause_also_holds_those_who_already_wait(make_limiter: Callable[[FakeClock], Limiter]) -> None:
    class PausingClock(FakeClock):
        """While the first sleeper sleeps, another task meets a 429."""

        async def sleep(self, seconds: float) -> None:
            await super().sleep(seconds)
            if len(self.slept) == 1:
                await limiter.pause("orders", Rate(1, 5), 20)

    clock = PausingClock()
    limiter = make_limiter(clock)
    await limiter.acquire("orders", Rate(1, 5), max_wait=60)
    assert await limiter.acquire("orders", Rate(1, 5), max_wait=60) == pytest.approx(25, abs=1e-3)


async def test_limiters_on_one_directory_share_the_pace_and_garbage_in_its_file_counts_as_none(
    tmp_path: Path, clock: FakeClock
) -> None:
    limiter = FileRateLimiter(tmp_path, clock)
    await limiter.acquire("orders", Rate(1, 10), max_wait=0)
    with pytest.raises(RateLimitedError):
        await FileRateLimiter(tmp_path, clock).acquire("orders", Rate(1, 10), max_wait=0)
    for path in tmp_path.glob("*.pace"):
        assert path.stat().st_mode & 0o777 == 0o600
        path.write_bytes(b"\x00garbage that is longer than what belongs there, by a good bit, really\n")
    assert await limiter.acquire("orders", Rate(1, 10), max_wait=0) == 0


async def test_without_a_usable_directory_the_process_paces_itself(
    tmp_path: Path, clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").touch()
    limiter = FileRateLimiter(tmp_path / "file", clock)
    assert await limiter.acquire("orders", Rate(1, 10), max_wait=30) == 0
    # A quarter of the limit: nobody knows how many others there are.
    assert await limiter.acquire("orders", Rate(1, 10), max_wait=60) == pytest.approx(40, abs=1e-3)
    assert [record.levelname for record in caplog.records].count("WARNING") == 1


async def test_many_coroutines_wait_for_another_process_in_one_queue(tmp_path: Path) -> None:
    rate, crowd = Rate(100_000), 200
    limiter = FileRateLimiter(tmp_path)
    await limiter.acquire("orders", rate, max_wait=30)
    (path,) = tmp_path.glob("*.pace")
    with path.open("rb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        waiting = asyncio.gather(*(limiter.acquire("orders", rate, max_wait=30) for _ in range(crowd)))
        await asyncio.sleep(0.1)
        # Whoever looks at the lock has the file open.
        assert sum(Path(file.path) == path for file in psutil.Process().open_files()) == 2
    assert len(await waiting) == crowd


def test_a_limiter_may_be_used_by_one_event_loop_after_the_other(tmp_path: Path) -> None:
    limiter = FileRateLimiter(tmp_path)

    async def crowd() -> None:
        await asyncio.gather(*(limiter.acquire("orders", Rate(100_000), max_wait=30) for _ in range(20)))

    asyncio.run(crowd())
    asyncio.run(crowd())


def test_processes_share_the_pace(tmp_path: Path) -> None:
    spawn = multiprocessing.get_context("spawn")
    start, sent = spawn.Barrier(2), spawn.Queue()
    processes = [spawn.Process(target=send_five, args=(tmp_path, start, sent)) for _ in range(2)]
    for process in processes:
        process.start()
    times = sorted(sent.get(timeout=300) for _ in range(2 + 10))
    for process in processes:
        process.join()
    # 10 requests at 50 a second, from the first beginning to the last request: who has to wait for the processor
    # only tells later.
    assert times[-1] - times[0] >= 9 * 0.02 - 0.02


class Unreachable:
    """A store that cannot be reached; it counts how often that was tried."""

    tries = 0

    async def change(self, endpoint: str, step: Any, *, surely: bool = True) -> Any:
        self.tries += 1
        raise OSError("no database")


async def test_a_store_that_cannot_be_reached_is_left_alone_for_a_while() -> None:
    clock, everybody = FakeClock(), Unreachable()
    limiter = RateLimiter(MemoryPaces(), everybody, clock)
    for seconds, tries in ((0.0, 1), (LOOK_AGAIN - 1, 1), (1.0, 2)):
        clock.advance(seconds)
        await limiter.acquire("x", Rate(1_000_000, 1), max_wait=0.5)
        assert everybody.tries == tries


async def test_the_folder_of_the_paces_is_made_with_those_above_it(tmp_path: Path) -> None:
    await FileRateLimiter(tmp_path / "made" / "for it", FakeClock()).acquire("x", Rate(10), max_wait=0)
    assert len(list((tmp_path / "made" / "for it").glob("*.pace"))) == 1
