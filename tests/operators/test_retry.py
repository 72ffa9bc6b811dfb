from __future__ import annotations

from datetime import timedelta

import pytest

from airflow_provider_zdirect.airflow_sdk import AIRFLOW_V_3_3_PLUS, DAG
from airflow_provider_zdirect.exceptions import BadRequestError, CursorLoopError, RateLimitedError
from airflow_provider_zdirect.operators import retry
from airflow_provider_zdirect.operators.extract import ZDirectExtractOperator

ARGUMENTS = {"task_id": "extract", "dataset": "received_items", "base_path": "/nowhere"}


def one(**arguments):
    return ZDirectExtractOperator(**ARGUMENTS, **arguments)


def mapped(**arguments):
    return ZDirectExtractOperator.partial(**ARGUMENTS, **arguments).expand(conn_id=["shop"])


@pytest.mark.parametrize("make", [one, mapped])
def test_retries_are_set_unless_the_author_says_otherwise(make):
    def task(default_args, **arguments):
        with DAG("a_dag", schedule=None, default_args=default_args):
            return make(**arguments)

    plain = task({})
    assert (plain.retries, plain.retry_delay) == (5, timedelta(minutes=2))
    assert task({"retries": 0}).retries == 0
    assert task({"retries": 0}, retries=3).retries == 3


policies = pytest.mark.skipif(not AIRFLOW_V_3_3_PLUS, reason="retry policies came with Airflow 3.3")


@policies
@pytest.mark.parametrize(
    ("error", "action"),
    [
        (RateLimitedError("slow down", retry_after=421), "retry"),
        (BadRequestError("no"), "fail"),
        (CursorLoopError("round and round"), "fail"),
        (OSError("disk full"), "default"),
    ],
)
def test_a_retry_comes_when_zdirect_wants_it_and_never_in_vain(error, action):
    decision = retry.ZDirectRetryPolicy().evaluate(error, try_number=1, max_tries=5)
    assert decision.action.value == action
    if action == "retry":
        assert decision.retry_delay == timedelta(seconds=421)


@policies
def test_the_operator_has_the_policy_unless_the_author_gives_another_and_it_survives_serialization():
    assert isinstance(one().retry_policy, retry.ZDirectRetryPolicy)
    own = retry.ZDirectRetryPolicy()
    assert one(retry_policy=own).retry_policy is own
    assert isinstance(retry.ZDirectRetryPolicy.deserialize(own.serialize()), retry.ZDirectRetryPolicy)
