"""A month of published movements, read once and summed up while it is read.

What is kept in memory is one row per way, article, transaction month and movement type, not one per movement.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date

import pyarrow as pa
import pyarrow.compute as pc

from airflow_provider_zdirect.datasets.arrow import arrow_schema
from airflow_provider_zdirect.datasets.table import get_dataset
from airflow_provider_zdirect.exceptions import ConcurrentRunError
from airflow_provider_zdirect.intrastat.countries import ALIASES
from airflow_provider_zdirect.publish.day import day_files
from airflow_provider_zdirect.storage.layout import Layout
from airflow_provider_zdirect.storage.object_store import ObjectStore
from airflow_provider_zdirect.storage.row_files import read_batches

DATASET = get_dataset("intra_community_movements")
MAX_LOOKS = 10
ROWS_BEFORE_MERGE = 200_000

ARTICLE = ["ean", "merchant_sku", "product_sku"]
KEYS = ["source", "destination", *ARTICLE, "transaction_month", "movement_type"]
SUMS = [("net_quantity", "sum"), ("movements", "sum")]
COLUMNS = [
    *("report_date", "transaction_date", *ARTICLE, "quantity"),
    *("source_stock_location", "destination_stock_location", "order_number", "movement_type"),
]
UNPLACED = pa.schema(
    [
        ("report_date", pa.date32()),
        ("transaction_date", pa.date32()),
        *((name, pa.string()) for name in ARTICLE),
        ("quantity", pa.int64()),
        *((f"{side}_{part}", pa.string()) for side in ("source", "destination") for part in ("country_code", "name")),
        ("order_number", pa.string()),
        ("movement_type", pa.string()),
    ]
)
_FLOWS = pa.schema([*((name, pa.string()) for name in KEYS), ("net_quantity", pa.int64()), ("movements", pa.int64())])


@dataclass(frozen=True)
class Movements:
    """The movements of a month.

    :param flows: sums of those with a country on both sides; columns KEYS, ``net_quantity``, ``movements``.
    :param unplaced: the rows without one, as they were published.
    :param countries: every country that a movement comes from or goes to.
    :param empty_days: days whose report has no movement.
    :param lost_days: days whose report was published with a file that is no longer there.
    """

    flows: pa.Table
    unplaced: pa.Table
    countries: tuple[str, ...]
    empty_days: tuple[date, ...]
    lost_days: tuple[date, ...]

    @property
    def count(self) -> int:
        """Rows of all of them."""
        return (pc.sum(self.flows.column("movements")).as_py() or 0) + self.unplaced.num_rows

    @property
    def within_country(self) -> int:
        """Movements that cross no border."""
        same = self.flows.filter(pc.equal(self.flows.column("source"), self.flows.column("destination")))
        return pc.sum(same.column("movements")).as_py() or 0


@dataclass(frozen=True)
class _Day:
    flows: pa.Table
    unplaced: pa.Table
    countries: frozenset[str]
    files: int


def read_movements(store: ObjectStore, layout: Layout, days: Iterable[date], with_file: frozenset[date]) -> Movements:
    """The movements that the reports of these days hold.

    :param with_file: the days that were published with a file.
    :raises ConcurrentRunError: if files of a day kept vanishing while they were read.
    """
    flows, unplaced, countries = [_FLOWS.empty_table()], [UNPLACED.empty_table()], set[str]()
    empty, lost = [], []
    for day in days:
        found = _read_day(store, layout, day)
        if not found.files and day in with_file:
            lost.append(day)
        elif not found.flows.num_rows and not found.unplaced.num_rows:
            empty.append(day)
        flows.append(found.flows)
        unplaced.append(found.unplaced)
        countries |= found.countries
        if sum(table.num_rows for table in flows) > 2 * max(ROWS_BEFORE_MERGE, flows[0].num_rows):
            flows = [merged(flows)]
    return Movements(merged(flows), pa.concat_tables(unplaced), tuple(sorted(countries)), tuple(empty), tuple(lost))


def summed(table: pa.Table, keys: list[str]) -> pa.Table:
    """``net_quantity`` and ``movements`` per value of the keys, ordered by them; null is a value, and the last."""
    # One thread, because the order of groups would follow the threads otherwise.
    sums = table.group_by(keys, use_threads=False).aggregate(SUMS)
    named = sums.rename_columns([name.removesuffix("_sum") for name in sums.column_names])
    return named.select([*keys, "net_quantity", "movements"]).sort_by([(key, "ascending") for key in keys])


def merged(tables: list[pa.Table]) -> pa.Table:
    """Sums of sums, as one table with the columns of ``Movements.flows``."""
    return summed(pa.concat_tables(tables), KEYS).cast(_FLOWS)


def _read_day(store: ObjectStore, layout: Layout, day: date) -> _Day:
    # A run that replaces the day moves its former file away, possibly between our listing and our reading.
    for _ in range(MAX_LOOKS):
        try:
            return _read_files(store, day_files(store, layout, day)[-1:])
        except FileNotFoundError:
            continue
    raise ConcurrentRunError(
        f"{DATASET.name} of merchant {layout.merchant_id}, {day}: its file was taken away while it was read, "
        f"{MAX_LOOKS} times in a row.",
        remedy="Let the retry do it.",
        retry_after=DATASET.endpoint.refetch_delay,
    )


def _read_files(store: ObjectStore, files: list[str]) -> _Day:
    flows, unplaced, countries = [_FLOWS.empty_table()], [UNPLACED.empty_table()], set[str]()
    for rows in _batches(store, files):
        source, destination = _country(rows, "source"), _country(rows, "destination")
        for side in (source, destination):
            countries |= set(side.unique().drop_null().to_pylist())
        placed = pc.and_(source.is_valid(), destination.is_valid())
        flows.append(_summed_rows(rows, source, destination).filter(_both_sides()))
        unplaced.append(_unplaced(rows.filter(pc.invert(placed))))
    return _Day(merged(flows), pa.concat_tables(unplaced), frozenset(countries), len(files))


def _batches(store: ObjectStore, files: list[str]) -> Iterator[pa.Table]:
    for path in files:
        yield from read_batches(store, path, arrow_schema(DATASET.model), COLUMNS)


def _country(rows: pa.Table, side: str) -> pa.ChunkedArray:
    """The ISO code of the country, upper case; null if there is none, or something that is none."""
    code = pc.utf8_upper(pc.utf8_trim_whitespace(_location(rows, side, "country_code")))
    for alias, iso in ALIASES.items():
        code = pc.if_else(pc.equal(code, alias), iso, code)
    return pc.if_else(pc.match_substring_regex(code, r"^[A-Z]{2}$"), code, pa.scalar(None, pa.string()))


def _location(rows: pa.Table, side: str, part: str) -> pa.ChunkedArray:
    return pc.struct_field(rows.column(f"{side}_stock_location"), part)


def _summed_rows(rows: pa.Table, source: pa.ChunkedArray, destination: pa.ChunkedArray) -> pa.Table:
    month = pc.utf8_slice_codeunits(rows.column("transaction_date").cast(pa.string()), 0, 7)
    columns = [source, destination, *(rows.column(name) for name in ARTICLE), month, rows.column("movement_type")]
    ones = pa.repeat(pa.scalar(1, pa.int64()), rows.num_rows)
    return summed(pa.table([*columns, rows.column("quantity"), ones], names=_FLOWS.names), KEYS)


def _both_sides() -> pc.Expression:
    return pc.field("source").is_valid() & pc.field("destination").is_valid()


def _unplaced(rows: pa.Table) -> pa.Table:
    columns = [
        _location(rows, *name.split("_", 1)) if name.startswith(("source", "destination")) else rows.column(name)
        for name in UNPLACED.names
    ]
    return pa.Table.from_arrays(columns, schema=UNPLACED)
