from __future__ import annotations

import json
from types import SimpleNamespace

import pytest

from airflow_provider_zdirect.airflow_sdk import AirflowFailException, AirflowSkipException
from airflow_provider_zdirect.assets import zdirect_asset
from airflow_provider_zdirect.exceptions import RejectedRecordsError
from airflow_provider_zdirect.operators.stocks import ZDirectStockUpdateOperator

MERCHANT = "01924c48-49bb-40c2-9c32-ab582e6db6f4"
CHANNEL = "00f2a393-6889-4fc0-8cd9-86e454e6dfa3"
EANS = ("0191476239145", "4006381333931")


def update(**arguments):
    return ZDirectStockUpdateOperator(**{"task_id": "stock", "base_path": "/data/zdirect", **arguments})


@pytest.fixture
def feed(tmp_path):
    """Writes a feed; the arguments of a task that sends it."""

    def write(*rows, name="stock.csv"):
        path = tmp_path / "_inbox" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("\n".join(["ean,quantity", *rows]) + "\n")
        return {"base_path": tmp_path.as_uri()}

    return write


def test_a_feed_may_be_named_with_the_merchant_and_orders_count_since_it_was_made():
    update(stock_path="s3://bucket/stock/{merchant_id}.csv", orders_since="feed", feed_time="{{ ts }}")


def test_the_default_feed_goes_to_the_live_channels_and_the_asset_has_the_counts(world, feed, context):
    task = update(**feed(f"{EANS[0]},3", f"{EANS[1]},0"))
    # As templates render them.
    for name in ("merchant_id", "sales_channel_ids", "mapping_path", "orders_since", "resend_after"):
        setattr(task, name, "None")
    task.full_sync, task.max_rejected, task.max_orders_age = "False", "0", "PT2H"
    result = task.execute(context)
    live = [channel for channel in world.reference("sales_channels", world.merchant_ids[0]) if channel["live"]]
    assert len(world.stock_levels(world.merchant_ids[0])) == result["accepted"] == 2 * len(live)
    assert json.loads(json.dumps(result)) == result
    event = context["outlet_events"][zdirect_asset("stock_updates")].extra
    assert (event["merchant_id"], event["accepted"], event["failed"]) == (world.merchant_ids[0], 2 * len(live), 0)
    assert task.execute({**context, "ti": SimpleNamespace(**{**vars(context["ti"]), "run_id": "next"})})["sent"] == 0


def test_a_merchant_has_a_feed_of_its_own(world, feed, context, tmp_path):
    merchant_id = world.merchant_ids[1]
    task = update(
        **feed(f"{EANS[0]},3", name=f"{merchant_id}.csv"),
        stock_path=f"{tmp_path}/_inbox/{{merchant_id}}.csv",
        merchant_id=merchant_id.upper(),
        sales_channel_ids=[CHANNEL.upper()],
    )
    assert task.execute(context)["accepted"] == 1
    assert world.stock_levels(merchant_id) == {(CHANNEL, EANS[0]): 3}


def test_without_a_feed_the_task_fails_or_is_skipped_and_says_where_it_looked(world, context, tmp_path):
    with pytest.raises(AirflowFailException, match=r"no stock feed at .*_inbox/stock.csv.* What to do: Put a file"):
        update(base_path=str(tmp_path)).execute(context)
    with pytest.raises(AirflowSkipException, match="no stock feed"):
        update(base_path=str(tmp_path), missing_feed="skip").execute(context)
    assert not [request for request in world.requests if request.path.endswith("/stocks")]


def test_rows_that_are_wrong_fail_the_task_for_good_after_the_others_were_sent(world, feed, context):
    task = update(**feed(f"{EANS[0]},3", f"{EANS[1]},-2"), sales_channel_ids=CHANNEL)
    with pytest.raises(AirflowFailException, match="1 row was rejected") as caught:
        task.execute(context)
    assert isinstance(caught.value.__cause__, RejectedRecordsError)
    assert world.stock_levels(world.merchant_ids[0]) == {(CHANNEL, EANS[0]): 3}
