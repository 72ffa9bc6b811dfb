"""ZDirectExtractOperator with datasets that tell what is now."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from clocks import NOON

from airflow_provider_zdirect.airflow_sdk import AirflowFailException
from airflow_provider_zdirect.assets import dataset_asset, place_of
from airflow_provider_zdirect.exceptions import RetentionError, WindowError, ZDirectConfigurationError
from airflow_provider_zdirect.operators.extract import ZDirectExtractOperator

HOUR = timedelta(hours=1)
INTERVAL = {"data_interval_start": NOON - 3 * HOUR, "data_interval_end": NOON - HOUR}

pytestmark = pytest.mark.usefixtures("fixed_present")


def extract(**arguments):
    return ZDirectExtractOperator(
        **{"task_id": "extract", "dataset": "stock_locations", "base_path": "/nowhere", **arguments}
    )


@pytest.fixture
def here(emulator, tmp_path):
    return {"merchant_id": emulator.merchant_ids[0], "base_path": str(tmp_path)}


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"window_from": NOON - HOUR, "window_to": NOON}, "window_from="),
        ({"dataset": "item_quantities", "filters": {"sku": "x"}}, "sku"),
        ({"personal_data": "hash"}, "stock_locations is a present state, which is stored as it is"),
        ({"dataset": "item_quantities", "filters": {"ean": []}}, "filters['ean'] is an empty list"),
        ({"dataset": "tours", "filters": {"zalando_advice_id": ()}}, "filters['zalando_advice_id'] is an empty list"),
        ({"filters": {"id": "x"}}, "stock_locations cannot be filtered by id"),
    ],
)
def test_a_wrong_literal_is_refused_at_parse(arguments, named):
    with pytest.raises(ZDirectConfigurationError, match="Task extract") as caught:
        extract(**arguments)
    assert named in str(caught.value)


@pytest.mark.parametrize("dataset", ["stock_locations", "{{ params.dataset }}"])
def test_a_state_needs_no_window_and_its_asset_learns_when_it_was(dataset, emulator, context, here):
    task = extract(**here, dataset=dataset, outlets=[dataset_asset("stock_locations")])
    task.dataset = "stock_locations"
    result = task.execute(context)
    assert (result["records"], result["stored"], result["changes"]["added"]) == (4, True, 4)
    assert NOON <= datetime.fromisoformat(result["observed_at"]) <= emulator.clock.now()
    place = place_of(here["base_path"])
    extra = context["outlet_events"][dataset_asset("stock_locations")].extra
    assert extra == {**result, "base_path": place, "environment": "production"}


def test_a_window_by_template_is_no_harm_where_there_is_none(context, here):
    task = extract(**here, window_from="{{ params['from'] }}", window_to="{{ params['to'] }}")
    task.window_from, task.window_to = (NOON - HOUR).isoformat(), NOON.isoformat()
    assert task.execute(context)["records"] == 4


def test_changed_quantities_are_those_since_the_start_of_the_data_interval(emulator, context, here):
    result = extract(dataset="item_quantities", **here).execute({**context, **INTERVAL})
    assert datetime.fromisoformat(result["since"]) == INTERVAL["data_interval_start"]
    (request,) = (request for request in emulator.requests if "item-quantities" in request.path)
    assert request.query.startswith("from=")


def test_eans_need_no_interval_and_a_blank_filter_is_none(emulator, context, here):
    for eans in (["0001234567890", "0001234567891"], "0001234567890, 0001234567891"):
        result = extract(dataset="item_quantities", filters={"ean": eans}, **here).execute(context)
        assert result["since"] is None
        assert result["not_answered"] == ["0001234567890", "0001234567891"]
    extract(dataset="tours", filters={"zalando_advice_id": ""}, **here).execute(context)
    assert [request.query for request in emulator.requests if "tours" in request.path] == [""]


@pytest.mark.parametrize(
    ("arguments", "interval", "kind", "said"),
    [
        ({}, {}, WindowError, "no data interval"),
        (
            {"window_from": (NOON - 30 * HOUR).isoformat(), "window_to": NOON.isoformat()},
            {},
            RetentionError,
            "starts before 2026-11-21T12:00:00",
        ),
        ({"filters": {"ean": []}}, INTERVAL, ZDirectConfigurationError, "empty list"),
        ({"filters": {"ean": "123"}}, INTERVAL, ZDirectConfigurationError, "13 digits"),
    ],
)
def test_a_wrong_rendered_value_fails_at_once_and_before_any_request(
    arguments, interval, kind, said, emulator, context, here
):
    task = extract(dataset="item_quantities", **here)
    for name, value in arguments.items():
        setattr(task, name, value)
    with pytest.raises(AirflowFailException) as caught:
        task.execute({**context, **interval})
    assert isinstance(caught.value.__cause__, kind)
    assert said in str(caught.value)
    assert not emulator.requests
