"""The lines of a country's report: its arrivals and dispatches per counterpart, article and transaction month."""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from airflow_provider_zdirect.intrastat.master_data import DECIMALS
from airflow_provider_zdirect.intrastat.movements import ARTICLE
from airflow_provider_zdirect.intrastat.selection import Month

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

KEYS = ["flow", "counterpart_country", *ARTICLE, "transaction_month"]


@dataclass(frozen=True)
class CountryReport:
    """What a country's report says.

    :param lines: columns LINES, ordered by KEYS.
    :param types: columns KEYS, ``movement_type``, ``net_quantity``, ``movements``: the same per movement type.
    """

    country: str
    month: Month
    lines: pa.Table
    types: pa.Table

    def of_flow(self, flow: str) -> pa.Table:
        return self.lines.filter(pc.equal(self.lines.column("flow"), flow))

    def net_quantity(self, flow: str) -> int:
        return pc.sum(self.of_flow(flow).column("net_quantity")).as_py() or 0

    @property
    def without_master_data(self) -> pa.Table:
        """The lines whose goods the master data does not know; none if there is no master data."""
        return self.lines.filter(pc.invert(self.lines.column("has_master_data")))


def country_report(
    flows: pa.Table, country: str, month: Month, merchant_id: str, master_data: pa.Table | None
) -> CountryReport:
    """The report of one country.

    :param flows: as :class:`~airflow_provider_zdirect.intrastat.movements.Movements` has them.
    :param master_data: as :class:`~airflow_provider_zdirect.intrastat.master_data.MasterDataFile` reads it, or None.
    """
    types = pa.concat_tables(
        [_crossing(flows, country, "arrival", "destination", "source"),
         _crossing(flows, country, "dispatch", "source", "destination")]
    ).sort_by([(key, "ascending") for key in (*KEYS, "movement_type")])  # fmt: skip
    lines = _with_types(types)
    for name, value in (("country", country), ("month", str(month)), ("merchant_id", merchant_id)):
        lines = lines.append_column(name, pa.repeat(pa.scalar(value), lines.num_rows))
    lines = _with_master_data(lines, master_data)
    return CountryReport(country, month, lines.select(LINES.names).cast(LINES), types)


def _crossing(flows: pa.Table, country: str, flow: str, own: str, other: str) -> pa.Table:
    """The movements of one direction over the country's border."""
    crossing = flows.filter((pc.field(own) == country) & (pc.field(other) != country))
    columns = {
        "flow": pa.repeat(pa.scalar(flow), crossing.num_rows),
        "counterpart_country": crossing.column(other),
        **{name: crossing.column(name) for name in (*ARTICLE, "transaction_month")},
        "movement_type": pc.fill_null(crossing.column("movement_type"), ""),
        "net_quantity": crossing.column("net_quantity"),
        "movements": crossing.column("movements"),
    }
    return pa.table(columns)


def _with_types(types: pa.Table) -> pa.Table:
    """One row per line, with its movement types as a list."""
    parts = ("movement_type", "net_quantity", "movements")
    aggregates = [("net_quantity", "sum"), ("movements", "sum"), *((part, "list") for part in parts)]
    lines = types.group_by(KEYS, use_threads=False).aggregate(aggregates)
    lines = lines.sort_by([(key, "ascending") for key in KEYS]).combine_chunks()
    lists = [lines.column(f"{part}_list").combine_chunks() for part in parts]
    ends = pc.cumulative_sum(pc.list_value_length(lists[0]).cast(pa.int32()))
    offsets = pa.concat_arrays([pa.array([0], pa.int32()), ends])
    structs = pa.StructArray.from_arrays([pc.list_flatten(part) for part in lists], fields=list(TYPES.value_type))
    return pa.table(
        {
            **{key: lines.column(key) for key in KEYS},
            "net_quantity": lines.column("net_quantity_sum"),
            "movements": lines.column("movements_sum"),
            "movement_types": pa.ListArray.from_arrays(offsets, structs),
        }
    )


def _with_master_data(lines: pa.Table, master_data: pa.Table | None) -> pa.Table:
    if master_data is None:
        for name in ("cn8_code", "country_of_origin", "net_mass_kg", "statistical_value", "has_master_data"):
            lines = lines.append_column(name, pa.nulls(lines.num_rows, LINES.field(name).type))
        return lines
    at = pc.index_in(lines.column("ean"), value_set=master_data.column("ean").combine_chunks())
    # int64 has up to 19 digits; with the 18 of an amount the product has at most 38, which is what fits.
    quantity = lines.column("net_quantity").cast(pa.decimal128(19, 0))
    for name in ("cn8_code", "country_of_origin"):
        lines = lines.append_column(name, master_data.column(name).take(at))
    for name in ("net_mass_kg", "statistical_value"):
        lines = lines.append_column(name, pc.multiply(master_data.column(name).take(at), quantity))
    return lines.append_column("has_master_data", at.is_valid())
