from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import fsspec
import pytest
from all_tasks import MERCHANT
from smtp_mailbox import Mailbox

from airflow_provider_zdirect.airflow_sdk import DAG, AirflowFailException, BaseNotifier
from airflow_provider_zdirect.dag_support.tasks import notify_of_missing_tracking
from airflow_provider_zdirect.exceptions import ZDirectConfigurationError
from airflow_provider_zdirect.operators.extract import ZDirectExtractOperator
from airflow_provider_zdirect.operators.notifiers import Notifiers
from airflow_provider_zdirect.operators.order_notifiers import MOST_SHOWN, notify_all
from airflow_provider_zdirect.operators.order_tracking import ZDirectMissingTrackingOperator
from airflow_provider_zdirect.publish.place import Place

NOW = datetime(2026, 3, 10, 8, tzinfo=UTC)
ONE = {"items": 1, "lines": 1, "merchant_order_id": "<b>"}


def find(**arguments):
    return ZDirectMissingTrackingOperator(**{"task_id": "missing", "base_path": "/data", **arguments})


@pytest.fixture
def full_context(context):
    with DAG("a_dag", schedule=None) as dag:
        return {**context, "dag": dag}


@pytest.fixture
def late(world, full_context, tmp_path):
    """Two late orders, extracted below ``tmp_path``."""
    orders = world.add_orders(world.merchant_ids[0], 2, start=NOW - timedelta(hours=30), step_seconds=0, **ONE)
    window = {"window_from": NOW - timedelta(days=3), "window_to": NOW}
    ZDirectExtractOperator(task_id="orders", dataset="orders", base_path=str(tmp_path), **window).execute(full_context)
    return orders


class Kept(BaseNotifier):
    """Keeps the texts that it was called with."""

    template_fields = ("text",)

    def __init__(self, text, kept, fails=False):
        super().__init__()
        self.text = text
        self.kept = kept
        self.fails = fails

    def notify(self, context):
        if self.fails:
            raise OSError("nobody answers")
        self.kept.append(self.text)


TEXT = "{{ missing_orders_count }} of {{ missing_orders_merchant_id }}: {{ missing_orders[0].portal_url }}"


def test_any_notifier_is_called_with_what_is_new_and_not_again(world, late, full_context, tmp_path):
    kept, calls = [], []
    notifiers = [Kept(TEXT, kept), lambda context: calls.append(context["missing_orders"])]
    task = find(notifier=notifiers, base_path=str(tmp_path), portal_url="https://p.example/{order_id}")
    found = task.execute(full_context)
    assert (found["overdue"], found["notified"], found["without_tracking_number"]) == (2, 2, 2)
    assert kept == [f"2 of {world.merchant_ids[0]}: https://p.example/{min(late)}"]
    assert [row["order_id"] for row in calls[0]] == sorted(late)
    assert set(calls[0][0]) == {
        *("order_id", "order_number", "merchant_order_id", "approved_at", "age_hours", "missing", "portal_url"),
    }, "nothing personal"
    assert notifiers[0].text == TEXT, "its templates are rendered in a copy"
    assert task.execute(full_context)["notified"] == 0
    world.clock.advance(24 * 3600)
    again = find(notifier=notifiers, base_path=str(tmp_path), max_orders_age="P2D")
    assert again.execute(full_context)["notified"] == 2
    assert (len(kept), len(calls)) == (2, 2)


def test_a_notifier_that_fails_fails_the_task_and_the_retry_notifies(late, full_context, tmp_path):
    kept = []
    with pytest.raises(OSError, match="nobody answers"):
        find(notifier=Kept(TEXT, kept, fails=True), base_path=str(tmp_path)).execute(full_context)
    assert find(notifier=Kept(TEXT, kept), base_path=str(tmp_path)).execute(full_context)["notified"] == 2
    assert len(kept) == 1


def test_an_email_has_the_list_with_links(world, late, full_context, tmp_path, monkeypatch):
    pytest.importorskip("airflow.providers.smtp")
    mailbox = Mailbox()
    monkeypatch.setenv("AIRFLOW_CONN_SMTP_DEFAULT", mailbox.connection())
    to = ["ship@shop.example", "b@shop.example"]
    task = find(
        # As the DAG does it.
        notifier=notify_of_missing_tracking,
        base_path=str(tmp_path),
        portal_url="https://p.example/{order_number}",
    )
    task.execute({**full_context, "params": {"notify_email": ", ".join(to)}})
    mail = mailbox.mail()
    content = mail.get_body(("html",)).get_content()
    assert mail["subject"] == "zDirect: orders without tracking number, export or update: 2"
    assert mailbox.rcpt == to
    orders = {one["order_id"]: one for one in world.orders(world.merchant_ids[0])}
    for order_id in late:
        number = orders[order_id]["order_number"]
        assert (
            f'<a href="https://p.example/{number}">{number}</a></td><td>{order_id}</td><td>&lt;b&gt;</td><td>30</td>'
            in content
        )
        assert orders[order_id]["customer_email"] not in content


@pytest.mark.parametrize(
    ("connection", "wrong"), [(None, "does not exist"), ({"conn_type": "smtp"}, "has no from_email")]
)
def test_without_a_connection_for_emails_the_list_is_in_the_log_and_the_error_says_what_to_do(
    late, full_context, tmp_path, monkeypatch, caplog, connection, wrong
):
    pytest.importorskip("airflow.providers.smtp")
    if connection:
        monkeypatch.setenv("AIRFLOW_CONN_SMTP_DEFAULT", json.dumps(connection))
    task = find(notifier=notify_of_missing_tracking, base_path=str(tmp_path))
    with pytest.raises(AirflowFailException, match=f"connection smtp_default {wrong}.*Create the connection"):
        task.execute({**full_context, "params": {"notify_email": "ship@shop.example"}})
    assert "2 orders are overdue" in caplog.text


def test_without_a_notifier_it_is_in_the_log_and_without_a_late_order_nobody_is_notified(
    world, late, full_context, tmp_path, caplog
):
    quiet = []
    find(notifier=Kept(TEXT, quiet), base_path=str(tmp_path), grace_hours=31, export_hours=31).execute(full_context)
    assert quiet == []
    nobody = {**full_context, "params": {"notify_email": ""}}
    find(base_path=str(tmp_path), notifier=notify_of_missing_tracking).execute(nobody)
    assert "2 orders are overdue" in caplog.text
    caplog.clear()
    (tmp_path / "_states").rename(tmp_path / "forgotten")
    find(base_path=str(tmp_path)).execute(full_context)
    assert "2 orders are overdue" in caplog.text
    numbers = {one["order_id"]: one["order_number"] for one in world.orders(world.merchant_ids[0])}
    for order_id in late:
        line = (
            f"order {numbers[order_id]} ({order_id}), approved 30 hours ago: without tracking number, return tracking"
        )
        assert line in caplog.text


def test_a_long_list_is_cut_in_a_text_and_links_to_all():
    row = {"order_number": None, "order_id": "an-id", "merchant_order_id": None, "age_hours": 30}
    place = Place(fsspec.filesystem("memory"), "/base", "memory://base", MERCHANT, "production", merchant_name="<b>")
    rows = [{**row, "missing": ["export"], "portal_url": 'https://p/"'}] * (MOST_SHOWN + 3)
    notify_all(Notifiers(len), rows, "s3://bucket/<all>", place, context := {})
    lines = context["missing_orders_text"].splitlines()
    assert lines[0] == 'order an-id, approved 30 hours ago: without export (merchant order id); https://p/"'
    assert lines[-1] == "and 3 more"
    assert len(lines) == MOST_SHOWN + 1
    html = context["missing_orders_html"]
    assert html.count("<tr>") == MOST_SHOWN + 1
    assert "<p>and 3 more</p><p>All overdue orders: s3://bucket/&lt;all&gt;</p>" in html
    assert "https://p/&#34;" in html


def test_what_cannot_be_called_is_refused_as_a_notifier():
    for make in (find, ZDirectMissingTrackingOperator.partial):
        with pytest.raises(ZDirectConfigurationError, match="notifier: str is not a notifier"):
            make(task_id="missing", base_path="/data", notifier="ops@shop.example")


def test_a_notifier_does_not_make_a_new_version_of_the_dag_with_every_parse():
    for notifier in (Kept(TEXT, []), print, [Kept(TEXT, []), len]):
        assert " at 0x" not in str(Notifiers(notifier))
    with DAG("a_dag", schedule=None):
        mapped = ZDirectMissingTrackingOperator.partial(task_id="m", base_path="/data", notifier=print)
        assert isinstance(mapped.expand(merchant_id=["a"]).partial_kwargs["notifier"], Notifiers)
