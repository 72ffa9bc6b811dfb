"""Present states from the emulator to files, for tests."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from extraction import Extraction

from airflow_provider_zdirect.pipeline.extract import ExtractResult
from airflow_provider_zdirect.pipeline.manifest import State
from airflow_provider_zdirect.windows import Window


class StateExtraction(Extraction):
    """Fetches states as tasks would, each with a client of its own."""

    def observe(self, dataset: str, *, since: datetime | None = None, **options: Any) -> ExtractResult:
        """The state, or what changed of it since a time."""
        now = self.emulator.clock.now()
        return self.run(dataset, Window(since, max(now, since + timedelta(hours=1))) if since else None, **options)

    def valid_at(self, dataset: str, at: datetime) -> list[dict[str, Any]]:
        """The rows of a history that were valid at a time, by the definition of the two columns."""
        return [
            row
            for row in self.published(dataset)
            if instant(row["_valid_from"]) <= at and (row["_valid_to"] is None or at < instant(row["_valid_to"]))
        ]


def state_of(result: ExtractResult) -> State:
    assert result.manifest.state is not None
    return result.manifest.state


def instant(value: datetime | str) -> datetime:
    return value if isinstance(value, datetime) else datetime.fromisoformat(value)
