"""The rows of the datasets table for the Orders API."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from types import MappingProxyType

from airflow_provider_zdirect.datasets.assumptions import ORDERS_PAGE_PARAMETERS, ORDERS_PAGE_SIZE
from airflow_provider_zdirect.datasets.dataset import (
    Cursor,
    Dataset,
    Keeping,
    KeptDays,
    Latest,
    Part,
    Resources,
    TimeWalk,
    WindowKind,
)
from airflow_provider_zdirect.datasets.orders import AnnouncedReturn, Order, OrderDeletionRequest, OrderItem, OrderLine
from airflow_provider_zdirect.datasets.rate import Rate, RateLimits

JSON_API = "application/vnd.api+json"
"""Media type of the Orders API (zDirect docs, Orders, getting orders)."""

ORDER_LIST_LIMITS = RateLimits(Rate(40, 60, burst=5), Rate(10, 60, burst=3))
OTHER_LIMITS = RateLimits(Rate(2000, 60, burst=20), Rate(40, 60, burst=5))

_ORDERS = Dataset(
    name="orders",
    title="Orders, in every version that was seen; the latest ones besides",
    path="/merchants/{merchant_id}/orders",
    model=Order,
    record_keys=("data",),
    media_type=JSON_API,
    window=WindowKind.TIMESTAMP,
    time_field="modified_at",
    identity=("order_id", "modified_at"),
    latest=Latest(("order_id",), "order_date", "modified_at"),
    span_parameters=("last_updated_after", "last_updated_before"),
    span_exclusive=True,
    fixed_parameters=MappingProxyType(
        {"sort": "modified_at", "include": "order_items,order_lines,order_lines.order_line_transitions"}
    ),
    # The docs recommend pages of 1000; 50 is the size of a page for which nothing is asked.
    paging=TimeWalk("modified_at", "last_updated_after", size=1000, smallest=50),
    resources=Resources(
        parts=(
            Part("order_items", "OrderItem", "order_item_id", "orders", "order_id", "order_items"),
            Part(
                "order_lines",
                "OrderLine",
                "order_line_id",
                "order_items",
                "order_item_id",
                "order_lines",
                details=MappingProxyType({"transitions": "order_line_transitions"}),
            ),
        ),
        inherited=MappingProxyType(
            {"order_id": "order_id", "order_date": "order_date", "order_modified_at": "modified_at"}
        ),
        counted=("order_lines", "order_lines_count"),
    ),
    filters=MappingProxyType(
        {
            "order_type": "order_type",
            "sales_channel_id": "sales_channel_id",
            "status": "order_status",
            "order_number": "order_number",
        }
    ),
    overlap=timedelta(hours=1),
    retention=KeptDays(365),
    rate_limits=ORDER_LIST_LIMITS,
    scope="orders/read",
    personal_data=("customer_number", "customer_email", "customer_phone", "shipping_address", "billing_address"),
    assumes=MappingProxyType(
        {
            ORDERS_PAGE_SIZE: lambda row, size: replace(row, paging=replace(row.paging, size=size)),  # type: ignore[type-var]
            ORDERS_PAGE_PARAMETERS: lambda row, name: replace(
                row,
                paging=replace(  # type: ignore[type-var]
                    row.paging, number_parameter=name, size_parameter=name.replace("number", "size")
                ),
            ),
        }
    ),
    source="zDirect docs, Orders (OpenAPI), GET /merchants/{merchant-id}/orders",
)


def _part(name: str, title: str, model: type[OrderItem | OrderLine], key: str) -> Dataset:
    """A row for what comes with the orders."""
    return replace(
        _ORDERS,
        name=name,
        title=title,
        model=model,
        part_of="orders",
        identity=(key, "modified_at"),
        window_field="order_modified_at",
        latest=Latest((key,), "order_date", "modified_at"),
        personal_data=(),
        resources=None,
        filters=MappingProxyType({}),
        assumes=MappingProxyType({}),
        source=f"{_ORDERS.source}, included",
    )


ORDER_DATASETS = (
    _ORDERS,
    _part("order_items", "Articles of the orders", OrderItem, "order_item_id"),
    _part("order_lines", "Single pieces of the orders' articles, with their status", OrderLine, "order_line_id"),
    Dataset(
        name="announced_returns",
        title="Returns that customers have announced",
        path="/merchants/{merchant_id}/announced-returns",
        model=AnnouncedReturn,
        record_keys=("data",),
        media_type=JSON_API,
        window=WindowKind.TIMESTAMP,
        time_field="return_registered_at",
        identity=("announced_return_id",),
        span_parameters=("after", "before"),
        fixed_parameters=MappingProxyType({"sort": "return_registered_at"}),
        # 50 is the documented page without a wish; the most is not documented.
        paging=Cursor(limit=50, next_within="links", next_is_link=True),
        overlap=timedelta(hours=1),
        # Unconfirmed: no retention of its own is documented; orders are kept for a year.
        retention=KeptDays(365),
        rate_limits=OTHER_LIMITS,
        scope="orders/read",
        source="zDirect docs, Orders (OpenAPI), GET /merchants/{merchant-id}/announced-returns",
    ),
    Dataset(
        name="order_deletion_requests",
        title="Orders of customers who asked in the last 30 days that their data be deleted",
        path="/merchants/{merchant_id}/orders-deletion-requests",
        model=OrderDeletionRequest,
        record_keys=("items",),
        window=WindowKind.NONE,
        keeping=Keeping.HISTORY,
        identity=("order_id",),
        left_out=("customer_number", "shipping_address"),
        # Each is shown for 30 days, so there may be none left.
        may_become_empty=True,
        paging=Cursor(limit=1000, next_within="cursor"),
        rate_limits=ORDER_LIST_LIMITS,
        scope="orders/read",
        source="zDirect docs, Orders (OpenAPI), GET /merchants/{merchant-id}/orders-deletion-requests",
    ),
)
