"""The table of all cases: every dataset in every situation that it can be in."""

from __future__ import annotations

from airflow_provider_zdirect.datasets.table import DATASETS
from certification.case import Case
from certification.situations import connection, reading, retries, storage, unusual_runs
from certification.world import EXTRACTABLE

SITUATIONS = [
    *connection.SITUATIONS,
    *reading.SITUATIONS,
    *unusual_runs.SITUATIONS,
    *retries.SITUATIONS,
    *storage.SITUATIONS,
]
CASES = [
    Case(dataset, situation)
    for situation in SITUATIONS
    for dataset in EXTRACTABLE
    if situation.applies(DATASETS[dataset])
]
