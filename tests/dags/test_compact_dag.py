"""The DAG that compacts, after hours that the scheduler would have run one by one."""

from __future__ import annotations

from datetime import timedelta

import duckdb
import pytest
import real_time

from airflow_provider_zdirect.operators.compact import ZDirectCompactOperator

HOUR = timedelta(hours=1)


def rows(folder):
    return duckdb.sql(f"FROM read_parquet('{folder}/**/*.parquet') ORDER BY ALL").fetchall()


def test_every_merchant_has_one_file_of_a_past_date_and_the_same_rows(run_dag, hour, emulator, tmp_path):
    # The data interval of the compaction ends at 02:00 of the day before, if it is still early.
    day = hour.replace(hour=0) - timedelta(days=2)
    items = ("received_items", "returned_items")
    hours = (day + number * HOUR for number in range(24))
    with_items = [start for start in hours if real_time.has_records(emulator, items, start, HOUR)]
    for number, start in enumerate(with_items[:2]):
        window = {"from": start.isoformat(), "to": (start + HOUR).isoformat()}
        # Airflow keeps one run per date.
        run = run_dag("zdirect_stock_movements", hour + HOUR - number * timedelta(minutes=1), **window)
        assert run.state == "success", run.log[-5000:]
    folders = [tmp_path / "received_items" / f"merchant_id={merchant}" for merchant in emulator.merchant_ids]
    before, asked = list(map(rows, folders)), len(emulator.requests)
    run = run_dag("zdirect_compact", hour, datasets=["received_items"], older_than_days=0)
    assert run.state == "success", run.log[-5000:]
    assert [task[:3] for task in run.tasks] == [
        ("compact", 0, "success"),
        ("compact", 1, "success"),
        ("merchants", -1, "success"),
    ]
    assert [name for _, _, name in run.names] == [merchant[:8] for merchant in emulator.merchant_ids]
    assert list(map(rows, folders)) == before
    assert [len(list(folder.rglob("*.parquet"))) for folder in folders] == [1, 1]
    assert len(list((tmp_path / "returned_items").rglob("*.parquet"))) == 4, "they were not to be compacted"
    assert not run.events
    assert {request.path for request in emulator.requests[asked:]} <= {"/auth/token", "/auth/me"}


@pytest.mark.exhaustive
def test_a_dataset_that_cannot_be_compacted_fails_the_first_task(run_dag, hour):
    run = run_dag("zdirect_compact", hour, datasets=["liquidated_items"])
    assert run.state == "failed"
    assert "'liquidated_items' is not published record by record" in run.log


def test_the_dag_compacts_all_datasets_and_waits_for_late_records(dags):
    task = dags["zdirect_compact"].get_task("compact").unmap({"merchant_id": "a"})
    assert isinstance(task, ZDirectCompactOperator)
    task.render_template_fields({"params": dict(dags["zdirect_compact"].params)})
    task.merchant_id = None
    values = {name: each.value(getattr(task, name), name) for name, each in task.arguments.items()}
    assert (values["older_than"], len(values["datasets"])) == (timedelta(days=2), 9)
