"""Movements that were landed without an API: any rows, any days, through the code that publishes days."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import fsspec
from clocks import FakeClock

from airflow_provider_zdirect.datasets.arrow import Lineage, arrow_schema, to_table
from airflow_provider_zdirect.datasets.movement_reports import IntraCommunityMovement
from airflow_provider_zdirect.datasets.table import get_dataset
from airflow_provider_zdirect.intrastat.master_data import ALIASES
from airflow_provider_zdirect.intrastat.report import IntrastatJob, report_month
from airflow_provider_zdirect.intrastat.selection import Month
from airflow_provider_zdirect.merchant_files.tables import TableFile
from airflow_provider_zdirect.pipeline.manifest import Manifest
from airflow_provider_zdirect.publish.day import DayReplacer
from airflow_provider_zdirect.publish.place import Place
from airflow_provider_zdirect.storage.layout import Layout
from airflow_provider_zdirect.storage.object_store import ObjectStore
from airflow_provider_zdirect.storage.row_files import ParquetWriter
from airflow_provider_zdirect.windows import Window

MERCHANT = "01924c48-49bb-40c2-9c32-ab582e6db6f4"
NOVEMBER = Month(2026, 11)
DATASET = get_dataset("intra_community_movements")


def movement(source: str | None = "DE", destination: str | None = "PL", quantity: int = 1, **fields: Any) -> Any:
    """A movement as the API sends it; None leaves the location out."""
    body = {
        "transaction_date": None,
        "ean": "4012345678901",
        "merchant_sku": "SKU-1",
        "product_sku": "AB123C456-A11000S000",
        "quantity": quantity,
        "order_number": "20261101-erfurt-gardno",
        "movement_type": "automatic_relocation",
    }
    for side, code in (("source", source), ("destination", destination)):
        if code is not None:
            body[f"{side}_stock_location"] = {"location_id": "x", "name": "Erfurt", "country_code": code}
    return {**body, **fields}


def november(day: int) -> date:
    return date(2026, 11, day)


@dataclass
class Landing:
    """One base path.

    :param fetched: when the next report is fetched.
    :param now: when the month is reported.
    """

    root: Path
    fetched: datetime = datetime(2026, 12, 8, 6, tzinfo=UTC)
    now: datetime = datetime(2026, 12, 9, 6, tzinfo=UTC)
    _staged: int = field(default=0)

    @property
    def fs(self) -> Any:
        return fsspec.filesystem("file", skip_instance_cache=True)

    @property
    def store(self) -> ObjectStore:
        return ObjectStore(self.fs, str(self.root))

    @property
    def place(self) -> Place:
        return Place(self.fs, str(self.root), f"file://{self.root}", MERCHANT, "production")

    @property
    def layout(self) -> Layout:
        return self.place.layout(DATASET.name)

    def land(
        self,
        day: date,
        movements: Iterable[dict[str, Any]],
        *,
        format: str = "parquet",
        zone: str = "UTC",
        **facts: Any,
    ) -> None:
        """Publish the report of a day, with its manifest."""
        self.fetched += timedelta(minutes=1)
        window = Window.of_day(day, zone)
        records = [
            IntraCommunityMovement(**{**body, "report_date": day, "transaction_date": body["transaction_date"] or day})
            for body in movements
        ]
        sources = [json.dumps(record.model_dump(mode="json")).encode() for record in records]
        lineage = Lineage(MERCHANT, "production", window.start, window.end, self.fetched)
        local = self.root / f"staged-{self._staged}.parquet"
        self._staged += 1
        writer = ParquetWriter(local, arrow_schema(IntraCommunityMovement))
        writer.write(to_table(IntraCommunityMovement, records, sources, lineage))
        writer.close()
        replacer = DayReplacer(replace(self.place, format=format), DATASET, zone, "landing", self.fetched)
        files = replacer.replace(day, [local.name], self.fetched).files
        local.unlink()
        self.announce(window, [day], files=files, **facts)

    def announce(self, window: Window, days: list[date], **facts: Any) -> None:
        """Write the manifest of a run."""
        usual: dict[str, Any] = {
            **dict.fromkeys(("records", "new_records", "late_records", "rejected", "outside", "pages", "requests"), 0),
            "dataset": DATASET.name,
            "merchant_id": MERCHANT,
            "environment": "production",
            "path": DATASET.endpoint.path,
            "window": window,
            "clipped": None,
            "days": {day.isoformat(): self.fetched.isoformat() for day in days},
            "overlap_seconds": 0.0,
            "format": "parquet",
            "bytes": 0,
            "first": None,
            "last": None,
            "started_at": self.fetched.isoformat(),
            "finished_at": self.fetched.isoformat(),
        }
        self.store.write_json(self.layout.manifest(window), Manifest(**{**usual, **facts}).as_json())

    def land_month(
        self,
        by_day: dict[int, list[dict[str, Any]]] | None = None,
        *,
        without: Iterable[int] = (),
        zone: str = "UTC",
        **options: Any,
    ) -> None:
        """Publish the days of November 2026; those that are not named have empty reports, which have no file.

        :param without: days that are left out.
        """
        for day in (day for day in NOVEMBER.days if day.day not in without):
            if movements := (by_day or {}).get(day.day):
                self.land(day, movements, zone=zone, **options)
            else:
                self.fetched += timedelta(minutes=1)
                self.announce(Window.of_day(day, zone), [day], files=[])

    def report(self, *, master_data: Path | None = None, **options: Any) -> dict[str, Any]:
        file = TableFile(self.fs, str(master_data), str(master_data), "master_data", ALIASES) if master_data else None
        job = IntrastatJob(**{"month": NOVEMBER, "place": self.place, "master_data": file, **options})
        return report_month(job, clock=FakeClock(self.now))

    def file(self, country: str, suffix: str) -> Path:
        folder = self.table_folder(country) if suffix == "parquet" else self.folder(country)
        return folder / f"intrastat-2026-11-{country}.{suffix}"

    def folder(self, country: str) -> Path:
        """Of what people read."""
        return self.root / f"_reports/intrastat/merchant_id={MERCHANT}/month=2026-11/country={country}"

    def table_folder(self, country: str) -> Path:
        return self.root / f"intrastat/merchant_id={MERCHANT}/month=2026-11/country={country}"

    def html(self, country: str) -> str:
        return self.file(country, "html").read_text()

    def lines(self, country: str) -> list[dict[str, Any]]:
        """The Parquet file's rows, read by DuckDB."""
        return query(f"SELECT * FROM read_parquet('{self.file(country, 'parquet')}', hive_partitioning = false)")

    def manifest(self) -> dict[str, Any]:
        return json.loads((self.root / f"_manifests/intrastat/merchant_id={MERCHANT}/2026-11.json").read_text())

    def written(self) -> dict[str, bytes]:
        """The bytes of every table and every file for people."""
        paths = [path for folder in ("intrastat", "_reports/intrastat") for path in (self.root / folder).rglob("*")]
        return {str(path.relative_to(self.root)): path.read_bytes() for path in paths if path.is_file()}


def query(sql: str) -> list[dict[str, Any]]:
    found = duckdb.sql(sql)
    return [dict(zip(found.columns, row, strict=True)) for row in found.fetchall()]
