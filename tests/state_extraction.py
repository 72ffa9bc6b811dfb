"""Present states from the emulator to files, for tests."""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import Any

import fsspec
from extraction import Extraction

from airflow_provider_zdirect.datasets.table import get_dataset
from airflow_provider_zdirect.pipeline.extract_state import extract_state
from airflow_provider_zdirect.pipeline.state_job import StateJob, StateResult
from airflow_provider_zdirect.publish.place import Place


class StateExtraction(Extraction):
    """Fetches states as tasks would, each with a client of its own."""

    def state_job(self, dataset: str, **options: Any) -> StateJob:
        row = get_dataset(dataset)
        merchant_id, format = options.pop("merchant_id", self.merchant_id), options.pop("format", "parquet")
        fs = fsspec.filesystem("file", skip_instance_cache=True)
        place = Place(fs, str(self.root), f"file://{self.root}", merchant_id, self.environment, format)
        return StateJob(row, place, **options)

    async def fetch(self, dataset: str, **options: Any) -> StateResult:
        async with self.client() as client:
            return await extract_state(self.state_job(dataset, **options), client, self.clock())

    def observe(self, dataset: str, **options: Any) -> StateResult:
        return asyncio.run(self.fetch(dataset, **options))

    def valid_at(self, dataset: str, at: datetime) -> list[dict[str, Any]]:
        """The rows of a history that were valid at a time, by the definition of the two columns."""
        return [
            row
            for row in self.published(dataset)
            if instant(row["_valid_from"]) <= at and (row["_valid_to"] is None or at < instant(row["_valid_to"]))
        ]


def instant(value: datetime | str) -> datetime:
    return value if isinstance(value, datetime) else datetime.fromisoformat(value)
