"""What a window in which nothing happened costs a process: it imports no library for columns."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import timedelta

import pytest
from extraction import Extraction

EMULATOR = {"volume": 0, "order_days": 0}
PROGRAM = """
import asyncio, sys
from datetime import datetime
import fsspec
from airflow_provider_zdirect.client import ClientConfig, MemoryRateLimiter, ZDirectClient
from airflow_provider_zdirect.clock import SystemClock
from airflow_provider_zdirect.datasets.table import get_dataset
from airflow_provider_zdirect.pipeline.extract import ExtractJob, extract
from airflow_provider_zdirect.publish.place import Place
from airflow_provider_zdirect.windows import Window

dataset, url, root, merchant_id, start, end = sys.argv[1:]
place = Place(fsspec.filesystem("file"), root, f"file://{root}", merchant_id, "production")
window = Window(datetime.fromisoformat(start), datetime.fromisoformat(end))
job = ExtractJob(place, get_dataset(dataset), window, resume_key="task")

async def main():
    config = ClientConfig("demo", "demo-secret", base_url=url)
    async with ZDirectClient(config, limiter=MemoryRateLimiter(SystemClock())) as client:
        await extract(job, client)

asyncio.run(main())
print(*sys.modules)
"""


@pytest.mark.parametrize("dataset", ["received_items", "returned_items", "orders"])
def test_a_window_in_which_nothing_happened_imports_neither_arrow_nor_numpy(runs: Extraction, dataset: str) -> None:
    hour = runs.emulator.clock.now().replace(minute=0, second=0, microsecond=0)
    times = [(hour - timedelta(hours=ago)).isoformat() for ago in (3, 2)]
    arguments = [sys.executable, "-c", PROGRAM, dataset, runs.emulator.url, str(runs.root), runs.merchant_id, *times]
    done = subprocess.run(arguments, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    (manifest,) = runs.paths(f"_manifests/{dataset}")
    assert json.loads(manifest.read_text())["records"] == 0
    assert not {"numpy", "pyarrow", "pandas"} & set(done.stdout.split())
