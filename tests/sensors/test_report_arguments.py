from __future__ import annotations

import subprocess
import sys
from datetime import UTC, date, datetime, time, timedelta

import pytest

from airflow_provider_zdirect.airflow_sdk import DAG
from airflow_provider_zdirect.exceptions import WindowError
from airflow_provider_zdirect.sensors.report import ZDirectReportReadySensor
from airflow_provider_zdirect.sensors.report_arguments import date_and_due

ICM = "intra_community_movements"


def sensor(**arguments):
    return ZDirectReportReadySensor(**{"task_id": "ready", "dataset": ICM, **arguments})


def test_right_literals_are_taken_in_every_form_they_may_have():
    sensor(report_date=date(2026, 11, 20), not_before=time(13, 30), holiday_calendars=["DE", "PL", "DE-BE"])
    sensor(report_date="2026-11-20", not_before="13:30", holiday_calendars="DE, de-be", poll_interval="PT5M")
    sensor(report_date=" ", variant="single_request", path="/icm/{merchant_id}", holiday_calendars="")


def due(start, length, **arguments):
    """The report date of a run, and when it is due."""
    start = start and datetime.fromisoformat(start)
    return date_and_due(
        sensor(**arguments).values(), {"data_interval_start": start, "data_interval_end": start and start + length}
    )


@pytest.mark.parametrize(
    ("start", "length", "said"),
    [
        (None, None, "has no data interval"),
        ("2026-11-21T00:00:00Z", timedelta(0), "has no data interval"),
        ("2026-11-20T00:00:00Z", timedelta(hours=1), "is not a day"),
        ("2026-11-20T00:00:00Z", timedelta(days=2), "is not a day"),
        ("2026-11-20T00:00:00Z", timedelta(days=7), "is not a day"),
    ],
)
def test_without_a_data_interval_of_a_day_the_report_date_has_to_be_given(start, length, said):
    with pytest.raises(WindowError, match=f"{said}.*Give report_date"):
        due(start, length)
    assert due(start, length, report_date="2026-11-20") == (date(2026, 11, 20), datetime(2026, 11, 21, 12, tzinfo=UTC))


@pytest.mark.parametrize(
    ("start", "hours"),
    [
        ("2026-11-18T23:00:00Z", 24),  # midnight in Berlin
        ("2026-11-19T00:00:00Z", 24),
        ("2026-11-19T08:00:00Z", 24),  # midnight in Los Angeles
        ("2026-11-18T23:00:00Z", 23),  # a day on which clocks are put forward
        ("2026-11-18T22:00:00Z", 25),
    ],
)
def test_the_report_date_is_the_day_of_the_data_interval_wherever_that_begins(start, hours):
    found = due(start, timedelta(hours=hours), not_before="08:00", timezone="America/New_York")
    assert found == (date(2026, 11, 19), datetime(2026, 11, 20, 13, tzinfo=UTC))


def test_the_poke_interval_is_the_shortest_pause_unless_the_author_gives_another():
    assert sensor().poke_interval == 120
    assert sensor(poll_interval=timedelta(minutes=10)).poke_interval == 120
    assert sensor(poke_interval=900).poke_interval == 900
    with DAG("a_dag", schedule=None, default_args={"poke_interval": 30}):
        assert sensor().poke_interval == 30


def test_parsing_loads_no_http_no_arrow_and_holidays_only_if_they_are_named():
    code = (
        "import sys, warnings; warnings.simplefilter('ignore')\n"
        "import airflow_provider_zdirect.airflow_sdk as sdk; sdk.DAG, sdk.BaseSensorOperator, sdk.PokeReturnValue\n"
        # The first asset of a process makes Airflow 3.0 load all providers.
        "sdk.Asset(uri='zdirect://before')\n"
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
