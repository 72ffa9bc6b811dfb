"""Movements between countries (zDirect docs: *Intra-Community Movements*; *Cross-Border Movements*, OpenAPI 1.1.0)."""

from __future__ import annotations

from airflow_provider_zdirect.datasets.record import Day, Ean, Flag, Key, Quantity, Record, Text


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
