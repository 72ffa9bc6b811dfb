"""Where reports lie under the base path. Names only, no I/O.

    <base>/intrastat/merchant_id=<id>/month=<YYYY-MM>/country=<CC>/intrastat-<YYYY-MM>-<CC>.parquet, .csv, .html
    <base>/intrastat/merchant_id=<id>/month=<YYYY-MM>/country=<CC>/goods-without-master-data.csv
    <base>/intrastat/merchant_id=<id>/month=<YYYY-MM>/movements-without-country.csv
    <base>/_manifests/intrastat/merchant_id=<id>/<YYYY-MM>.json

Every Parquet file under ``<base>/intrastat/`` is published data.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from airflow_provider_zdirect.intrastat.selection import Month

GOODS = "goods-without-master-data.csv"
UNPLACED = "movements-without-country.csv"


@dataclass(frozen=True)
class CountryFiles:
    """Names of a country's files, in its folder.

    :param folder: relative to the base path.
    """

    folder: str
    stem: str

    @property
    def parquet(self) -> str:
        return f"{self.stem}.parquet"

    @property
    def csv(self) -> str:
        return f"{self.stem}.csv"

    @property
    def html(self) -> str:
        return f"{self.stem}.html"

    @property
    def goods(self) -> str:
        return GOODS


@dataclass(frozen=True)
class MonthFiles:
    """Names of the files of a month and merchant."""

    merchant_id: str
    month: Month

    @property
    def folder(self) -> str:
        return f"intrastat/merchant_id={self.merchant_id}/month={self.month}"

    @property
    def manifest(self) -> str:
        return f"_manifests/intrastat/merchant_id={self.merchant_id}/{self.month}.json"

    @property
    def unplaced(self) -> str:
        return f"{self.folder}/{UNPLACED}"

    def of(self, country: str) -> CountryFiles:
        return CountryFiles(f"{self.folder}/country={country}", f"intrastat-{self.month}-{country}")

    def country_of(self, path: str) -> str | None:
        """The country whose file this is; None if it is no file that a report writes for a country."""
        match = re.fullmatch(rf"{re.escape(self.folder)}/country=([A-Z]{{2}})/([^/]+)", path)
        if match is None:
            return None
        country, name = match.groups()
        names = self.of(country)
        return country if name in (names.parquet, names.csv, names.html, names.goods) else None
