"""Sums of a report's lines, as the page shows them."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from airflow_provider_zdirect.intrastat.lines import FLOWS, CountryReport
from airflow_provider_zdirect.intrastat.movements import ARTICLE, summed


@dataclass
class Sums:
    """Net quantity and movements of one flow."""

    net_quantity: int = 0
    movements: int = 0

    def add(self, row: dict[str, Any]) -> None:
        self.net_quantity += row["net_quantity"]
        self.movements += row["movements"]


@dataclass
class BothFlows:
    """The sums of arrivals and dispatches that have something in common."""

    name: str
    arrival: Sums = field(default_factory=Sums)
    dispatch: Sums = field(default_factory=Sums)


@dataclass(frozen=True)
class FlowTotal:
    """:param goods: how many different articles."""

    flow: str
    net_quantity: int
    movements: int
    goods: int
    lines: int


def totals(report: CountryReport) -> list[FlowTotal]:
    """Arrivals and dispatches of the country."""
    return [_total(report, flow) for flow in FLOWS]


def by(table: pa.Table, column: str) -> list[BothFlows]:
    """Both flows per value of the column, ordered by it.

    :param table: with ``flow``, ``net_quantity``, ``movements`` and the column.
    """
    found: dict[str, BothFlows] = {}
    for row in summed(table, [column, "flow"]).to_pylist():
        sums = found.setdefault(row[column], BothFlows(row[column]))
        (sums.arrival if row["flow"] == "arrival" else sums.dispatch).add(row)
    return list(found.values())


def by_commodity(lines: pa.Table) -> list[dict[str, Any]]:
    """Sums per flow, counterpart, commodity code and origin; rows without a code come last in their flow.

    ``lacking_mass`` and ``lacking_value`` count the movements of goods whose mass or value is not known.
    """
    keys = ["flow", "cn8_code", "counterpart_country", "country_of_origin"]
    for amount, name in (("net_mass_kg", "lacking_mass"), ("statistical_value", "lacking_value")):
        lacking = pc.if_else(lines.column(amount).is_null(), lines.column("movements"), 0)
        lines = lines.append_column(name, lacking)
    parts = ("net_quantity", "movements", "net_mass_kg", "statistical_value", "lacking_mass", "lacking_value")
    sums = lines.group_by(keys, use_threads=False).aggregate([(part, "sum") for part in parts])
    sums = sums.rename_columns([name.removesuffix("_sum") for name in sums.column_names])
    return sums.sort_by([(key, "ascending") for key in keys]).to_pylist()


def goods_without_master_data(report: CountryReport) -> pa.Table:
    """The articles that the master data does not know, with their net quantity per flow."""
    rows = summed(report.without_master_data, [*ARTICLE, "flow"])
    columns = [pc.if_else(pc.equal(rows.column("flow"), flow), rows.column("net_quantity"), 0) for flow in FLOWS]
    table = pa.table([*(rows.column(name) for name in ARTICLE), *columns], names=[*ARTICLE, *FLOWS])
    sums = table.group_by(ARTICLE, use_threads=False).aggregate([(flow, "sum") for flow in FLOWS])
    named = sums.rename_columns([f"{name.removesuffix('_sum')}_net_quantity" if name not in ARTICLE else name
                                 for name in sums.column_names])  # fmt: skip
    return named.select([*ARTICLE, *(f"{flow}_net_quantity" for flow in FLOWS)])


def other_months(report: CountryReport) -> list[BothFlows]:
    """The sums of transaction months other than the report's own."""
    return [sums for sums in by(report.lines, "transaction_month") if sums.name != str(report.month)]


def amount(value: Decimal | None, decimals: int) -> str:
    """For reading: rounded, with thousands separators; a dash for none."""
    return "–" if value is None else f"{value:,.{decimals}f}"


def _total(report: CountryReport, flow: str) -> FlowTotal:
    lines = report.of_flow(flow)
    return FlowTotal(
        flow,
        report.net_quantity(flow),
        pc.sum(lines.column("movements")).as_py() or 0,
        lines.group_by(ARTICLE, use_threads=False).aggregate([]).num_rows,
        lines.num_rows,
    )
