"""Arguments of the re-fetch of liquidated items: purchase order, spellings, dates; and what is wrong with that."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException
from liquidated import DAY, END, HOUR, PASS, START, asked, files, published, truth
from own_emulator import connection_to

from airflow_provider_zdirect.exceptions import (
    FilterIgnoredError,
    RetentionError,
    WindowError,
    ZDirectConfigurationError,
)
from airflow_provider_zdirect.operators.liquidation import pass_delays


@pytest.fixture
def assume(emulator, monkeypatch):
    """Sets assumptions in the connection."""

    def change(**assumptions):
        connection = connection_to(emulator, extra={"assumptions": assumptions})
        monkeypatch.setenv("AIRFLOW_CONN_ZDIRECT_DEFAULT", json.dumps(connection))

    return change


SPELLINGS = ("purchase-order-number", "purchase_order_number")


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_one_purchase_order_is_asked_for_in_either_spelling(emulator, assume, refetch, script, tmp_path, spelling):
    emulator.set_options(purchase_order_parameter=spelling)
    script(("PO1", {}, 0, None), ("PO2", {}, 0, None), ("PO1", {"quantity": 77}, 40, None))
    assume(liquidation_order_parameter=spelling)
    run = refetch(purchase_order_number="PO1")
    result = run.finish()
    assert result["records"] == published(tmp_path).total() == 2
    assert all(json.loads(row)[2] == "PO1" for row in published(tmp_path))
    assert asked(emulator) == [f"from=2026-11-10&to=2026-11-10&{spelling}=PO1"] * 2


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_a_spelling_that_zdirect_ignores_is_noticed_and_nothing_is_published(
    emulator, assume, refetch, script, tmp_path, spelling
):
    emulator.set_options(purchase_order_parameter=SPELLINGS[1 - SPELLINGS.index(spelling)])
    script(("PO1", {}, 0, None), ("PO2", {}, 0, None))
    assume(liquidation_order_parameter=spelling)
    run = refetch(purchase_order_number="PO1")
    with pytest.raises(AirflowFailException, match=r"docs/assumptions\.md") as caught:
        run.go_on()
    assert isinstance(caught.value.__cause__, FilterIgnoredError)
    assert files(tmp_path) == {}


def test_one_purchase_order_does_not_replace_a_day_that_holds_all(emulator, refetch, script, tmp_path):
    script(("PO1", {}, 0, None), ("PO2", {}, 0, None))
    refetch("all").go_on()
    before = files(tmp_path)
    emulator.clock.advance(60)
    with pytest.raises(AirflowFailException, match="base path of its own") as caught:
        refetch("one", purchase_order_number="PO1").go_on()
    assert isinstance(caught.value.__cause__, ZDirectConfigurationError)
    assert files(tmp_path) == before


def test_the_last_date_of_a_request_can_be_exclusive(emulator, merchant, assume, refetch, tmp_path):
    emulator.set_options(liquidated_to="exclusive")
    emulator.clock.set(END + 20 * DAY)
    assume(liquidation_last_date="exclusive")
    refetch(window_from=START - 3 * DAY).finish()
    assert published(tmp_path) == truth(emulator, merchant, START - 3 * DAY, END)
    assert published(tmp_path).total() > 0


FAR = {"liquidation_date": "2026-11-02", "reporting_date": "2026-11-04"}


def test_rows_of_other_dates_fail_the_task_and_nothing_is_published(emulator, refetch, script, tmp_path):
    script(("PO1", {}, 0, None), ("PO2", FAR, 0, None))
    with pytest.raises(AirflowFailException, match="accept_outside=True") as caught:
        refetch().go_on()
    assert isinstance(caught.value.__cause__, FilterIgnoredError)
    assert files(tmp_path) == {}


@pytest.mark.parametrize(
    "dates",
    [
        {"liquidation_date": "2026-11-02", "reporting_date": "2026-11-10"},
        {"liquidation_date": "2026-11-10", "reporting_date": "2026-11-30"},
        {"liquidation_date": "2026-11-09", "reporting_date": "2026-11-30"},
        {"liquidation_date": None, "reporting_date": "2026-11-10"},
        {"liquidation_date": None, "reporting_date": None},
    ],
)
def test_either_date_may_be_the_one_that_was_asked_for(emulator, refetch, script, tmp_path, dates):
    script(("PO1", dates, 0, None))
    assert refetch().finish()["records"] == 1


def dated(*dates: str | None) -> dict[str, str | None]:
    return dict(zip(("liquidation_date", "reporting_date"), dates, strict=True))


ASKED, EVE, NEXT, LATER = "2026-11-10", "2026-11-09", "2026-11-11", "2026-11-30"


@pytest.mark.parametrize(
    "rows",
    [
        [dated(None, LATER)],
        [dated("2026-01-01", None)],
        [dated(ASKED, ASKED), dated(EVE, EVE)],
        [dated(ASKED, LATER), dated(EVE, LATER)],
        [dated(ASKED, None), dated(None, NEXT)],
        [dated(EVE, EVE), dated(NEXT, NEXT)],
        [dated(NEXT, LATER), dated(LATER, NEXT)],
    ],
    ids=["one far", "the other far", "two days", "two days by one date", "each by another", "both sides", "in turn"],
)
def test_an_answer_to_more_than_was_asked_for_is_refused(refetch, script, tmp_path, rows):
    script(*(("PO1", row, 0, None) for row in rows))
    with pytest.raises(AirflowFailException) as caught:
        refetch().go_on()
    assert isinstance(caught.value.__cause__, FilterIgnoredError)
    assert files(tmp_path) == {}
    assert refetch(accept_outside=True).finish()["records"] == len(rows)


@pytest.mark.parametrize(
    "rows",
    [
        [dated(EVE, EVE), dated(EVE, ASKED), dated(EVE, LATER)],
        [dated(NEXT, NEXT), dated(NEXT, None), dated(None, None)],
        [dated("2026-11-02", ASKED), dated(ASKED, LATER)],
    ],
    ids=["the day before", "the day after", "either date"],
)
def test_rows_that_are_all_off_by_one_day_the_same_way_are_taken(refetch, script, rows):
    script(*(("PO1", row, 0, None) for row in rows))
    assert refetch().finish()["records"] == len(rows)


def test_a_row_without_a_purchase_order_is_not_one_of_another(emulator, merchant, refetch, script, tmp_path):
    order = {"purchase_order_number": "PO1"}
    emulator.script_liquidated(
        merchant,
        START.date(),
        [(order, END, None), (order | {"quantity": 9}, END + 40 * HOUR, None)],
    )
    body = json.dumps({"liquidated_items": [order | dated(ASKED, ASKED), dated(ASKED, ASKED)]})
    emulator.faults.add({"match": {"path": "liquidated-items"}, "action": {"status": 200, "body": body}, "times": 1})
    run = refetch(purchase_order_number="PO1")
    run.go_on()
    assert published(tmp_path).total() == 2
    emulator.clock.set(PASS)
    run.go_on()
    assert published(tmp_path) == truth(emulator, merchant, START, END)


def test_rows_of_other_dates_are_published_under_the_date_asked_for_if_that_is_accepted(
    emulator, merchant, refetch, script, tmp_path
):
    script(("PO1", {}, 0, None), ("PO2", FAR, 0, None))
    result = refetch(accept_outside=True).finish()
    assert result["records"] == 2
    assert published(tmp_path, day=START.date()) == truth(emulator, merchant, START, END)


def test_by_reporting_date_it_ends_with_the_truth_too(emulator, merchant, refetch, tmp_path):
    emulator.set_options(liquidated_by="reporting_date", liquidated_change=0.3, liquidated_vanish=0.2, late_share=0.3)
    refetch(window_from=START - 4 * DAY).finish()
    assert published(tmp_path) == truth(emulator, merchant, START - 4 * DAY, END)


def test_the_shape_of_the_older_docs_ends_with_the_truth_too(emulator, merchant, refetch, tmp_path):
    emulator.set_options(liquidated_shape="seed", late_share=0.5)
    refetch(window_from=START - 4 * DAY).finish()
    assert published(tmp_path) == truth(emulator, merchant, START - 4 * DAY, END)


def test_a_window_that_zdirect_no_longer_keeps_is_refused(emulator, refetch):
    emulator.clock.set(END + 120 * DAY)
    with pytest.raises(AirflowFailException) as caught:
        refetch().go_on()
    assert isinstance(caught.value.__cause__, RetentionError)
    assert asked(emulator) == []


@pytest.mark.parametrize(
    ("arguments", "kind", "named"),
    [
        ({"passes": 100 * DAY}, ZDirectConfigurationError, "100 days"),
        ({"window_from": (START + HOUR).isoformat()}, WindowError, "whole days"),
        ({"window_from": "", "window_to": ""}, WindowError, "no data interval"),
        ({"window_to": (END + DAY).isoformat()}, WindowError, "future"),
    ],
)
def test_a_wrong_rendered_value_fails_without_retry_and_before_any_request(
    emulator, refetch, tmp_path, arguments, kind, named
):
    run = refetch()
    for name, value in arguments.items():
        setattr(run.task, name, value)
    with pytest.raises(AirflowFailException) as caught:
        run.go_on()
    assert isinstance(caught.value.__cause__, kind)
    assert named in str(caught.value)
    assert asked(emulator) == []
    assert files(tmp_path) == {}


@pytest.mark.parametrize(
    ("value", "hours"),
    [
        (48 * HOUR, [48]),
        ("PT48H", [48]),
        ("P2D", [48]),
        ("PT1H,PT48.0H,", [1, 48]),
        ("['PT1H', 'P2D']", [1, 48]),
        (["PT1H", 48 * HOUR, "", "PT2H"], [1, 48, 2]),
    ],
)
def test_passes_are_durations_or_lists_of_them(value, hours):
    assert pass_delays(value) == tuple(number * HOUR for number in hours)


def test_the_window_is_the_data_interval(emulator, merchant, refetch, tmp_path):
    emulator.clock.set(PASS)
    run = refetch(window_from=None, window_to=None)
    context = {
        "ti": SimpleNamespace(dag_id="a_dag", run_id="a_run", task_id="refetch", map_index=-1),
        "outlet_events": run.outlet_events,
        "data_interval_start": START,
        "data_interval_end": END,
    }
    assert run.task.execute(context)["window_to"] == END.isoformat()
