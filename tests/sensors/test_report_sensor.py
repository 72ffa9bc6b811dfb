from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest
import real_time
from emulated_time import looks
from own_emulator import connection_to

from airflow_provider_zdirect.airflow_sdk import (
    AIRFLOW_V_3_0_PLUS,
    DAG,
    AirflowException,
    AirflowFailException,
    AirflowRescheduleException,
    AirflowSensorTimeout,
    AirflowSkipException,
    TaskDeferred,
)
from airflow_provider_zdirect.exceptions import PermissionDeniedError
from airflow_provider_zdirect.triggers.report import ZDirectReportReadyTrigger

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


@pytest.mark.parametrize(
    ("fault", "pause"),
    [
        (None, 120),
        ({"status": 503}, 120),
        ({"status": 503, "headers": {"Retry-After": "900"}}, 900),
        ({"status": 429, "headers": {"Retry-After": "600"}}, 600),
    ],
)
@pytest.mark.parametrize("mode", ["deferrable", "reschedule"])
def test_a_look_of_the_worker_that_decides_nothing_is_repeated_after_the_pause(
    mode, fault, pause, make_sensor, emulator, context
):
    emulator.set_options(report_time="14:00")
    if fault:
        emulator.faults.add({"match": {"path": "intra-community"}, "action": fault})
    emulator.clock.set(NOON_AFTER)
    if mode == "deferrable":
        trigger = deferral(make_sensor(deferrable=True), context).trigger
        assert pause <= (datetime.fromisoformat(trigger.due) - NOON_AFTER).total_seconds() <= pause + 30
        assert datetime.fromisoformat(trigger.empty_from) == NOON_AFTER + timedelta(hours=6)
    else:
        assert pause - 60 <= rescheduled(make_sensor(mode=mode), context) <= pause + 30
    assert looks(emulator) == [NOON_AFTER]


def test_a_missing_connection_fails_before_the_wait(make_sensor, context):
    with pytest.raises(AirflowFailException, match="AIRFLOW_CONN_NOT_THERE"):
        make_sensor(conn_id="not_there", deferrable=True).execute(context)


def test_without_a_merchant_it_is_the_one_of_the_connection(make_sensor, emulator, context, monkeypatch):
    merchant = emulator.merchant_ids[1]
    connection = connection_to(emulator, extra={"merchant_id": merchant})
    # Who has none is asked for it only when the report is due.
    assert deferral(make_sensor(merchant_id="", deferrable=True), context).trigger.merchant_id is None
    monkeypatch.setenv("AIRFLOW_CONN_ZDIRECT_DEFAULT", json.dumps(connection))
    assert deferral(make_sensor(merchant_id=None, deferrable=True), context).trigger.merchant_id == merchant
    assert not emulator.requests
    emulator.clock.set(NOON_AFTER)
    assert make_sensor(merchant_id=None).execute(context)["merchant_id"] == merchant


def test_the_event_of_the_trigger_becomes_the_result(make_sensor, context):
    def result(**found):
        return make_sensor().resume_execution("execute_complete", {"event": {**event, **found}}, context)

    event = {"dataset": "intra_community_movements", "merchant_id": "m", "report_date": "2026-11-20"}
    assert result(why="movements", later_report=None) == {**event, "why": "movements"}
    found = result(why="empty", later_report="the report of 2026-11-21")
    assert found == {**event, "why": "empty", "empty_because": "the report of 2026-11-21 is there"}
    assert result(why="empty", later_report=None)["empty_because"] == "6 hours have passed since it was due"


FAILED = {"event": {"error": "PermissionDeniedError", "message": "403. What to do: ask."}}
TIMED_OUT = {"error": "Trigger timeout" if AIRFLOW_V_3_0_PLUS else "Trigger/execution timeout"}


@pytest.mark.parametrize(
    ("method", "event", "raised"),
    [("execute_complete", FAILED, AirflowFailException), ("__fail__", TIMED_OUT, AirflowSensorTimeout)],
    ids=["a failure, raised with its kind", "the end of the timeout"],
)
def test_the_end_of_a_trigger_is_not_retried_and_a_skip_if_the_task_asks_for_that(
    make_sensor, context, method, event, raised
):
    with pytest.raises(raised) as caught:
        make_sensor().resume_execution(method, dict(event), context)
    assert raised is AirflowSensorTimeout or isinstance(caught.value.__cause__, PermissionDeniedError)
    for option in ("soft_fail", "never_fail"):
        with pytest.raises(AirflowSkipException):
            make_sensor(**{option: True}).resume_execution(method, dict(event), context)


def test_a_trigger_that_broke_down_is_no_timeout_and_may_be_retried(make_sensor, context):
    with pytest.raises(AirflowException) as caught:
        make_sensor().resume_execution("__fail__", {"error": "Trigger failure"}, context)
    assert not isinstance(caught.value, AirflowSensorTimeout | AirflowFailException)


def rescheduled(sensor, context):
    """After how many seconds the sensor is to come back."""
    with pytest.raises(AirflowRescheduleException) as caught:
        sensor.execute(context)
    return (caught.value.reschedule_date - real_time.now()).total_seconds()


def test_in_reschedule_mode_it_comes_back_when_the_report_is_due_or_its_timeout_ends(make_sensor, emulator, context):
    assert rescheduled(make_sensor(mode="reschedule"), context) == pytest.approx(6 * 3600, abs=60)
    assert rescheduled(make_sensor(mode="reschedule", timeout=600), context) == pytest.approx(601, abs=60)
    assert not emulator.requests


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
    assert rescheduled(make_sensor(mode="reschedule", poke_interval=10), context) >= 119
    assert deferral(make_sensor(deferrable=True, poke_interval=10), context).trigger.poll_interval == 120
    assert deferral(make_sensor(deferrable=True, poke_interval=900), context).trigger.poll_interval == 900
    assert deferral(make_sensor(deferrable=True, poll_interval="PT10M"), context).trigger.poll_interval == 600


def test_the_sensor_survives_the_serialization_of_its_dag(make_sensor):
    try:
        from airflow.serialization.serialized_objects import DagSerialization as Serialization
    except ImportError:  # before Airflow 3.2
        from airflow.serialization.serialized_objects import SerializedDAG as Serialization
    with DAG("a_dag", schedule=None) as dag:
        make_sensor(mode="reschedule", holiday_calendars=["DE"], empty_after=timedelta(hours=2))
    task = Serialization.from_dict(Serialization.to_dict(dag)).get_task("ready")
    assert task.task_type == "ZDirectReportReadySensor"
    assert task.reschedule
