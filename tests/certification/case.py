"""What a case is made of: a dataset, a situation that it is put into, and the rules that hold in every one."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from airflow_provider_zdirect.datasets.dataset import Dataset
from airflow_provider_zdirect.datasets.endpoint import REFETCH_DELAY
from airflow_provider_zdirect.datasets.publication import Days, History, Once, Publication, Snapshots
from airflow_provider_zdirect.datasets.table import DATASETS
from airflow_provider_zdirect.emulator.state import LoggedRequest
from airflow_provider_zdirect.exceptions import RateLimitedError, ZDirectError, ZDirectRetriableError
from airflow_provider_zdirect.windows import Window
from certification.protection import Protection
from certification.world import SECRET, Outcome, Row, World

MOST_REPEATED = 4
"""How often one request is sent at most within a try (``RetryPolicy.max_attempts``)."""

Play = Callable[[World], object]

LOOKS_BACK = Protection("publish.merge:_Round.run", "self.written and {*self._held_files()} != self.there", "False")
PUBLISHED_ONCE = {
    Once: Protection("publish.merge:_Round._held_files", "return paths", "return []", also=LOOKS_BACK),
    Days: Protection("publish.day:DayReplacer._publish_changed", "not changes.total()", "False"),
    Snapshots: Protection("publish.snapshot:store_snapshot", "if held is None or", "if True or"),
    History: Protection("publish.history:_Recording._round", "len(paths) == 1 and versions == known.versions", "False"),
}
"""What looks whether the same is there already, by the way in which a dataset is published."""


def every(dataset: Dataset) -> bool:
    return True


@dataclass(frozen=True)
class Situation:
    """A row of the table: every dataset that it applies to is a case.

    :param id: ``group/name``.
    :param shows: one sentence.
    :param protected_by: without it the cases fail; it may differ by the way in which a dataset is published.
    :param play: brings the situation about and checks what has become of it.
    """

    id: str
    shows: str
    protected_by: Protection | Mapping[type[Publication], Protection]
    play: Play
    applies: Callable[[Dataset], bool] = every

    @property
    def group(self) -> str:
        return self.id.partition("/")[0]


@dataclass(frozen=True)
class Case:
    dataset: str
    situation: Situation

    @property
    def id(self) -> str:
        return f"{self.dataset}/{self.situation.id}"

    @property
    def protection(self) -> Protection:
        by = self.situation.protected_by
        return by if isinstance(by, Protection) else by[type(DATASETS[self.dataset].publish)]


@dataclass(frozen=True)
class Disturbed:
    """The server, or the way to it, fails at a request of the dataset; a task has to come through, or to end well.

    :param action: what the emulator does, as in a fault plan.
    :param error: what the first failed try ends with; None: no try fails.
    :param wait: seconds that must pass before the same request comes again, at least.
    :param times: how many requests are hit; None: all.
    :param ends: whether the task succeeds after all.
    :param says: what the error says, beside dataset, merchant and remedy.
    :param path: the requests that are hit; blank: those of the dataset.
    :param tokens: token requests, at most.
    :param settings: of the client.
    :param late: hit the second request, where there is one, and not the first.
    """

    action: Mapping[str, Any]
    error: type[ZDirectError] | None = None
    wait: float = 0.0
    times: int | None = 1
    ends: bool = True
    says: tuple[str, ...] = ()
    path: str = ""
    tokens: int = 1
    settings: Mapping[str, Any] = field(default_factory=dict)
    late: bool = True

    def __call__(self, world: World) -> None:
        # The same request over and over; a plan counts those of a path, and they come in no certain order.
        needed = requests_needed(world)
        world.settings = dict(self.settings)
        nth = 2 if self.late and needed > 1 and not self.path and self.times == 1 else 1
        world.fault(self.path or world.path, dict(self.action), times=self.times, nth=nth)
        outcome = world.task()
        assert any(request.fault for request in world.emulator.requests), "the fault was met"
        check_end(world, outcome, error=self.error, ends=self.ends, says=self.says, names=not self.path)
        hit = [request for request in world.emulator.requests if request.fault]
        check_waits(world, hit, self.wait)
        asked_again = [first for first, _ in pairwise_same(world.emulator.requests) if first in hit]
        # A day later, a present state is asked for with another date.
        assert asked_again == hit or not self.ends or self.wait >= 86_400, "what failed is asked for again"
        check_requests(world, tries=len(outcome.errors) + self.ends, needed=needed, tokens=self.tokens, hit=len(hit))
        if isinstance(failed := outcome.errors[0] if outcome.errors else None, ZDirectRetriableError):
            assert failed.retry_after >= min(self.wait, 86_400), "the task waits as long as it has to"


_NEEDED: dict[str, int] = {}


def requests_needed(world: World) -> int:
    """Requests of the dataset in a run that nothing disturbs."""
    if world.dataset not in _NEEDED:
        world.emulator.reset()
        calm = World.of(world.emulator, world.root / "calm", world.dataset)
        calm.fetch()
        _NEEDED[world.dataset] = len(of_dataset(calm))
        fresh = World.of(world.emulator, world.root, world.dataset)
        world.__dict__.update(fresh.__dict__)
    return _NEEDED[world.dataset]


def of_dataset(world: World) -> list[LoggedRequest]:
    return [request for request in world.emulator.requests if re.search(world.path, request.path)]


def token_requests(world: World) -> list[LoggedRequest]:
    return [request for request in world.emulator.requests if request.path == "/auth/token"]


def check_end(
    world: World,
    outcome: Outcome,
    *,
    error: type[ZDirectError] | None = None,
    ends: bool = True,
    says: tuple[str, ...] = (),
    names: bool = True,
    before: Counter[Row] | None = None,
    window: Window | None = None,
    litter: bool = False,
) -> None:
    """Everything is published once, or nothing; and each error says what happened, where, and what to do.

    :param error: the kind of the first failed try's error.
    :param names: whether the errors name dataset and merchant.
    :param window: what was asked for; None: as usual.
    :param litter: whether unfinished files may be left, which go with a later run after a day.
    :param before: what was published before; a task that fails leaves it as it was.
    """
    assert [type(_reason(each)) for each in outcome.errors[:1]] == ([error] if error else []), outcome.errors
    for each in outcome.errors:
        text = str(each)
        assert "What to do: " in text
        assert not (secrets(world) & set(re.findall(r"[\w.-]+", text)))
        where = (world.dataset, world.merchant_id[:8]) if names else ()
        assert [part for part in (*where, *says) if part not in text] == [], text
    if ends:
        assert outcome.result is not None, outcome.errors
        expected = world.expected(window)
        assert expected
        assert world.rows() == expected
        assert litter or not world.paths("_staging"), "nothing is left behind"
    else:
        assert outcome.result is None
        assert world.rows() == (before or Counter())


def _reason(error: ZDirectError) -> BaseException:
    """The failure, where our own pacing has refused to repeat it at once."""
    is_ours = isinstance(error, RateLimitedError) and error.status is None
    return error.__cause__ or error if is_ours else error


def secrets(world: World) -> set[str]:
    return {SECRET, world.token()} - {""}


def check_waits(world: World, hit: list[LoggedRequest], wait: float) -> None:
    """No request is repeated before its time; after a server error, that is two minutes."""
    for first, again in pairwise_same(world.emulator.requests):
        if first in hit or (first.status or 0) >= 500:
            least = max(wait, REFETCH_DELAY) if (first.status or 0) >= 500 else wait
            assert (again.time - first.time).total_seconds() >= min(least, 86_400), (first, again)


def pairwise_same(requests: list[LoggedRequest]) -> list[tuple[LoggedRequest, LoggedRequest]]:
    """Each request and the next one that is the same."""
    alike: dict[tuple[str, str, str], list[LoggedRequest]] = {}
    for request in requests:
        alike.setdefault((request.method, request.path, request.query), []).append(request)
    return [pair for each in alike.values() for pair in pairwise(sorted(each, key=lambda request: request.time))]


def check_requests(world: World, *, tries: int = 1, needed: int, tokens: int = 1, hit: int = 0) -> None:
    """No storm: not more requests than the task needs, and none beyond the rate limit."""
    sent = of_dataset(world)
    # A state, and a report of a day, is asked for anew by each try; of any other window only what is missing.
    anew = world.is_by_day or not world.row.has_windows
    most = needed * (tries if anew else 1) + hit
    assert len(sent) <= most, f"{len(sent)} requests, and {most} are enough"
    again = [len(each) for each in alike_of(sent)]
    assert max(again, default=0) <= MOST_REPEATED * tries
    assert len(token_requests(world)) <= tokens
    assert not [request for request in world.emulator.requests if request.status == 429 and not request.fault]


def alike_of(requests: list[LoggedRequest]) -> list[list[LoggedRequest]]:
    alike: dict[tuple[str, str], list[LoggedRequest]] = {}
    for request in requests:
        alike.setdefault((request.path, request.query), []).append(request)
    return list(alike.values())
