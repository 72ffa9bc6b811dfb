"""A walk by time sees every record that is there all the while, whatever leaves, however the server pages."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_zdirect.datasets.paging import Position, TimeWalk
from airflow_provider_zdirect.exceptions import CursorLoopError

START = datetime(2026, 11, 20, tzinfo=UTC)
END = START + timedelta(hours=1)
FIRST = Position(START - timedelta(seconds=1))
WALK = TimeWalk("modified_at", "after", size=5, smallest=2)

# Few seconds, so that many records share one, and one second may fill several pages.
times = st.integers(0, 12_000).map(lambda milliseconds: START + timedelta(milliseconds=milliseconds))


class Server:
    """Pages by number through what is there at the moment; before each answer, some records leave.

    :param leaving: how many leave before each request.
    """

    def __init__(self, records: list[datetime], size: int, links: bool, leaving: list[int]) -> None:
        self.records = {f"order {number}": at for number, at in enumerate(records)}
        self.size = size
        self.links = links
        self.leaving = leaving
        self.requests = 0

    def answer(self, position: Position) -> tuple[list[tuple[str, datetime]], bool]:
        self.requests += 1
        for _ in range(self.leaving.pop(0) if self.leaving else 0):
            if self.records:
                # The one whose leaving moves the most others.
                del self.records[min(self.records, key=lambda name: (self.records[name], name))]
        found = sorted((at, name) for name, at in self.records.items() if position.after < at < END)
        page = found[position.number * self.size : (position.number + 1) * self.size]
        return [(name, at) for at, name in page], self.links and (position.number + 1) * self.size < len(found)


@given(st.lists(times, max_size=60), st.integers(2, 9), st.booleans(), st.lists(st.integers(0, 3), max_size=8))
def test_who_stays_is_seen(records: list[datetime], size: int, links: bool, leaving: list[int]) -> None:
    server = Server(records, size, links, leaving)
    position: Position | None = FIRST
    seen: set[str] = set()
    cursors: list[str] = []
    while position is not None:
        page, more = server.answer(position)
        seen.update(name for name, _ in page)
        position = WALK.onward(position, page, more)
        if position is not None:
            cursors.append(position.as_cursor())
            assert WALK.position(cursors[-1], {}) == position
    assert seen >= server.records.keys()
    # An end in sight: no position comes twice, and there are no more requests than pages, walked twice, and ends.
    assert len(set(cursors)) == len(cursors)


@given(st.integers(1, 40), st.integers(2, 9))
def test_times_that_are_apart_take_hardly_more_requests_than_pages(count: int, size: int) -> None:
    server = Server([START + timedelta(seconds=3 * number) for number in range(count)], size, True, [])
    position: Position | None = FIRST
    while position is not None:
        page, more = server.answer(position)
        position = WALK.onward(position, page, more)
    # Each page has one record in common with the one before.
    assert server.requests <= -(-count // (size - 1)) + 2


def test_a_server_that_gives_the_same_page_again_and_again_is_noticed() -> None:
    records = [(f"order {number}", START) for number in range(5)]
    position = WALK.onward(FIRST, records, True)
    assert position is not None
    with pytest.raises(CursorLoopError, match=r"page\[number\] may have another name"):
        WALK.onward(position, records, True)


def test_pages_that_are_smaller_than_any_server_makes_them_are_not_the_end() -> None:
    small = TimeWalk("modified_at", "after", size=20, smallest=50)
    records = [(f"order {number}", START + timedelta(seconds=number)) for number in range(20)]
    assert small.onward(FIRST, records, False) is not None
    assert small.onward(FIRST, records[:19], False) is None
