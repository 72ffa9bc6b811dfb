"""dlt's ``rest_api`` source to Parquet on the local disk, as its documentation shows it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import dlt
from dlt.destinations import filesystem
from dlt.sources.rest_api import rest_api_source
from measured import measured


def extract(task: Mapping[str, Any]) -> None:
    source = rest_api_source(
        {
            "client": {
                "base_url": task["url"],
                "auth": {"type": "bearer", "token": task["token"]},
                "paginator": {"type": "cursor", "cursor_path": "next", "cursor_param": "cursor"},
            },
            "resources": [
                {
                    "name": "received_items",
                    "endpoint": {
                        "path": task["path"],
                        "params": {"from": task["from"], "to": task["to"]},
                        "data_selector": "received_items",
                    },
                }
            ],
        }
    )
    pipeline = dlt.pipeline(
        "received_items",
        destination=filesystem(bucket_url=f"{task['folder']}/data"),
        dataset_name="zdirect",
        pipelines_dir=f"{task['folder']}/dlt",
    )
    pipeline.run(source, loader_file_format="parquet")


if __name__ == "__main__":
    measured(extract, "dlt")
