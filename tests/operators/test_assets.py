from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_zdirect import assets
from airflow_provider_zdirect.airflow_sdk import DAG, Asset
from airflow_provider_zdirect.assets import alias_extra, daily_asset, dataset_asset, place_of, triggering_changes
from airflow_provider_zdirect.operators.extract import ZDirectExtractOperator

START = datetime(2026, 11, 28, tzinfo=UTC)
A, B, C = (f"01924c48-49bb-40c2-9c32-00000000000{letter}" for letter in "abc")
FOLDERS = st.text(st.characters(exclude_characters="/\\", exclude_categories=("C", "Z")), min_size=1, max_size=20)
PLACES = st.builds(
    lambda scheme, folders: f"{scheme}{'/'.join(folders)}",
    st.sampled_from(["/", "file:///", "s3://bucket/", "gs://other-bucket/"]),
    st.lists(FOLDERS, min_size=1, max_size=4),
)


@given(PLACES, PLACES)
def test_an_asset_names_one_place_whatever_its_folders_are_called(one, other):
    asset = dataset_asset("returned_items", one)
    # As Airflow stores it, it stays as it is, and an author may write it down.
    assert asset.uri.isascii()
    assert Asset(asset.uri).uri == asset.uri
    assert place_of(place_of(one)) == place_of(one)
    assert (dataset_asset("returned_items", other).uri == asset.uri) == (place_of(one) == place_of(other))
    assert dataset_asset("received_items", one).uri != asset.uri != dataset_asset("returned_items").uri


@pytest.mark.parametrize(
    ("given", "same"),
    [
        ("s3://aws_default@bucket/zdirect", "s3://bucket/zdirect"),
        ("S3://bucket/zdirect/", "s3://bucket/zdirect"),
        ("s3://key:secret@bucket/zdirect", "s3://bucket/zdirect"),
        ("/data/zdirect", "file:///data/zdirect"),
        (" file:///data/zdirect// ", "file:///data/zdirect"),
        ("s3://bucket/a@b", "s3://bucket/a@b"),
        ("s3a://bucket/zdirect", "s3://bucket/zdirect"),
        ("local:///data//x/../zdirect/.", "file:///data/zdirect"),
    ],
)
def test_a_place_has_one_name_without_connection_and_secret(given, same):
    assert place_of(given) == same
    assert dataset_asset("orders", given) == dataset_asset("orders", same)
    assert "secret" not in dataset_asset("orders", given).uri


def test_the_daily_asset_is_that_of_a_base_path():
    asset = daily_asset("intra_community_movements", "s3://bucket/zdirect/")
    assert asset.uri == "zdirect://intra_community_movements/daily/s3://bucket/zdirect"


@pytest.mark.parametrize("is_new", [True, False])
def test_what_goes_through_an_alias_is_restored_where_airflow_hashes_it(monkeypatch, is_new):
    monkeypatch.setattr(assets, "AIRFLOW_V_3_2_PLUS", is_new)
    whole = {"merchant_id": A, "records": 2, "storage": None, "files": ["a", "b"], "order_items": {"records": 3}}
    sent = alias_extra(whole)
    assert is_new or hash(frozenset(sent.items()))
    plain = SimpleNamespace(timestamp=START, extra=whole)
    aliased = SimpleNamespace(timestamp=START, extra=sent)
    assert triggering_changes({"triggering_asset_events": {"of_place": [aliased], "everywhere": [plain]}}) == [whole]


@pytest.mark.parametrize("name", ["triggering_asset_events", "triggering_dataset_events"])
def test_triggering_changes_are_filtered_once_each_and_oldest_first(name):
    def event(hour, merchant_id, base_path):
        extra = {"merchant_id": merchant_id, "base_path": base_path, "hour": hour}
        return SimpleNamespace(timestamp=START + timedelta(hours=hour), extra=extra)

    here, there = "s3://bucket/zdirect", "file:///data"
    of_place = [event(2, A, here), event(1, B, here)]
    # The asset of all places has the same events besides.
    context = {name: {"of_place": of_place, "everywhere": [event(3, A, there), *of_place]}}

    def hours(**wanted):
        return [change["hour"] for change in triggering_changes(context, **wanted)]

    assert hours() == [1, 2, 3]
    assert hours(merchant_id=A) == [2, 3]
    assert hours(base_path="s3://my_aws@bucket/zdirect/") == [1, 2]
    assert hours(base_path="/data", merchant_id=B) == []
    assert triggering_changes({}) == []
    assert hours(merchant_id=f" {A.upper()} ") == [2, 3]
    with pytest.raises(ValueError, match="merchant: no event of these assets says it; they say base_path, hour"):
        hours(merchant="a")


def test_an_event_about_several_merchants_is_one_about_each():
    event = SimpleNamespace(timestamp=START, extra={"merchant_ids": [A, B]})
    context = {"triggering_asset_events": {"daily": [event]}}
    assert triggering_changes(context, merchant_id=B.upper()) == [{"merchant_ids": [A, B]}]
    assert triggering_changes(context, merchant_id=C) == []


def test_changes_are_not_found_by_the_name_of_a_merchant_which_earlier_events_may_lack():
    event = SimpleNamespace(timestamp=START, extra={"merchant_id": A, "merchant": "shop-de"})
    with pytest.raises(ValueError, match="merchant_id='shop-de' is not a UUID"):
        triggering_changes({"triggering_asset_events": {"orders": [event]}}, merchant_id="shop-de")


def test_a_mapped_task_updates_the_assets_that_the_author_left_it():
    with DAG("a_dag", schedule=None):
        kept, taken, unknown = (
            ZDirectExtractOperator.partial(task_id=f"extract_{number}", base_path="/data", **arguments)
            for number, arguments in enumerate(({"dataset": "orders"}, {"dataset": "orders"}, {}))
        )
        kept, taken = (partial.expand(merchant_id=["a"]) for partial in (kept, taken))
        unknown = unknown.expand(dataset=["orders"])
    taken.partial_kwargs["outlets"] = []
    assert dataset_asset("orders", "/data") in kept.unmap({"merchant_id": "a"}).outlets
    assert taken.unmap({"merchant_id": "a"}).outlets == []
    # What was not known at parse, Airflow 2 cannot take at run time.
    assert unknown.unmap({"dataset": "orders"}).outlets == []
