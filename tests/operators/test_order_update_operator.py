from __future__ import annotations

import duckdb
import pytest

from airflow_provider_zdirect.airflow_sdk import AirflowFailException, AirflowSkipException, TaskDeferred
from airflow_provider_zdirect.assets import zdirect_asset
from airflow_provider_zdirect.exceptions import ZDirectConfigurationError
from airflow_provider_zdirect.operators.orders import ZDirectOrderUpdateOperator

MERCHANT = "01924c48-49bb-40c2-9c32-ab582e6db6f4"
ORDER = "5b1f6a52-9d3c-4d6e-8f3a-0c9a5b7e1d24"
ROW = {"order_id": ORDER, "tracking_number": "OUT-10000", "return_tracking_number": "BACK-10000"}
UPDATES = [ROW]


def update(**arguments):
    return ZDirectOrderUpdateOperator(**{"task_id": "update", "base_path": "/data", "updates": UPDATES, **arguments})


def order(world):
    (order_id,) = world.add_orders(world.merchant_ids[0], 1, items=1, lines=1)
    return order_id


def truth(world, order_id):
    return next(one for one in world.orders(world.merchant_ids[0]) if one["order_id"] == order_id)


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"updates": None}, "Neither updates nor updates_path"),
        ({"updates_path": "/data/a.csv"}, "updates and updates_path are both given"),
        ({"updates": [{**ROW, "order_id": "4711"}]}, "item 1: order_id is not a UUID"),
        ({"updates": [{"order_id": ORDER, "status": "returned"}]}, "there is no reason"),
        ({"updates": [{**ROW, "tracking_number": "n/a"}]}, "item 1: tracking_number='n/a' stands for no value"),
        ({"merchants_of_file": [""]}, "merchants_of_file has only blank entries"),
    ],
)
def test_a_wrong_literal_is_refused_at_parse_with_task_parameter_and_remedy(arguments, named):
    with pytest.raises(ZDirectConfigurationError, match="Task update") as caught:
        update(**arguments)
    assert named in str(caught.value)
    assert caught.value.remedy


def test_a_file_is_applied_and_published(world, context, tmp_path, caplog):
    orders = [order(world) for _ in range(2)]
    drop = tmp_path / "tracking.csv"
    rows = [f"{one},M{n},OUT-1000{n},BACK-1000{n},shipped,{world.merchant_ids[0]}" for n, one in enumerate(orders)]
    rows.append(f"{ORDER},M,OUT-10000,BACK-10000,shipped,{MERCHANT}")
    names = "order_id,merchant_order_id,tracking_number,return_tracking_number,status,merchant_id"
    drop.write_text("\n".join([names, *rows]))
    task = update(updates=None, updates_path=str(tmp_path / "tracking.csv"), base_path=str(tmp_path / "base"))
    summary = task.execute(context)
    assert (summary["rows"], summary["done"], summary["orders"], summary["of_others"]) == (2, 2, 2, 1)
    assert [truth(world, one)["status"] for one in orders] == ["fulfilled"] * 2
    for place in (None, f"{tmp_path}/base"):
        extra = context["outlet_events"][zdirect_asset("order_updates", place)].extra
        assert extra == {**summary, "base_path": f"file://{tmp_path}/base", "environment": "production"}
    published = duckdb.sql(
        f"SELECT DISTINCT row, outcome FROM read_parquet('{tmp_path}/base/order_updates/**/*.parquet')"
    )
    assert sorted(published.fetchall()) == [(2, "done"), (3, "done")]
    sent = len(world.requests)
    again = update(updates=None, updates_path=str(drop), base_path=str(tmp_path / "base"), skip_applied=True)
    assert again.execute({**context, "ti": type(context["ti"])(**{**vars(context["ti"]), "run_id": "b"})})["done"] == 2
    assert len(world.requests) == sent, "the same rows, by the same rules"
    assert drop.exists()
    drop.write_text(f"{names}\n{rows[-1]}")
    again.execute(context)
    assert f"({MERCHANT}) left out" in caplog.text
    assert "All rows are of other merchants" in caplog.text


def test_a_retry_goes_on_with_the_file_that_the_first_try_found_and_the_next_run_with_the_new_one(
    world, context, tmp_path
):
    first, second, third = (order(world) for _ in range(3))
    drop = tmp_path / "drop.csv"
    drop.write_text(f"order_id,tracking_number\n{first},OUT-10000\n{second},OUT-10000\n")
    task = update(updates=None, updates_path=str(drop), base_path=str(tmp_path / "base"))
    world.faults.add({"match": {"path": second, "method": "PATCH"}, "action": {"status": 503}, "times": 1})
    with pytest.raises(TaskDeferred):
        task.execute(context)
    drop.write_text(f"order_id,tracking_number\n{third},OUT-10000\n{ORDER},OUT-10000\n")
    assert task.resume(context, waits=1)["done"] == 2
    assert [truth(world, one)["tracking_number"] for one in (first, second, third)] == ["OUT-10000", "OUT-10000", ""]
    assert not list(tmp_path.glob("base/_staging/**/*.json"))
    with pytest.raises(AirflowFailException, match="1 of 2 rows"):
        task.execute(context)
    drop.write_text(f"order_id,tracking_number\n{third},OUT-10000\n")
    assert task.execute(context)["rows"] == 1, "a file that was corrected is read"


def test_a_path_may_name_the_merchant_and_a_file_may_be_missing(world, context, tmp_path):
    (tmp_path / f"{world.merchant_ids[0]}.csv").write_text(f"order_id,tracking_number\n{order(world)},OUT-10000\n")
    summary = update(updates=None, updates_path=f"{tmp_path}/{{merchant_id}}.csv", base_path=str(tmp_path)).execute(
        context
    )
    assert summary["done"] == 1
    (tmp_path / "empty.csv").touch()
    with pytest.raises(AirflowSkipException, match="There is an empty file"):
        update(
            updates=None, updates_path=f"{tmp_path}/empty.csv", base_path=str(tmp_path), missing_file="skip"
        ).execute(context)
    missing = {"updates": None, "updates_path": f"{tmp_path}/none.csv", "base_path": str(tmp_path)}
    with pytest.raises(AirflowSkipException, match="There is no file"):
        update(**missing, missing_file="skip").execute(context)
    with pytest.raises(AirflowFailException, match="missing_file='skip'"):
        update(**missing).execute(context)


def test_rows_without_a_merchant_are_refused_where_they_need_one(world, context, tmp_path):
    task = update(base_path=str(tmp_path), require_merchant_id=True)
    with pytest.raises(AirflowFailException, match="merchant_id is missing"):
        task.execute(context)
    task.max_failed = "1"
    assert task.execute(context)["refused"] == 1
