"""Staging a page: its records validated, checked against what was asked for, and written to the staging folder."""

from __future__ import annotations

import gzip
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import msgspec
import pyarrow as pa
from pydantic import TypeAdapter, ValidationError

from airflow_provider_zdirect.client import Page
from airflow_provider_zdirect.datasets.arrow import Lineage, arrow_schema
from airflow_provider_zdirect.datasets.page import Rejected
from airflow_provider_zdirect.datasets.personal_data import PersonalData
from airflow_provider_zdirect.datasets.publication import Once
from airflow_provider_zdirect.datasets.record import Instant
from airflow_provider_zdirect.datasets.table import Dataset, get_dataset
from airflow_provider_zdirect.erasure.ledger import ErasedPeople, ErasureLedger
from airflow_provider_zdirect.erasure.rows import line_without_erased, without_erased
from airflow_provider_zdirect.exceptions import ZDirectDataError
from airflow_provider_zdirect.pipeline.answer_check import TRY_AGAIN, AnswerCheck
from airflow_provider_zdirect.pipeline.plan import PlannedRequest
from airflow_provider_zdirect.pipeline.run import Run
from airflow_provider_zdirect.pipeline.validate import take_valid
from airflow_provider_zdirect.publish.merge import LARGE_ROWS
from airflow_provider_zdirect.publish.placed_rows import DayPart, placed_rows
from airflow_provider_zdirect.storage.checkpoint import RequestProgress
from airflow_provider_zdirect.storage.row_files import ParquetWriter

REASONS_KEPT = 5

ERASED = PersonalData("drop")
"""How records of customers are treated who have to be forgotten."""

_INSTANT: TypeAdapter[datetime] = TypeAdapter(Instant)


@dataclass(frozen=True)
class PageStager:
    """Stages the pages of a run.

    :param ledger: who must be forgotten; None where a dataset has nothing to do with orders.
    """

    run: Run
    ledger: ErasureLedger | None

    def stage(self, request: PlannedRequest, done: RequestProgress, page: Page, answered_at: datetime) -> None:
        """Stage a page, and count it in ``done``.

        :param answered_at: when it came.
        :raises FilterIgnoredError: if the page cannot be an answer to the request.
        :raises ZDirectDataError: if it is of a snapshot, and has records and no time.
        """
        run = self.run
        check = AnswerCheck(run, request)
        check.check_echo(page)
        self._note_answer(page)
        lineage = run.lineage(answered_at)
        people = self.ledger.people_of(page.records, lineage.extracted_at) if self.ledger else None
        rows, rejected = self._stage_rows(run.dataset, page.records, lineage, people, check.check_rows, done)
        for bad in page.rejected:
            treated = run.job.personal_data.treat(run.dataset, msgspec.Raw(bad.record))
            rejected.append(replace(bad, record=bytes(treated)))
        for name, records in page.parts.items():
            _, of_part = self._stage_rows(get_dataset(name), records, lineage, people, lambda table: None, done)
            rejected += [replace(each, reason=f"{name}: {each.reason}") for each in of_part]
        self.reject(done, rejected, people)
        done.pages += 1
        done.records += rows
        done.repaired += page.repaired
        done.outside += check.outside
        done.cursor = page.next_cursor
        done.done = page.next_cursor is None
        done.fetched_at = lineage.extracted_at.isoformat()

    def reject(self, done: RequestProgress, rejected: list[Rejected], people: ErasedPeople | None = None) -> None:
        """Stage invalid records, and count them in ``done``."""
        if not rejected:
            return
        lines = (bad.as_line() for bad in rejected)
        kept = (line_without_erased(line, people) if people else line for line in lines)
        path, local = self.run.checkpoint.new_file("jsonl.gz")
        # Such files, one after the other, are a gzip file again.
        local.write_bytes(gzip.compress(b"".join(kept), mtime=0))
        done.rejected_staged.append(path)
        done.rejected += len(rejected)
        done.reasons = list(dict.fromkeys([*done.reasons, *(bad.reason for bad in rejected)]))[:REASONS_KEPT]

    def _note_answer(self, page: Page) -> None:
        run, key = self.run, self.run.dataset.answer.snapshot_time_key
        is_first = not run.progress.total("pages")
        run.etag, run.unchanged = (page.etag, page.unchanged) if is_first else (None, False)
        time = page.snapshot_time
        if not is_first or key is None or (time is None and not page.records):
            return
        try:
            run.snapshot_time = _INSTANT.validate_python(time).astimezone(UTC)
        except ValidationError:
            missing = f"the answer has {len(page.records)} records and no time ({key} is missing)"
            wrong = missing if time is None else f"{key}={time[:60]!r} is not a time with an offset"
            raise ZDirectDataError(f"{run.job.what}: {wrong}; nothing was published.", remedy=TRY_AGAIN) from None

    def _stage_rows(
        self,
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
            for place, placed in placed_rows(kept, dataset, self.run.window) if is_split else ((None, kept),):
                if place not in writers:
                    path, local = self.run.checkpoint.new_file("parquet")
                    writers[place] = ParquetWriter(local, arrow_schema(dataset.model))
                    done.staged.setdefault(dataset.name, []).append(path)
                writers[place].write(placed)

        personal_data = self.run.job.personal_data
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
