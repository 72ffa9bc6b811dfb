"""The figures of a distributed run, of small inputs: each of its checks can fail."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from figures import Difference, by_operation, difference, most_within


@pytest.mark.parametrize(
    ("published", "found"),
    [
        (["a", "b"], Difference(rows=2, lost=0, doubled=0, surplus=0)),
        (["a"], Difference(rows=1, lost=1, doubled=0, surplus=0)),
        (["a", "b", "b"], Difference(rows=3, lost=0, doubled=1, surplus=0)),
        (["a", "b", "c"], Difference(rows=3, lost=0, doubled=0, surplus=1)),
        (["a", "c", "c"], Difference(rows=3, lost=1, doubled=1, surplus=1)),
    ],
)
def test_every_difference_from_the_truth_counts(published: list[str], found: Difference) -> None:
    assert difference(Counter(["a", "b"]), Counter(published)) == found


def test_the_busiest_minute_begins_at_any_moment() -> None:
    assert most_within(60, [0, 50, 55, 70, 109, 115, 200]) == 4
    assert most_within(60, [0, 60, 120]) == 1
    assert most_within(60, []) == 0


def test_requests_are_counted_by_what_their_limit_is_for() -> None:
    requests = [
        _request("/auth/token", elapsed=0),
        _request("/auth/token", elapsed=59),
        _request("/merchants/m/orders", elapsed=0),
        _request("/merchants/m/orders", elapsed=10, status=429),
        _request("/merchants/m/orders", elapsed=20, status=429, fault="status,headers"),
        _request("/merchants/m/orders", elapsed=61),
        _request("/auth/me", elapsed=0),
    ]
    found = by_operation(requests)
    assert list(found) == ["orders", "token"]
    assert (found["token"].sent, found["token"].busiest) == (2, 2)
    orders = found["orders"]
    assert (orders.limit, orders.sent, orders.busiest, orders.refused) == ("40 in 60 s", 4, 3, 1)
    assert orders.refused_share == 0.25


def _request(path: str, elapsed: float, status: int = 200, fault: str = "") -> dict[str, Any]:
    return {"path": path, "elapsed": elapsed, "status": status, "fault": fault}
