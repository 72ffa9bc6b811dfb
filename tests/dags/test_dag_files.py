from __future__ import annotations

import subprocess
import sys
from collections import defaultdict
from datetime import UTC, date, datetime, timedelta

import airflow_home
import jinja2
import pytest
from airflow.timetables.interval import CronDataIntervalTimetable

from airflow_provider_zdirect.assets import (
    changed_alias,
    daily_asset,
    dataset_asset,
    place_alias,
    update_daily_asset,
    zdirect_asset,
)
from airflow_provider_zdirect.dag_support.params import MAX_REJECTED, ORDER_PERSONAL_DATA, ORDER_TYPE
from airflow_provider_zdirect.datasets.table import DATASETS
from airflow_provider_zdirect.reports.calendar import EMPTY_IS_CERTAIN_AFTER, DueCalendar

try:
    from airflow.sdk import RollupMapper  # noqa: F401
    from airflow.sdk.execution_time.context import OutletEventAccessor

    ROLLUP = True
except ImportError:
    ROLLUP = False

DAG_FILES = sorted((airflow_home.PROJECT / "dags").glob("*.py"))


def test_every_file_holds_the_dag_of_its_name(dags):
    assert sorted(dags) == [file.stem for file in DAG_FILES]


def test_what_a_task_updates_by_default_is_known_at_parse(dags):
    """Airflow fails one of two tasks that create the same asset at once."""
    for dag in dags.values():
        for task in dag.tasks:
            aliases = {alias.name for alias in task.outlets if hasattr(alias, "name") and not hasattr(alias, "uri")}
            names = {name.removeprefix("zdirect_").removesuffix("_changed") for name in aliases}
            # Airflow 3.0's assets cannot be put into a set.
            outlets, inlets = (
                {each.uri for each in kind if hasattr(each, "uri")} for kind in (task.outlets, task.inlets)
            )
            here = {zdirect_asset(name, dag.params["base_path"]).uri for name in names}
            everywhere = {zdirect_asset(name).uri for name in names} - outlets
            assert inlets == here | everywhere, task.task_id


WINDOW = {"from", "to", "max_rejected"}
OWN_PARAMS = {
    "zdirect_stock_movements": WINDOW,
    "zdirect_backfill": WINDOW | {"dataset", "personal_data"},
    "zdirect_compact": {"datasets", "older_than_days"},
    "zdirect_coverage": {"datasets", "since", "days", "warn_days", "grace_hours", "fail_on_gap", "notify_email"},
    "zdirect_orders": WINDOW | {"order_type", "level", "personal_data", "shipping_documents", "erase_customers"},
    "zdirect_icm_daily": WINDOW | {"path"},
    "zdirect_cross_border_daily": WINDOW | {"path"},
    "zdirect_liquidation": WINDOW | {"refetch_after_hours", "purchase_order_number"},
    "zdirect_inventory": {"eans", "changed_quantities"},
    "zdirect_reference_data": set(),
    "zdirect_shipping_notices": {"tours_by"},
    "zdirect_order_tracking": {
        *("tracking_path", "max_failed", "overwrite_tracking", "grace_hours", "remind_hours", "portal_url"),
        *("notify_email", "require_tracking", "default_reason"),
    },
    "zdirect_stock_sync": {
        *("stock_path", "mapping_path", "sales_channel_ids", "subtract_open_orders", "include_zfs_orders"),
        *("full_sync", "max_rejected"),
    },
}
SCHEDULED = list(OWN_PARAMS)
# What has no past: it is asked for as it is now, one run at a time.
OF_NOW = ["zdirect_inventory", "zdirect_reference_data", "zdirect_shipping_notices", "zdirect_stock_sync"]
OF_NOW += ["zdirect_order_tracking", "zdirect_compact", "zdirect_coverage"]
DAILY_REPORTS = {
    "zdirect_icm_daily": "intra_community_movements",
    "zdirect_cross_border_daily": "cross_border_movements",
}


@pytest.mark.parametrize("dag_id", SCHEDULED)
def test_a_scheduled_dag_has_data_intervals_and_does_not_catch_up(dags, dag_id):
    dag = dags[dag_id]
    assert type(dag.timetable).__name__ == CronDataIntervalTimetable.__name__
    assert not dag.catchup
    assert dag.doc_md
    assert "zdirect" in dag.tags
    assert all(task.retries == 5 and task.retry_delay == timedelta(minutes=2) for task in dag.tasks)


@pytest.mark.parametrize("dag_id", [*SCHEDULED, "zdirect_intrastat_monthly"])
def test_every_parameter_is_described_in_the_form(dags, dag_id):
    params = {name: dags[dag_id].params.get_param(name) for name in dags[dag_id].params}
    own = OWN_PARAMS.get(dag_id, {"month", "countries", "master_data", "allow_missing_days"})
    assert {"conn_id", "base_path", "merchant_ids"} | own == set(params)
    assert all(param.description and param.schema["title"] for param in params.values())
    assert dags[dag_id].params["conn_id"] == "zdirect_default"
    assert dags[dag_id].params["base_path"] == f"{airflow_home.HOME.as_uri()}/zdirect"
    assert dags[dag_id].params["merchant_ids"] is None


@pytest.mark.parametrize("dag_id", [name for name, own in OWN_PARAMS.items() if own >= WINDOW])
def test_every_task_of_a_window_takes_the_invalid_records_that_the_form_allows(dags, dag_id):
    given = {task.task_id: getattr(task, "partial_kwargs", None) or vars(task) for task in dags[dag_id].tasks}
    # The windows of the backfill come from its plan.
    allowed = {
        name: arguments.get("max_rejected")
        for name, arguments in given.items()
        if "window_from" in arguments or (dag_id, name) == ("zdirect_backfill", "extract")
    }
    assert set(allowed.values()) == {MAX_REJECTED}, allowed


def test_a_run_of_orders_fails_if_any_of_its_tasks_does(dags):
    dag = dags["zdirect_orders"]
    last = dag.get_task("fail_if_any_failed")
    assert last.trigger_rule == "none_failed"
    fetching = {"orders", "announced_returns", "shipping_documents", "order_deletion_requests", "erase_customers"}
    assert last.upstream_task_ids == fetching


@pytest.mark.parametrize(
    ("template", "params", "rendered"),
    [
        (ORDER_TYPE, {"order_type": "both"}, ""),
        (ORDER_TYPE, {"order_type": "PartnerFulfilled"}, "PartnerFulfilled"),
        (ORDER_PERSONAL_DATA, {"level": "stock only", "personal_data": "keep"}, "drop"),
        (ORDER_PERSONAL_DATA, {"level": "orders and stock", "personal_data": "hash"}, "hash"),
    ],
)
def test_orders_for_the_stock_alone_have_nothing_personal(template, params, rendered):
    assert jinja2.Template(template).render(params=params) == rendered


def test_backfill_offers_every_dataset_that_has_a_past(dags):
    offered = dags["zdirect_backfill"].params.get_param("dataset").schema["enum"]
    assert offered == [name for name, dataset in DATASETS.items() if dataset.has_windows and not dataset.part_of]


@pytest.mark.parametrize("dag_id", OF_NOW)
def test_dags_that_fetch_the_current_state_run_one_at_a_time(dags, dag_id):
    assert dags[dag_id].max_active_runs == 1


def test_every_dataset_has_a_dag(dags):
    fetched = {
        task.dataset for dag in dags.values() for task in dag.tasks if isinstance(getattr(task, "dataset", 0), str)
    }
    mapped = {
        task.partial_kwargs.get("dataset")
        for dag in dags.values()
        for task in dag.tasks
        if hasattr(task, "partial_kwargs")
    }
    # What comes with another dataset is published with it.
    assert {name for name, dataset in DATASETS.items() if dataset.part_of is None} <= fetched | mapped
    assert {dataset.part_of for dataset in DATASETS.values()} - {None} <= fetched | mapped


def test_the_extract_tasks_update_their_assets(dags):
    named = [(dag, task) for dag in dags.values() for task in dag.tasks if task.task_id in DATASETS]
    assert len(named) > 10
    for _, task in named:
        assert task.outlets[:2] == [dataset_asset(task.task_id), place_alias(task.task_id)], task


def test_the_liquidation_waits_without_a_slot_and_has_room_for_the_runs_of_other_days(dags):
    dag = dags["zdirect_liquidation"]
    assert dag.max_active_runs == 32
    assert dag.params["refetch_after_hours"] == [48]
    assert dag.get_task("liquidated_items").deferrable
    assert dag.get_task("refetch").outlets == [changed_alias("liquidated_items")]


@pytest.mark.parametrize(("dag_id", "dataset"), DAILY_REPORTS.items())
def test_a_daily_report_is_waited_for_without_a_slot_and_told_when_all_merchants_have_it(dags, dag_id, dataset):
    dag = dags[dag_id]
    ready, extract = dag.get_task("report.ready"), dag.get_task("report.extract")
    assert ready.downstream_task_ids == {"report.extract"}
    assert extract.downstream_task_ids == {"all_landed"}
    assert extract.outlets == [dataset_asset(dataset), place_alias(dataset)]
    assert dag.get_task("all_landed").outlets == [daily_asset(dataset, dag.params["base_path"])]
    # As long as an empty report is waited for, runs of other days go on.
    assert dag.max_active_runs > (EMPTY_IS_CERTAIN_AFTER + timedelta(days=2)).days
    assert timedelta(seconds=ready.timeout) > EMPTY_IS_CERTAIN_AFTER + timedelta(hours=36)


def test_the_intrastat_report_follows_the_daily_reports_of_a_month(dags):
    timetable = dags["zdirect_intrastat_monthly"].timetable
    if not ROLLUP:
        assert (type(timetable).__name__, timetable.summary) == ("CronDataIntervalTimetable", "0 18 7 * *")
        last_report = DueCalendar().due(date(2026, 10, 31)) + EMPTY_IS_CERTAIN_AFTER
        assert last_report < datetime(2026, 11, 7, 18, tzinfo=UTC) < last_report + timedelta(days=1)
        return
    # What the scheduler makes of it: the days that a month waits for are the keys that the daily DAG gives.
    from airflow.serialization.decoders import decode_partition_mapper
    from airflow.serialization.encoders import encode_partition_mapper

    assert timetable.asset_condition == daily_asset(
        "intra_community_movements", dags["zdirect_icm_daily"].params["base_path"]
    )
    mapper = decode_partition_mapper(encode_partition_mapper(timetable.default_partition_mapper))
    assert mapper.to_downstream("2026-02-17") == "2026-02"
    days = [f"2026-02-{day:02d}" for day in range(1, 29)]
    assert sorted(mapper.to_upstream("2026-02")) == days
    events = defaultdict(lambda: OutletEventAccessor(key=None))
    update_daily_asset(events, "daily", days + days[:3], {"merchant_ids": ["m"]})
    assert sorted(events["daily"].partition_keys) == days


def test_the_environment_sets_the_defaults(monkeypatch):
    from airflow_provider_zdirect.dag_support.params import place_params

    monkeypatch.setenv("ZDIRECT_CONN_ID", "mine")
    monkeypatch.setenv("ZDIRECT_BASE_PATH", "s3://bucket/zdirect")
    monkeypatch.setenv("ZDIRECT_MERCHANT_IDS", "a, b,")
    params = place_params()
    assert [params[name].value for name in params] == ["mine", "s3://bucket/zdirect", ["a", "b"]]


def test_the_environment_sets_what_scheduled_runs_of_orders_and_stock_do(monkeypatch):
    from airflow_provider_zdirect.dag_support.params import order_params, stock_params, tracking_params
    from airflow_provider_zdirect.exceptions import ZDirectConfigurationError

    settings = {"PERSONAL_DATA": "hash", "ORDER_TYPE": "PartnerFulfilled", "SHIPPING_DOCUMENTS": "True"}
    settings |= {
        "SUBTRACT_OPEN_ORDERS": "on",
        "MAX_REJECTED": "5",
        "SALES_CHANNEL_IDS": "a, b",
        "MAPPING_PATH": "m.csv",
    }
    settings |= {"REQUIRE_TRACKING": "no", "GRACE_HOURS": "1.5"}
    for name, value in settings.items():
        monkeypatch.setenv(f"ZDIRECT_{name}", value)
    assert [tracking_params()[name].value for name in ("require_tracking", "grace_hours", "default_reason")] == [
        False,
        1.5,
        None,
    ]
    values = {name: param.value for name, param in {**order_params(), **stock_params()}.items()}
    assert values["order_type"] == "PartnerFulfilled"
    assert (values["personal_data"], values["shipping_documents"]) == ("hash", True)
    assert (values["subtract_open_orders"], values["max_rejected"]) == (True, 5)
    assert (values["sales_channel_ids"], values["mapping_path"]) == (["a", "b"], "m.csv")
    assert (values["erase_customers"], values["full_sync"]) == (True, False)
    for name, value in (("PERSONAL_DATA", "hsah"), ("MAX_REJECTED", "-1"), ("MAX_REJECTED", "few"), ("FULL_SYNC", "2")):
        with monkeypatch.context() as wrong:
            wrong.setenv(f"ZDIRECT_{name}", value)
            with pytest.raises(ZDirectConfigurationError, match=f"ZDIRECT_{name}='{value}' is not a valid default"):
                {**order_params(), **stock_params()}


def test_parsing_loads_neither_arrow_nor_http():
    code = (
        "import runpy, sys, warnings; warnings.simplefilter('ignore')\n"
        "import airflow_provider_zdirect.airflow_sdk as sdk; sdk.DAG, sdk.task, sdk.Asset, sdk.ObjectStoragePath\n"
        "import airflow.timetables.interval\n"
        "before = set(sys.modules)\n"
        f"for file in {list(map(str, DAG_FILES))!r}: runpy.run_path(file)\n"
        "print(*sorted(set(sys.modules) - before))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.splitlines()[-1].split())
    assert {"airflow_provider_zdirect.operators.extract", "airflow_provider_zdirect.operators.intrastat"} & loaded
    assert not loaded & {
        "pyarrow",
        "httpx",
        "duckdb",
        "holidays",
        "jinja2.environment",
        "airflow_provider_zdirect.client.client",
    }
