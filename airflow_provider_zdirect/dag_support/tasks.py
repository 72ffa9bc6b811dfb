# SPDX-License-Identifier: Apache-2.0
"""Tasks that the DAGs of this project share."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

from airflow_provider_zdirect.airflow_sdk import AirflowSkipException, get_current_context, task, task_group
from airflow_provider_zdirect.assets import daily_asset, place_of, update_daily_asset
from airflow_provider_zdirect.clock import SystemClock
from airflow_provider_zdirect.dag_support.params import BASE_PATH, CONN_ID, MAX_REJECTED, MERCHANT_AND_DAY, PATH
from airflow_provider_zdirect.dag_support.run_params import (
    changed_places,
    check_params,
    erases_customers,
    merchants_of,
    reports_by_merchant,
    stock_feeds,
    window_of,
)
from airflow_provider_zdirect.operators.arguments import given
from airflow_provider_zdirect.operators.base_path import BasePath, known_environment, open_base_path
from airflow_provider_zdirect.operators.coverage import covered_datasets
from airflow_provider_zdirect.operators.extract import ZDirectExtractOperator
from airflow_provider_zdirect.operators.retry import fail_fast
from airflow_provider_zdirect.reports.calendar import EMPTY_IS_CERTAIN_AFTER
from airflow_provider_zdirect.sensors.report import ZDirectReportReadySensor

TIMEOUT = EMPTY_IS_CERTAIN_AFTER + timedelta(days=2)
"""Of the wait for a report; it begins half a day before the report is due."""


@task
def merchants() -> list[str]:
    """The merchants of this run."""
    with fail_fast():
        return merchants_of(check_params(get_current_context()))


@task
def merchants_to_ask() -> list[str]:
    """Those whose quantities this run fetches besides the snapshots; none, unless its parameters ask for it."""
    with fail_fast():
        params = check_params(get_current_context())
        return merchants_of(params) if params["eans"] or params["changed_quantities"] else []


@task
def merchants_to_cover() -> list[str]:
    """Those whose coverage this run measures; none, if its parameters name none: then the operator finds them."""
    with fail_fast():
        params = check_params(get_current_context(), datasets=covered_datasets)
        return merchants_of(params) if params["merchant_ids"] else []


@task
def merchants_with_documents() -> list[str]:
    """Those whose shipping documents this run fetches; none, unless its parameters ask for it."""
    with fail_fast():
        params = check_params(get_current_context())
        return merchants_of(params) if params["shipping_documents"] else []


@task
def merchants_to_erase_from() -> list[str]:
    """Those whose deletion requests this run applies; none, if another run does."""
    from airflow_provider_zdirect.erasure.erase import last_erasure

    context = get_current_context()
    with fail_fast():
        params = check_params(context)
        place = _open_to_read(params)
        last = {each: last_erasure(place.fs, place.root, each) for each in merchants_of(params)}
        return [each for each in last if erases_customers(context, last[each])]


@task
def feeds() -> list[dict[str, str]]:
    """Merchant and stock feed of every merchant of this run."""
    with fail_fast():
        params = check_params(get_current_context())
        return stock_feeds(params, merchants_of(params))


def _open_to_read(params: Mapping[str, Any]) -> BasePath:
    from airflow_provider_zdirect.hooks.zdirect import ZDirectHook

    conn_id = params.get("conn_id")
    environment = known_environment(ZDirectHook(conn_id)) if conn_id else None
    return open_base_path(params["base_path"], environment=environment, writes=False)


def daily_reports(dataset: str) -> None:
    """For every report date and merchant of a run: wait for the report and publish it; then update the daily asset.

    The DAG needs the parameters of ``place_params``, ``window_params`` and ``path_param``.
    """

    @task
    def reports() -> list[dict[str, str]]:
        """Merchant, report date and window of every report of this run."""
        context = get_current_context()
        with fail_fast():
            params = check_params(context)
            return reports_by_merchant(window_of(params, context), merchants_of(params))

    @task_group
    def report(merchant_id: str, report_date: str, window_from: str, window_to: str) -> None:
        """One report of one merchant."""
        ready = ZDirectReportReadySensor(
            task_id="ready",
            dataset=dataset,
            merchant_id=merchant_id,
            report_date=report_date,
            empty_after=EMPTY_IS_CERTAIN_AFTER,
            timeout=TIMEOUT,
            path=PATH,
            conn_id=CONN_ID,
            deferrable=True,
            map_index_template="{{ task.merchant }} {{ task.report_date }}",
        )
        extract = ZDirectExtractOperator(
            task_id="extract",
            dataset=dataset,
            merchant_id=merchant_id,
            window_from=window_from,
            window_to=window_to,
            max_rejected=MAX_REJECTED,
            path=PATH,
            base_path=BASE_PATH,
            conn_id=CONN_ID,
            map_index_template=MERCHANT_AND_DAY,
        )
        ready >> extract

    planned: Any = reports()
    asset = daily_asset(dataset, planned.operator.dag.params["base_path"])

    @task(outlets=[asset])
    def all_landed(planned: list[dict[str, str]]) -> list[str]:
        """The report dates that have landed for all merchants."""
        context = get_current_context()
        if changed := changed_places(context):
            raise AirflowSkipException(
                f"This run used another {', '.join(changed)} than the DAG's own, so the daily asset is not updated."
            )
        days = sorted({report["report_date"] for report in planned})
        update_daily_asset(context["outlet_events"], asset, days, _landed(context, planned))
        return days

    report.expand_kwargs(planned) >> all_landed(planned)


def _landed(context: Any, planned: list[dict[str, str]]) -> dict[str, Any]:
    """What the report tasks have published, for the event of the daily asset."""
    from airflow_provider_zdirect.hooks.zdirect import ZDirectHook

    indexes = list(range(len(planned)))
    landed = [each for each in context["ti"].xcom_pull(task_ids="report.extract", map_indexes=indexes) if each]
    params = context["params"]
    config = ZDirectHook(params["conn_id"]).config()
    return {
        "merchant_ids": sorted({report["merchant_id"] for report in planned}),
        "base_path": place_of(params["base_path"]),
        "environment": config.environment,
        "records": sum(each["records"] for each in landed),
        "rejected": sum(each["rejected"] for each in landed),
        "manifests": [each["manifest"] for each in landed[:10]],
        "manifest_count": len(landed),
    }


@task(map_index_template="{{ task.op_args[0] }}")
def advices_to_track(merchant_id: str) -> list[str] | str:
    """The advice ids whose tours are requested; blank, if the list of all tours is."""
    from airflow_provider_zdirect.inbound.reconciliation import open_advices
    from airflow_provider_zdirect.publish.place import Place

    params = get_current_context()["params"]
    if params["tours_by"] == "list":
        return ""
    with fail_fast():
        base_path = _open_to_read(params)
    place = Place(base_path.fs, base_path.root, base_path.uri, merchant_id, environment="")
    advices = open_advices(place, SystemClock().now())
    if not advices:
        raise AirflowSkipException("No shipping notice has an advice id whose tour is not known yet.")
    return advices


@task(trigger_rule="none_failed")
def fail_if_any_failed(merchant_id: str = "") -> None:
    """Fails the run if a task failed and others went on after it.

    :param merchant_id: names the task in a group that is mapped over merchants.
    """


def notify_of_missing_tracking(context: Any) -> None:
    """A notifier that writes to the task's log, and sends an e-mail if the parameter ``notify_email`` is set."""
    from airflow_provider_zdirect.operators.order_notifiers import log_missing_orders, mail_missing_orders

    _log_or_mail(context, log_missing_orders, mail_missing_orders)


def notify_of_urgent_gaps(context: Any) -> None:
    """As :func:`notify_of_missing_tracking`, of gaps that zDirect deletes soon."""
    from airflow_provider_zdirect.operators.coverage_notifiers import log_gaps, mail_gaps

    _log_or_mail(context, log_gaps, mail_gaps)


def _log_or_mail(context: Any, log: Callable[[Any], None], mail: Callable[[Any, list[str]], None]) -> None:
    if addresses := given(context["params"]["notify_email"]):
        mail(context, [text.strip() for text in str(addresses).split(",") if text.strip()])
    else:
        log(context)
