# SPDX-License-Identifier: Apache-2.0
"""A month of published movements, summed up.

What is kept in memory is one day, and one row per way, article, transaction month and movement type of each.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import pyarrow as pa
import pyarrow.compute as pc

from airflow_provider_zdirect.datasets.arrow import arrow_schema
from airflow_provider_zdirect.datasets.table import get_dataset
from airflow_provider_zdirect.intrastat.countries import ALIASES
from airflow_provider_zdirect.intrastat.country_report import ask
from airflow_provider_zdirect.intrastat.days import LandedDay, landed_days, uncertain_days
from airflow_provider_zdirect.intrastat.selection import Month
from airflow_provider_zdirect.publish.day import day_files
from airflow_provider_zdirect.publish.place import Place
from airflow_provider_zdirect.publish.read import read_published
from airflow_provider_zdirect.storage.row_files import read_table

DATASET = get_dataset("intra_community_movements")
COLUMNS = pa.schema(
    arrow_schema(DATASET.model).field(name)
    for name in (
        *("report_date", "transaction_date", "ean", "merchant_sku", "product_sku", "quantity"),
        *("source_stock_location", "destination_stock_location", "order_number", "movement_type"),
    )
)
# Every sign that Unicode calls a blank.
_BLANKS = "".join(sign for sign in map(chr, range(0x3001)) if sign.isspace())
_PARAMETERS = {"blanks": _BLANKS, "aliases": list(ALIASES), "codes": list(ALIASES.values())}
_LOCATED = """
WITH trimmed AS (
    SELECT *, upper(trim(source_stock_location.country_code, $blanks)) AS source_code,
        upper(trim(destination_stock_location.country_code, $blanks)) AS destination_code
    FROM day
), coded AS (
    SELECT *, coalesce($codes[list_position($aliases, source_code)], source_code) AS source_country,
        coalesce($codes[list_position($aliases, destination_code)], destination_code) AS destination_country
    FROM trimmed
)
SELECT *, IF(regexp_full_match(source_country, '[A-Z]{2}'), source_country, NULL) AS source,
    IF(regexp_full_match(destination_country, '[A-Z]{2}'), destination_country, NULL) AS destination
FROM coded
"""
_FLOWS = """
SELECT source, destination, ean, merchant_sku, product_sku, left(transaction_date::VARCHAR, 7) AS transaction_month,
    movement_type, sum(quantity)::BIGINT AS net_quantity, count(*) AS movements
FROM located WHERE source IS NOT NULL AND destination IS NOT NULL GROUP BY ALL
"""
_SUMS = """
SELECT source, destination, ean, merchant_sku, product_sku, transaction_month, movement_type,
    sum(net_quantity)::BIGINT AS net_quantity, sum(movements)::BIGINT AS movements
FROM days GROUP BY ALL ORDER BY ALL
"""
_UNPLACED = """
SELECT report_date, transaction_date, ean, merchant_sku, product_sku, quantity,
    source_stock_location.country_code AS source_country_code, source_stock_location.name AS source_name,
    destination_stock_location.country_code AS destination_country_code,
    destination_stock_location.name AS destination_name, order_number, movement_type
FROM located WHERE source IS NULL OR destination IS NULL
"""
_COUNTRIES = """
SELECT DISTINCT country FROM (SELECT unnest([source, destination]) AS country FROM located)
WHERE country IS NOT NULL
"""


@dataclass(frozen=True)
class Movements:
    """The movements of a month.

    :param month: of their reports.
    :param landed: the days whose reports are used.
    :param uncertain_days: days that are missing because their report may not have been made when it was fetched.
    :param empty_days: days whose report has no movement.
    :param flows: sums of those with a country on both sides; columns ``source``, ``destination``, ``ean``,
        ``merchant_sku``, ``product_sku``, ``transaction_month``, ``movement_type``, ``net_quantity``, ``movements``.
    :param unplaced: the rows without one, as they were published.
    :param countries: every country that a movement comes from or goes to.
    """

    month: Month
    landed: dict[date, LandedDay]
    uncertain_days: tuple[date, ...]
    empty_days: tuple[date, ...]
    flows: pa.Table
    unplaced: pa.Table
    countries: tuple[str, ...]

    @property
    def missing_days(self) -> tuple[date, ...]:
        return tuple(day for day in self.month.days if day not in self.landed)

    @property
    def count(self) -> int:
        """Rows of all of them."""
        return int(pc.sum(self.flows.column("movements")).as_py() or 0) + int(self.unplaced.num_rows)

    @property
    def within_country(self) -> int:
        """Movements that cross no border."""
        same = self.flows.filter(pc.equal(self.flows.column("source"), self.flows.column("destination")))
        return pc.sum(same.column("movements")).as_py() or 0


def read_movements(place: Place, month: Month) -> Movements:
    """The movements that the published reports of a month hold.

    :raises ConcurrentRunError: if other runs kept replacing a day while it was read.
    """
    landed = landed_days(place, month)

    def find(rows: pa.Table) -> list[pa.Table]:
        located = ask(_LOCATED, _PARAMETERS, day=rows)
        return [ask(sql, located=located) for sql in (_FLOWS, _UNPLACED, _COUNTRIES)]

    nothing = find(COLUMNS.empty_table())

    def read() -> dict[date, list[pa.Table]]:
        """What the latest report of each day, which replaces the former ones, holds; without those that are lost."""
        layout = place.layout(DATASET.name)
        files = {day: day_files(place.store, layout, day)[-1:] for day in landed}
        return {
            day: find(read_table(place.store, files[day], COLUMNS)) if files[day] else nothing
            for day, report in landed.items()
            if files[day] or not report.has_file
        }

    reports = read_published(place.in_words(DATASET.name), read)
    landed = {day: landed[day] for day in reports}
    empty = [day for day, (flows, unplaced, _) in reports.items() if not flows.num_rows + unplaced.num_rows]
    uncertain = uncertain_days(landed, empty)
    days = zip(nothing, *reports.values(), strict=True)
    flows, unplaced, countries = (pa.concat_tables(tables) for tables in days)
    return Movements(
        month=month,
        landed={day: report for day, report in landed.items() if day not in uncertain},
        uncertain_days=uncertain,
        empty_days=tuple(day for day in empty if day not in uncertain),
        flows=ask(_SUMS, days=flows),
        unplaced=unplaced,
        countries=tuple(sorted(set(countries.column("country").to_pylist()))),
    )
