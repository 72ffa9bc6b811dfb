"""Waits without a worker slot, as all operators have them."""

from __future__ import annotations

import inspect
from datetime import timedelta

import pytest
import real_time
from all_tasks import TASKS
from clocks import NOON

from airflow_provider_zdirect.airflow_sdk import AirflowFailException, TaskDeferred
from airflow_provider_zdirect.clock import SystemClock
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

    def __init__(self, *, errors, conn_id="shop", deferrable=True, **kwargs):
        super().__init__(values=locals(), **kwargs)
        self.errors = list(errors)

    def perform(self, run):
        if self.errors:
            raise self.errors.pop(0)
        return Outcome({"done": True})


@pytest.fixture
def present(monkeypatch):
    """The last of these moments is now."""
    moments = [NOON]
    monkeypatch.setattr(SystemClock, "now", lambda self: moments[-1])
    return moments


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


def test_a_limit_that_others_use_up_is_no_failure_for_a_day(run, present):
    turn = {"waits": 1, "turn_since": NOON.timestamp()}
    assert run(DOWN, *[LIMIT] * 20) == ([{"waits": 1}, *[turn] * 20], {"done": True})
    present.append(NOON + timedelta(days=1))
    with pytest.raises(TaskDeferred) as deferred:
        Failing(task_id="a_task", errors=[LIMIT]).resume({}, **turn)
    assert deferred.value.kwargs == {"waits": 2}
    with pytest.raises(RateLimitedError):
        Failing(task_id="a_task", errors=[LIMIT]).resume({}, waits=MAX_WAITS, turn_since=NOON.timestamp())


def test_progress_makes_up_for_the_waits_before(run, present):
    found, _ = run(DOWN, DOWN, LIMIT, SOME_DONE, DOWN)
    turn = {"turn_since": NOON.timestamp()}
    assert found == [{"waits": 1}, {"waits": 2}, {"waits": 2, **turn}, {"waits": 0, **turn}, {"waits": 1}]


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


def test_operators_give_the_slot_back_unless_they_are_told_not_to():
    default = {task.__name__: inspect.signature(task.__init__).parameters.get("deferrable") for task in TASKS}
    # A sensor does as Airflow's configuration says.
    assert {name for name, each in default.items() if each and each.default is not True} == {"ZDirectReportReadySensor"}
