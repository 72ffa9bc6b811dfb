"""The parameters of the DAGs that fetch orders, as a form when a DAG is triggered."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from airflow.providers.common.compat.sdk import Param

from airflow_provider_zdirect.dag_support.defaults import from_environment
from airflow_provider_zdirect.datasets.personal_data import MODES
from airflow_provider_zdirect.operators.run import run_type

ORDERS_AND_STOCK, STOCK_ONLY = "orders and stock", "stock only"
ORDER_TYPE = "{{ params.order_type if params.order_type != 'both' else '' }}"
ORDER_PERSONAL_DATA = f"{{{{ 'drop' if params.level == '{STOCK_ONLY}' else params.personal_data }}}}"
PERSONAL_DATA = "{{ params.personal_data }}"


def personal_data_param() -> dict[str, Param]:
    """``personal_data``: what becomes of it."""
    params = {
        "personal_data": Param(
            "keep",
            type="string",
            enum=list(MODES),
            title="Personal data",
            description="Of names, addresses, e-mail and customer numbers: keep them, drop them, or store keyed hashes "
            "(personal_data_secret of the connection). The country stays.",
        )
    }
    return from_environment(params)


def order_params() -> dict[str, Param]:
    """Which orders are fetched, and what of them is stored."""
    params = {
        "order_type": Param(
            "both",
            type="string",
            enum=["both", "PartnerFulfilled", "ZalandoFulfilled"],
            title="Orders",
            description="Those that the merchant ships (PartnerFulfilled), those that Zalando ships "
            "(ZalandoFulfilled), or both.",
        ),
        "level": Param(
            ORDERS_AND_STOCK,
            type="string",
            enum=[ORDERS_AND_STOCK, STOCK_ONLY],
            title="Level",
            description="stock only: without personal data; what the stock sync needs to know of open orders.",
        ),
        **personal_data_param(),
        "shipping_documents": Param(
            False,
            type="boolean",
            title="Shipping documents",
            description="Zalando Shipping Solutions: also fetch the labels and slips of approved orders, and set both "
            "tracking codes from them.",
        ),
        "erase_customers": Param(
            True,
            type="boolean",
            title="Erase customers",
            description="Once a day (in the run of midnight UTC, or the next one if that did not take place), and "
            "whenever the DAG is triggered by hand: erase the customers from the stored orders who have asked zDirect "
            "for it.",
        ),
    }
    return from_environment(params)


def erases_customers(context: Mapping[str, Any], last: datetime | None) -> bool:
    """Whether this run applies a merchant's deletion requests: the first of a day, any other scheduled one if the last
    time is more than a day ago, and those by hand; never one that fills in.

    :param last: when they were applied last.
    """
    if not context["params"]["erase_customers"]:
        return False
    if (kind := run_type(context)) != "scheduled":
        return kind == "manual"
    end = context["data_interval_end"]
    return end.hour == 0 or last is None or end - last > timedelta(days=1)
