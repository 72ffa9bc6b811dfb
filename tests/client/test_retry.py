from __future__ import annotations

from datetime import UTC, datetime

import pytest

from airflow_provider_zdirect.client.retry import LONGEST_RETRY_AFTER, RetryPolicy, parse_retry_after
from airflow_provider_zdirect.exceptions import TransportError

NOW = datetime(2015, 10, 21, 7, 28, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("20", 20),
        (" 20 ", 20),
        ("0", 0),
        (".5", 0.5),
        ("20.", 20),
        ("9" * 400, LONGEST_RETRY_AFTER),
        ("Wed, 21 Oct 2015 07:28:30 GMT", 30),
        ("Wed, 21 Oct 2015 07:27:00 GMT", 0),
        ("Wed, 21 Oct 2015 09:28:30 +0200", 30),
        ("Wed, 21 Oct 2015 07:28:30 -0000", 30),
        ("Wednesday, 21-Oct-15 07:28:30 GMT", 30),
        ("Wed Oct 21 07:28:30 2015", 30),
        ("Mon, 21 Oct 2019 07:28:30 GMT", LONGEST_RETRY_AFTER),
        (None, None),
        ("", None),
        ("-1", None),
        ("nan", None),
        ("1e3", None),
        ("0x10", None),
        ("20, 30", None),
        ("20s", None),
        ("soon", None),
        ("Zun, 29 Foo 2999 99:99:99 GMT", None),
        ("Wed, 99 Oct 2015 07:28:30 GMT", None),
        ("٢٠", 20),
    ],
)
def test_retry_after_means(header: str | None, seconds: float | None) -> None:
    assert parse_retry_after(header, NOW) == seconds


def test_a_date_between_two_seconds_is_rounded_up() -> None:
    assert parse_retry_after("Wed, 21 Oct 2015 07:28:30 GMT", NOW.replace(microsecond=250_000)) == 30


@pytest.mark.parametrize(
    ("header", "jitter", "wait"), [(None, 0, 60), (None, 0.99, pytest.approx(74.85)), ("0", 0.5, 1), ("7", 0.5, 7)]
)
def test_wait_after_a_429(header: str | None, jitter: float, wait: float) -> None:
    assert RetryPolicy(jitter=lambda: jitter).wait_after_429(header, NOW) == wait


def test_jitter_only_lengthens_the_backoff() -> None:
    policy = RetryPolicy(jitter=lambda: 0.999)
    assert policy.inline_wait(TransportError("", retry_after=120), attempts=1, alike=1) == pytest.approx(1.24975)
