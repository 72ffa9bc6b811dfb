"""The parameters that the DAGs of this project share: shown as a form when a DAG is triggered.

Their defaults come from environment variables, so that the DAG files run as they are:

============================  ==================================================================
``ZDIRECT_CONN_ID``           the zDirect connection (``zdirect_default``)
``ZDIRECT_BASE_PATH``         where the data is written (``file://$AIRFLOW_HOME/zdirect``)
``ZDIRECT_MERCHANT_IDS``      comma separated; unset or blank means the connection's merchant, or else all
``ZDIRECT_MASTER_DATA``       product master data for the Intrastat report
``ZDIRECT_<PARAMETER>``       any parameter of the orders, tracking and stock DAGs
``ZDIRECT_NOTIFY_EMAIL``      who is told of orders without tracking numbers; comma separated
============================  ==================================================================
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from airflow.providers.common.compat.sdk import Param, conf

from airflow_provider_zdirect.dag_support.defaults import from_environment, listed
from airflow_provider_zdirect.datasets.table import DATASETS
from airflow_provider_zdirect.exceptions import WindowError, ZDirectConfigurationError
from airflow_provider_zdirect.intrastat.selection import Month
from airflow_provider_zdirect.operators.arguments import (
    ean,
    entries,
    fixed_window,
    given,
    refuse_in_backfill,
    run_interval,
    run_type,
    uuid,
)
from airflow_provider_zdirect.operators.base_path import check_base_path
from airflow_provider_zdirect.operators.intrastat import country_codes
from airflow_provider_zdirect.operators.stocks import channel_ids
from airflow_provider_zdirect.windows import Window, parse_instant

WINDOW_FROM = "{{ params['from'] or '' }}"
WINDOW_TO = "{{ params['to'] or '' }}"
CONN_ID = "{{ params.conn_id }}"
BASE_PATH = "{{ params.base_path }}"
PATH = "{{ params.path or '' }}"
TRACKING_PATH = "{{ params.tracking_path or (params.base_path ~ '/_inbox/tracking.csv') }}"
MERCHANTS_OF_TRACKING_FILE = (
    "{{ [] if '{merchant_id}' in (params.tracking_path or '') else ti.xcom_pull(task_ids='merchants') | list }}"
)
"""The merchants of a run that have one file with tracking numbers; none, if each has a file of its own."""
PURCHASE_ORDER_NUMBER = "{{ (params.purchase_order_number or '') | trim }}"
REFETCH_PASSES = "{% for hours in params.refetch_after_hours %}PT{{ '%.6f' | format(hours) }}H,{% endfor %}"
"""Of the liquidation's re-fetch, as ISO 8601 durations."""
MOST_HOURS = 10 * 365 * 24


def place_params() -> dict[str, Param]:
    """``conn_id``, ``base_path`` and ``merchant_ids``: from where to where, and for whom."""
    home = os.environ.get("AIRFLOW_HOME", "~/airflow")
    return {
        "conn_id": Param(
            os.environ.get("ZDIRECT_CONN_ID", "").strip() or "zdirect_default",
            type="string",
            minLength=1,
            title="Connection",
            description="Id of the Airflow connection of type zdirect.",
        ),
        "base_path": Param(
            os.environ.get("ZDIRECT_BASE_PATH", "").strip()
            or f"file://{os.path.abspath(os.path.expanduser(home))}/zdirect",
            type="string",
            minLength=1,
            title="Base path",
            description="Where the data is written: file:///..., s3://bucket/..., or any path for ObjectStoragePath.",
        ),
        "merchant_ids": Param(
            listed(os.environ.get("ZDIRECT_MERCHANT_IDS", "")),
            type=["null", "array"],
            items={"type": "string"},
            title="Merchants",
            description="Merchant ids (BPIDs), one per line. Empty: the connection's merchant, or else all merchants "
            "that the app may use.",
        ),
    }


def window_params() -> dict[str, Param]:
    """``from`` and ``to``: a window by hand; both empty mean the run's data interval."""
    return {
        "from": Param(
            None,
            type=["null", "string"],
            format="date-time",
            title="From",
            description="First instant of the window, such as 2026-11-12T00:00:00Z (a midnight, for what is asked for "
            "by date). Empty: the start of the run's data interval. Leave it empty in a backfill, whose runs have "
            "windows of their own.",
        ),
        "to": Param(
            None,
            type=["null", "string"],
            format="date-time",
            title="To",
            description="First instant after the window, such as 2026-11-13T00:00:00Z for the 12th. Empty: the end of "
            "the run's data interval. Leave it empty in a backfill.",
        ),
    }


def dataset_param(default: str) -> dict[str, Param]:
    """``dataset``: one of the datasets table that are asked for by windows."""
    return {
        "dataset": Param(
            default,
            type="string",
            # Those of windows, for a present state has no past to fill; what comes with another is fetched with it.
            enum=[name for name, dataset in DATASETS.items() if dataset.keeping is None and dataset.part_of is None],
            title="Dataset",
            description="What to fetch.",
        )
    }


def path_param() -> dict[str, Param]:
    """``path``: another path of the API than the dataset's own."""
    return {
        "path": Param(
            None,
            type=["null", "string"],
            title="Path",
            description="Only if zDirect's path differs from the dataset's, for example "
            "/intra-community-movements/{merchant_id}.",
        )
    }


def liquidation_params() -> dict[str, Param]:
    """When liquidated items are fetched again, and which of them."""
    return {
        "refetch_after_hours": Param(
            [48],
            type="array",
            items={"type": "number", "exclusiveMinimum": 0, "maximum": MOST_HOURS},
            minItems=1,
            title="Fetch again after hours",
            description="Hours after the window's end at which it is fetched again, and what changed is published.",
        ),
        "purchase_order_number": Param(
            None,
            type=["null", "string"],
            title="Purchase order",
            description="Only the rows of this purchase order; give each a base path of its own. Empty: all rows.",
        ),
    }


def quantity_params() -> dict[str, Param]:
    """Which quantities are asked for besides the snapshots."""
    return {
        "eans": Param(
            None,
            type=["null", "array"],
            items={"type": "string"},
            title="EANs",
            description="The present stock of these EANs, one per line, with leading zeros. Empty: of none.",
        ),
        "changed_quantities": Param(
            False,
            type="boolean",
            title="Changed quantities",
            description="Without EANs: the present stock of all EANs whose stock has changed since the start of the "
            "run's data interval, which must not lie more than 24 hours back.",
        ),
    }


def asked_for_quantities(params: Mapping[str, Any]) -> list[str]:
    """The merchants whose quantities are asked for besides the snapshots: all or none."""
    return merchants_of(params) if params["eans"] or params["changed_quantities"] else []


def report_params() -> dict[str, Param]:
    """What a monthly Intrastat report is about."""
    return {
        "month": Param(
            None,
            type=["null", "string"],
            pattern="^[0-9]{4}-(0[1-9]|1[0-2])$",
            title="Month",
            description="YYYY-MM. Empty: the month that is complete, or that of the run's data interval. Leave it "
            "empty in a backfill.",
        ),
        "countries": Param(
            None,
            type=["null", "array"],
            items={"type": "string"},
            title="Countries of declaration",
            description="ISO codes such as DE, one per line; EL is GR, UK is GB, XI is Northern Ireland. Empty: every "
            "country that the month's movements touch.",
        ),
        "master_data": Param(
            os.environ.get("ZDIRECT_MASTER_DATA") or None,
            type=["null", "string"],
            title="Product master data",
            description="A CSV or Parquet file with ean, cn8_code, net_mass_kg, statistical_value, country_of_origin.",
        ),
        "allow_missing_days": Param(
            False,
            type="boolean",
            title="Allow missing days",
            description="Report what is there, although daily reports of the month are missing; they are named in it.",
        ),
    }


def inbound_params() -> dict[str, Param]:
    """How zDirect is asked for notices and tours."""
    return {
        "tours_by": Param(
            "advice",
            type="string",
            enum=["advice", "list"],
            title="Tours by",
            description="advice: one request per advice id that is under way, as zDirect documents it. list: one "
            "request without an advice id, as at least one other client sends it; it tells the tours of all merchants.",
        ),
    }


def stock_params() -> dict[str, Param]:
    """Where the stock feed is, and what of it is sent."""
    params = {
        "stock_path": Param(
            None,
            type=["null", "string"],
            title="Stock feed",
            description="A CSV, Parquet or JSON-lines file, or a folder of them, with ean or merchant_sku, quantity "
            "and, if wanted, sales_channel_id. {merchant_id} stands for the merchant, and is needed if there are "
            "several. Empty: _inbox/stock.csv under the base path.",
        ),
        "mapping_path": Param(
            None,
            type=["null", "string"],
            title="Mapping of merchant SKUs",
            description="A file with merchant_sku and ean; needed if the feed or the orders have merchant SKUs.",
        ),
        "sales_channel_ids": Param(
            None,
            type=["null", "array"],
            items={"type": "string"},
            title="Sales channels",
            description="Where rows without a sales channel go, one id per line. Empty: all that are live.",
        ),
        "subtract_open_orders": Param(
            False,
            type="boolean",
            title="Subtract open orders",
            description="Subtract what is ordered and not shipped, by the published orders (zdirect_orders); for feeds "
            "that do not know of these orders.",
        ),
        "include_zfs_orders": Param(
            False,
            type="boolean",
            title="Orders that Zalando fulfils, too",
            description="Subtract also what Zalando ships from its own warehouses.",
        ),
        "full_sync": Param(
            False, type="boolean", title="Full sync", description="Send everything, also what zDirect has already."
        ),
        "max_rejected": Param(
            0,
            type="integer",
            minimum=0,
            title="Tolerated rows",
            description="Rows and updates that may come to nothing before the run fails; all others are sent anyway.",
        ),
    }
    return from_environment(params)


def stock_feeds(params: Mapping[str, Any], merchant_ids: list[str]) -> list[dict[str, str]]:
    """Merchant and feed of every stock task.

    :raises ZDirectConfigurationError: if several merchants would send the same feed.
    """
    default = f"{str(params['base_path']).rstrip('/')}/_inbox/stock.csv"
    path = (given(params["stock_path"]) or default).strip()
    if len(merchant_ids) > 1 and "{merchant_id}" not in path:
        raise ZDirectConfigurationError(
            f"stock_path={path!r} is one feed, and this run is for {len(merchant_ids)} merchants: "
            f"{', '.join(merchant_ids[:5])}. Nobody knows whose stock it is.",
            remedy="Put {merchant_id} into stock_path, with a file for each, or name one merchant in merchant_ids.",
        )
    return [{"merchant_id": merchant_id, "stock_path": path} for merchant_id in merchant_ids]


def tracking_params() -> dict[str, Param]:
    """Where tracking numbers come from, and when somebody is told that they are missing."""
    params = {
        "tracking_path": Param(
            None,
            type=["null", "string"],
            title="File with tracking numbers",
            description="CSV, Parquet or JSON lines with order_id or order_number, tracking_number, "
            "return_tracking_number and, if wanted, merchant_order_id, status (shipped), merchant_id (needed if "
            "several merchants share the file and rows have no order_id). Empty: <base path>/_inbox/tracking.csv. "
            "{merchant_id} in it stands for the merchant.",
        ),
        "max_failed": Param(
            0,
            type="integer",
            minimum=0,
            title="Rows that may fail",
            description="Rows of the file that may be refused, in conflict or failed before the task fails.",
        ),
        "overwrite_tracking": Param(
            False,
            type="boolean",
            title="Overwrite tracking numbers",
            description="Replace another tracking number that an order has; otherwise that is a conflict.",
        ),
        "require_tracking": Param(
            True,
            type="boolean",
            title="Require tracking numbers",
            description="Ship nothing that has not both tracking numbers.",
        ),
        "default_reason": Param(
            None,
            type=["null", "string"],
            title="Reason of returns",
            description="Of returned lines without a reason: DISLIKE, SIZE_BIG, DEFECTIVE, ..., or a number. Empty: "
            "such rows are refused.",
        ),
        "grace_hours": Param(
            24,
            type="number",
            minimum=0,
            title="Hours of grace",
            description="Hours after an order's approval in which its tracking numbers may come.",
        ),
        "remind_hours": Param(
            24,
            type="number",
            minimum=0,
            maximum=MOST_HOURS,
            title="Remind after hours",
            description="Hours after which the same order is told again.",
        ),
        "portal_url": Param(
            None,
            type=["null", "string"],
            title="Link to an order",
            description="For example https://.../{order_number}; {order_id}, {order_number} and {merchant_id} are "
            "filled in. Empty: the page where partners log in, as the address of an order is not documented.",
        ),
        "notify_email": Param(
            os.environ.get("ZDIRECT_NOTIFY_EMAIL") or None,
            type=["null", "string"],
            title="E-mail",
            description="Who is told, comma separated; needs the SMTP provider and its connection smtp_default. Empty: "
            "only the task's log.",
        ),
    }
    return from_environment(params)


def changed_places(context: Mapping[str, Any]) -> list[str]:
    """Those of ``place_params`` that this run was given other values for than the DAG has."""
    own = context["dag"].params
    return [name for name in ("conn_id", "base_path", "merchant_ids") if context["params"][name] != own[name]]


def merchants_of(params: Mapping[str, Any]) -> list[str]:
    """The merchants to work for: the parameter, else the connection's, else all that ``/auth/me`` lists.

    :raises ZDirectConfigurationError: as :func:`~.arguments.entries`.
    """
    from airflow_provider_zdirect.hooks.zdirect import ZDirectHook

    return _listed_merchants(params["merchant_ids"]) or ZDirectHook(params["conn_id"]).merchant_ids()


def _listed_merchants(value: Any) -> list[str]:
    return entries(value, name="merchant_ids", parse=uuid)


CHECKS: dict[str, Callable[[Any], Any]] = {
    "base_path": check_base_path,
    "merchant_ids": _listed_merchants,
    "eans": lambda value: entries(value, name="eans", parse=ean),
    "countries": country_codes,
    "sales_channel_ids": channel_ids,
}
"""What refuses wrong parameters, of those that several tasks take."""


def check_params(context: Mapping[str, Any]) -> Mapping[str, Any]:
    """The run's parameters: no list or month is wrong, and none fixes one window for all runs of a backfill.

    The first task of a run looks at them, so that no other one starts.

    :raises ZDirectConfigurationError: as :func:`~.arguments.entries` and :func:`~.base_path.check_path`.
    :raises WindowError: as :func:`~.arguments.refuse_in_backfill`.
    """
    params: Mapping[str, Any] = context["params"]
    _check_names(context)
    for name, parse in CHECKS.items():
        if name in params:
            parse(params[name])
    month = given(params["month"]) if "month" in params else None
    asked = None if month is None else Month.parse(month)
    if run_type(context) == "backfill":
        if (fixed := fixed_window(params)) and (len(fixed) == 1 or window_of(params, context) != run_interval(context)):
            refuse_in_backfill(fixed, run_interval(context))
        if asked is not None and asked != (of_run := _month_of_run(context)):
            refuse_in_backfill({"month": month}, of_run)
    return params


def _check_names(context: Mapping[str, Any]) -> None:
    """Raise for a misspelt parameter, such as ``merchant_id`` for ``merchant_ids``, which would be as good as none.

    Names that resemble no parameter are left alone: the configuration of a run may also hold notes.
    """
    known = list(getattr(context.get("dag"), "params", None) or context["params"])
    for name in getattr(context.get("dag_run"), "conf", None) or {}:
        if name not in known and (nearest := difflib.get_close_matches(str(name).lower(), known, n=1)):
            raise ZDirectConfigurationError(
                f"The configuration of this run has {name!r}, which is not a parameter of the DAG. Did you mean "
                f"{nearest[0]!r}?",
                remedy=f"Correct or remove it. The parameters are {', '.join(known)}.",
            )


def _month_of_run(context: Mapping[str, Any]) -> Month:
    names = ("partition_key", "data_interval_start", "data_interval_end")
    return Month.of_run(*(context.get(name) for name in names))


def window_of(params: Mapping[str, Any], context: Mapping[str, Any]) -> Window:
    """The window from ``from`` and ``to``, else the run's data interval.

    :raises WindowError: if there is neither, or only one of the two.
    """
    start, end = given(params["from"]), given(params["to"])
    if (start is None) != (end is None):
        raise WindowError("Only one of from and to is given.", remedy="Give both, or neither.")
    if start is not None:
        return Window(parse_instant(start, name="from"), parse_instant(end, name="to"))
    return run_interval(context)


def days_by_merchant(window: Window, merchant_ids: list[str]) -> list[dict[str, str]]:
    """Arguments of one extract task per UTC day and merchant, oldest day first.

    :raises ZDirectConfigurationError: if they are more than Airflow maps over.
    """
    tasks = [
        {
            "merchant_id": merchant_id,
            "window_from": day.start.isoformat(),
            "window_to": day.end.isoformat(),
        }
        for day in _utc_days(window)
        for merchant_id in merchant_ids
    ]
    most = conf.getint("core", "max_map_length", fallback=1024)
    if len(tasks) > most:
        raise ZDirectConfigurationError(
            f"The window {window} for {len(merchant_ids)} merchants makes {len(tasks)} tasks, and Airflow maps over "
            f"{most} at most.",
            remedy="Run it in parts, or raise [core] max_map_length.",
        )
    return tasks


def reports_by_merchant(window: Window, merchant_ids: list[str]) -> list[dict[str, str]]:
    """As :func:`days_by_merchant`, with the ``report_date`` of each day."""
    tasks = days_by_merchant(window, merchant_ids)
    return [{"report_date": task["window_from"][:10], **task} for task in tasks]


def _utc_days(window: Window) -> Iterator[Window]:
    start = window.start
    while start < window.end:
        midnight = datetime(start.year, start.month, start.day, tzinfo=UTC) + timedelta(days=1)
        yield Window(start, min(midnight, window.end))
        start = min(midnight, window.end)
