from __future__ import annotations

from datetime import timedelta

import pytest
from liquidated import END, START, Day


@pytest.fixture
def emulator(emulator):
    # By a frozen clock, since the passes are days apart; a token lasts as long, since eight are given a real minute.
    emulator.clock.set(END + timedelta(minutes=1))
    emulator.set_options(token_seconds=10_000_000)
    return emulator


@pytest.fixture
def merchant(emulator):
    return emulator.merchant_ids[0]


@pytest.fixture
def day(emulator, tmp_path):
    return Day(emulator, tmp_path, START)


@pytest.fixture
def refetch(day):
    return day.refetch


@pytest.fixture
def script(day):
    return day.script
