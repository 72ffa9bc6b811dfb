# SPDX-License-Identifier: Apache-2.0
"""Writing the report, over an earlier one.

<base>/_reports/coverage/coverage.parquet     a row for each stretch of time of the same status
<base>/_reports/coverage/coverage.json        what the page shows
<base>/_reports/coverage/coverage.html        the page, which needs nothing else
"""

from __future__ import annotations

import io
import json

import pyarrow.parquet as pq

from airflow_provider_zdirect.coverage.page import render_page
from airflow_provider_zdirect.coverage.report import CoverageReport
from airflow_provider_zdirect.storage.object_store import ObjectStore

FOLDER = "_reports/coverage"


def publish_report(store: ObjectStore, report: CoverageReport) -> dict[str, str]:
    """Write the three files, and return their URIs by kind: ``parquet``, ``json``, ``html``."""
    content, table = report.as_json(), io.BytesIO()
    pq.write_table(report.as_table(), table, compression="zstd")
    files = {
        "parquet": table.getvalue(),
        "json": json.dumps(content, ensure_ascii=False).encode(),
        "html": render_page(content).encode(),
    }
    for kind, data in files.items():
        store.write(f"{FOLDER}/coverage.{kind}", data)
    return {kind: f"{report.base_uri.rstrip('/')}/{FOLDER}/coverage.{kind}" for kind in files}
