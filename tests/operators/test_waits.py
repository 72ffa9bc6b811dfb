"""Waits without a worker slot, as all operators have them."""

from __future__ import annotations

from datetime import timedelta

import pytest
import real_time
from airflow.providers.common.compat.sdk import AirflowFailException, TaskDeferred
from all_tasks import TASKS

from airflow_provider_zdirect.exceptions import (
    BadRequestError,
    CursorLoopError,
    RateLimitedError,
    ServerError,
    UpdatesPausedError,
)
from airflow_provider_zdirect.operators.argument_table import CONNECTION
from airflow_provider_zdirect.operators.base import MAX_WAITS, Outcome, ZDirectOperator

DOWN, LIMIT = ServerError("down", retry_after=120), RateLimitedError("slow down", retry_after=900)
SOME_DONE = UpdatesPausedError("the rest is left", retry_after=900, progress=7)


class Failing(ZDirectOperator):
    """Raises one error after the other, and then succeeds."""

    arguments = CONNECTION
    max_turns = 3

    def __init__(self, *, errors, conn_id="shop", deferrable=True, **kwargs):
        super().__init__(values=locals(), **kwargs)
        self.errors = list(errors)

    def perform(self, run):
        if self.errors:
            raise self.errors.pop(0)
        return Outcome({"done": True})


@pytest.fixture
def run():
    def run(*errors):
        """What each deferral hands on to the next try, until the task ends; and how it ends."""
        task, found, arguments = Failing(task_id="a_task", errors=errors), [], {}
        while True:
            try:
                return found, task.resume({}, **arguments)
            except TaskDeferred as deferred:
                found.append(arguments := deferred.kwargs)
            except ServerError as error:
                return found, error

    return run


def test_failures_are_waited_out_and_not_for_ever(run):
    assert run(DOWN, DOWN) == ([{"waits": 1}, {"waits": 2}], {"done": True})
    assert run(*[DOWN] * (MAX_WAITS + 1)) == ([{"waits": number + 1} for number in range(MAX_WAITS)], DOWN)


def test_a_limit_that_others_use_up_is_no_failure_for_so_many_turns(run):
    turns = [{"waits": 1, "turns": turn} for turn in (1, 2, 3)]
    assert run(DOWN, *[LIMIT] * 4) == ([{"waits": 1}, *turns, {"waits": 2}], {"done": True})


def test_progress_makes_up_for_the_waits_before(run):
    found, _ = run(DOWN, DOWN, LIMIT, SOME_DONE, DOWN)
    assert found == [{"waits": 1}, {"waits": 2}, {"waits": 2, "turns": 1}, {"waits": 0, "turns": 1}, {"waits": 1}]


def test_a_wait_ends_when_zdirect_wants(run):
    with pytest.raises(TaskDeferred) as deferred:
        Failing(task_id="a_task", errors=[LIMIT]).resume({})
    wait = deferred.value.trigger.moment - real_time.now()
    assert timedelta(seconds=800) < wait <= timedelta(seconds=901)


def test_without_deferral_the_error_is_for_the_retry_of_the_task():
    for error in (DOWN, LIMIT):
        with pytest.raises(type(error)):
            Failing(task_id="a_task", errors=[error], deferrable=False).resume({})


@pytest.mark.parametrize("error", [BadRequestError("no"), CursorLoopError("round and round")])
def test_what_a_retry_cannot_help_is_not_waited_for(error):
    with pytest.raises(AirflowFailException, match=error.message) as caught:
        Failing(task_id="a_task", errors=[error]).resume({})
    assert caught.value.__cause__ is error


def test_operators_that_share_a_low_limit_have_turns_to_wait_for():
    turns = {task.__name__: task.max_turns for task in TASKS if getattr(task, "max_turns", 0)}
    assert turns == {
        "ZDirectItemSetsOperator": 20,
        "ZDirectOrderUpdateOperator": 50,
        "ZDirectShippingNoticeOperator": 300,
        "ZDirectStockUpdateOperator": 200,
    }
