"""A task whose connection cannot work fails at once: it is neither retried nor deferred."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException

from airflow_provider_zdirect.operators.extract import ZDirectExtractOperator

MERCHANT = "01924c48-49bb-40c2-9c32-ab582e6db6f4"


@pytest.fixture
def failure(monkeypatch: pytest.MonkeyPatch, context: dict[str, Any], tmp_path: Any) -> Callable[..., str]:
    """What a task says that runs with such a connection."""

    def run(**fields: Any) -> str:
        connection = {"conn_type": "zdirect", "login": "app", "password": "the-secret", **fields}
        monkeypatch.setenv("AIRFLOW_CONN_SHOP", json.dumps(connection))
        task = ZDirectExtractOperator(
            task_id="extract",
            dataset="stock_locations",
            merchant_id=MERCHANT,
            conn_id="shop",
            base_path=tmp_path.as_uri(),
            deferrable=True,
        )
        with pytest.raises(AirflowFailException, match="'shop'") as caught:
            task.execute(context)
        assert "the-secret" not in str(caught.value)
        return str(caught.value)

    return run


def test_a_refused_port_is_named_with_its_address(failure: Callable[..., str], refused: str) -> None:
    text = failure(host=refused)
    assert refused in text
    assert "refused" in text


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"host": "localhost:8088"}, "host='localhost:8088' has no scheme"),
        ({"host": "http://zdirect.example"}, "plain HTTP"),
        ({"password": "the-secret\n"}, "password) ends with a line break"),
        ({"login": "\xa0app"}, "login) starts with an invisible character (U+00A0, no-break space)"),
        ({"extra": {"enviroment": "sandbox"}}, "'enviroment' (did you mean 'environment'?)"),
        ({"extra": {"merchant_id": "Zalando"}}, "merchant_id='Zalando'"),
    ],
)
def test_so_is_a_field_that_cannot_be_used(failure: Callable[..., str], fields: dict[str, Any], named: str) -> None:
    assert named in failure(**fields)
