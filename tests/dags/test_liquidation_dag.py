"""The liquidation DAG for real: both tasks of every merchant, and what the asset is told; deferral and alias too."""

from __future__ import annotations

import json
import os
from datetime import date

import airflow_home
import pytest
import real_time
from liquidated import DAY, Day, asked, files, published, truth
from own_emulator import connection_to
from warm_airflow import run_file, run_forked

from airflow_provider_zdirect.assets import dataset_asset

TODAY = real_time.today()
LONG_AGO = TODAY - 20 * DAY
ASSET = dataset_asset("liquidated_items").uri


def test_both_tasks_run_for_every_merchant_and_an_old_day_is_fetched_once(run_dag, emulator, tmp_path):
    day = real_time.latest_with_records(emulator, "liquidated_items", before=LONG_AGO, length=DAY)
    run = run_dag("zdirect_liquidation", day + DAY)
    assert run.state == "success", run.log[-5000:]
    assert [task[:3] for task in run.tasks] == [
        *(("liquidated_items", index, "success") for index in (0, 1)),
        ("merchants", -1, "success"),
        *(("refetch", index, "success") for index in (0, 1)),
    ]
    for merchant in emulator.merchant_ids:
        assert published(tmp_path, merchant_id=merchant) == truth(emulator, merchant, day, day + DAY)
    assert published(tmp_path).total() > 0
    # One request per merchant, in one pass; and nothing waited.
    assert len(asked(emulator)) == 2
    assert "Waiting without a worker slot" not in run.log
    # Told by the first task of each, and by no second one.
    here = dataset_asset("liquidated_items", str(tmp_path)).uri
    assert [(uri, "dates" in extra) for uri, extra, _ in run.events] == [(ASSET, False)] * 2 + [(here, False)] * 2


@pytest.mark.newest_airflow
def test_one_merchants_failure_stops_neither_task_of_another_also_for_days_of_one_purchase_order(
    run_dag, emulator, tmp_path
):
    merchant, start = emulator.merchant_ids[1], LONG_AGO - 2 * DAY
    days = [start, start + DAY]
    for day in days:
        rows = [({"purchase_order_number": order}, start, None) for order in ("PO1", "PO2", "PO1")]
        emulator.script_liquidated(merchant, day.date(), rows)
    window = {"from": start.isoformat(), "to": LONG_AGO.isoformat()}
    run = run_dag(
        "zdirect_liquidation",
        TODAY,
        merchant_ids=[emulator.foreign_merchant_id, merchant],
        purchase_order_number=" PO1 ",
        **window,
    )
    assert run.state == "failed"
    states = {task[:2]: task[2] for task in run.tasks}
    assert states["liquidated_items", 0] == "failed"
    assert states["refetch", 0] == "upstream_failed"
    assert states["liquidated_items", 1] == states["refetch", 1] == "success"
    assert sorted(asked(emulator)) == [
        f"from={day:%Y-%m-%d}&to={day:%Y-%m-%d}&purchase-order-number=PO1" for day in days
    ]
    assert published(tmp_path).total() == 4
    assert all(json.loads(row)[2] == "PO1" for row in published(tmp_path))


PROGRAM = """
import json, sys
from datetime import UTC, datetime

from airflow_provider_zdirect.airflow_sdk import DAG, Asset, AssetAlias, task
from airflow_provider_zdirect.operators.liquidation import ZDirectLiquidationRefetchOperator

START = datetime(2026, 1, 1, tzinfo=UTC)

with DAG("liquidation_again", schedule=None, start_date=START, params={"from": "", "to": "", "base_path": ""}) as dag:

    @task
    def passes(end: str) -> list[str]:
        "One that is past, and one in six seconds."
        return ["PT1H", f"PT{(datetime.now(UTC) - datetime.fromisoformat(end)).total_seconds() + 6}S"]

    ZDirectLiquidationRefetchOperator.partial(
        task_id="refetch",
        window_from="{{ params['from'] }}",
        window_to="{{ params.to }}",
        passes=passes("{{ params.to }}"),
        base_path="{{ params.base_path }}",
        retries=0,
    ).expand(merchant_id=sys.argv[2].split())

with DAG("on_asset", schedule=[Asset(uri="zdirect://liquidated_items")], start_date=START) as on_asset:
    pass

with DAG("on_alias", schedule=[AssetAlias("zdirect_liquidated_items_changed")], start_date=START) as on_alias:
    pass

if __name__ == "__main__":
    from airflow.utils.session import create_session
    from run_dag import asset_events, sync, run_by_test, unpause
    from sqlalchemy import inspect, text

    sync(sys.argv[1])
    unpause("on_asset", "on_alias")
    run = run_by_test(dag, datetime.now(UTC).isoformat(), json.loads(sys.argv[3]))
    with create_session() as session:
        kind = "asset" if inspect(session.bind).has_table("asset_event") else "dataset"
        queued = session.execute(text(f"SELECT target_dag_id FROM {kind}_dag_run_queue ORDER BY 1")).fetchall()
    instances = sorted(run.get_task_instances(), key=lambda ti: ti.map_index)
    results = [ti for ti in instances if ti.task_id == "refetch"]
    report = {
        "state": str(run.state),
        "events": [[uri, extra, index] for uri, extra, _, index in asset_events(run)],
        "queued": [dag_id for dag_id, in queued],
        "results": [ti.xcom_pull(task_ids="refetch", map_indexes=ti.map_index) for ti in results],
    }
    print("\\nreport: " + json.dumps(report))
"""


def test_a_change_updates_the_asset_and_starts_who_waits_for_it_and_no_change_does_not(emulator, tmp_path, monkeypatch):
    """The re-fetch alone, deferred and resumed by Airflow: a changed row of one merchant, and nothing of another."""
    base, dags = tmp_path / "data", tmp_path / "dags"
    dags.mkdir()
    (dags / "program.py").write_text(PROGRAM)
    connection = connection_to(emulator)
    monkeypatch.setenv("AIRFLOW_CONN_ZDIRECT_DEFAULT", json.dumps(connection))
    start = LONG_AGO - DAY
    row, since = {"purchase_order_number": "PO1"}, TODAY - 10 * DAY
    for merchant in emulator.merchant_ids:
        emulator.script_liquidated(merchant, start.date(), [(row, since, None)])
        assert Day(emulator, base, start).refetch(merchant_id=merchant).go_on() is not None
    before = files(base)
    same, changed = emulator.merchant_ids
    emulator.script_liquidated(changed, start.date(), [(row | {"quantity": 99}, since, None)])
    # A database of its own: other DAGs would wait for the asset too.
    airflow_home.copy_migrated(tmp_path / "airflow.db")
    conf = {"from": start.isoformat(), "to": LONG_AGO.isoformat(), "base_path": base.as_uri()}
    done = run_forked(
        run_file,
        *(str(dags / "program.py"), str(dags), " ".join(emulator.merchant_ids), json.dumps(conf)),
        environment={
            **os.environ,
            "AIRFLOW_HOME": str(tmp_path),
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{tmp_path}/airflow.db",
            "AIRFLOW__CORE__DAGS_FOLDER": str(dags),
        },
        seconds=300,
    )
    log = done.stdout + done.stderr
    assert done.returncode == 0, log[-5000:]
    report = json.loads(done.stdout.rpartition("\nreport: ")[2].partition("\n")[0])
    assert report["state"] == "success", log[-5000:]
    assert "Waiting without a worker slot" in log
    # Both assets: that of all places, and that of this one.
    (uri, extra, index), (here, *alike) = sorted(report["events"], key=lambda event: len(event[0]))
    assert (here, alike) == (dataset_asset("liquidated_items", str(base)).uri, [extra, index])
    told = {"added": 0, "removed": 0, "changed": 1, "dates": date.isoformat(start.date()), "merchant_id": changed}
    assert (uri, index) == (ASSET, 1)
    assert extra.items() >= told.items()
    assert set(report["queued"]) >= {"on_asset", "on_alias"}
    assert [result["changed"] for result in report["results"]] == [False, True]
    assert len(files(base)) == len(before) + 2
    for merchant in (same, changed):
        assert published(base, merchant_id=merchant) == truth(emulator, merchant, start, LONG_AGO)
