"""Writing the files of a month's reports, over those of an earlier run; the manifest last.

The bytes of every file but the manifest follow from the movements and the master data alone.
"""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass, field
from datetime import date, datetime
from itertools import chain
from typing import Any

from airflow_provider_zdirect import __version__
from airflow_provider_zdirect.intrastat.csv_text import lines_as_csv, table_as_csv
from airflow_provider_zdirect.intrastat.file_names import MonthFiles
from airflow_provider_zdirect.intrastat.findings import Finding
from airflow_provider_zdirect.intrastat.landed_days import LandedDay
from airflow_provider_zdirect.intrastat.lines import FOLDERS, CountryReport
from airflow_provider_zdirect.intrastat.movements import Movements
from airflow_provider_zdirect.intrastat.page import Page
from airflow_provider_zdirect.intrastat.selection import Month
from airflow_provider_zdirect.intrastat.summaries import goods_without_master_data
from airflow_provider_zdirect.publish.files import PublishedFile
from airflow_provider_zdirect.publish.place import Place
from airflow_provider_zdirect.storage.row_files import parquet_bytes


@dataclass
class MonthPublisher:
    """Publishes the reports of one month and merchant.

    :param landed: the days whose reports were used.
    :param missing: the other days of the month.
    :param findings: what concerns all countries.
    """

    place: Place
    month: Month
    movements: Movements
    landed: dict[date, LandedDay]
    missing: tuple[date, ...]
    findings: list[Finding]
    files: list[PublishedFile] = field(default_factory=list)

    @property
    def names(self) -> MonthFiles:
        return MonthFiles(self.place.merchant_id, self.month)

    def write_country(self, report: CountryReport, findings: list[Finding], *, with_master_data: bool) -> None:
        """Write a country's files.

        :param findings: what concerns this country only.
        """
        names = self.names.of(report.country)
        goods = goods_without_master_data(report) if with_master_data else None
        page = Page(
            report, self.movements, self.place.merchant_id, len(self.landed), [*self.findings, *findings], goods
        )
        rows = report.lines.num_rows
        self._write(f"{names.folder}/{names.parquet}", parquet_bytes(report.lines.drop_columns(FOLDERS)), rows)
        self._write(f"{names.report_folder}/{names.csv}", lines_as_csv(report.lines), rows)
        if goods is not None:
            self._write(f"{names.report_folder}/{names.goods}", table_as_csv(goods), goods.num_rows)
        self._write(f"{names.report_folder}/{names.html}", page.html(names), rows)

    def finish(
        self,
        countries: tuple[str, ...] | None,
        reports: list[dict[str, Any]],
        master_data: dict[str, Any] | None,
        now: datetime,
    ) -> str:
        """Write what is left, delete what no longer holds, and write the manifest.

        :param countries: the countries that were asked for; None: all there are. Files of others are left as they
            are in the one case, and deleted in the other.
        :param reports: the countries' reports in numbers.
        :returns: path of the manifest.
        """
        if self.movements.unplaced.num_rows:
            self._write(self.names.unplaced, table_as_csv(self.movements.unplaced), self.movements.unplaced.num_rows)
        kept = self._delete_stale(countries)
        former = self.place.store.read_json(self.names.manifest) or {"files": [], "reports": []}
        created = now.isoformat()
        others = [report for report in former["reports"] if report["country"] in kept]
        manifest = {
            "merchant_id": self.place.merchant_id,
            "month": str(self.month),
            "countries": countries,
            "days": [day.isoformat() for day in self.landed],
            "missing_days": [day.isoformat() for day in self.missing],
            "empty_days": [day.isoformat() for day in self.movements.empty_days],
            "movements": self.movements.count,
            "without_country": self.movements.unplaced.num_rows,
            "within_country": self.movements.within_country,
            "findings": [str(finding) for finding in self.findings],
            "master_data": master_data,
            "reports": sorted(
                [*others, *({**report, "created_at": created} for report in reports)], key=lambda it: it["country"]
            ),
            "files": sorted(
                [
                    *(file for file in former["files"] if self.names.country_of(file["path"]) in kept),
                    *(asdict(file) for file in self.files),
                ],
                key=lambda file: file["path"],
            ),
            "package_version": __version__,
            "created_at": created,
        }
        self.place.store.write_json(self.names.manifest, manifest)
        return self.names.manifest

    def _delete_stale(self, countries: tuple[str, ...] | None) -> set[str]:
        """Delete what an earlier run wrote and this one would not; returns the countries that this run left alone."""
        written = {file.path for file in self.files}
        untouched = set()
        folders = (self.names.folder, self.names.report_folder)
        for path in chain.from_iterable(map(self.place.store.files_below, folders)):
            country = self.names.country_of(path)
            if path in written or (country is None and path != self.names.unplaced):
                continue
            if country is not None and countries is not None and country not in countries:
                untouched.add(country)
            else:
                self.place.store.delete(path)
        return untouched

    def _write(self, path: str, data: bytes, rows: int) -> None:
        self.place.store.write(path, data)
        self.files.append(PublishedFile(path, rows, len(data), hashlib.sha256(data).hexdigest()))
