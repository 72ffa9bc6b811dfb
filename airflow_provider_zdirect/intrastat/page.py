"""A country's report as one HTML page that needs nothing else: no network, no script, no other file."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib import resources

import pyarrow as pa
from jinja2 import Environment, StrictUndefined, Template

from airflow_provider_zdirect import __version__
from airflow_provider_zdirect.intrastat import chart, summaries
from airflow_provider_zdirect.intrastat.countries import titled
from airflow_provider_zdirect.intrastat.file_names import CountryFiles
from airflow_provider_zdirect.intrastat.findings import Finding
from airflow_provider_zdirect.intrastat.lines import CountryReport
from airflow_provider_zdirect.intrastat.movements import Movements
from airflow_provider_zdirect.intrastat.selection import as_runs

MOST_ROWS = 500
"""Rows of a long table that the page shows; the files have all."""


@dataclass(frozen=True)
class Page:
    """What a page shows.

    :param movements: those of the whole month, for the chart and what the figures rest on.
    :param days_used: how many days of the month have a report.
    :param goods: the goods without master data; None if there is no master data at all.
    """

    report: CountryReport
    movements: Movements
    merchant_id: str
    days_used: int
    findings: list[Finding]
    goods: pa.Table | None

    def html(self, names: CountryFiles) -> bytes:
        """The page, the same for the same input; everything that comes from outside is escaped."""
        lines = self.report.lines
        return (
            _template()
            .render(
                report=self.report,
                month=str(self.report.month),
                merchant_id=self.merchant_id,
                findings=self.findings,
                totals=summaries.totals(self.report),
                chart=chart.flow_chart(self.movements.flows, self.report.country),
                left=chart.LEFT,
                top=chart.TOP,
                cell_width=chart.CELL_WIDTH,
                cell_height=chart.CELL_HEIGHT,
                counterparts=summaries.by(lines, "counterpart_country"),
                types=summaries.by(self.report.types, "movement_type"),
                months=summaries.by(lines, "transaction_month"),
                others=summaries.other_months(self.report),
                commodities=None if self.goods is None else summaries.by_commodity(lines),
                goods=self.goods,
                names=names,
                days_used=self.days_used,
                empty_days=as_runs(self.movements.empty_days),
                most=MOST_ROWS,
                titled=titled,
                amount=summaries.amount,
                version=__version__,
            )
            .encode()
        )


@cache
def _template() -> Template:
    source = resources.files(__package__).joinpath("page.html.j2").read_text(encoding="utf-8")
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    return environment.from_string(source)
