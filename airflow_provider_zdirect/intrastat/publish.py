# SPDX-License-Identifier: Apache-2.0
"""Writing the files of a month's reports, over those of an earlier run; the manifest last.

    <base>/intrastat/merchant_id=<id>/month=<YYYY-MM>/country=<CC>/intrastat-<YYYY-MM>-<CC>.parquet
    <base>/_reports/intrastat/merchant_id=<id>/month=<YYYY-MM>/country=<CC>/intrastat-<YYYY-MM>-<CC>.csv, .html
    <base>/_reports/intrastat/merchant_id=<id>/month=<YYYY-MM>/country=<CC>/goods-without-master-data.csv
    <base>/_reports/intrastat/merchant_id=<id>/month=<YYYY-MM>/movements-without-country.csv
    <base>/_manifests/intrastat/merchant_id=<id>/<YYYY-MM>.json

Under ``<base>/intrastat/`` there are only Parquet files, and their columns do not repeat what their folders say, so
that every tool can read the table by its folders.

The bytes of every file but the manifest follow from the movements and the master data alone.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any, TypedDict

from airflow_provider_zdirect import __version__
from airflow_provider_zdirect.intrastat.selection import Month
from airflow_provider_zdirect.publish.files import PublishedFile
from airflow_provider_zdirect.publish.place import Place


class _File(TypedDict):
    path: str


class _Report(TypedDict):
    country: str


class _Manifest(TypedDict):
    """What is needed of the manifest that an earlier run wrote."""

    files: list[_File]
    reports: list[_Report]


@dataclass
class MonthWriter:
    """Writes the files of one month and merchant; all paths are relative to the base path."""

    place: Place
    month: Month
    files: list[PublishedFile] = field(default_factory=list)

    @property
    def folder(self) -> str:
        return f"intrastat/merchant_id={self.place.merchant_id}/month={self.month}"

    @property
    def manifest(self) -> str:
        return f"_manifests/intrastat/merchant_id={self.place.merchant_id}/{self.month}.json"

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

    def write(self, path: str, data: bytes, rows: int) -> None:
        self.place.store.write(path, data)
        self.files.append(PublishedFile(path, rows, len(data), hashlib.sha256(data).hexdigest()))

    def finish(self, facts: Mapping[str, Any], reports: list[dict[str, Any]], now: datetime) -> None:
        """Delete what no longer holds, and write the manifest.

        :param facts: the manifest's entries about the month. Files of countries that are not among its ``countries``
            are kept if it names any; if it does not, they were made for all countries there are.
        :param reports: the countries' reports in numbers.
        """
        store, asked, written = self.place.store, facts["countries"], {file.path for file in self.files}
        former = store.read_json(self.manifest, _Manifest) or {"files": [], "reports": []}
        kept = set()
        for path in store.files_below(self.folder) + store.files_below(f"_reports/{self.folder}"):
            country = self._country_of(path)
            if country and asked and country not in asked:
                kept.add(country)
            elif (country or path == self.unplaced) and path not in written:
                store.delete(path)
        created = now.isoformat()
        reports = [{**report, "created_at": created} for report in reports]
        reports += [report for report in former["reports"] if report["country"] in kept]
        files = [asdict(file) for file in self.files]
        files += [file for file in former["files"] if self._country_of(file["path"]) in kept]
        manifest = {
            **facts,
            "reports": sorted(reports, key=lambda report: str(report["country"])),
            "files": sorted(files, key=lambda file: str(file["path"])),
            "package_version": __version__,
            "created_at": created,
        }
        store.write_json(self.manifest, manifest)

    def _country_of(self, path: str) -> str | None:
        """The country whose file this is; None if a report writes no such file for a country."""
        found = re.search(r"/country=([A-Z]{2})/", path)
        return found[1] if found and path in self.of(found[1]).values() else None
