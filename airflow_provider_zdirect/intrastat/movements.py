"""A month of published movements, read day by day and summed up.

What is kept in memory is one row per way, article, transaction month and movement type, not one per movement.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date

import pyarrow as pa
import pyarrow.compute as pc

from airflow_provider_zdirect.datasets.arrow import arrow_schema
from airflow_provider_zdirect.datasets.table import get_dataset
from airflow_provider_zdirect.intrastat.countries import ALIASES
from airflow_provider_zdirect.intrastat.sums import ask
from airflow_provider_zdirect.publish.day import day_files
from airflow_provider_zdirect.publish.place import Place
from airflow_provider_zdirect.publish.read import Table, query

DATASET = get_dataset("intra_community_movements")
ARTICLE = ("ean", "merchant_sku", "product_sku")
COLUMNS = pa.schema(
    arrow_schema(DATASET.model).field(name)
    for name in (
        *("report_date", "transaction_date", *ARTICLE, "quantity"),
        *("source_stock_location", "destination_stock_location", "order_number", "movement_type"),
    )
)
# Every sign that Unicode calls a blank.
_BLANKS = "".join(sign for sign in map(chr, range(0x3001)) if sign.isspace())
_PARAMETERS = {"blanks": _BLANKS, "aliases": list(ALIASES), "codes": list(ALIASES.values())}
# One row per sum, with ``published`` null, and one per movement without a country, in their order.
_READ_DAY = """
WITH trimmed AS (
    SELECT *, rowid AS number,
        upper(trim(source_stock_location.country_code, $blanks)) AS source_code,
        upper(trim(destination_stock_location.country_code, $blanks)) AS destination_code
    FROM day
), coded AS (
    SELECT * REPLACE (
        coalesce($codes[list_position($aliases, source_code)], source_code) AS source_code,
        coalesce($codes[list_position($aliases, destination_code)], destination_code) AS destination_code
    ) FROM trimmed
), located AS (
    SELECT *, left(transaction_date::VARCHAR, 7) AS transaction_month,
        IF(regexp_full_match(source_code, '[A-Z]{2}'), source_code, NULL) AS source,
        IF(regexp_full_match(destination_code, '[A-Z]{2}'), destination_code, NULL) AS destination,
        source IS NOT NULL AND destination IS NOT NULL AS is_placed
    FROM coded
)
SELECT source, destination, ean, merchant_sku, product_sku, transaction_month, movement_type,
    sum(quantity)::BIGINT AS net_quantity, count(*) AS movements, NULL AS published, NULL AS number
FROM located WHERE is_placed GROUP BY ALL
UNION ALL
SELECT source, destination, ean, merchant_sku, product_sku, transaction_month, movement_type,
    quantity, 1, {
        report_date: report_date, transaction_date: transaction_date,
        ean: ean, merchant_sku: merchant_sku, product_sku: product_sku, quantity: quantity,
        source_country_code: source_stock_location.country_code, source_name: source_stock_location.name,
        destination_country_code: destination_stock_location.country_code,
        destination_name: destination_stock_location.name,
        order_number: order_number, movement_type: movement_type
    }, number
FROM located WHERE NOT is_placed
ORDER BY number
"""
_FLOWS = """
SELECT source, destination, ean, merchant_sku, product_sku, transaction_month, movement_type,
    sum(net_quantity)::BIGINT AS net_quantity, sum(movements)::BIGINT AS movements
FROM days WHERE published IS NULL GROUP BY ALL ORDER BY ALL
"""
_COUNTRIES = "SELECT DISTINCT unnest([source, destination]) AS country FROM days"


@dataclass(frozen=True)
class Movements:
    """The movements of a month.

    :param flows: sums of those with a country on both sides; columns ``source``, ``destination``, ARTICLE,
        ``transaction_month``, ``movement_type``, ``net_quantity``, ``movements``, ordered by them.
    :param unplaced: the rows without one, as they were published.
    :param countries: every country that a movement comes from or goes to.
    :param empty_days: days whose report has no movement.
    :param lost_days: days whose report was published with a file that no longer exists.
    """

    flows: pa.Table
    unplaced: pa.Table
    countries: tuple[str, ...]
    empty_days: tuple[date, ...]
    lost_days: tuple[date, ...]

    @property
    def count(self) -> int:
        """Rows of all of them."""
        return int(pc.sum(self.flows.column("movements")).as_py() or 0) + int(self.unplaced.num_rows)

    @property
    def within_country(self) -> int:
        """Movements that cross no border."""
        same = self.flows.filter(pc.equal(self.flows.column("source"), self.flows.column("destination")))
        return pc.sum(same.column("movements")).as_py() or 0


@dataclass(frozen=True)
class DayTable(Table):
    """The latest file of a day, which replaces the day as a whole.

    :param read: the file that was read; empty without one.
    """

    day: date = date.min
    read: list[str] = field(default_factory=list)

    def files(self, place: Place) -> list[str]:
        self.read[:] = day_files(place.store, place.layout(self.dataset), self.day)[-1:]
        return list(self.read)


def read_movements(place: Place, days: Iterable[date], with_file: frozenset[date]) -> Movements:
    """The movements that the reports of these days hold.

    :param with_file: the days that were published with a file.
    :raises ConcurrentRunError: if other runs kept replacing a day while it was read.
    """
    found: list[pa.Table] = []
    empty, lost = [], []
    for day in days:
        table = DayTable(DATASET.name, COLUMNS, day=day)
        # A report without movements has no file as a rule. One answer is needed for the columns.
        if day in with_file or not found or table.files(place):
            found.append(query(place, _READ_DAY, {"day": table}, _PARAMETERS))
        if not table.read and day in with_file:
            lost.append(day)
        elif not table.read or not found[-1].num_rows:
            empty.append(day)
    together = pa.concat_tables(found)
    countries = ask(_COUNTRIES, days=together).column("country").drop_null().to_pylist()
    published = together.column("published").drop_null().combine_chunks()
    unplaced = pa.Table.from_struct_array(published)
    return Movements(ask(_FLOWS, days=together), unplaced, tuple(sorted(countries)), tuple(empty), tuple(lost))
