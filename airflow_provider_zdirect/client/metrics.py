# SPDX-License-Identifier: Apache-2.0
"""What is counted while a task works: the metrics of this package, as values. Whoever runs the client may listen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class Metric:
    """A counter.

    :param name: as Airflow's metrics are named.
    :param tags: what it is counted by; every count has all of them.
    :param meaning: of a count of one.
    """

    name: str
    tags: tuple[str, ...]
    meaning: str


REQUESTS = Metric(
    "zdirect.requests",
    ("endpoint", "outcome"),
    "A request to zDirect, token requests aside. The outcome is the status of the answer, `no_answer` or `too_large`",
)
RETRIES = Metric(
    "zdirect.retries",
    ("endpoint", "reason"),
    "A request that is sent again within the same task. The reason is the name of the error",
)
WAIT_SECONDS = Metric(
    "zdirect.wait_seconds",
    ("reason",),
    "A second of waiting, whole or in part: for the rate limit (`rate_limit`), after a failure (`failure`), until a "
    "token may be requested (`token`), or without a worker slot until the task goes on after one of these (`deferred`)",
)
TOKENS = Metric(
    "zdirect.tokens", ("outcome",), "A request for an access token. The outcome is as for `zdirect.requests`"
)
BYTES = Metric("zdirect.bytes", ("endpoint",), "A byte of an answer's body, after decompression; token requests aside")
RECORDS = Metric(
    "zdirect.records",
    ("dataset", "merchant_id"),
    "A record of a window or state that a task has published; of other tables, a row that it has recorded",
)
REJECTED = Metric(
    "zdirect.rejected",
    ("dataset", "merchant_id"),
    "An invalid record that was rejected while the rest was published; of other tables, a row that was not applied",
)

METRICS = (REQUESTS, RETRIES, WAIT_SECONDS, TOKENS, BYTES, RECORDS, REJECTED)


class Listener(Protocol):
    """Is called for every count; it returns at once and never raises."""

    def __call__(self, metric: Metric, value: float, /, **tags: str) -> None: ...


def nobody(metric: Metric, value: float, /, **tags: str) -> None:
    """Does not listen."""
