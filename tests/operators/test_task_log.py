"""The first and the last lines of every task's log: what it is about, and where its files are."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from all_tasks import TASKS
from code_blocks import blocks
from emulated_time import replace_system_clock
from own_emulator import connection_to, own_emulator

from airflow_provider_zdirect.operators.links import result_files
from airflow_provider_zdirect.orders import order_updates

DAY = {"window_from": "2026-03-07T00:00:00+00:00", "window_to": "2026-03-08T00:00:00+00:00"}
HOUR = {"window_from": "2026-03-10T06:00:00+00:00", "window_to": "2026-03-10T07:00:00+00:00"}
RECENT = {"window_from": "2026-03-08T00:00:00+00:00", "window_to": "2026-03-10T08:00:00+00:00"}
NOTICE = {"operations": "create", "notice": {"carrier_name": "DHL"}}
EAN = "4006381333931"
LONGEST = 160


@pytest.fixture
def emulator(monkeypatch):
    with own_emulator(seed=7, now="2026-03-10T08:00:00+00:00", merchants=1, order_days=0, notice_days=0) as server:
        extra = {"merchants": {"shop-de": server.merchant_ids[0]}}
        monkeypatch.setenv("AIRFLOW_CONN_ZDIRECT_DEFAULT", json.dumps(connection_to(server, extra=extra)))
        monkeypatch.setattr(order_updates, "SHIP_AFTER", 0.0)
        replace_system_clock(monkeypatch, server)
        yield server


def in_turn(order_id):
    """Operator, arguments and the words that its log begins with; some need what others before have published."""
    extracted = {
        "returned_items": (HOUR, "returned_items 2026-03-10 06:00-07:00 UTC"),
        "orders": (RECENT, "orders 2026-03-08 00:00 to 2026-03-10 08:00 UTC"),
        "shipping_notices": ({}, "shipping_notices"),
        "intra_community_movements": (DAY, "intra_community_movements 2026-03-07 00:00-24:00 UTC"),
    }
    yield "ZDirectShippingNoticeOperator", NOTICE, "shipping notice"
    for dataset, (window, words) in extracted.items():
        yield "ZDirectExtractOperator", {"dataset": dataset, **window}, words
    yield "ZDirectItemSetsOperator", {}, "item sets"
    yield "ZDirectInboundReconciliationOperator", {}, "inbound reconciliation"
    yield "ZDirectIntrastatReportOperator", {"month": "2026-03", "allow_missing_days": True}, "intrastat 2026-03"
    yield "ZDirectLiquidationRefetchOperator", DAY, "liquidated_items 2026-03-07 00:00-24:00 UTC"
    yield "ZDirectMissingTrackingOperator", {}, "orders without tracking numbers"
    updates = [{"order_id": order_id, "merchant_order_id": "an-order"}]
    yield "ZDirectOrderUpdateOperator", {"updates": updates}, "order updates"
    documents = {"order_ids": [order_id], "fill_tracking": False}
    yield "ZDirectShippingDocumentsOperator", documents, "shipping documents"
    yield "ZDirectOrderErasureOperator", {}, "order erasures"
    yield "ZDirectStockUpdateOperator", {}, "stock updates"
    yield "ZDirectCompactOperator", {}, "compaction"
    yield "ZDirectCoverageOperator", {"fail_on_gap": False}, "coverage"
    sensor = {"dataset": "intra_community_movements", "report_date": "2026-03-07", "deferrable": False}
    yield "ZDirectReportReadySensor", sensor, "report intra_community_movements 2026-03-07"


def test_every_log_begins_with_what_it_is_about_and_ends_with_where_the_files_are(
    emulator, context, tmp_path, caplog, capsys
):
    merchant_id = emulator.merchant_ids[0]
    (order_id,) = emulator.add_orders(
        merchant_id, start=datetime(2026, 3, 10, 6, tzinfo=UTC), items=1, lines=1, merchant_order_id=None
    )
    (tmp_path / "_inbox").mkdir()
    (tmp_path / "_inbox" / "stock.csv").write_text(f"ean,quantity\n{EAN},3\n")
    tasks, done = {task.__name__: task for task in TASKS}, set()
    for name, arguments, words in in_turn(order_id):
        place = {"base_path": tmp_path.as_uri()} if "base_path" in tasks[name].arguments else {}
        merchant = "merchant_id" if "merchant_id" in tasks[name].arguments else "merchant_ids"
        task = tasks[name](task_id=name, **{merchant: "shop-de"}, **place, **arguments)
        caplog.clear()
        with caplog.at_level("INFO"):
            capsys.readouterr()
            result = task.execute(context)
        # Of the task itself, which Airflow 3 writes to standard output.
        logged = [record.getMessage() for record in caplog.records if "airflow_provider_zdirect" in record.name]
        # Airflow 2 warns of the test itself.
        lines = [line for line in logged if not line.endswith("cannot be called outside TaskInstance!")]
        printed = capsys.readouterr().out.splitlines()
        began = [line for line in (*lines, *printed) if f"{words}, merchant shop-de ({merchant_id})" in line]
        assert began, (name, lines, printed)
        if lines and name not in ("ZDirectReportReadySensor", "ZDirectShippingNoticeOperator"):
            assert lines[0] == f"{words}, merchant shop-de ({merchant_id}): base path {tmp_path.as_uri()}"
        ends = [f"{kind}: {uri}" for kind, uri in result_files(result).items()]
        said = [line for line in (*lines, *printed) if any(end in line for end in ends)]
        assert [end for end in ends if not any(end in line for line in said)] == [], (name, lines, printed)
        # Not results and warnings, which are sentences of their own.
        informed = [record.getMessage() for record in caplog.records if record.levelname == "INFO"]
        progress = [line.partition("file://")[0] for line in informed if line in lines and " -> " not in line]
        assert max(map(len, progress), default=0) <= LONGEST, progress
        done.add(name)
    assert done == set(tasks)


def test_the_page_about_logs_shows_one_as_it_is(emulator, context, tmp_path, caplog, capsys):
    task = {each.__name__: each for each in TASKS}["ZDirectExtractOperator"](
        task_id="task", dataset="returned_items", merchant_id="shop-de", base_path=tmp_path.as_uri(), **HOUR
    )
    with caplog.at_level("INFO"):
        task.execute(context)
    # Airflow 3 writes the lines of the task itself to standard output.
    logged = caplog.text + capsys.readouterr().out
    (shown,) = blocks("text", "task-links.md")
    lines = shown.text.replace("s3://my-bucket/zdirect", tmp_path.as_uri()).splitlines()
    assert [line for line in lines if line not in logged] == []
    words = ("base path", "planned", "rejected", "Published files", "Manifest")
    assert [word for word in words if word in logged] == [word for word in words if word in shown.text]
