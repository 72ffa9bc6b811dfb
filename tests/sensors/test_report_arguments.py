from __future__ import annotations

import subprocess
import sys
from datetime import UTC, date, datetime, time, timedelta

import pytest
from airflow.providers.common.compat.sdk import DAG, AirflowFailException

from airflow_provider_zdirect.exceptions import WindowError, ZDirectConfigurationError
from airflow_provider_zdirect.sensors.report import ZDirectReportReadySensor

ICM = "intra_community_movements"


def sensor(**arguments):
    return ZDirectReportReadySensor(**{"task_id": "ready", "dataset": ICM, **arguments})


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"dataset": "received_items"}, "dataset='received_items'"),
        ({"dataset": ""}, "dataset is empty"),
        ({"conn_id": ""}, "conn_id is empty"),
        ({"variant": "legacy"}, "variant='legacy'"),
        ({"path": "no/path"}, "path='no/path'"),
        ({"merchant_id": "4711"}, "merchant_id='4711'"),
        ({"report_date": "yesterday"}, "report_date='yesterday'"),
        ({"report_date": datetime(2026, 11, 20, tzinfo=UTC)}, "report_date=datetime"),
        ({"not_before": "noon"}, "not_before='noon'"),
        ({"not_before": time(12, tzinfo=UTC)}, "not_before="),
        ({"not_before": 12}, "not_before=12"),
        ({"timezone": "CET/Berlin"}, "timezone='CET/Berlin'"),
        ({"business_days_only": "perhaps"}, "business_days_only='perhaps'"),
        ({"holiday_calendars": "XX"}, "holiday_calendars: 'XX'"),
        ({"holiday_calendars": ["DE", "DE-ZZ"]}, "holiday_calendars: 'DE-ZZ'"),
        ({"holiday_calendars": 49}, "holiday_calendars=49"),
        ({"poll_interval": 119}, "poll_interval=119 is not a duration"),
        ({"poll_interval": "PT119S"}, "poll_interval=PT119S is too short"),
        ({"poll_interval": timedelta(minutes=1)}, "poll_interval=0:01:00"),
        ({"poll_interval": "often"}, "poll_interval='often'"),
        ({"empty_after": 6}, "empty_after=6 is not a duration"),
        ({"empty_after": timedelta(-1)}, "negative"),
        ({"on_empty": "ignore"}, "on_empty='ignore'"),
    ],
)
def test_a_wrong_literal_is_refused_at_parse_with_task_parameter_and_remedy(arguments, named):
    with pytest.raises(ZDirectConfigurationError, match="Task ready") as caught:
        sensor(**arguments)
    assert named in str(caught.value)
    assert caught.value.remedy


def test_a_mapped_task_is_judged_at_parse_too():
    with DAG("a_dag", schedule=None), pytest.raises(ZDirectConfigurationError, match="Task mapped: poll_interval=60"):
        ZDirectReportReadySensor.partial(task_id="mapped", dataset=ICM, poll_interval=60)


def test_a_mapped_task_takes_what_it_is_mapped_over(emulator):
    with DAG("a_dag", schedule=None):
        mapped = ZDirectReportReadySensor.partial(task_id="mapped", dataset=ICM, deferrable=True).expand(
            report_date=["2026-11-19", "2026-11-20"]
        )
    assert mapped.task_id == "mapped"
    # As Airflow makes the real task of one index.
    unmapped = mapped.unmap({"report_date": "2026-11-19"})
    assert (unmapped.report_date, unmapped.deferrable, unmapped.poke_interval) == ("2026-11-19", True, 120)


def test_templates_are_not_judged_at_parse():
    sensor(**dict.fromkeys(ZDirectReportReadySensor.template_fields, "{{ params.x }}"))


def test_right_literals_are_taken_in_every_form_they_may_have():
    sensor(report_date=date(2026, 11, 20), not_before=time(13, 30), holiday_calendars=["DE", "PL", "DE-BE"])
    sensor(report_date="2026-11-20", not_before="13:30", holiday_calendars="DE, de-be", poll_interval="PT5M")
    sensor(report_date=" ", variant="single_request", path="/icm/{merchant_id}", holiday_calendars="")


@pytest.mark.parametrize(
    ("arguments", "kind", "named"),
    [
        ({"dataset": "x"}, ZDirectConfigurationError, "dataset='x'"),
        ({"merchant_id": "x"}, ZDirectConfigurationError, "merchant_id='x'"),
        ({"report_date": "2026-11-20T00:00:00+00:00"}, ZDirectConfigurationError, "report_date='2026"),
        ({"poll_interval": "60"}, ZDirectConfigurationError, "poll_interval='60' is not a duration"),
        ({"poll_interval": "PT60S"}, ZDirectConfigurationError, "poll_interval=PT60S is too short"),
        ({"holiday_calendars": "XX"}, ZDirectConfigurationError, "'XX'"),
        ({"on_empty": ""}, ZDirectConfigurationError, "on_empty=''"),
        ({"conn_id": "missing"}, ZDirectConfigurationError, "Connection 'missing'"),
    ],
)
@pytest.mark.parametrize("deferrable", [True, False])
def test_a_wrong_rendered_value_fails_at_start_without_retry_and_before_any_request(
    arguments, kind, named, deferrable, make_sensor, emulator, context
):
    task = make_sensor(deferrable=deferrable)
    emulator.clock.advance(86_400)
    for name, value in arguments.items():
        setattr(task, name, value)
    with pytest.raises(AirflowFailException) as caught:
        task.execute(context)
    assert isinstance(caught.value.__cause__, kind)
    assert named in str(caught.value)
    assert "What to do:" in str(caught.value)
    assert not emulator.requests


@pytest.mark.parametrize(
    "interval",
    [(None, None), (datetime(2026, 11, 21, tzinfo=UTC), datetime(2026, 11, 21, tzinfo=UTC))],
    ids=["none", "zero-width"],
)
def test_without_a_data_interval_the_report_date_has_to_be_given(interval, make_sensor, emulator, context):
    context["data_interval_start"], context["data_interval_end"] = interval
    with pytest.raises(AirflowFailException, match="Give report_date") as caught:
        make_sensor().execute(context)
    assert isinstance(caught.value.__cause__, WindowError)
    assert not emulator.requests
    emulator.clock.advance(86_400)
    assert make_sensor(report_date="2026-11-20").execute(context)["report_date"] == "2026-11-20"


@pytest.mark.parametrize(
    ("start", "hours"),
    [
        ("2026-11-18T23:00:00Z", 24),  # midnight in Berlin
        ("2026-11-19T00:00:00Z", 24),
        ("2026-11-19T06:00:00Z", 24),
        ("2026-11-19T08:00:00Z", 24),  # midnight in Los Angeles
        ("2026-11-18T23:00:00Z", 23),  # a day on which clocks are put forward
        ("2026-11-18T22:00:00Z", 25),
    ],
)
def test_the_report_date_is_the_day_of_the_data_interval_wherever_that_begins(
    start, hours, make_sensor, emulator, context
):
    context["data_interval_start"] = datetime.fromisoformat(start)
    context["data_interval_end"] = datetime.fromisoformat(start) + timedelta(hours=hours)
    assert make_sensor().execute(context)["report_date"] == "2026-11-19"
    assert make_sensor(not_before="08:00", timezone="America/New_York").execute(context)["report_date"] == "2026-11-19"


@pytest.mark.parametrize("length", [timedelta(hours=1), timedelta(days=2), timedelta(days=7)])
def test_an_interval_that_is_no_day_needs_a_report_date(length, make_sensor, emulator, context):
    context["data_interval_end"] = context["data_interval_start"] + length
    with pytest.raises(AirflowFailException, match="is no day, and report_date is not given"):
        make_sensor().execute(context)
    assert not emulator.requests


def test_airflow_is_told_the_poll_interval_unless_the_author_gives_a_poke_interval():
    assert sensor().poke_interval == 120
    assert sensor(poll_interval=timedelta(minutes=10)).poke_interval == 600
    assert sensor(poll_interval="{{ params.x }}").poke_interval == 120
    assert sensor(poke_interval=900).poke_interval == 900
    with DAG("a_dag", schedule=None, default_args={"poke_interval": 30}):
        assert sensor().poke_interval == 30


def test_parsing_loads_no_http_no_arrow_and_holidays_only_if_they_are_named():
    code = (
        "import sys, warnings; warnings.simplefilter('ignore')\n"
        "import airflow.providers.common.compat.sdk as sdk; sdk.DAG, sdk.BaseSensorOperator, sdk.PokeReturnValue\n"
        "before = set(sys.modules)\n"
        "from airflow_provider_zdirect.sensors.report import ZDirectReportReadySensor as Sensor\n"
        "Sensor(task_id='a', dataset='cross_border_movements', deferrable=True, business_days_only=True)\n"
        "print(*sorted(set(sys.modules) - before))\n"
        "Sensor(task_id='b', dataset='cross_border_movements', holiday_calendars='DE')\n"
        "print('holidays' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    *_, loaded, with_holidays = done.stdout.splitlines()
    assert "airflow_provider_zdirect.sensors.report" in loaded.split()
    assert not set(loaded.split()) & {"pyarrow", "httpx", "holidays", "airflow_provider_zdirect.client.client"}
    assert with_holidays == "True"
