"""The lines of a country's report: its arrivals and dispatches per counterpart, article and transaction month."""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from airflow_provider_zdirect.intrastat.master_data import DECIMALS, SCHEMA
from airflow_provider_zdirect.intrastat.movements import ARTICLE
from airflow_provider_zdirect.intrastat.selection import Month
from airflow_provider_zdirect.intrastat.sums import ask

FLOWS = ("arrival", "dispatch")
TOTAL = pa.decimal128(38, DECIMALS)
TYPES = pa.list_(pa.struct([("movement_type", pa.string()), ("net_quantity", pa.int64()), ("movements", pa.int64())]))
FOLDERS = ("merchant_id", "month", "country")
"""Columns that a table's folders have, as ``month=2026-11``; a reader that knows folders would find them twice."""
LINES = pa.schema(
    [
        *((name, pa.string()) for name in FOLDERS),
        ("flow", pa.string()),
        ("counterpart_country", pa.string()),
        *((name, pa.string()) for name in ARTICLE),
        ("transaction_month", pa.string()),
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

_TYPES = """
WITH crossing AS (
    SELECT 'arrival' AS flow, source AS counterpart_country, * FROM flows
    WHERE destination = $country AND source <> $country
    UNION ALL
    SELECT 'dispatch', destination, * FROM flows WHERE source = $country AND destination <> $country
)
SELECT flow, counterpart_country, ean, merchant_sku, product_sku, transaction_month,
    coalesce(crossing.movement_type, '') AS movement_type, net_quantity, movements
FROM crossing
ORDER BY flow, counterpart_country, ean, merchant_sku, product_sku, transaction_month,
    coalesce(crossing.movement_type, ''), crossing.movement_type
"""
# int64 has up to 19 digits; with the 18 of an amount the product has at most 38, which is what a decimal can have.
_LINES = """
WITH lines AS (
    SELECT flow, counterpart_country, ean, merchant_sku, product_sku, transaction_month,
        sum(net_quantity)::BIGINT AS net_quantity, sum(movements)::BIGINT AS movements,
        list({movement_type: movement_type, net_quantity: net_quantity, movements: movements}) AS movement_types
    FROM types GROUP BY ALL
)
SELECT $merchant_id AS merchant_id, $month AS month, $country AS country, lines.*, cn8_code, country_of_origin,
    net_mass_kg * net_quantity::DECIMAL(19, 0) AS net_mass_kg,
    statistical_value * net_quantity::DECIMAL(19, 0) AS statistical_value,
    IF($with_master_data, goods.ean IS NOT NULL, NULL) AS has_master_data
FROM lines LEFT JOIN goods USING (ean)
ORDER BY flow, counterpart_country, ean, merchant_sku, product_sku, transaction_month
"""


@dataclass(frozen=True)
class CountryReport:
    """A country's report.

    :param lines: columns LINES, ordered by all up to ``transaction_month``.
    :param types: the same with one row per movement type.
    :param without_master_data: lines whose goods the master data does not know; None if there is no master data.
    """

    country: str
    month: Month
    lines: pa.Table
    types: pa.Table
    without_master_data: int | None

    def net_quantity(self, flow: str) -> int:
        lines = self.lines.filter(pc.equal(self.lines.column("flow"), flow))
        return pc.sum(lines.column("net_quantity")).as_py() or 0


def country_report(
    flows: pa.Table, country: str, month: Month, merchant_id: str, master_data: pa.Table | None
) -> CountryReport:
    """The report of one country.

    :param flows: as :class:`~airflow_provider_zdirect.intrastat.movements.Movements` has them.
    :param master_data: as :func:`~.master_data.read_master_data` reads it, or None.
    """
    types = ask(_TYPES, {"country": country}, flows=flows)
    goods = SCHEMA.empty_table() if master_data is None else master_data
    facts = {"country": country, "month": str(month), "merchant_id": merchant_id}
    lines = ask(_LINES, {**facts, "with_master_data": master_data is not None}, types=types, goods=goods)
    lines = lines.select(LINES.names).cast(LINES)
    unknown = None if master_data is None else pc.sum(pc.invert(lines.column("has_master_data"))).as_py() or 0
    return CountryReport(country, month, lines, types, unknown)
