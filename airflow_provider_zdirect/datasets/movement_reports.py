# SPDX-License-Identifier: Apache-2.0
"""Movements between countries (zDirect docs: *Intra-Community Movements*; *Cross-Border Movements*, OpenAPI 1.1.0)."""

from __future__ import annotations

from dataclasses import replace

from airflow_provider_zdirect.datasets.answer import Answer, Grouping
from airflow_provider_zdirect.datasets.dataset import Dataset
from airflow_provider_zdirect.datasets.endpoint import Endpoint, per_second
from airflow_provider_zdirect.datasets.paging import Cursor, OnePage
from airflow_provider_zdirect.datasets.publication import Days
from airflow_provider_zdirect.datasets.record import Day, Ean, Flag, Key, Quantity, Record, Text
from airflow_provider_zdirect.datasets.selection import Dates, KeptDays


class StockLocation(Record):
    """A Zalando facility; ``country_code`` is ISO 3166-1 alpha-2."""

    location_id: Text = None
    name: Text = None
    country_code: Text = None


class ReportedStockLocation(StockLocation):
    """A facility as the cross-border report shows it (``StockLocationV2``)."""

    inbound_active: Flag = None
    outbound_active: Flag = None


class IntraCommunityMovement(Record):
    """Goods that arrived in another country than they were in before. It has no identity: equal rows are legitimate.

    :param report_date: the date that was asked for; the answer does not repeat it.
    :param transaction_date: when the goods arrived; may lie days before ``report_date``.
    :param quantity: negative where an earlier movement is corrected.
    """

    report_date: Day
    transaction_date: Day
    product_sku: Text = None
    ean: Ean = None
    merchant_sku: Text = None
    quantity: Quantity
    source_stock_location: StockLocation | None = None
    destination_stock_location: StockLocation | None = None
    order_number: Text = None
    movement_type: Text = None


class CrossBorderMovement(Record):
    """One item that moved from a facility in one country to one in another (``CrossBorderMovement``)."""

    movement_id: Key
    report_date: Day
    transaction_date: Day
    product_sku: Text = None
    ean: Ean = None
    merchant_sku: Text = None
    movement_type: Text = None
    source_stock_location: ReportedStockLocation | None = None
    destination_stock_location: ReportedStockLocation | None = None
    order_id: Text = None


_INTRA_COMMUNITY_MOVEMENTS = Dataset(
    name="intra_community_movements",
    title="Goods that Zalando moved between warehouses of different countries, by the date of the report",
    model=IntraCommunityMovement,
    # Unconfirmed: newer docs print the path without /zfs, the API overview and an old client with it.
    endpoint=Endpoint("/zfs/intra-community-movements/{merchant_id}", "zfs/icm-reports/read", per_second(10)),
    # A report knows nothing of what came after it; a movement may be of any day before.
    selection=Dates(retention=KeptDays(100), not_after="transaction_date"),
    # Unconfirmed: whether the endpoint knows a limit.
    paging=Cursor(limit=None),
    answer=Answer(
        ("items", "reports"),
        grouping=Grouping("movements", {"transaction_date": ("transaction_date", "report_date")}),
        asked_date_field="report_date",
    ),
    publish=Days((), "report_date", alike=("transaction_date", "order_number", "ean", "movement_type")),
    source="zDirect docs, Intra-Community Movements, GET /intra-community-movements/{merchant-id}",
)

INTRA_COMMUNITY_MOVEMENTS = replace(
    _INTRA_COMMUNITY_MOVEMENTS,
    variants={
        "single_request": replace(
            _INTRA_COMMUNITY_MOVEMENTS.but(
                endpoint={"path": "/zfs/stock-movements/intra-community-movements/{merchant_id}"}
            ),
            paging=OnePage(),
            when_too_many=_INTRA_COMMUNITY_MOVEMENTS,
            source="zDirect docs, Intra-Community Movements, single request (deprecated), "
            "GET /zfs/stock-movements/intra-community-movements/{merchant-id}",
        )
    },
)

CROSS_BORDER_MOVEMENTS = Dataset(
    name="cross_border_movements",
    title="Items that moved between Zalando facilities of different countries, by the date of the report",
    model=CrossBorderMovement,
    endpoint=Endpoint("/zfs/cross-border-movements/{merchant_id}", "zfs/icm-reports/read", per_second(10)),
    selection=Dates(retention=KeptDays(100), dated_by=("report_date",)),
    # The default that the answer's own query shows; a larger page is not documented.
    paging=Cursor(limit=1_000),
    answer=Answer(("items",)),
    publish=Days(("movement_id",), "report_date"),
    source="zDirect docs, Cross-Border Movements (OpenAPI 1.1), GET /cross-border-movements/{merchant_id}",
)
