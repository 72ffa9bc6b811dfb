"""A month's report from a bucket into the same bucket."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Any

import s3fs
from bucket import PREFIX, S3Extraction

from airflow_provider_zdirect.intrastat.master_data import ALIASES
from airflow_provider_zdirect.intrastat.report import IntrastatJob, report_month
from airflow_provider_zdirect.intrastat.selection import Month
from airflow_provider_zdirect.merchant_files.tables import TableFile
from airflow_provider_zdirect.publish.place import Place
from airflow_provider_zdirect.windows import Window

OCTOBER = Window(datetime(2026, 10, 1, tzinfo=UTC), datetime(2026, 11, 1, tzinfo=UTC))


def report(runs: S3Extraction, fs: s3fs.S3FileSystem, **options: Any) -> dict[str, Any]:
    place = Place(fs, runs.bucket.root, runs.bucket.uri, runs.merchant_id, "production")
    return report_month(IntrastatJob(Month(2026, 10), place, **options))


def test_a_report_is_replaced_in_the_bucket_by_a_worker_that_has_listed_it_before(
    runs: S3Extraction, plain: Callable[..., s3fs.S3FileSystem]
) -> None:
    fs = plain()
    runs.run("intra_community_movements", OCTOBER)
    first = report(runs, fs)
    assert (first["days"], first["movements"]) == (31, len(runs.published("intra_community_movements")))
    before = runs.bucket.names()
    runs.emulator.set_options(volume=3)
    # Of two fetches at the very same time, either may win.
    runs.emulator.clock.set(datetime(2026, 11, 20, 22, tzinfo=UTC))
    runs.run("intra_community_movements", Window.of_day(date(2026, 10, 14)))
    master = f"{runs.bucket.root}/_inbox/master.csv"
    plain().pipe_file(master, b"ean,cn8\n0000000000017,61091000\n")
    second = report(runs, fs, master_data=TableFile(fs, master, f"s3://{master}", "master_data", ALIASES))
    assert second["movements"] == len(runs.published("intra_community_movements")) != first["movements"]
    for entry in second["reports"]:
        page = runs.local(entry["html"]).read_text()
        assert "Goods without master data" in page
        assert entry["without_master_data"] == entry["lines"]
        assert {f"{PREFIX}{uri.removeprefix(runs.bucket.uri)}" for uri in (entry["csv"], entry["html"])} <= {*before}
    for file in json.loads(runs.local(second["manifest"]).read_text())["files"]:
        data = (runs.bucket.mirror / file["path"]).read_bytes()
        assert hashlib.sha256(data).hexdigest() == file["sha256"]
    report(runs, fs, master_data=None, countries=("PL",))
    left = [name for name in runs.bucket.names() if name.endswith("goods-without-master-data.csv")]
    assert [name.split("country=")[1][:2] for name in left] == ["DE", "IT", "NL"]
