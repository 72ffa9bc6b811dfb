from __future__ import annotations

from datetime import timedelta

import pytest
from airflow.providers.common.compat.version_compat import AIRFLOW_V_3_3_PLUS

from airflow_provider_zdirect.exceptions import BadRequestError, CursorLoopError, RateLimitedError
from airflow_provider_zdirect.operators import retry
from airflow_provider_zdirect.operators.extract import ZDirectExtractOperator

if not AIRFLOW_V_3_3_PLUS:
    pytest.skip("retry policies came with Airflow 3.3", allow_module_level=True)


def decide(error):
    return retry.ZDirectRetryPolicy().evaluate(error, try_number=1, max_tries=5)


def test_the_delay_is_the_one_that_zdirect_asks_for():
    decision = decide(RateLimitedError("slow down", retry_after=421))
    assert decision.action.value == "retry"
    assert decision.retry_delay == timedelta(seconds=421)


@pytest.mark.parametrize("error", [BadRequestError("no"), CursorLoopError("round and round")])
def test_what_a_retry_cannot_help_fails_at_once(error):
    assert decide(error).action.value == "fail"


def test_other_errors_are_left_to_the_task():
    assert decide(OSError("disk full")).action.value == "default"


def test_the_policy_survives_serialization():
    policy = retry.ZDirectRetryPolicy()
    assert isinstance(retry.ZDirectRetryPolicy.deserialize(policy.serialize()), retry.ZDirectRetryPolicy)


def test_the_operator_has_the_policy_unless_the_author_gives_another():
    arguments = {"dataset": "received_items", "base_path": "/nowhere"}
    assert isinstance(ZDirectExtractOperator(task_id="a", **arguments).retry_policy, retry.ZDirectRetryPolicy)
    own = retry.ZDirectRetryPolicy()
    assert ZDirectExtractOperator(task_id="b", retry_policy=own, **arguments).retry_policy is own
