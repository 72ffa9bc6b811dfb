"""A task whose connection cannot work fails at once: it is neither retried nor deferred."""

from __future__ import annotations

import json

import pytest

from airflow_provider_zdirect.airflow_sdk import AirflowFailException
from airflow_provider_zdirect.operators.extract import ZDirectExtractOperator


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"host": "<refused>"}, "refused"),
        ({"host": "localhost:8088"}, "host='localhost:8088' has no scheme"),
        ({"extra": {"enviroment": "sandbox"}}, "'enviroment' (did you mean 'environment'?)"),
    ],
    ids=["a refused port", "a wrong host", "an unknown field"],
)
def test_it_names_the_connection_and_what_is_wrong_but_no_secret(
    fields, named, refused, context, tmp_path, monkeypatch
):
    fields = {name: refused if value == "<refused>" else value for name, value in fields.items()}
    connection = {"conn_type": "zdirect", "login": "app", "password": "the-secret", **fields}
    monkeypatch.setenv("AIRFLOW_CONN_SHOP", json.dumps(connection))
    task = ZDirectExtractOperator(
        task_id="extract", dataset="stock_locations", conn_id="shop", base_path=tmp_path.as_uri(), deferrable=True
    )
    with pytest.raises(AirflowFailException, match="'shop'") as caught:
        task.execute(context)
    assert named in str(caught.value)
    assert "the-secret" not in str(caught.value)
    assert named != "refused" or refused in str(caught.value)
