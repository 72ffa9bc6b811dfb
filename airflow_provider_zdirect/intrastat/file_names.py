"""Where reports lie under the base path. Names only, no I/O.

    <base>/intrastat/merchant_id=<id>/month=<YYYY-MM>/country=<CC>/intrastat-<YYYY-MM>-<CC>.parquet
    <base>/_reports/intrastat/merchant_id=<id>/month=<YYYY-MM>/country=<CC>/intrastat-<YYYY-MM>-<CC>.csv, .html
    <base>/_reports/intrastat/merchant_id=<id>/month=<YYYY-MM>/country=<CC>/goods-without-master-data.csv
    <base>/_reports/intrastat/merchant_id=<id>/month=<YYYY-MM>/movements-without-country.csv
    <base>/_manifests/intrastat/merchant_id=<id>/<YYYY-MM>.json

Under ``<base>/intrastat/`` there are only Parquet files, and their columns do not repeat what their folders say, so
that every tool can read the table by its folders.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from airflow_provider_zdirect.intrastat.selection import Month


@dataclass(frozen=True)
class MonthFiles:
    """Paths of the files of a month and merchant, relative to the base path."""

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
        return f"_reports/{self.folder}/movements-without-country.csv"

    def of(self, country: str) -> dict[str, str]:
        """The files of a country: ``parquet``, ``csv``, ``html``, and ``goods`` without master data."""
        folder, stem = f"{self.folder}/country={country}", f"intrastat-{self.month}-{country}"
        return {
            "parquet": f"{folder}/{stem}.parquet",
            "csv": f"_reports/{folder}/{stem}.csv",
            "html": f"_reports/{folder}/{stem}.html",
            "goods": f"_reports/{folder}/goods-without-master-data.csv",
        }

    def country_of(self, path: str) -> str | None:
        """The country whose file this is; None if a report writes no such file for a country."""
        found = re.search(r"/country=([A-Z]{2})/", path)
        return found[1] if found and path in self.of(found[1]).values() else None
