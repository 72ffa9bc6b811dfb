"""Where reports lie under the base path. Names only, no I/O.

    <base>/intrastat/merchant_id=<id>/month=<YYYY-MM>/country=<CC>/intrastat-<YYYY-MM>-<CC>.parquet
    <base>/_reports/intrastat/merchant_id=<id>/month=<YYYY-MM>/country=<CC>/intrastat-<YYYY-MM>-<CC>.csv, .html
    <base>/_reports/intrastat/merchant_id=<id>/month=<YYYY-MM>/country=<CC>/goods-without-master-data.csv
    <base>/_reports/intrastat/merchant_id=<id>/month=<YYYY-MM>/movements-without-country.csv
    <base>/_manifests/intrastat/merchant_id=<id>/<YYYY-MM>.json

Under ``<base>/intrastat/`` there is nothing but Parquet files, and these do not repeat what their folders say: so
whatever reads tables by their folders reads this one.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from airflow_provider_zdirect.intrastat.selection import Month

GOODS = "goods-without-master-data.csv"
UNPLACED = "movements-without-country.csv"


@dataclass(frozen=True)
class CountryFiles:
    """Names of a country's files, in its folders.

    :param folder: of the table, relative to the base path.
    :param report_folder: of page and CSV files, likewise.
    """

    folder: str
    report_folder: str
    parquet: str
    csv: str
    html: str
    goods: str = GOODS


@dataclass(frozen=True)
class MonthFiles:
    """Names of the files of a month and merchant."""

    merchant_id: str
    month: Month

    @property
    def folder(self) -> str:
        return f"intrastat/merchant_id={self.merchant_id}/month={self.month}"

    @property
    def report_folder(self) -> str:
        return f"_reports/{self.folder}"

    @property
    def manifest(self) -> str:
        return f"_manifests/intrastat/merchant_id={self.merchant_id}/{self.month}.json"

    @property
    def unplaced(self) -> str:
        return f"{self.report_folder}/{UNPLACED}"

    def of(self, country: str) -> CountryFiles:
        folder, stem = f"country={country}", f"intrastat-{self.month}-{country}"
        files = (f"{stem}.{suffix}" for suffix in ("parquet", "csv", "html"))
        return CountryFiles(f"{self.folder}/{folder}", f"{self.report_folder}/{folder}", *files)

    def country_of(self, path: str) -> str | None:
        """The country whose file this is; None if a report writes no such file for a country."""
        match = re.fullmatch(rf"(?:_reports/)?{re.escape(self.folder)}/country=([A-Z]{{2}})/([^/]+)", path)
        if match is None:
            return None
        country, name = match.groups()
        names = self.of(country)
        return country if name in (names.parquet, names.csv, names.html, names.goods) else None
