# SPDX-License-Identifier: Apache-2.0
"""The parameters of the example DAGs, which Airflow shows as a form when a DAG is triggered.

What is chosen in the form applies to that run. The default of a parameter ``name`` comes from the environment variable
``ZDIRECT_<NAME>`` (``ZDIRECT_BASE_PATH``, ``ZDIRECT_MERCHANT_IDS``, ``ZDIRECT_GRACE_HOURS``, ...), where it is set; not
that of a window and its ``max_rejected``, a month, a dataset or a path, which belong to one run.
"""

from __future__ import annotations

import json
import os
from typing import Any

from airflow_provider_zdirect.airflow_sdk import Param
from airflow_provider_zdirect.datasets.personal_data import MODES
from airflow_provider_zdirect.datasets.table import WITH_WINDOWS
from airflow_provider_zdirect.exceptions import ZDirectConfigurationError
from airflow_provider_zdirect.operators.arguments import split_entries

ORDERS_AND_STOCK, STOCK_ONLY = "orders and stock", "stock only"
MOST_HOURS = 10 * 365 * 24

WINDOW_FROM = "{{ params['from'] or '' }}"
WINDOW_TO = "{{ params['to'] or '' }}"
MAX_REJECTED = "{{ params.max_rejected }}"
CONN_ID = "{{ params.conn_id }}"
BASE_PATH = "{{ params.base_path }}"
MERCHANT_AND_DAY = "{{ task.merchant }} {{ (task.window_from or data_interval_start | ts)[:10] }}"
"""Names a mapped task over a window, while it runs and afterwards."""
PATH = "{{ params.path or '' }}"
TRACKING_PATH = "{{ params.tracking_path or (params.base_path ~ '/_inbox/tracking.csv') }}"
MERCHANTS_OF_TRACKING_FILE = (
    "{{ [] if '{merchant_id}' in (params.tracking_path or '') else ti.xcom_pull(task_ids='merchants') | list }}"
)
"""The merchants of a run that share one file with tracking numbers; none, if each has a file of its own."""
PURCHASE_ORDER_NUMBER = "{{ (params.purchase_order_number or '') | trim }}"
REFETCH_PASSES = "{% for hours in params.refetch_after_hours %}PT{{ '%.6f' | format(hours) }}H,{% endfor %}"
"""When liquidated items are fetched again, as ISO 8601 durations."""
ORDER_TYPE = "{{ params.order_type if params.order_type != 'both' else '' }}"
ORDER_PERSONAL_DATA = f"{{{{ 'drop' if params.level == '{STOCK_ONLY}' else params.personal_data }}}}"
PERSONAL_DATA = "{{ params.personal_data }}"
OLDER_THAN = "P{{ params.older_than_days }}D"

_FLAGS = {"true": True, "1": True, "on": True, "yes": True, "false": False, "0": False, "off": False, "no": False}


def place_params() -> dict[str, Param]:
    """``conn_id``, ``base_path`` and ``merchant_ids``: from where to where, and for whom."""
    home = os.path.abspath(os.path.expanduser(os.environ.get("AIRFLOW_HOME", "~/airflow")))
    params = {
        "conn_id": Param(
            "zdirect_default",
            type="string",
            minLength=1,
            title="Connection",
            description="Id of the Airflow connection of type zdirect.",
        ),
        "base_path": Param(
            f"file://{home}/zdirect",
            type="string",
            minLength=1,
            title="Base path",
            description="Where the data is written: file:///..., s3://bucket/..., or any path for ObjectStoragePath.",
        ),
        "merchant_ids": _entries(
            "Merchants",
            "Merchant ids (BPIDs), one per line. Empty: the connection's merchant, or all merchants that the app may "
            "access.",
        ),
    }
    return _from_environment(params)


def window_params() -> dict[str, Param]:
    """``from`` and ``to``, the window of a run that is triggered by hand (both empty mean the run's data interval), and
    ``max_rejected``, how many invalid records it may have.
    """
    return {
        "from": _text(
            "From",
            "First instant of the window, such as 2026-11-12T00:00:00Z (a midnight, for datasets that are requested by "
            "date). Empty: the start of the run's data interval. Leave it empty in a backfill: each run has a window "
            "of its own.",
            format="date-time",
        ),
        "to": _text(
            "To",
            "First instant after the window, such as 2026-11-13T00:00:00Z for the 12th. Empty: the end of the run's "
            "data interval. Leave it empty in a backfill.",
            format="date-time",
        ),
        # Of one run, so the environment has no default for it: scheduled runs allow for none.
        "max_rejected": _count(
            "Invalid records allowed",
            "How many invalid records a merchant's window may have. If it has more, the task fails and publishes "
            "nothing of it; otherwise the valid ones are published. Invalid records are stored under _rejected/ either "
            "way.",
        ),
    }


def dataset_param(default: str) -> dict[str, Param]:
    """``dataset``: one that is requested by windows; a present state has no past to backfill."""
    return {"dataset": _choice("Dataset", "What to fetch.", default, list(WITH_WINDOWS))}


def path_param() -> dict[str, Param]:
    """``path``: another path of the API than the dataset's own."""
    about = "Only if zDirect's path differs from the dataset's, for example /intra-community-movements/{merchant_id}."
    return {"path": _text("Path", about)}


def liquidation_params() -> dict[str, Param]:
    """When liquidated items are fetched again, and which of them."""
    return {
        "refetch_after_hours": Param(
            [48],
            type="array",
            items={"type": "number", "exclusiveMinimum": 0, "maximum": MOST_HOURS},
            minItems=1,
            title="Fetch again after hours",
            description="Hours after the window's end at which it is fetched again. Changes are published.",
        ),
        "purchase_order_number": _text(
            "Purchase order",
            "Only the rows of this purchase order; give each a base path of its own. Empty: all rows.",
        ),
    }


def quantity_params() -> dict[str, Param]:
    """Which quantities are fetched besides the snapshots."""
    return {
        "eans": _entries("EANs", "The current stock of these EANs, one per line, with leading zeros."),
        "changed_quantities": _flag(
            "Changed quantities",
            "Without EANs: the current stock of all EANs whose stock has changed since the start of the run's data "
            "interval, at most 24 hours ago.",
        ),
    }


def report_params() -> dict[str, Param]:
    """What a monthly Intrastat report is about."""
    own = {
        "month": _text(
            "Month",
            "YYYY-MM. Empty: the month that is complete, or that of the run's data interval. Leave it empty in a "
            "backfill.",
            pattern="^[0-9]{4}-(0[1-9]|1[0-2])$",
        )
    }
    params = {
        "countries": _entries(
            "Countries of declaration",
            "ISO codes such as DE, one per line; EL is GR, UK is GB, XI is Northern Ireland. Empty: every country that "
            "the month's movements touch.",
        ),
        "master_data": _text(
            "Product master data",
            "A CSV or Parquet file with ean, cn8_code, net_mass_kg, statistical_value, country_of_origin.",
        ),
        "allow_missing_days": _flag(
            "Allow missing days",
            "Create the report although daily reports of the month are missing; the report names them.",
        ),
    }
    return own | _from_environment(params)


def inbound_params() -> dict[str, Param]:
    """How the tours of deliveries are requested."""
    about = (
        "advice: one request per advice id that is under way, as zDirect documents it. list: one request without an "
        "advice id, as at least one other client sends it; the answer has the tours of all merchants."
    )
    return {"tours_by": _choice("Tours by", about, "advice", ["advice", "list"])}


def stock_params() -> dict[str, Param]:
    """Where the stock feed is, and what of it is sent."""
    params = {
        "stock_path": _text(
            "Stock feed",
            "A CSV, Parquet or JSON-lines file, or a folder of them, with ean or merchant_sku, quantity and optionally "
            "sales_channel_id. {merchant_id} stands for the merchant, and is needed for several merchants. Empty: "
            "_inbox/stock.csv under the base path.",
        ),
        "mapping_path": _text(
            "Mapping of merchant SKUs",
            "A file with merchant_sku and ean; needed if the feed or the orders have merchant SKUs.",
        ),
        "sales_channel_ids": _entries(
            "Sales channels", "Where rows without a sales channel go, one id per line. Empty: all that are live."
        ),
        "subtract_open_orders": _flag(
            "Subtract open orders",
            "Subtract what is ordered and not shipped, by the published orders (zdirect_orders); for feeds that do not "
            "know of these orders.",
        ),
        "include_zfs_orders": _flag("Include ZFS orders", "Subtract also what Zalando ships from its own warehouses."),
        "full_sync": _flag("Full sync", "Send all levels, also those that zDirect has already."),
        "max_rejected": _count(
            "Tolerated rows",
            "Rows and updates that may be rejected before the run fails; all others are sent in any case.",
        ),
    }
    return _from_environment(params)


def tracking_params() -> dict[str, Param]:
    """Where tracking numbers come from, and when somebody is notified that they are missing."""
    params = {
        "tracking_path": _text(
            "File with tracking numbers",
            "CSV, Parquet or JSON lines with order_id or order_number, tracking_number, return_tracking_number and "
            "optionally merchant_order_id, status (shipped), merchant_id (needed if several merchants share the file "
            "and rows have no order_id). Empty: <base path>/_inbox/tracking.csv. {merchant_id} in it stands for the "
            "merchant.",
        ),
        "max_failed": _count(
            "Rows that may fail", "Rows of the file that may be rejected, in conflict or failed before the task fails."
        ),
        "overwrite_tracking": _flag(
            "Overwrite tracking numbers", "Replace a tracking number that an order already has; off: it is a conflict."
        ),
        "require_tracking": _flag("Require tracking numbers", "Ship nothing that lacks a tracking number.", True),
        "default_reason": _text(
            "Reason of returns",
            "For returned lines without a reason: DISLIKE, SIZE_BIG, DEFECTIVE, ..., or a number. Empty: such rows are "
            "rejected.",
        ),
        "grace_hours": _hours("Hours of grace", "Hours after an order's approval in which tracking numbers may come."),
        "remind_hours": _hours(
            "Remind after hours", "Hours after which the same order is notified again.", maximum=MOST_HOURS
        ),
        "portal_url": _text(
            "Link to an order",
            "For example https://.../{order_number}; {order_id}, {order_number} and {merchant_id} are filled in. "
            "Empty: the page where partners log in, as the address of an order is not documented.",
        ),
        "notify_email": _text(
            "E-mail",
            "Who is notified, comma separated; needs the SMTP provider and its connection smtp_default. Empty: the "
            "orders are only in the task's log.",
        ),
    }
    return _from_environment(params)


def compact_params() -> dict[str, Param]:
    """Which datasets and dates are compacted."""
    params = {
        "datasets": _entries(
            "Datasets",
            "Names such as received_items or orders_current, one per line. Empty: all that are published record by "
            "record, and their _current tables.",
        ),
        "older_than_days": _count(
            "Older than days",
            "Days that a date must be over. Late records may still come for younger ones.",
            2,
        ),
    }
    return _from_environment(params)


def coverage_params() -> dict[str, Param]:
    """What coverage is measured for, and when a gap is urgent."""
    own = {
        "datasets": _entries(
            "Datasets",
            f"One per line: {', '.join(WITH_WINDOWS)}. Empty: those with at least one window.",
        ),
        "since": _text(
            "Since",
            "Windows are expected from this time on, such as 2026-09-01T00:00:00Z. Empty: from the first window of "
            "each merchant and dataset on.",
            format="date-time",
        ),
    }
    params = {
        "days": _count("Days", "How many days to cover, today included.", 100),
        "warn_days": Param(
            14,
            type="number",
            minimum=0,
            title="Warn days",
            description="A gap is urgent if zDirect deletes its start within this many days.",
        ),
        "grace_hours": _hours(
            "Hours of grace", "How long after its end, or after a daily report is due, a window may still be missing."
        ),
        "fail_on_gap": _flag("Fail on a gap", "Fail the run if a gap is urgent, after the report is written.", True),
        "notify_email": _text(
            "E-mail",
            "Who is notified of urgent gaps, comma separated; needs the SMTP provider and its connection smtp_default. "
            "Empty: the gaps are only in the task's log.",
        ),
    }
    return own | _from_environment(params)


def personal_data_param() -> dict[str, Param]:
    """``personal_data``: kept, dropped or hashed."""
    about = (
        "Names, addresses, e-mail addresses and customer numbers: keep them, drop them, or store keyed hashes "
        "(personal_data_secret of the connection). The country stays."
    )
    return _from_environment({"personal_data": _choice("Personal data", about, "keep", list(MODES))})


def order_params() -> dict[str, Param]:
    """Which orders are fetched, and what of them is stored."""
    params = {
        "order_type": _choice(
            "Orders",
            "Those that the merchant ships (PartnerFulfilled), those that Zalando ships (ZalandoFulfilled), or both.",
            "both",
            ["both", "PartnerFulfilled", "ZalandoFulfilled"],
        ),
        "level": _choice(
            "Level",
            "stock only: without personal data; what the stock sync needs to know of open orders.",
            ORDERS_AND_STOCK,
            [ORDERS_AND_STOCK, STOCK_ONLY],
        ),
        "shipping_documents": _flag(
            "Shipping documents",
            "Zalando Shipping Solutions: also fetch the labels and slips of approved orders, and set both tracking "
            "codes from them.",
        ),
        "erase_customers": _flag(
            "Erase customers",
            "Once a day, and whenever the DAG is triggered by hand: erase the customers from the stored orders who "
            "have asked zDirect for it.",
            True,
        ),
    }
    return _from_environment(params) | personal_data_param()


def _text(title: str, description: str, **schema: Any) -> Param:
    return Param(None, type=["null", "string"], title=title, description=description, **schema)


def _entries(title: str, description: str) -> Param:
    return Param(None, type=["null", "array"], items={"type": "string"}, title=title, description=description)


def _flag(title: str, description: str, default: bool = False) -> Param:
    return Param(default, type="boolean", title=title, description=description)


def _count(title: str, description: str, default: int = 0) -> Param:
    return Param(default, type="integer", minimum=0, title=title, description=description)


def _hours(title: str, description: str, **schema: Any) -> Param:
    return Param(24, type="number", minimum=0, title=title, description=description, **schema)


def _choice(title: str, description: str, default: str, choices: list[str]) -> Param:
    return Param(default, type="string", enum=choices, title=title, description=description)


def _from_environment(params: dict[str, Param]) -> dict[str, Param]:
    """The same parameters, with the defaults that the environment gives.

    :raises ZDirectConfigurationError: if a variable holds what the parameter cannot be; names both.
    """
    for name, param in params.items():
        variable = f"ZDIRECT_{name.upper()}"
        if text := os.environ.get(variable, "").strip():
            param.value = _value(text, param.schema, variable)
    return params


def _value(text: str, schema: dict[str, Any], variable: str) -> Any:
    kinds = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    value: Any = text
    if "boolean" in kinds:
        value = _FLAGS.get(text.lower())
    elif "array" in kinds:
        # Text with separators only stays as it is, and the first task of a run refuses it: it would mean all otherwise.
        value = split_entries(text) or [text]
    elif {"integer", "number"} & set(kinds):
        try:
            value = json.loads(text)
        except ValueError:
            value = None
    try:
        if value is None:
            raise ValueError(text)
        return Param(value, **schema).resolve()
    except Exception as error:
        # Airflow has another class for it in every version.
        allowed = ", ".join(map(str, schema["enum"])) if "enum" in schema else " or ".join(kinds)
        raise ZDirectConfigurationError(
            f"The environment variable {variable}={text[:60]!r} is not a valid default for the parameter.",
            remedy=f"Set it to {allowed}, or unset it.",
        ) from error
