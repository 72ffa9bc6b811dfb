"""The datasets table: one row per dataset, and everything that differs between endpoints is in its row.

Adding an endpoint that fits is one row here and one model. ``docs/datasets.md`` is generated from this table.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from types import MappingProxyType

from airflow_provider_zdirect.datasets.assumptions import (
    CHANGED_SINCE_PARAMETER,
    EANS_PER_REQUEST,
    EMPTY_SNAPSHOT,
    LIQUIDATION_LAST_DATE,
    LIQUIDATION_ORDER_PARAMETER,
    NOTICES_CURSOR_PARAMETER,
)
from airflow_provider_zdirect.datasets.dataset import (
    Cursor,
    Dataset,
    Grouping,
    Keeping,
    KeptCalendarYears,
    KeptDays,
    TimeWalk,
    WindowKind,
)
from airflow_provider_zdirect.datasets.inbound import ShippingNotice, Tour
from airflow_provider_zdirect.datasets.inventory import ItemQuantity, ItemQuantitySnapshot
from airflow_provider_zdirect.datasets.movement_reports import CrossBorderMovement, IntraCommunityMovement
from airflow_provider_zdirect.datasets.order_rows import ORDER_DATASETS
from airflow_provider_zdirect.datasets.rate import Rate, RateLimits
from airflow_provider_zdirect.datasets.reference_data import LogisticCenter, SalesChannel, StockLocation
from airflow_provider_zdirect.datasets.stock_movements import LiquidatedItem, ReceivedItem, ReturnedItem
from airflow_provider_zdirect.exceptions import ZDirectConfigurationError

__all__ = [
    "DATASETS",
    "Cursor",
    "Dataset",
    "Grouping",
    "Keeping",
    "KeptCalendarYears",
    "KeptDays",
    "TimeWalk",
    "WindowKind",
    "get_dataset",
]

_PATH = re.compile(r"(/([A-Za-z0-9_~-][A-Za-z0-9._~-]*|\{merchant_id\}))+")


def _per_second(requests: float) -> RateLimits:
    """A limit for which the docs make no difference between production and sandbox."""
    return RateLimits(Rate(requests), Rate(requests))


_BY_LOCATION = Grouping(
    "quantities_by_location",
    {
        "ean": ("ean",),
        "total_quantity": ("total_quantity",),
        "total_quantities_by_state": ("quantities_by_state",),
    },
    keeps_empty=True,
)

_RECEIVED_ITEMS = Dataset(
    name="received_items",
    title="Items received by Zalando warehouses",
    path="/zfs/stock-movements/reports/received-items/{merchant_id}",
    model=ReceivedItem,
    record_keys=("received_items",),
    window=WindowKind.TIMESTAMP,
    time_field="received_timestamp",
    identity=("quality_label", "received_timestamp"),
    paging=Cursor(limit=100_000),
    overlap=timedelta(hours=1),
    retention=KeptCalendarYears(previous=1),
    rate_limits=_per_second(20),
    scope="zfs/received-item/read",
    # Unconfirmed: whether from/to select received_timestamp or the time the record was made available.
    filter_confirmed=False,
    source="zDirect docs, Stock Movements (OpenAPI 4.2.0), GET /reports/received-items/{merchant-id}",
)

_INTRA_COMMUNITY_MOVEMENTS = Dataset(
    name="intra_community_movements",
    title="Goods that Zalando moved between warehouses of different countries, by the date of the report",
    # Unconfirmed: newer docs print the path without /zfs, the API overview and an old client with it.
    path="/zfs/intra-community-movements/{merchant_id}",
    model=IntraCommunityMovement,
    record_keys=("items", "reports"),
    grouping=Grouping("movements", {"transaction_date": ("transaction_date", "report_date")}),
    asked_date_field="report_date",
    # A report knows nothing of what came after it; a movement may be of any day before.
    not_after="transaction_date",
    alike=("transaction_date", "order_number", "ean", "movement_type"),
    window=WindowKind.DATE,
    time_field="report_date",
    identity=None,
    # Unconfirmed: whether the endpoint knows a limit.
    paging=Cursor(limit=None),
    request_window=timedelta(days=1),
    retention=KeptDays(100),
    rate_limits=_per_second(10),
    scope="zfs/icm-reports/read",
    source="zDirect docs, Intra-Community Movements, GET /intra-community-movements/{merchant-id}",
)

DATASETS: Mapping[str, Dataset] = MappingProxyType(
    {
        dataset.name: dataset
        for dataset in (
            replace(
                _RECEIVED_ITEMS,
                variants=MappingProxyType(
                    {
                        "legacy": replace(
                            _RECEIVED_ITEMS,
                            path="/zfs/stock-movements/received-items/{merchant_id}",
                            paging=None,
                            request_window=timedelta(minutes=60),
                            retention=KeptDays(100),
                            replaces_known=False,
                            source="zDirect docs, Tracking Stock Movements (older copy), "
                            "GET /received-items/{merchant_ID}",
                        )
                    }
                ),
            ),
            Dataset(
                name="returned_items",
                title="Items returned from Zalando warehouses to the merchant",
                path="/zfs/stock-movements/returned-items/{merchant_id}",
                model=ReturnedItem,
                record_keys=("returned_items",),
                window=WindowKind.TIMESTAMP,
                time_field="consumed_timestamp",
                identity=("quality_label", "consumed_timestamp"),
                request_window=timedelta(minutes=60),
                overlap=timedelta(hours=1),
                retention=KeptDays(100),
                rate_limits=_per_second(100),
                scope="zfs/returned-item/read",
                personal_data=("destination",),
                source="zDirect docs, Stock Movements (OpenAPI 4.2.0), GET /returned-items/{merchant-id}",
            ),
            Dataset(
                name="liquidated_items",
                title="Items sold to Zalando's off-price channel",
                path="/zfs/stock-movements/liquidated-items/{merchant_id}",
                model=LiquidatedItem,
                record_keys=("liquidated_items", "received_items"),
                window=WindowKind.DATE,
                time_field="liquidation_date",
                identity=None,
                dated_by=("liquidation_date", "reporting_date"),
                alike=("purchase_order_number", "shipping_notice_number", "ean", "stock_location_id"),
                filters={"purchase_order_number": "purchase-order-number"},
                assumes=MappingProxyType(
                    {
                        LIQUIDATION_ORDER_PARAMETER: lambda row, name: replace(
                            row, filters={"purchase_order_number": name}
                        ),
                        LIQUIDATION_LAST_DATE: lambda row, last: replace(row, to_inclusive=last == "inclusive"),
                    }
                ),
                request_window=timedelta(days=1),
                retention=KeptDays(100),
                rate_limits=_per_second(5),
                scope="zfs/liquidated-item/read",
                # Unconfirmed: whether from/to select liquidation_date or reporting_date.
                filter_confirmed=False,
                source="zDirect docs, Stock Movements (OpenAPI 4.2.0), GET /liquidated-items/{merchant-id}",
            ),
            replace(
                _INTRA_COMMUNITY_MOVEMENTS,
                variants=MappingProxyType(
                    {
                        "single_request": replace(
                            _INTRA_COMMUNITY_MOVEMENTS,
                            path="/zfs/stock-movements/intra-community-movements/{merchant_id}",
                            paging=None,
                            when_too_many=_INTRA_COMMUNITY_MOVEMENTS,
                            source="zDirect docs, Intra-Community Movements, single request (deprecated), "
                            "GET /zfs/stock-movements/intra-community-movements/{merchant-id}",
                        )
                    }
                ),
            ),
            Dataset(
                name="cross_border_movements",
                title="Items that moved between Zalando facilities of different countries, by the date of the report",
                path="/zfs/cross-border-movements/{merchant_id}",
                model=CrossBorderMovement,
                record_keys=("items",),
                window=WindowKind.DATE,
                time_field="report_date",
                dated_by=("report_date",),
                identity=("movement_id",),
                # The default that the answer's own query shows; a larger page is not documented.
                paging=Cursor(limit=1_000),
                request_window=timedelta(days=1),
                retention=KeptDays(100),
                rate_limits=_per_second(10),
                scope="zfs/icm-reports/read",
                source="zDirect docs, Cross-Border Movements (OpenAPI 1.1), GET /cross-border-movements/{merchant_id}",
            ),
            Dataset(
                name="item_quantity_snapshots",
                title="Stock in Zalando warehouses once a day: a row per EAN and location that is not empty",
                path="/zfs/item-quantity-snapshots/{merchant_id}",
                model=ItemQuantitySnapshot,
                record_keys=("item_quantities",),
                records_within="item_quantity_snapshot",
                snapshot_time_key="created",
                grouping=_BY_LOCATION,
                window=WindowKind.NONE,
                keeping=Keeping.SNAPSHOTS,
                time_field="created",
                identity=("ean", "stock_location_id"),
                assumes=MappingProxyType({EMPTY_SNAPSHOT: lambda row, meaning: replace(row, empty_snapshot=meaning)}),
                rate_limits=RateLimits(Rate(60, 3600, burst=5), Rate(10, 60, burst=3)),
                scope="zfs-inventory/item-quantity/read",
                source="zDirect docs, Item Quantities, GET /zfs/item-quantity-snapshots/{merchant_ID}; "
                "shape: fixtures of public clients",
            ),
            Dataset(
                name="item_quantities",
                title="Stock in Zalando warehouses at the moment, of given EANs or of those that changed",
                path="/zfs/item-quantities/{merchant_id}",
                model=ItemQuantity,
                # Unconfirmed: the body is probably like the one of the snapshots.
                record_keys=("item_quantities",),
                answered_at_field="observed_at",
                grouping=_BY_LOCATION,
                window=WindowKind.SINCE,
                keeping=Keeping.SNAPSHOTS,
                time_field="observed_at",
                identity=("ean", "stock_location_id"),
                retention=KeptDays(1),
                filters={"ean": "eans"},
                batched_filter=("ean", 100),
                assumes=MappingProxyType(
                    {
                        CHANGED_SINCE_PARAMETER: lambda row, name: replace(row, since_parameter=name),
                        EANS_PER_REQUEST: lambda row, most: replace(row, batched_filter=("ean", most)),
                    }
                ),
                rate_limits=RateLimits(Rate(200, 60, burst=10), Rate(10, 60, burst=3)),
                scope="zfs-inventory/item-quantity/read",
                source="zDirect docs, Item Quantities, GET /zfs/item-quantities/{merchant_ID}",
            ),
            Dataset(
                name="stock_locations",
                title="Zalando's warehouses and return centers; not a merchant's own, the same list for each",
                path="/zfs/stock-locations",
                model=StockLocation,
                # The docs show a bare list, a public client reads an object.
                record_keys=("stock_locations",),
                may_be_bare_list=True,
                window=WindowKind.NONE,
                keeping=Keeping.HISTORY,
                identity=("id",),
                rate_limits=RateLimits(Rate(100, 60, burst=5), Rate(10, 60, burst=3)),
                scope="zfs/stock-location/read",
                source="zDirect docs, ZFS Stock Locations, GET /zfs/stock-locations",
            ),
            Dataset(
                name="sales_channels",
                title="Countries in which the merchant sells, and whether they are live",
                path="/sales-channels",
                merchant_parameter="merchant_ids",
                model=SalesChannel,
                record_keys=("items",),
                window=WindowKind.NONE,
                keeping=Keeping.HISTORY,
                identity=("sales_channel_id",),
                # Unconfirmed: no limit is documented. This is the lowest of the comparable ones.
                rate_limits=RateLimits(Rate(10, 60, burst=3), Rate(10, 60, burst=3)),
                scope="profile/sales-channels/read",
                source="zDirect docs, Sales Channels (OpenAPI 0.1.0), GET /sales-channels",
            ),
            Dataset(
                name="logistic_centers",
                title="The merchant's own warehouses",
                path="/merchants/{merchant_id}/logistic-centers",
                model=LogisticCenter,
                record_keys=("items",),
                window=WindowKind.NONE,
                keeping=Keeping.HISTORY,
                identity=("logistic_center_id",),
                rate_limits=RateLimits(Rate(40, 60, burst=3), Rate(10, 60, burst=3)),
                scope="profile/logistic-centers/read",
                source="zDirect docs, Logistic Centers (OpenAPI 1.0), GET /merchants/{merchantId}/logistic-centers",
            ),
            Dataset(
                name="shipping_notices",
                title="Deliveries to Zalando warehouses that the merchant announced",
                path="/zfs/shipping-notices",
                model=ShippingNotice,
                record_keys=("shipping-notices",),
                merchant_field="zalando_merchant_id",
                window=WindowKind.NONE,
                keeping=Keeping.HISTORY,
                identity=("shipping_notice_id",),
                paging=Cursor(limit=None),
                assumes=MappingProxyType(
                    {
                        NOTICES_CURSOR_PARAMETER: lambda row, name: replace(
                            row, paging=Cursor(limit=None, parameter=name)
                        )
                    }
                ),
                rate_limits=RateLimits(Rate(60, 60, burst=5), Rate(10, 60, burst=3)),
                # Unconfirmed: the full text of the scope.
                scope="/shipping-notices/read",
                personal_data=("contact_name", "contact_email", "additional_contact_email"),
                source="zDirect docs, Shipping Notices, GET /zfs/shipping-notices",
            ),
            Dataset(
                name="tours",
                title="Lorries that bring announced deliveries",
                path="/zfs/tours",
                model=Tour,
                record_keys=("tours",),
                window=WindowKind.NONE,
                keeping=Keeping.HISTORY,
                identity=("zalando_advice_id", "tour_number"),
                filters={"zalando_advice_id": "zalando_advice_id"},
                batched_filter=("zalando_advice_id", 1),
                rate_limits=RateLimits(Rate(60, 60, burst=5), Rate(10, 60, burst=3)),
                # Unconfirmed: the full text of the scope.
                scope="/shipping-notices/read",
                source="zDirect docs, Shipping Notices, tracking, GET /zfs/tours",
            ),
            *ORDER_DATASETS,
        )
    }
)


def get_dataset(name: str, variant: str | None = None, path: str | None = None) -> Dataset:
    """The row of the table with that name.

    :param variant: name of another path for the same dataset, for example ``legacy`` for ``received_items``.
    :param path: a path to use instead of the row's own, with ``{merchant_id}`` in it; for the deprecated
        ``single_request`` it is the one that is asked where a day holds too many records.
    :raises ZDirectConfigurationError: if there is no such dataset or variant, or the path cannot be one.
    """
    dataset = _row(name, variant)
    if path is None:
        return dataset
    if not _PATH.fullmatch(path) or path.count("{merchant_id}") != dataset.path.count("{merchant_id}"):
        raise ZDirectConfigurationError(
            f"path={path[:100]!r} is not a path of {name}.",
            remedy=f"Give it without host and query, as {dataset.path}, or leave it out.",
        )
    if dataset.when_too_many is not None:
        return replace(dataset, when_too_many=replace(dataset.when_too_many, path=path))
    return replace(dataset, path=path)


def check_stands_alone(dataset: Dataset) -> None:
    """Raise ZDirectConfigurationError if the dataset cannot be asked for without another."""
    if dataset.part_of is not None:
        raise ZDirectConfigurationError(
            f"dataset={dataset.name!r} comes with the {dataset.part_of}, in the same requests.",
            remedy=f"Use dataset={dataset.part_of!r}; it publishes both.",
        )


def published_with(name: str) -> tuple[str, ...]:
    """The datasets that a fetch of ``name`` publishes: itself, and what comes with it.

    :raises ZDirectConfigurationError: if there is no such dataset.
    """
    resources = get_dataset(name).resources
    return (name, *(part.dataset for part in resources.parts)) if resources else (name,)


def _row(name: str, variant: str | None) -> Dataset:
    dataset = DATASETS.get(name)
    if dataset is None:
        raise ZDirectConfigurationError(
            f"dataset={name!r} is not a dataset of this provider.",
            remedy=f"Use one of: {', '.join(row.name for row in DATASETS.values() if row.part_of is None)}.",
        )
    if variant is None:
        return dataset
    if variant not in dataset.variants:
        raise ZDirectConfigurationError(
            f"variant={variant!r} is not a variant of {name}.",
            remedy=f"Leave it out, or use one of: {', '.join(dataset.variants) or '(there is none)'}.",
        )
    return dataset.variants[variant]
