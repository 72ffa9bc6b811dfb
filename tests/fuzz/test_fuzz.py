"""Whatever comes from outside: no other error than the package's, no hang, no secret, nothing lost."""

from __future__ import annotations

from contextlib import AbstractContextManager

import pytest
from hypothesis import HealthCheck, given, seed, settings
from time_limit import time_limit

from fuzz.seeds import CORPUS, examples, seeds
from fuzz.targets import STORED, TARGETS, empty_place, split

LONGEST = 20
"""Seconds for one example, which takes milliseconds."""


def no_hang() -> AbstractContextManager[None]:
    return time_limit(LONGEST, AssertionError(f"it takes more than {LONGEST} s"))


def test_every_target_has_seeds_and_no_seed_is_left_over() -> None:
    assert sorted(path.name for path in CORPUS.iterdir()) == sorted(TARGETS)


@pytest.mark.parametrize("target", TARGETS)
def test_seeds(target: str) -> None:
    # The first call imports Airflow.
    TARGETS[target](b"")
    for data in seeds(target):
        with no_hang():
            TARGETS[target](data)


def test_stored_files_that_are_as_they_should_be_are_no_errors() -> None:
    sound = sorted((CORPUS / "stored").glob("[0-9]*"))
    for path in sound:
        read, content = split(path.read_bytes(), STORED)
        read(empty_place(), content)
    assert len({path.name[:2] for path in sound}) == len(STORED)


@pytest.mark.parametrize("number", [100, pytest.param(2_000, marks=pytest.mark.exhaustive)])
@pytest.mark.parametrize("target", TARGETS)
def test_changed_seeds(target: str, number: int) -> None:
    @seed(number)
    @settings(max_examples=number, database=None, suppress_health_check=list(HealthCheck))
    @given(examples(target))
    def try_out(data: bytes) -> None:
        with no_hang():
            TARGETS[target](data)

    TARGETS[target](b"")
    try_out()
