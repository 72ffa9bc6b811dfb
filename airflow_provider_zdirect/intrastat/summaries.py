"""Sums of a report's lines, as the page shows them."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from airflow_provider_zdirect.intrastat.lines import FLOWS, CountryReport
from airflow_provider_zdirect.intrastat.sums import ask

Row = dict[str, Any]


def totals(report: CountryReport) -> list[Row]:
    """Per flow of the country its ``net_quantity``, ``movements`` and ``goods`` (different articles)."""
    sql = """
        SELECT flow, coalesce(sum(net_quantity), 0)::BIGINT AS net_quantity,
            coalesce(sum(movements), 0)::BIGINT AS movements,
            count(DISTINCT {ean: ean, merchant_sku: merchant_sku, product_sku: product_sku})
                FILTER (lines.flow IS NOT NULL) AS goods
        FROM (SELECT unnest($flows) AS flow) LEFT JOIN lines USING (flow) GROUP BY flow ORDER BY flow
    """
    return list(ask(sql, {"flows": FLOWS}, lines=report.lines).to_pylist())


def by(table: pa.Table, column: str) -> list[Row]:
    """The sums of both flows per value of the column (``name``), ordered by it."""
    sql = f"""
        SELECT "{column}" AS name,
            {{net_quantity: coalesce(sum(net_quantity) FILTER (flow = 'arrival'), 0)::BIGINT,
              movements: coalesce(sum(movements) FILTER (flow = 'arrival'), 0)::BIGINT}} AS arrival,
            {{net_quantity: coalesce(sum(net_quantity) FILTER (flow = 'dispatch'), 0)::BIGINT,
              movements: coalesce(sum(movements) FILTER (flow = 'dispatch'), 0)::BIGINT}} AS dispatch
        FROM source GROUP BY name ORDER BY name
    """  # noqa: S608
    return list(ask(sql, source=table).to_pylist())


def by_commodity(lines: pa.Table) -> list[Row]:
    """Sums per flow, counterpart, commodity code and origin; rows without a code come last in their flow.

    ``lacking_mass`` and ``lacking_value`` count the movements of goods whose mass or value is not known.
    """
    sql = """
        SELECT flow, cn8_code, counterpart_country, country_of_origin,
            sum(net_quantity)::BIGINT AS net_quantity, sum(movements)::BIGINT AS movements,
            sum(net_mass_kg) AS net_mass_kg, sum(statistical_value) AS statistical_value,
            coalesce(sum(lines.movements) FILTER (lines.net_mass_kg IS NULL), 0)::BIGINT AS lacking_mass,
            coalesce(sum(lines.movements) FILTER (lines.statistical_value IS NULL), 0)::BIGINT AS lacking_value
        FROM lines GROUP BY ALL ORDER BY flow, cn8_code, counterpart_country, country_of_origin
    """
    return list(ask(sql, lines=lines).to_pylist())


def goods_without_master_data(report: CountryReport) -> pa.Table:
    """The articles that the master data does not know, with their net quantity per flow."""
    sql = """
        SELECT ean, merchant_sku, product_sku,
            coalesce(sum(net_quantity) FILTER (flow = 'arrival'), 0)::BIGINT AS arrival_net_quantity,
            coalesce(sum(net_quantity) FILTER (flow = 'dispatch'), 0)::BIGINT AS dispatch_net_quantity
        FROM lines WHERE NOT has_master_data GROUP BY ALL ORDER BY ean, merchant_sku, product_sku
    """
    return ask(sql, lines=report.lines)
