"""What the first tasks of all DAGs refuse, before any other task asks zDirect for anything."""

from __future__ import annotations

import warnings
from datetime import UTC, datetime, timedelta, timezone
from types import SimpleNamespace

import airflow_home
import pytest
from airflow.models.dagbag import DagBag

from airflow_provider_zdirect.airflow_sdk import AirflowFailException, AirflowSkipException
from airflow_provider_zdirect.dag_support.params import WINDOW_FROM, WINDOW_TO, place_params
from airflow_provider_zdirect.dag_support.run_params import check_params, merchants_of
from airflow_provider_zdirect.exceptions import WindowError, ZDirectConfigurationError
from airflow_provider_zdirect.operators.extract import ZDirectExtractOperator
from airflow_provider_zdirect.operators.run_context import run_window
from airflow_provider_zdirect.windows import Window

START, END = datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 3, 2, tzinfo=UTC)
ID, OTHER = "01924c48-49bb-40c2-9c32-ab582e6db6f4", "0a7bd8c1-0000-4fc0-8cd9-86e454e6dfa3"
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    DAGS = DagBag(airflow_home.PROJECT / "dags").dags
FIRST_TASKS = [(dag, task) for dag in DAGS.values() for task in dag.roots if hasattr(task, "python_callable")]


def context_of(params, run_type="backfill", **more):
    interval = {"logical_date": START, "data_interval_start": START, "data_interval_end": END}
    return {**interval, "params": params, "dag_run": SimpleNamespace(run_type=run_type), **more}


def run_first(dag, task, run_type, monkeypatch, **params):
    """Run it with the DAG's own parameters and these."""
    own = {name: dag.params[name] for name in dag.params}
    context = context_of({**own, **params}, run_type)
    function = task.python_callable
    monkeypatch.setitem(function.__globals__, "get_current_context", lambda: context)
    return function()


def with_param(name):
    found = [(dag, task) for dag, task in FIRST_TASKS if name in dag.params]
    assert found
    return pytest.mark.parametrize(("dag", "task"), found, ids=[f"{dag.dag_id}.{task.task_id}" for dag, task in found])


def test_every_task_comes_after_one_that_looks_at_the_parameters():
    for dag in DAGS.values():
        assert {task.task_id for task in dag.roots} <= {first.task_id for of, first in FIRST_TASKS if of is dag}


@with_param("from")
@pytest.mark.parametrize(
    ("params", "named"),
    [
        ({"from": "2026-02-01T00:00:00Z", "to": "2026-02-02T00:00:00Z"}, "from and to empty"),
        ({"from": START.isoformat(), "to": "2026-03-03T00:00:00Z"}, "from and to empty"),
        ({"from": START.isoformat()}, "with from empty"),
        ({"to": END.isoformat()}, "with to empty"),
    ],
)
def test_no_run_of_a_backfill_fetches_another_window_than_its_own(dag, task, params, named, monkeypatch):
    with pytest.raises(AirflowFailException) as caught:
        run_first(dag, task, "backfill", monkeypatch, merchant_ids=[ID], **params)
    assert isinstance(caught.value.__cause__, WindowError)
    for said in (named, *(f"{name}={value}" for name, value in params.items()), str(Window(START, END))):
        assert said in str(caught.value)


@with_param("month")
@pytest.mark.parametrize(("month", "refused"), [("2026-02", True), ("2026-03", False), (None, False), ("", False)])
def test_no_run_of_a_backfill_reports_another_month_than_its_own(dag, task, month, refused, monkeypatch):
    arguments = {"merchant_ids": [ID], "month": month}
    if not refused:
        assert run_first(dag, task, "backfill", monkeypatch, **arguments) == [ID]
        return
    with pytest.raises(AirflowFailException, match=r"month=2026-02\..*with month empty"):
        run_first(dag, task, "backfill", monkeypatch, **arguments)
    assert run_first(dag, task, "manual", monkeypatch, **arguments) == [ID]


@pytest.mark.parametrize(
    "params",
    [
        {"from": None, "to": None},
        {"from": "", "to": " "},
        {"from": "2026-03-01T00:00:00Z", "to": "2026-03-02T00:00:00Z"},
        {"from": START.astimezone(timezone(timedelta(hours=2))).isoformat(), "to": END.isoformat()},
    ],
)
def test_a_run_of_a_backfill_takes_its_own_window(params):
    assert check_params(context_of(params)) == params


@pytest.mark.parametrize(
    ("given", "meant"), [("merchant_id", "merchant_ids"), ("form", "from"), ("too", "to"), ("Base_Path", "base_path")]
)
def test_a_misspelt_parameter_is_not_as_good_as_none(given, meant):
    context = context_of({"from": None, "to": None, "merchant_ids": None, "base_path": "/data", "note": "x"}, "manual")
    dag = SimpleNamespace(params=dict.fromkeys(("from", "to", "merchant_ids", "base_path")))
    context |= {"dag": dag, "dag_run": SimpleNamespace(run_type="manual", conf={given: "x"})}
    with pytest.raises(ZDirectConfigurationError, match=f"has '{given}'.*Did you mean '{meant}'"):
        check_params(context)
    context["dag_run"].conf = {"triggered_by_ticket": "x", "from": None}
    assert check_params(context)["note"] == "x"


@pytest.mark.parametrize("run_type", ["manual", "scheduled", "asset_triggered"])
def test_other_runs_take_any_window(run_type):
    params = {"from": "2026-02-01T00:00:00Z", "to": "2026-02-02T00:00:00Z"}
    assert check_params(context_of(params, run_type)) == params


def test_a_task_with_the_window_of_the_parameters_refuses_it_in_a_backfill_and_an_authors_own_it_takes():
    """For DAGs of authors, which may have no task of this project before it."""
    params = {"from": "2026-02-01T00:00:00Z", "to": "2026-02-02T00:00:00Z"}
    task = ZDirectExtractOperator(
        task_id="a", dataset="received_items", base_path="/data", window_from=WINDOW_FROM, window_to=WINDOW_TO
    )
    task.window_from, task.window_to = params["from"], params["to"]
    window = Window(datetime(2026, 2, 1, tzinfo=UTC), datetime(2026, 2, 2, tzinfo=UTC))
    with pytest.raises(WindowError, match="with from and to empty"):
        run_window(task.values(), context_of(params))
    assert run_window(task.values(), context_of(params, "manual")) == window
    assert run_window(task.values(), context_of({"from": None, "to": None})) == window
    task.window_from, task.window_to = START.isoformat(), END.isoformat()
    assert run_window(task.values(), context_of(params)) == Window(START, END)
    # Parameters of an author that only have the same names.
    for others in ({"from": "noreply@example.com", "to": "team@example.com"}, {"from": 1, "to": 2}):
        assert run_window(task.values(), context_of(others)) == Window(START, END)


def test_a_scheduled_run_of_the_backfill_dag_fetches_nothing_and_says_so(monkeypatch):
    dag = DAGS["zdirect_backfill"]
    (plan,) = (task for of, task in FIRST_TASKS if of is dag)
    with pytest.raises(AirflowSkipException, match=r"fetches nothing\. Trigger it with from and to, or backfill it"):
        run_first(dag, plan, "scheduled", monkeypatch, merchant_ids=[ID])
    for run_type in ("manual", "backfill"):
        (planned,) = run_first(dag, plan, run_type, monkeypatch, merchant_ids=[ID])
        assert planned == {"merchant_id": ID, "window_from": START.isoformat(), "window_to": END.isoformat()}


@pytest.mark.parametrize(
    ("name", "value", "named"),
    [
        ("merchant_ids", [ID, "4711"], "merchant_ids: '4711' is not a UUID, nor can it be a merchant's name (entry 2)"),
        ("merchant_ids", [""], "merchant_ids has only blank entries"),
        ("base_path", "file://data/zd", "base_path='file://data/zd' has one slash too few"),
        ("merchant_ids", [ID, 4711], "merchant_ids: entry 2 is 4711"),
        ("countries", ["DE", "Polen"], "countries"),
        ("countries", [" "], "countries has only blank entries"),
        ("eans", ["191476239145"], "eans: '191476239145' is not a valid EAN"),
        ("eans", ["", ""], "eans has only blank entries"),
        ("sales_channel_ids", ["zalando.de"], "sales_channel_ids: 'zalando.de' is not a UUID"),
        ("sales_channel_ids", [""], "sales_channel_ids has only blank entries"),
    ],
)
def test_the_first_tasks_refuse_a_wrong_entry_of_a_list(name, value, named, monkeypatch):
    found = [(dag, task) for dag, task in FIRST_TASKS if name in dag.params]
    assert found
    for dag, task in found:
        # What is not wanted is not looked at otherwise.
        wanted = {"shipping_documents": True, "changed_quantities": True} if "shipping_documents" in dag.params else {}
        with pytest.raises(AirflowFailException) as caught:
            run_first(dag, task, "manual", monkeypatch, **{"merchant_ids": [ID], **wanted, name: value})
        assert isinstance(caught.value.__cause__, ZDirectConfigurationError)
        assert named in str(caught.value)


def test_merchants_are_those_of_the_list_once_in_lower_case_without_that_of_the_connection():
    listed = ["", OTHER.upper(), f" {ID}", OTHER, f"{ID}\n{OTHER}"]
    assert merchants_of({"merchant_ids": listed, "conn_id": "none"}) == [OTHER, ID]


def test_a_list_in_the_environment_is_taken_apart_and_one_of_separators_only_is_not_all(monkeypatch):
    for text, merchants in ((f" {ID.upper()};{OTHER}\n,", [ID, OTHER]), ("", None), ("  ", None)):
        monkeypatch.setenv("ZDIRECT_MERCHANT_IDS", text)
        default = place_params()["merchant_ids"].value
        assert (default and merchants_of({"merchant_ids": default, "conn_id": "none"})) == merchants
    monkeypatch.setenv("ZDIRECT_MERCHANT_IDS", " , ")
    with pytest.raises(ZDirectConfigurationError, match="merchant_ids has only blank entries"):
        merchants_of({"merchant_ids": place_params()["merchant_ids"].value, "conn_id": "none"})


def test_every_mapped_task_is_named_after_what_it_is_mapped_over():
    unnamed = []
    for dag in DAGS.values():
        for task in dag.tasks:
            mapped = getattr(task, "is_mapped", False) or task.get_closest_mapped_task_group() is not None
            if mapped and not task.map_index_template:
                unnamed.append(f"{dag.dag_id}.{task.task_id}")
    assert unnamed == []
