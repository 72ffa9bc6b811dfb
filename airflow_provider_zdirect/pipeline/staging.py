"""Staging a page: its records validated, checked against what was asked for, and written to the staging folder."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec
import pyarrow as pa

from airflow_provider_zdirect.client import Page
from airflow_provider_zdirect.clock import Clock
from airflow_provider_zdirect.datasets.arrow import Lineage, arrow_schema
from airflow_provider_zdirect.datasets.page import Rejected
from airflow_provider_zdirect.datasets.personal_data import PersonalData
from airflow_provider_zdirect.datasets.table import Dataset, get_dataset
from airflow_provider_zdirect.erasure.ledger import ErasureLedger
from airflow_provider_zdirect.erasure.rows import line_without_erased, without_erased
from airflow_provider_zdirect.pipeline.answer_check import AnswerCheck
from airflow_provider_zdirect.pipeline.job import ExtractJob
from airflow_provider_zdirect.pipeline.plan import PlannedRequest
from airflow_provider_zdirect.pipeline.validate import take_valid
from airflow_provider_zdirect.publish.rejected import compress_lines
from airflow_provider_zdirect.storage.checkpoint import Checkpoint, RequestProgress
from airflow_provider_zdirect.storage.row_files import open_writer
from airflow_provider_zdirect.windows import Window

REASONS_KEPT = 5

ERASED = PersonalData("drop")
"""How records of customers are treated who have to be forgotten."""


@dataclass(frozen=True)
class PageStager:
    """Stages the pages of one window.

    :param window: goes into the lineage columns of the rows.
    :param ledger: who must be forgotten; None where a dataset has nothing to do with orders.
    """

    job: ExtractJob
    window: Window
    checkpoint: Checkpoint
    clock: Clock
    ledger: ErasureLedger | None

    def stage(self, request: PlannedRequest, done: RequestProgress, page: Page) -> None:
        """Stage a page, and count it in ``done``.

        :raises FilterIgnoredError: if the page cannot be an answer to the request.
        """
        check = AnswerCheck(self.job, request)
        check.check_echo(page)
        now = self.clock.now()
        people = self.ledger.people_of(page.records, now) if self.ledger else None
        place = self.job.place
        lineage = Lineage(place.merchant_id, place.environment, self.window.start, self.window.end, now)

        def stage_rows(
            dataset: Dataset, records: Sequence[msgspec.Raw], check: Callable[[pa.Table], None]
        ) -> tuple[int, list[str], list[Rejected]]:
            """How many records are valid, the staged file with them, and the invalid ones."""
            local = Path(scratch) / f"{dataset.name}.parquet"
            writer = open_writer(local, arrow_schema(dataset.model), suffix="parquet")
            rows = 0

            def take(table: pa.Table) -> None:
                nonlocal rows
                check(table)
                rows += table.num_rows
                writer.write(without_erased(dataset, table, people) if people else table)

            treated = [
                (ERASED if people and people.has_record(record) else self.job.personal_data).treat(dataset, record)
                for record in records
            ]
            rejected = take_valid(dataset.model, treated, lineage, take)
            writer.close()
            return rows, [self.checkpoint.stage(local, "parquet")] if rows else [], rejected

        with tempfile.TemporaryDirectory(prefix="zdirect-") as scratch:
            rows, staged, rejected = stage_rows(self.job.dataset, page.records, check.check_rows)
            for bad in page.rejected:
                treated = self.job.personal_data.treat(self.job.dataset, msgspec.Raw(bad.record))
                rejected.append(replace(bad, record=bytes(treated)))
            done.staged += staged
            for name, records in page.parts.items():
                _, staged, of_part = stage_rows(get_dataset(name), records, lambda table: None)
                done.parts_staged[name] = done.parts_staged.get(name, []) + staged
                rejected += [replace(each, reason=f"{name}: {each.reason}") for each in of_part]
            if rejected:
                local, lines = Path(scratch) / "rejected.jsonl.gz", [bad.as_line() for bad in rejected]
                local.write_bytes(
                    compress_lines(line_without_erased(line, people) if people else line for line in lines)
                )
                done.rejected_staged.append(self.checkpoint.stage(local, "jsonl.gz"))
        done.pages += 1
        done.records += rows
        done.rejected += len(rejected)
        done.repaired += page.repaired
        done.outside += check.outside
        done.reasons = list(dict.fromkeys([*done.reasons, *(bad.reason for bad in rejected)]))[:REASONS_KEPT]
        done.cursor = page.next_cursor
        done.done = page.next_cursor is None
        done.fetched_at = now.isoformat()
