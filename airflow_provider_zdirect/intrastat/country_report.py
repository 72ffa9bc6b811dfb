# SPDX-License-Identifier: Apache-2.0
"""A country's report: lines of arrivals and dispatches per counterpart, article and transaction month, and their sums.

Everything is computed in SQL (DuckDB's dialect) over tables in memory. Null is a value, and the last in an order.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from airflow_provider_zdirect.intrastat.master_data import DECIMALS, SCHEMA
from airflow_provider_zdirect.intrastat.selection import Month
from airflow_provider_zdirect.publish.read import connection

TOTAL = pa.decimal128(38, DECIMALS)
TYPES = pa.list_(pa.struct([("movement_type", pa.string()), ("net_quantity", pa.int64()), ("movements", pa.int64())]))
FOLDERS = ("merchant_id", "month", "country")
"""Columns that a table's folders have, as ``month=2026-11``; a reader that knows folders would find them twice."""
LINES = pa.schema(
    [
        *((name, pa.string()) for name in (*FOLDERS, "flow", "counterpart_country")),
        *((name, pa.string()) for name in ("ean", "merchant_sku", "product_sku", "transaction_month")),
        ("net_quantity", pa.int64()),
        ("movements", pa.int64()),
        ("movement_types", TYPES),
        ("cn8_code", pa.string()),
        ("country_of_origin", pa.string()),
        ("net_mass_kg", TOTAL),
        ("statistical_value", TOTAL),
        ("has_master_data", pa.bool_()),
    ]
)
"""The columns of a report; its Parquet file does not have FOLDERS. ``movement_type`` is "" where zDirect gave none. The
last five come from the master data and are null without; ``net_mass_kg`` and ``statistical_value`` are those of the net
quantity."""
IN_FILES = pa.schema([column for column in LINES if column.name not in FOLDERS])

# int64 has up to 19 digits; with the 18 of an amount the product has at most 38, which is what a decimal can have.
_LINES = """
WITH crossing AS (
    SELECT 'arrival' AS flow, source AS counterpart_country, * FROM flows
    WHERE destination = $country AND source <> $country
    UNION ALL
    SELECT 'dispatch', destination, * FROM flows WHERE source = $country AND destination <> $country
), lines AS (
    SELECT flow, counterpart_country, ean, merchant_sku, product_sku, transaction_month,
        sum(net_quantity)::BIGINT AS net_quantity, sum(movements)::BIGINT AS movements,
        list(
            {movement_type: coalesce(movement_type, ''), net_quantity: net_quantity, movements: movements}
            ORDER BY coalesce(movement_type, ''), movement_type
        ) AS movement_types
    FROM crossing GROUP BY ALL
)
SELECT $merchant_id AS merchant_id, $month AS month, $country AS country, lines.*, cn8_code, country_of_origin,
    net_mass_kg * net_quantity::DECIMAL(19, 0) AS net_mass_kg,
    statistical_value * net_quantity::DECIMAL(19, 0) AS statistical_value,
    IF($with_master_data, goods.ean IS NOT NULL, NULL) AS has_master_data
FROM lines LEFT JOIN goods USING (ean)
ORDER BY flow, counterpart_country, ean, merchant_sku, product_sku, transaction_month
"""
_TOTALS = """
SELECT flow, coalesce(sum(net_quantity), 0)::BIGINT AS net_quantity, coalesce(sum(movements), 0)::BIGINT AS movements,
    count(DISTINCT {ean: ean, merchant_sku: merchant_sku, product_sku: product_sku})
        FILTER (lines.flow IS NOT NULL) AS goods
FROM (SELECT unnest(['arrival', 'dispatch']) AS flow) LEFT JOIN lines USING (flow) GROUP BY flow ORDER BY flow
"""
_BY = """
SELECT name,
    {net_quantity: coalesce(sum(net_quantity) FILTER (flow = 'arrival'), 0)::BIGINT,
     movements: coalesce(sum(movements) FILTER (flow = 'arrival'), 0)::BIGINT} AS arrival,
    {net_quantity: coalesce(sum(net_quantity) FILTER (flow = 'dispatch'), 0)::BIGINT,
     movements: coalesce(sum(movements) FILTER (flow = 'dispatch'), 0)::BIGINT} AS dispatch
FROM named GROUP BY name ORDER BY name
"""
_NAMED = {
    "counterparts": "SELECT counterpart_country AS name, * FROM lines",
    "months": "SELECT transaction_month AS name, * FROM lines",
    "types": """
        SELECT type.movement_type AS name, flow, type.net_quantity AS net_quantity, type.movements AS movements
        FROM (SELECT flow, unnest(movement_types) AS type FROM lines)
    """,
}
_COMMODITIES = """
SELECT flow, cn8_code, counterpart_country, country_of_origin,
    sum(net_quantity)::BIGINT AS net_quantity, sum(movements)::BIGINT AS movements,
    sum(net_mass_kg) AS net_mass_kg, sum(statistical_value) AS statistical_value,
    bool_or(lines.net_mass_kg IS NULL) AS lacks_mass, bool_or(lines.statistical_value IS NULL) AS lacks_value
FROM lines GROUP BY ALL ORDER BY flow, cn8_code, counterpart_country, country_of_origin
"""
_GOODS = """
SELECT ean, merchant_sku, product_sku,
    coalesce(sum(net_quantity) FILTER (flow = 'arrival'), 0)::BIGINT AS arrival_net_quantity,
    coalesce(sum(net_quantity) FILTER (flow = 'dispatch'), 0)::BIGINT AS dispatch_net_quantity
FROM lines WHERE NOT has_master_data GROUP BY ALL ORDER BY ean, merchant_sku, product_sku
"""


@dataclass(frozen=True)
class CountryReport:
    """A country's report.

    :param lines: columns LINES, ordered by all up to ``transaction_month``.
    :param totals: of ``arrival`` and ``dispatch``: ``flow``, ``net_quantity``, ``movements``, ``goods`` (articles).
    :param goods: articles that the master data does not know; None if there is no master data.
    """

    country: str
    month: Month
    merchant_id: str
    lines: pa.Table
    totals: list[dict[str, Any]]
    goods: pa.Table | None

    @property
    def lines_without_master_data(self) -> int | None:
        if self.goods is None:
            return None
        return int(self.lines.filter(pc.invert(self.lines.column("has_master_data"))).num_rows)

    def by(self, what: str) -> list[dict[str, Any]]:
        """Sums of both flows by ``counterparts``, ``months`` or ``types``, each with its ``name``, in order."""
        return list(ask(f"WITH named AS ({_NAMED[what]}) {_BY}", lines=self.lines).to_pylist())

    def by_commodity(self) -> list[dict[str, Any]]:
        """Sums per flow, commodity code, counterpart and origin; those without a code come last in their flow.

        ``lacks_mass`` and ``lacks_value``: whether they include goods whose mass or value is not known.
        """
        return list(ask(_COMMODITIES, lines=self.lines).to_pylist())


def country_report(
    flows: pa.Table, country: str, month: Month, merchant_id: str, master_data: pa.Table | None
) -> CountryReport:
    """The report of one country.

    :param flows: as :class:`~airflow_provider_zdirect.intrastat.movements.Movements` has them.
    :param master_data: as :func:`~.master_data.read_master_data` reads it, or None.
    """
    facts = {"country": country, "month": str(month), "merchant_id": merchant_id}
    known = SCHEMA.empty_table() if master_data is None else master_data
    lines = ask(_LINES, {**facts, "with_master_data": master_data is not None}, flows=flows, goods=known)
    lines = lines.select(LINES.names).cast(LINES)
    goods = None if master_data is None else ask(_GOODS, lines=lines)
    return CountryReport(country, month, merchant_id, lines, ask(_TOTALS, lines=lines).to_pylist(), goods)


def ask(sql: str, parameters: dict[str, Any] | None = None, **tables: pa.Table) -> pa.Table:
    """The answer of an SQL query over tables, which it knows by these names.

    :param parameters: values of ``$name`` in the query.
    """
    with connection() as database:
        for name, table in tables.items():
            database.register(name, table)
        return database.sql(sql, params=parameters).to_arrow_table()
