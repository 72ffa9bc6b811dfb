"""Arguments of the re-fetch of liquidated items: purchase order, spellings, dates; and what is wrong with that."""

from __future__ import annotations

import json

import pytest
from liquidated import DAY, END, HOUR, PASS, START, asked, files, published, truth
from own_emulator import connection_to

from airflow_provider_zdirect.airflow_sdk import AirflowFailException
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


def dated(*dates: str | None) -> dict[str, str | None]:
    return dict(zip(("liquidation_date", "reporting_date"), dates, strict=True))


ASKED, EVE, NEXT, LATER = "2026-11-10", "2026-11-09", "2026-11-11", "2026-11-30"


@pytest.mark.parametrize(
    "rows",
    [
        [dated("2026-11-02", "2026-11-04")],
        [dated(None, LATER)],
        [dated("2026-01-01", None)],
        [dated(ASKED, ASKED), dated(EVE, EVE)],
        [dated(ASKED, LATER), dated(EVE, LATER)],
        [dated(ASKED, None), dated(None, NEXT)],
        [dated(EVE, EVE), dated(NEXT, NEXT)],
        [dated(NEXT, LATER), dated(LATER, NEXT)],
    ],
    ids=["far", "one far date", "the other", "two days", "by one date", "each by another", "both sides", "in turn"],
)
def test_an_answer_to_more_than_was_asked_for_is_refused_unless_that_is_accepted(
    emulator, merchant, refetch, script, tmp_path, rows
):
    script(*(("PO1", row, 0, None) for row in rows))
    with pytest.raises(AirflowFailException, match="accept_outside=True") as caught:
        refetch().go_on()
    assert isinstance(caught.value.__cause__, FilterIgnoredError)
    assert files(tmp_path) == {}
    refetch(accept_outside=True).go_on()
    assert published(tmp_path, day=START.date()) == truth(emulator, merchant, START, END)


@pytest.mark.parametrize(
    "rows",
    [
        [dated("2026-11-02", ASKED), dated(ASKED, LATER), dated(None, ASKED)],
        [dated(None, None)],
        [dated(EVE, EVE), dated(EVE, ASKED), dated(EVE, LATER)],
        [dated(NEXT, NEXT), dated(NEXT, None), dated(None, None)],
    ],
    ids=["either date", "no date", "the day before", "the day after"],
)
def test_rows_of_the_day_by_either_date_or_all_off_by_one_day_the_same_way_are_taken(refetch, script, tmp_path, rows):
    script(*(("PO1", row, 0, None) for row in rows))
    refetch().go_on()
    assert published(tmp_path).total() == len(rows)


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


@pytest.mark.parametrize(
    ("options", "assumptions"),
    [
        ({"liquidated_by": "reporting_date", "liquidated_change": 0.3, "liquidated_vanish": 0.2}, {}),
        ({"liquidated_shape": "seed"}, {}),
        ({"liquidated_to": "exclusive"}, {"liquidation_last_date": "exclusive"}),
    ],
    ids=["by reporting date", "the shape of the older docs", "the last date is exclusive"],
)
def test_other_answers_end_with_the_truth_too(emulator, merchant, assume, refetch, tmp_path, options, assumptions):
    emulator.set_options(late_share=0.4, **options)
    assume(**assumptions)
    refetch(window_from=START - DAY).finish()
    assert published(tmp_path) == truth(emulator, merchant, START - DAY, END)
    assert published(tmp_path).total() > 0


@pytest.mark.parametrize(
    ("arguments", "kind", "named"),
    [
        ({"window_from": "2026-07-01T00:00:00Z", "window_to": "2026-07-02T00:00:00Z"}, RetentionError, "keeps"),
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
