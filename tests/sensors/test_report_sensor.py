from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest
import real_time
from airflow.providers.common.compat.sdk import (
    DAG,
    AirflowException,
    AirflowFailException,
    AirflowSensorTimeout,
    AirflowSkipException,
    TaskDeferred,
)
from airflow.providers.common.compat.version_compat import AIRFLOW_V_3_0_PLUS
from emulated_time import looks
from own_emulator import connection_to

from airflow_provider_zdirect.exceptions import PermissionDeniedError
from airflow_provider_zdirect.triggers.report import ZDirectReportReadyTrigger

if AIRFLOW_V_3_0_PLUS:
    from airflow.sdk.exceptions import AirflowRescheduleException
else:
    from airflow.exceptions import AirflowRescheduleException

NOON_AFTER = datetime(2026, 11, 21, 12, tzinfo=UTC)
MODES = [{"deferrable": True}, {"mode": "poke"}, {"mode": "reschedule"}]
ALL_MODES = pytest.mark.parametrize("mode", MODES, ids=["deferrable", "poke", "reschedule"])


def deferral(sensor, context):
    with pytest.raises(TaskDeferred) as deferred:
        sensor.execute(context)
    return deferred.value


def test_before_it_is_due_it_defers_without_any_request(make_sensor, emulator, context):
    deferred = deferral(make_sensor(deferrable=True, timeout=3600, path="/icm/{merchant_id}"), context)
    assert deferred.method_name == "execute_complete"
    assert deferred.timeout == timedelta(hours=1)
    assert isinstance(deferred.trigger, ZDirectReportReadyTrigger)
    assert deferred.trigger.serialize()[1] == {
        "conn_id": "zdirect_default",
        "dataset": "intra_community_movements",
        "merchant_id": emulator.merchant_ids[0],
        "report_date": "2026-11-20",
        "due": "2026-11-21T12:00:00+00:00",
        "empty_from": "2026-11-21T18:00:00+00:00",
        "poll_interval": 120.0,
        "variant": None,
        "path": "/icm/{merchant_id}",
    }
    assert not emulator.requests


@ALL_MODES
def test_a_report_of_the_past_is_found_at_once(mode, make_sensor, emulator, context):
    emulator.clock.advance(7 * 86_400)
    assert make_sensor(**mode).execute(context) == {
        "dataset": "intra_community_movements",
        "merchant_id": emulator.merchant_ids[0],
        "report_date": "2026-11-20",
        "why": "movements",
    }
    assert len(looks(emulator)) == 1


@ALL_MODES
def test_an_empty_day_of_the_past_is_decided_at_once(mode, make_sensor, emulator, context):
    emulator.set_options(empty_reports=1.0)
    emulator.clock.advance(7 * 86_400)
    assert make_sensor(**mode).execute(context)["why"] == "empty"
    with pytest.raises(AirflowSkipException, match="no movements"):
        make_sensor(on_empty="skip", **mode).execute(context)
    with pytest.raises(AirflowFailException, match="What to do: check in the zDirect portal"):
        make_sensor(on_empty="fail", **mode).execute(context)
    with pytest.raises(AirflowSkipException):
        make_sensor(on_empty="fail", soft_fail=True, **mode).execute(context)
    assert len(looks(emulator)) == 4


@pytest.fixture
def later_report(emulator):
    """Two days after the report was due; it is empty so many times, and a later one is there."""

    def forget(times=None):
        asked = {"from": "2026-11-20", "to": "2026-11-20"}
        answer = {"status": 200, "body": {"items": [], "query": asked}}
        emulator.faults.add({"match": {"path": "-movements/", "query": asked}, "action": answer, "times": times})
        # Four days before an empty report counts by itself.
        emulator.clock.set(datetime(2026, 11, 23, 12, tzinfo=UTC))
        return {"empty_after": timedelta(days=6), "deferrable": True}

    return forget


@pytest.mark.parametrize("dataset", ["intra_community_movements", "cross_border_movements"])
def test_an_empty_day_is_decided_by_the_first_look_if_a_later_report_is_there(
    dataset, make_sensor, emulator, context, later_report
):
    assert make_sensor(dataset=dataset, **later_report()).execute(context) == {
        "dataset": dataset,
        "merchant_id": emulator.merchant_ids[0],
        "report_date": "2026-11-20",
        "why": "empty",
        "empty_because": "a report of 2026-11-21 to 2026-11-22 is there",
    }
    assert len(looks(emulator)) == 3


def test_a_report_that_is_made_during_the_look_is_not_called_empty(make_sensor, context, later_report):
    found = make_sensor(**later_report(times=1)).execute(context)
    assert (found["why"], "empty_because" in found) == ("movements", False)


@ALL_MODES
def test_what_waiting_does_not_help_fails_at_once_and_without_retry(mode, make_sensor, emulator, context):
    emulator.faults.add({"match": {"path": "intra-community"}, "action": {"status": 403}, "times": None})
    emulator.clock.advance(86_400)
    with pytest.raises(AirflowFailException, match=r"403.*What to do:"):
        make_sensor(**mode).execute(context)
    with pytest.raises(AirflowSkipException):
        make_sensor(soft_fail=True, **mode).execute(context)
    with pytest.raises(AirflowFailException, match=emulator.merchant_ids[1]):
        make_sensor(merchant_id=None, **mode).execute(context)


def test_if_the_look_of_the_worker_finds_nothing_the_trigger_looks_after_the_pause(make_sensor, emulator, context):
    emulator.set_options(report_time="14:00")
    emulator.clock.set(NOON_AFTER)
    trigger = deferral(make_sensor(deferrable=True), context).trigger
    assert looks(emulator) == [NOON_AFTER]
    pause = datetime.fromisoformat(trigger.due) - NOON_AFTER
    assert timedelta(seconds=120) <= pause <= timedelta(seconds=150)
    assert datetime.fromisoformat(trigger.empty_from) == NOON_AFTER + timedelta(hours=6)


def test_if_zdirect_lets_the_worker_wait_the_trigger_does(make_sensor, emulator, context):
    emulator.faults.add({"match": {"path": "community"}, "action": {"status": 429, "headers": {"Retry-After": "1800"}}})
    emulator.clock.set(NOON_AFTER)
    trigger = deferral(make_sensor(deferrable=True), context).trigger
    assert datetime.fromisoformat(trigger.due) - NOON_AFTER >= timedelta(seconds=1800)


def test_a_missing_connection_fails_before_the_wait(make_sensor, context):
    with pytest.raises(AirflowFailException, match="AIRFLOW_CONN_NOT_THERE"):
        make_sensor(conn_id="not_there", deferrable=True).execute(context)


def test_without_a_merchant_it_is_the_one_of_the_connection(make_sensor, emulator, context, monkeypatch):
    merchant = emulator.merchant_ids[1]
    connection = connection_to(emulator, extra={"merchant_id": merchant})
    monkeypatch.setenv("AIRFLOW_CONN_ZDIRECT_DEFAULT", json.dumps(connection))
    assert deferral(make_sensor(merchant_id=None, deferrable=True), context).trigger.merchant_id == merchant
    assert not emulator.requests
    emulator.clock.set(NOON_AFTER)
    assert make_sensor(merchant_id=None).execute(context)["merchant_id"] == merchant


def test_without_any_merchant_nobody_is_asked_for_it_before_the_report_is_due(make_sensor, emulator, context):
    assert deferral(make_sensor(merchant_id="", deferrable=True), context).trigger.merchant_id is None
    assert not emulator.requests


def test_the_event_of_the_trigger_becomes_the_result(make_sensor, emulator, context):
    event = {"dataset": "intra_community_movements", "merchant_id": "m", "report_date": "2026-11-20"}
    sensor = make_sensor()
    ready = {**event, "why": "movements", "later_report": None}
    assert sensor.resume_execution("execute_complete", {"event": ready}, context) == {**event, "why": "movements"}
    empty = {**event, "why": "empty", "later_report": "the report of 2026-11-21"}
    found = sensor.resume_execution("execute_complete", {"event": empty}, context)
    assert (found["why"], found["empty_because"]) == ("empty", "the report of 2026-11-21 is there")
    by_time = {**empty, "later_report": None}
    found = sensor.resume_execution("execute_complete", {"event": by_time}, context)
    assert found["empty_because"] == "6 hours have passed since it was due"
    with pytest.raises(AirflowSkipException):
        make_sensor(on_empty="skip").resume_execution("execute_complete", {"event": empty}, context)
    with pytest.raises(AirflowFailException):
        make_sensor(on_empty="fail").resume_execution("execute_complete", {"event": empty}, context)


def test_the_failure_of_the_trigger_is_raised_with_its_kind_and_not_retried(make_sensor, context):
    failed = {"event": {"error": "PermissionDeniedError", "message": "403. What to do: ask."}}
    with pytest.raises(AirflowFailException, match="403") as caught:
        make_sensor().resume_execution("execute_complete", failed, context)
    assert isinstance(caught.value.__cause__, PermissionDeniedError)
    for option in ("soft_fail", "never_fail"):
        with pytest.raises(AirflowSkipException):
            make_sensor(**{option: True}).resume_execution("execute_complete", failed, context)


def test_the_end_of_the_timeout_of_a_deferral_is_a_sensor_timeout(make_sensor, context):
    ended = {"error": "Trigger timeout" if AIRFLOW_V_3_0_PLUS else "Trigger/execution timeout"}
    with pytest.raises(AirflowSensorTimeout):
        make_sensor().resume_execution("__fail__", dict(ended), context)
    for option in ("soft_fail", "never_fail"):
        with pytest.raises(AirflowSkipException):
            make_sensor(**{option: True}).resume_execution("__fail__", dict(ended), context)


def test_a_trigger_that_broke_down_is_no_timeout_and_may_be_retried(make_sensor, context):
    with pytest.raises(AirflowException) as caught:
        make_sensor().resume_execution("__fail__", {"error": "Trigger failure"}, context)
    assert not isinstance(caught.value, AirflowSensorTimeout | AirflowFailException)


def test_in_reschedule_mode_it_comes_back_when_the_report_is_due(make_sensor, emulator, context):
    with pytest.raises(AirflowRescheduleException) as caught:
        make_sensor(mode="reschedule").execute(context)
    assert _from_now(caught) == pytest.approx(6 * 3600, abs=60)
    assert not emulator.requests


def test_in_reschedule_mode_it_does_not_sleep_past_its_timeout(make_sensor, emulator, context):
    with pytest.raises(AirflowRescheduleException) as caught:
        make_sensor(mode="reschedule", timeout=600).execute(context)
    assert _from_now(caught) == pytest.approx(601, abs=60)


@pytest.mark.parametrize(
    ("fault", "pause"),
    [
        (None, 120),
        ({"status": 503}, 120),
        ({"status": 503, "headers": {"Retry-After": "900"}}, 900),
        ({"status": 429, "headers": {"Retry-After": "600"}}, 600),
    ],
)
def test_in_reschedule_mode_a_look_that_decides_nothing_is_repeated_after_the_pause(
    fault, pause, make_sensor, emulator, context
):
    emulator.set_options(report_time="14:00")
    if fault:
        emulator.faults.add({"match": {"path": "intra-community"}, "action": fault})
    emulator.clock.set(NOON_AFTER)
    with pytest.raises(AirflowRescheduleException) as caught:
        make_sensor(mode="reschedule").execute(context)
    assert pause - 60 <= _from_now(caught) <= pause + 30
    assert len(looks(emulator)) == 1


def _from_now(caught):
    return (caught.value.reschedule_date - real_time.now()).total_seconds()


@pytest.mark.parametrize("mode", ["poke", "reschedule"])
def test_the_timeout_is_that_of_every_sensor(mode, make_sensor, emulator, context):
    emulator.set_options(report_time="14:00")
    emulator.clock.set(NOON_AFTER)
    with pytest.raises(AirflowSensorTimeout):
        make_sensor(mode=mode, timeout=0).execute(context)
    with pytest.raises(AirflowSkipException):
        make_sensor(mode=mode, timeout=0, soft_fail=True).execute(context)


def test_in_poke_mode_it_sleeps_until_the_report_is_due_and_then_between_looks(
    make_sensor, emulator, context, monkeypatch
):
    slept = []

    def sleep(seconds):
        slept.append(seconds)
        emulator.clock.advance(seconds)

    emulator.set_options(report_time="12:05")
    module = "airflow.sdk.bases.sensor" if AIRFLOW_V_3_0_PLUS else "airflow.sensors.base"
    # Airflow's own sleep, not ours.
    monkeypatch.setattr(f"{module}.time.sleep", sleep)
    assert make_sensor(mode="poke").execute(context)["why"] == "movements"
    assert slept[0] == pytest.approx(6 * 3600, abs=1)
    assert all(120 <= pause <= 150 for pause in slept[1:])
    assert looks(emulator)[0] >= NOON_AFTER
    assert 3 <= len(looks(emulator)) <= 4


def test_a_shorter_poke_interval_does_not_make_it_ask_more_often(make_sensor, emulator, context):
    emulator.set_options(report_time="14:00")
    emulator.clock.set(NOON_AFTER)
    with pytest.raises(AirflowRescheduleException) as caught:
        make_sensor(mode="reschedule", poke_interval=10).execute(context)
    assert _from_now(caught) >= 119
    assert deferral(make_sensor(deferrable=True, poke_interval=10), context).trigger.poll_interval == 120
    assert deferral(make_sensor(deferrable=True, poke_interval=900), context).trigger.poll_interval == 900
    assert deferral(make_sensor(deferrable=True, poll_interval="PT10M"), context).trigger.poll_interval == 600


def test_the_sensor_survives_the_serialization_of_its_dag(make_sensor):
    if AIRFLOW_V_3_0_PLUS:
        from airflow.serialization.serialized_objects import DagSerialization as Serialization
    else:
        from airflow.serialization.serialized_objects import SerializedDAG as Serialization
    with DAG("a_dag", schedule=None) as dag:
        make_sensor(mode="reschedule", holiday_calendars=["DE"], empty_after=timedelta(hours=2))
    task = Serialization.from_dict(Serialization.to_dict(dag)).get_task("ready")
    assert task.task_type == "ZDirectReportReadySensor"
    assert task.reschedule
