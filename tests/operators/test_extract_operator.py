from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest
import real_time
from clocks import NOON

from airflow_provider_zdirect.airflow_sdk import AirflowFailException, TaskDeferred
from airflow_provider_zdirect.assets import dataset_asset
from airflow_provider_zdirect.exceptions import RetentionError, WindowError, ZDirectConfigurationError
from airflow_provider_zdirect.operators.extract import ZDirectExtractOperator
from airflow_provider_zdirect.operators.run_context import run_interval
from airflow_provider_zdirect.operators.task_run import TaskRun
from airflow_provider_zdirect.publish.environment import RECORD
from airflow_provider_zdirect.windows import Window

HOUR = timedelta(hours=1)
END = NOON - 5 * HOUR

pytestmark = pytest.mark.usefixtures("fixed_present")


def extract(**arguments):
    return ZDirectExtractOperator(
        **{"task_id": "extract", "dataset": "returned_items", "base_path": "/nowhere", **arguments}
    )


@pytest.mark.parametrize(
    ("arguments", "kind", "named"),
    [
        ({"base_path": "nope://bucket/zdirect"}, ZDirectConfigurationError, "base_path='nope://bucket/zdirect'"),
        ({"base_path": "/proc/zdirect"}, ZDirectConfigurationError, "base_path='/proc/zdirect'"),
        ({"window_from": ""}, ZDirectConfigurationError, "window_from is not"),
        ({"window_from": "None", "window_to": ""}, WindowError, "no data interval"),
        ({"window_from": "2020-01-01T00:00:00Z", "window_to": "2020-01-01T01:00:00Z"}, RetentionError, "keeps"),
        ({"conn_id": "missing"}, ZDirectConfigurationError, "Connection 'missing'"),
    ],
)
def test_a_wrong_rendered_value_fails_at_start_without_retry_and_before_any_request(
    arguments, kind, named, emulator, context, tmp_path
):
    task = extract()
    good = {
        "base_path": str(tmp_path),
        "merchant_id": emulator.merchant_ids[0],
        "window_from": (END - HOUR).isoformat(),
        "window_to": END.isoformat(),
    }
    for name, value in {**good, **arguments}.items():
        setattr(task, name, value)
    with pytest.raises(AirflowFailException) as caught:
        task.resume(context)
    assert isinstance(caught.value.__cause__, kind)
    assert named in str(caught.value)
    assert "What to do:" in str(caught.value)
    assert not emulator.requests
    left = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file()}
    assert left <= {RECORD}


def test_missing_support_for_s3_names_the_extra(emulator, context, monkeypatch):
    def no_s3(*_, **__):
        raise ImportError("Airflow FS S3 protocol requires the s3fs library, but it is not installed")

    monkeypatch.setattr("airflow_provider_zdirect.operators.base_path.ObjectStoragePath", no_s3)
    task = extract(base_path="s3://bucket/zdirect", window_from=END - HOUR, window_to=END)
    with pytest.raises(AirflowFailException, match=r'pip install "airflow-provider-zdirect\[s3\]"'):
        task.resume(context)


def test_the_window_is_the_data_interval_and_the_asset_learns_what_was_published(emulator, context, tmp_path):
    merchant = emulator.merchant_ids[1]
    context |= {"data_interval_start": END - HOUR, "data_interval_end": END}
    result = extract(base_path=str(tmp_path), merchant_id=merchant).resume(context)
    truth = emulator.truth("returned_items", merchant, END - HOUR, END)
    assert result["records"] == len(truth) > 0
    assert (result["window_from"], result["window_to"]) == ((END - HOUR).isoformat(), END.isoformat())
    for place in (None, str(tmp_path), tmp_path.as_uri()):
        extra = context["outlet_events"][dataset_asset("returned_items", place)].extra
        assert extra == {**result, "base_path": tmp_path.as_uri(), "environment": "production"}
    assert {"window_from", "window_to", "files", "file_count", "manifest", "rejected"} <= set(result)


def test_what_comes_with_a_dataset_has_an_asset_that_says_where_its_own_manifest_is(emulator, context, tmp_path):
    merchant = emulator.merchant_ids[0]
    start = emulator.clock.now().replace(minute=0, second=0, microsecond=0) - 30 * HOUR
    emulator.add_orders(merchant, 2, start=start)
    window = {"window_from": start - HOUR, "window_to": start + 24 * HOUR}
    result = extract(dataset="orders", base_path=str(tmp_path), merchant_id=merchant, **window).resume(context)
    for name, records in {"orders": result["records"], **result["parts"]}.items():
        extra = context["outlet_events"][dataset_asset(name, str(tmp_path))].extra
        assert (extra["dataset"], extra["merchant_id"], extra["records"]) == (name, merchant, records)
        manifest = json.loads(Path(extra["manifest"]).read_text())
        assert (manifest["dataset"], manifest["new_records"]) == (name, extra["new_records"])
        sizes = [(tmp_path / file["path"]).stat().st_size for file in manifest["files"]]
        assert (extra["file_count"], extra["file_bytes"]) == (len(sizes), sum(sizes))
        assert sizes
        assert list(Path(extra["uri"]).rglob("*.parquet"))


def test_without_a_merchant_several_granted_ones_are_an_error_that_lists_them(emulator, context, tmp_path):
    task = extract(base_path=str(tmp_path), window_from=END - HOUR, window_to=END)
    with pytest.raises(AirflowFailException, match=emulator.merchant_ids[1]):
        task.resume(context)


def test_a_retriable_error_is_waited_for_without_a_slot_and_the_window_is_fetched_then(emulator, context, tmp_path):
    emulator.faults.add({"match": {"path": "returned-items"}, "action": {"status": 503}})
    window = {"merchant_id": emulator.merchant_ids[0], "window_from": END - HOUR, "window_to": END}
    task = extract(base_path=str(tmp_path), deferrable=True, **window)
    with pytest.raises(TaskDeferred) as deferred:
        task.execute(context)
    wait = deferred.value.trigger.moment - real_time.now()
    # zDirect asks to wait at least two minutes.
    assert timedelta(seconds=60) < wait <= timedelta(seconds=130)
    assert task.resume(context, event={}, **deferred.value.kwargs)["records"] > 0


def test_a_retry_has_the_same_resume_key_and_another_run_or_map_index_has_not():
    def run(**changes):
        ti = SimpleNamespace(
            **{"dag_id": "d", "run_id": "r", "task_id": "t", "map_index": 0, "try_number": 1} | changes
        )
        return TaskRun({}, {"ti": ti}, None)

    def key(**changes):
        return run(**changes).key

    # A run that is cleared after an upgrade has the same shipping notice, a task the same marks below its base path.
    assert (key(), run().task_key) == ("7e8c67e6c817939c690bed17", "a1e6cab1e667b2c0beca7459")
    assert key() == key(try_number=2)
    assert len({key(**{name: "other"}) for name in ("dag_id", "run_id", "task_id", "map_index")} | {key()}) == 5


def test_a_dataset_that_is_not_known_at_parse_has_no_asset_yet():
    assert extract(dataset="{{ params.dataset }}").outlets == []


def test_an_interval_that_is_not_the_logical_dates_is_refused():
    """As `airflow dags trigger --logical-date` makes it on Airflow 3: the last interval before the present."""
    run = {"data_interval_start": END - HOUR, "data_interval_end": END}
    with pytest.raises(WindowError, match=r"does not choose the interval.*--conf"):
        run_interval(run | {"logical_date": END - 240 * HOUR})
    for right in (None, END - HOUR, END, END + HOUR):
        assert run_interval(run | {"logical_date": right}) == Window(END - HOUR, END)
