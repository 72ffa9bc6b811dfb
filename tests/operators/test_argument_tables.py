"""What every operator and the sensor make of the tables of their arguments, whatever else they do."""

from __future__ import annotations

import inspect
import json
import re
from datetime import UTC, datetime, time, timedelta
from itertools import product

import pytest
from all_tasks import MERCHANT, OTHER, TASKS, needed
from own_emulator import connection_to, own_emulator

from airflow_provider_zdirect.airflow_sdk import DAG, AirflowFailException, BaseSensorOperator, task_group
from airflow_provider_zdirect.assets import changed_alias, place_alias, zdirect_asset
from airflow_provider_zdirect.exceptions import ZDirectConfigurationError
from airflow_provider_zdirect.operators import argument_table, arguments
from airflow_provider_zdirect.operators.argument_table import UNKNOWN
from airflow_provider_zdirect.operators.base import ZDirectOperator
from airflow_provider_zdirect.operators.compact import compacted_datasets
from airflow_provider_zdirect.operators.coverage import covered_datasets, shown_days
from airflow_provider_zdirect.operators.extract import ZDirectExtractOperator
from airflow_provider_zdirect.operators.liquidation import pass_delays
from airflow_provider_zdirect.operators.order_tracking import ZDirectMissingTrackingOperator
from airflow_provider_zdirect.sensors.report_arguments import poll_interval

AIRFLOWS_OWN = {"poke_interval"}
NOT_TEMPLATES = {"deferrable", "notifier"}

ROW = {"order_id": MERCHANT, "tracking_number": "OUT-10000"}
WRONG_DURATIONS = (48, 0, 1.5, "172800", True, "soon", timedelta(-1), timedelta.max, "P99999999999D", "P1M")
WRONG_BY_KIND = {
    arguments.flag: ("perhaps", 2, "1"),
    arguments.count: (-1, "few", 1.5, True),
    arguments.duration: WRONG_DURATIONS,
    pass_delays: (*WRONG_DURATIONS, [48], [timedelta(hours=48), None], "two days", []),
    poll_interval: (*WRONG_DURATIONS, "PT119S", timedelta(minutes=1)),
    arguments.instant: ("yesterday", "2026-03-10T08:00:00", datetime(2026, 1, 1)),  # noqa: DTZ001
    arguments.uuids: (["de"], f"{OTHER},x", [""], 49),
    arguments.merchants: (["4711"], f"{OTHER},{OTHER[:-1]}", [""], 49),
    arguments.time_zone: ("Europe/Atlantis", "CET/Berlin"),
    compacted_datasets: ("returned", ["orders", "liquidated_items"], [""], 49),
    covered_datasets: ("returned", ["orders", "order_lines"], [""], 49),
    shown_days: (0, 3661, -1, "few", 1.5, True),
    argument_table.path: ("data/zdirect", "file://data/zd"),
    argument_table.table_file: ("a.csv", "/data/a.xlsx", "/data/a"),
}
WRONG_BY_NAME = {
    "merchant_id": ("4711", MERCHANT.replace("-", ""), f"urn:uuid:{MERCHANT}"),
    "format": ("csv", "xml"),
    "dataset": ("returned", "logistic_center"),
    "variant": ("legacy",),
    "path": ("no/path",),
    "filters": ({"sku": "x"}, {"sku": []}, "[1]"),
    "personal_data": ("mask",),
    "month": ("November", "2026-13"),
    "countries": ("DEU", ["DE", "../PL"], 49, "DE, ZZ", ["el", "XX"]),
    "master_data": ("master.csv", "/data/master.xlsx"),
    "stock_path": ("stock.csv", "/data/stock.xlsx"),
    "orders_since": ("yesterday", "2026-03-10T08:00:00"),
    "missing_feed": ("ignore",),
    "missing_file": ("wait",),
    "updates": ({"order_id": MERCHANT}, [{**ROW, "track": 1}], "nothing"),
    "default_reason": (7, "x"),
    "grace_hours": ("soon", -1, True),
    "export_hours": ("soon", timedelta(-1)),
    "update_days": (-1, "7 days"),
    "warn_days": (-1, "soon"),
    "since": ("yesterday", "2026-03-10"),
    "lookback_days": ("x",),
    "portal_url": ("portal",),
    "order_ids": (["4711"], 5),
    "operations": ("destroy", ["announce", "create"], ["create", "create"]),
    "notice": ({"carrier": "DHL"}, "no json", {"pallets_count": -1}),
    "shipping_notice_id": ("x",),
    "items": ([], [{"ean": "4006381333930", "quantity": 1}], "[{'ean': '4006381333931', 'quantity': 0}]", "nothing"),
    "dispatch_items": ([], "nothing"),
    "create_by": ("patch",),
    "report_date": ("yesterday", datetime(2026, 11, 20, tzinfo=UTC), "2026-11-20T00:00:00+00:00"),
    "not_before": ("noon", time(12, tzinfo=UTC), 12),
    "holiday_calendars": ("XX", ["DE", "DE-ZZ"], 49),
    "on_empty": ("ignore",),
}
BLANKS = ("", " \n", "None", None)
SAID = {
    arguments.flag: "is neither true nor false",
    arguments.count: "is not a count",
    arguments.duration: r"is not a duration|is negative|is too long",
    ZDirectMissingTrackingOperator.arguments["grace_hours"].convert: r"is not a number of (hours|days)\W|is negative",
    pass_delays: r"is not a duration|is negative|is too long|is empty",
    poll_interval: r"is not a duration|is negative|is too long|is too short",
    arguments.uuids: "is not a UUID|has only blank entries|is not a list",
    arguments.time_zone: "is not a time zone",
    arguments.merchant: "is not a UUID",
    arguments.merchants: "is not a UUID|has only blank entries|is not a list",
    argument_table.path: "is a relative path|has one slash too few",
    argument_table.table_file: "is a relative path|is of an unknown kind",
}


def wrong_values(task, name, argument):
    wrong = WRONG_BY_KIND.get(argument.convert, ()) + WRONG_BY_NAME.get(name, ())
    return wrong + (BLANKS if argument.blank is UNKNOWN else ())


WRONG = [
    (task, name, values)
    for task in TASKS
    for name, argument in task.arguments.items()
    if (values := wrong_values(task, name, argument))
]
BY_MERCHANT = [task for task in TASKS if "merchant_id" in task.arguments]
by_name = pytest.mark.parametrize("task", TASKS, ids=lambda each: each.__name__)
by_merchant = pytest.mark.parametrize("task", BY_MERCHANT, ids=lambda each: each.__name__)
wrong = pytest.mark.parametrize(("task", "name", "values"), WRONG, ids=str)


def parameters(task):
    return {
        name: parameter
        for name, parameter in inspect.signature(task.__init__).parameters.items()
        if parameter.kind is inspect.Parameter.KEYWORD_ONLY
    }


def test_every_task_is_looked_at():
    assert len(TASKS) == 14
    assert len(BY_MERCHANT) == 13


@by_name
def test_signature_docstring_template_fields_and_table_say_the_same(task):
    of_signature = parameters(task)
    assert set(task.template_fields) == set(task.arguments) == set(of_signature) - AIRFLOWS_OWN - NOT_TEMPLATES
    text = inspect.cleandoc(task.__doc__)
    described = re.findall(r"^:param (\w+):", text, re.MULTILINE)
    assert sorted(described) == sorted(set(of_signature) - AIRFLOWS_OWN)
    assert re.search(r"^:returns: .*^:raises ZDirectConfigurationError: at parse", text, re.M | re.S)
    for name, argument in task.arguments.items():
        default = of_signature[name].default
        if default is inspect.Parameter.empty:
            assert argument.blank is UNKNOWN, f"{name}: what is needed may not be blank"
        else:
            assert (default is None) <= (argument.blank is not UNKNOWN), f"{name}: the default is refused"
            argument.value(default, name)


@by_name
def test_every_argument_can_be_a_template_and_is_kept_for_airflow_to_render(task):
    templates = {name: f"{{{{ params.{name} }}}}" for name in task.arguments}
    made = task(task_id="a_task", **templates)
    assert {name: getattr(made, name) for name in task.template_fields} == templates
    assert isinstance(made.deferrable, bool)
    assert (made.retries, made.retry_delay) == (5, timedelta(minutes=2))


@by_name
def test_a_task_can_be_mapped_over_every_argument(task):
    for name in task.arguments:
        others = {other: value for other, value in needed(task).items() if other != name}
        with DAG("a_dag", schedule=None):
            mapped = task.partial(task_id="a_task", **others).expand(**{name: ["x"]})
        assert getattr(mapped.unmap({name: "x"}), name) == "x"
        assert mapped.retries == 5


class Mine(ZDirectExtractOperator):
    """As an author may write it."""

    template_fields = (*ZDirectExtractOperator.template_fields, "note")

    def __init__(self, *, note, **kwargs):
        super().__init__(**kwargs)
        self.note = note


class Mine2(Mine):
    pass


@pytest.mark.parametrize("task", [Mine, Mine2])
def test_an_authors_subclass_may_have_template_fields_of_its_own(task):
    made = task(task_id="a_task", note="{{ text }}", base_path="/data/{{ text }}", dataset="orders")
    made.render_template_fields({"text": "rendered"})
    assert (made.note, made.base_path) == ("rendered", "/data/rendered")


@pytest.mark.parametrize("task", [each for each in TASKS if issubclass(each, ZDirectOperator)])
def test_the_assets_that_a_task_updates_join_the_authors_outlets_once_also_if_it_is_mapped(task):
    values = needed(task)
    names = task.updated(values)
    of_place = [asset for name in names for asset in (zdirect_asset(name), zdirect_asset(name, "/data/zdirect"))]
    by_template = [outlet for name in names for outlet in (zdirect_asset(name), place_alias(name))]
    if task.only_changes:
        of_place = by_template = [changed_alias(name) for name in names]
    other, template = zdirect_asset("received_items"), {**values, "base_path": "{{ params.base_path }}"}
    assert task(task_id="a_task", **values).outlets == of_place
    for outlets in ([other], (other,), other):
        assert task(task_id="a_task", outlets=outlets, **values).outlets == [other, *of_place]
    assert task(task_id="a_task", outlets=of_place[-1:], **values).outlets == [*of_place[-1:], *of_place[:-1]]
    with DAG("a_dag", schedule=None):
        mapped = task.partial(task_id="a_task", **values).expand(conn_id=["a"])
    assert mapped.partial_kwargs["outlets"] == of_place
    if "base_path" not in task.arguments:
        return
    # Where the place is known only when the task runs, there is an alias for its asset.
    assert task(task_id="b_task", **template).outlets == by_template
    del values["base_path"]
    with DAG("a_dag", schedule=None):
        mapped = task.partial(task_id="b_task", **values).expand(base_path=["/here", "/there"])
    assert mapped.partial_kwargs["outlets"] == by_template


def test_every_argument_but_free_text_has_wrong_values():
    without = {name for task in TASKS for name, each in task.arguments.items() if not wrong_values(task, name, each)}
    assert without == {"storage_conn_id", "purchase_order_number"}


@wrong
def test_a_wrong_literal_is_refused_at_parse_with_task_argument_and_remedy(task, name, values):
    for value, make in product(values, (task, task.partial)):
        with DAG("a_dag", schedule=None), pytest.raises(ZDirectConfigurationError, match="Task a_task: ") as caught:
            make(**{"task_id": "a_task", **needed(task), name: value})
        assert name in str(caught.value)
        said = "is empty" if value in BLANKS else SAID.get(task.arguments[name].convert, "")
        assert re.search(said, str(caught.value))
        assert caught.value.remedy


@pytest.fixture(scope="module")
def zdirect():
    with own_emulator(seed=7) as emulator:
        yield emulator


@wrong
def test_a_wrong_rendered_value_fails_without_retry_and_before_any_request(
    task, name, values, zdirect, context, tmp_path, monkeypatch
):
    monkeypatch.setenv("AIRFLOW_CONN_ZDIRECT_DEFAULT", json.dumps(connection_to(zdirect)))
    start = zdirect.clock.now().replace(hour=0, minute=0, second=0, microsecond=0)
    run = {"data_interval_start": start - timedelta(days=3), "data_interval_end": start - timedelta(days=2)}
    for value, deferrable in product(values, [True, False] if issubclass(task, BaseSensorOperator) else [True]):
        made = task(task_id="a_task", **needed(task, str(tmp_path)))
        made.deferrable = deferrable
        setattr(made, name, value)
        with pytest.raises(AirflowFailException) as caught:
            made.execute({**context, **run})
        assert isinstance(caught.value.__cause__, ZDirectConfigurationError)
        assert name in str(caught.value)
        assert "What to do:" in str(caught.value)
    assert not zdirect.requests
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("task", [each for each in TASKS if "window_from" in each.arguments])
@pytest.mark.parametrize(
    ("start", "end", "said"),
    [
        ("2026-01-01T00:00:00Z", None, "window_from is given and window_to is not"),
        (None, "2026-01-01T00:00:00Z", "window_to is given and window_from is not"),
        ("2026-01-01T00:00:00Z", "2026-01-01T00:00:00Z", "zero-width"),
        ("2026-01-02T00:00:00Z", "2026-01-01T00:00:00Z", "inverted"),
    ],
)
def test_both_ends_of_a_window_are_given_and_in_order(task, start, end, said):
    window = {"window_from": start, "window_to": end}
    for make in (task, task.partial):
        with pytest.raises(ZDirectConfigurationError, match=said):
            make(task_id="a_task", **needed(task), **window)
    task(task_id="a_task", **needed(task), **window | {"window_to": "{{ params.to }}"})
    with DAG("a_dag", schedule=None):
        half = task.partial(task_id="a_task", **needed(task), window_from="2026-01-02T00:00:00Z")
        assert half.expand(window_to=["2026-01-03T00:00:00Z"])


@by_merchant
@pytest.mark.parametrize("blank", BLANKS)
def test_a_blank_merchant_of_a_mapped_task_is_not_that_of_the_connection(task, blank):
    with DAG("a_dag", schedule=None):
        mapped = task.partial(task_id="a_task", **needed(task)).expand(merchant_id=[MERCHANT, blank])

        @task_group
        def group(merchant_id):
            task(task_id="b_task", merchant_id=merchant_id, **needed(task))

        group.expand(merchant_id=[MERCHANT, blank])
    in_group = mapped.dag.get_task("group.b_task")
    in_group.merchant_id = blank
    for made in (mapped.unmap({"merchant_id": blank}), in_group):
        with pytest.raises(ZDirectConfigurationError, match=r"merchant_id=.* is blank. It is not taken for"):
            made.values()
    assert mapped.unmap({"merchant_id": f" {MERCHANT.upper()}"}).values()["merchant_id"] == MERCHANT


@by_merchant
def test_a_merchant_that_a_template_or_the_author_leaves_out_is_that_of_the_connection(task):
    template = "{{ params.merchant or '' }}"
    tasks = [task(task_id="a_task", merchant_id=value, **needed(task)) for value in (template, "", None)]
    with DAG("a_dag", schedule=None):
        for number, of in enumerate(({"merchant_id": template}, {"merchant_id": None}, {})):
            mapped = task.partial(task_id=f"b_{number}", **of, **needed(task)).expand(conn_id=["a"])
            tasks.append(mapped.unmap({"conn_id": "a"}))
    for made in tasks:
        made.merchant_id = made.merchant_id and ""
        assert made.values()["merchant_id"] is None
