# SPDX-License-Identifier: Apache-2.0
"""The rows of a page: its records validated, checked against what was asked for, and written to the staging folder."""

from __future__ import annotations

import ctypes
import gzip
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from datetime import datetime

import msgspec
import pyarrow as pa

from airflow_provider_zdirect.client import Page
from airflow_provider_zdirect.datasets.arrow import Lineage, arrow_schema
from airflow_provider_zdirect.datasets.page import Rejected
from airflow_provider_zdirect.datasets.personal_data import PersonalData
from airflow_provider_zdirect.datasets.publication import Once
from airflow_provider_zdirect.datasets.table import Dataset, get_dataset
from airflow_provider_zdirect.erasure.ledger import ErasedPeople
from airflow_provider_zdirect.erasure.rows import line_without_erased, without_erased
from airflow_provider_zdirect.pipeline.answer_check import AnswerCheck
from airflow_provider_zdirect.pipeline.plan import PlannedRequest
from airflow_provider_zdirect.pipeline.run import Run
from airflow_provider_zdirect.pipeline.validate import take_valid
from airflow_provider_zdirect.publish.merge import LARGE_ROWS
from airflow_provider_zdirect.publish.placed_rows import DayPart, placed_rows
from airflow_provider_zdirect.storage.checkpoint import RequestProgress
from airflow_provider_zdirect.storage.row_files import ParquetWriter

M_MMAP_THRESHOLD, LARGE_BLOCK = -3, 4 << 20

# For the whole process: Arrow's own pool keeps tens of MB of what was freed; the system's leaves them to the next page.
pa.set_memory_pool(pa.system_memory_pool())
with suppress(AttributeError, OSError, TypeError):
    # Large blocks, as answers are, go back to the system: otherwise glibc puts the next ones among small blocks, where
    # the holes that they leave add up (mallopt(3), M_MMAP_THRESHOLD). Other C libraries have no such function.
    ctypes.CDLL(None).mallopt(M_MMAP_THRESHOLD, LARGE_BLOCK)

REASONS_KEPT = 5

ERASED = PersonalData("drop")
"""How records of customers are treated who have to be forgotten."""


def stage_records(run: Run, request: PlannedRequest, done: RequestProgress, page: Page, answered_at: datetime) -> None:
    """Stage the records of a page, and count them in ``done``; parameters as of :func:`.stage_page`.

    :raises FilterIgnoredError: if the page cannot be an answer to the request.
    """
    check = AnswerCheck(run, request)
    check.check_echo(page)
    place, window = run.place, run.window
    # A state of what changed since a time says so.
    start = run.reach.start if run.job.window else window.start
    lineage = Lineage(place.merchant_id, place.environment, start, window.end, answered_at)
    people = run.ledger.people_of(page.records, lineage.extracted_at) if run.ledger else None
    rows, rejected = _stage_rows(run, run.dataset, page.records, lineage, people, check.check_rows, done)
    for bad in page.rejected:
        treated = run.job.personal_data.treat(run.dataset, msgspec.Raw(bad.record))
        rejected.append(replace(bad, record=bytes(treated)))
    for name, records in page.parts.items():
        _, of_part = _stage_rows(run, get_dataset(name), records, lineage, people, lambda table: None, done)
        rejected += [replace(each, reason=f"{name}: {each.reason}") for each in of_part]
    reject(run, done, rejected, people)
    done.records += rows
    done.outside += check.outside


def reject(run: Run, done: RequestProgress, rejected: list[Rejected], people: ErasedPeople | None = None) -> None:
    """Stage invalid records, and count them in ``done``."""
    if not rejected:
        return
    lines = (bad.as_line() for bad in rejected)
    kept = (line_without_erased(line, people) if people else line for line in lines)
    path, local = run.checkpoint.new_file("jsonl.gz")
    # Such files, one after the other, are a gzip file again.
    local.write_bytes(gzip.compress(b"".join(kept), mtime=0))
    done.rejected_staged.append(path)
    done.rejected += len(rejected)
    done.reasons = list(dict.fromkeys([*done.reasons, *(bad.reason for bad in rejected)]))[:REASONS_KEPT]


def _stage_rows(
    run: Run,
    dataset: Dataset,
    records: Sequence[msgspec.Raw],
    lineage: Lineage,
    people: ErasedPeople | None,
    check: Callable[[pa.Table], None],
    done: RequestProgress,
) -> tuple[int, list[Rejected]]:
    """Stage the valid records; how many they are, and the invalid ones."""
    rows = 0
    writers: dict[DayPart | None, ParquetWriter] = {}
    is_split = isinstance(dataset.publish, Once) and len(records) >= LARGE_ROWS

    def write(table: pa.Table) -> None:
        nonlocal rows
        check(table)
        rows += table.num_rows
        kept = without_erased(dataset, table, people) if people else table
        # A file with the rows of one place need not be written again.
        for place, placed in placed_rows(kept, dataset, run.window) if is_split else ((None, kept),):
            if place not in writers:
                path, local = run.checkpoint.new_file("parquet")
                writers[place] = ParquetWriter(local, arrow_schema(dataset.model))
                done.staged.setdefault(dataset.name, []).append(path)
            writers[place].write(placed)

    personal_data = run.job.personal_data
    if people or not personal_data.keeps(dataset):
        records = [
            (ERASED if people and people.has_record(record) else personal_data).treat(dataset, record)
            for record in records
        ]
    with ThreadPoolExecutor(1) as thread:
        writing: Future[None] | None = None

        def take(table: pa.Table) -> None:
            # While these rows are written, the next ones are validated.
            nonlocal writing
            if writing is not None:
                writing.result()
            writing = thread.submit(write, table)

        rejected = take_valid(dataset.model, records, lineage, take)
        if writing is not None:
            writing.result()
    for writer in writers.values():
        writer.close()
    return rows, rejected
