from __future__ import annotations

import pytest

from airflow_provider_zdirect.exceptions import ConcurrentRunError
from airflow_provider_zdirect.publish.rounds import LONGEST_STEP_BACK, MAX_ROUNDS, in_rounds


def test_who_never_gets_its_turn_gives_up_after_waits_of_a_few_seconds() -> None:
    waits: list[float] = []
    with pytest.raises(ConcurrentRunError, match=f"orders: .* {MAX_ROUNDS} times in a row") as caught:
        in_rounds("orders", lambda: None, waits.append, 120.0)
    assert caught.value.retry_after == 120
    assert len(waits) == MAX_ROUNDS
    assert max(waits) <= LONGEST_STEP_BACK


def test_who_gets_its_turn_later_has_waited_once_for_each_round() -> None:
    rounds, waits = iter([None, None, 7]), list[float]()
    assert in_rounds("orders", lambda: next(rounds), waits.append, 120.0) == 7
    assert len(waits) == 2
