# SPDX-License-Identifier: Apache-2.0
"""A country's report as one HTML page that needs nothing else: no network, no script, no other file."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib import resources

from jinja2 import Environment, StrictUndefined, Template

from airflow_provider_zdirect import __version__
from airflow_provider_zdirect.intrastat.chart import flow_chart
from airflow_provider_zdirect.intrastat.countries import titled
from airflow_provider_zdirect.intrastat.country_report import CountryReport
from airflow_provider_zdirect.intrastat.findings import Finding
from airflow_provider_zdirect.intrastat.movements import Movements
from airflow_provider_zdirect.intrastat.selection import as_runs
from airflow_provider_zdirect.words import counted

MOST_ROWS = 500
"""Rows of a long table that the page shows; the files have all."""


def page_html(
    report: CountryReport, movements: Movements, findings: list[Finding], files: Mapping[str, str], merchant: str | None
) -> bytes:
    """The page, the same for the same input; everything that comes from outside is escaped.

    :param movements: those of the whole month, for the chart.
    :param files: the country's files, which the page names.
    :param merchant: what people call the merchant.
    """
    months = report.by("months")
    html = _template().render(
        report=report,
        merchant=merchant,
        movements=movements,
        month=str(report.month),
        findings=findings,
        chart=flow_chart(movements.flows, report.country),
        months=months,
        others=[sums for sums in months if sums["name"] != str(report.month)],
        commodities=None if report.goods is None else report.by_commodity(),
        names={kind: path.rpartition("/")[2] for kind, path in files.items()},
        empty_days=as_runs(movements.empty_days),
        most=MOST_ROWS,
        titled=titled,
        counted=counted,
        version=__version__,
    )
    return html.encode()


@cache
def _template() -> Template:
    source = resources.files(__package__).joinpath("page.html.j2").read_text(encoding="utf-8")
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    return environment.from_string(source)
