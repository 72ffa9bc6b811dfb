# SPDX-License-Identifier: Apache-2.0
"""Publishing a present state: as a snapshot, or behind the history of its records."""

from __future__ import annotations

import json
import logging
from dataclasses import replace
from datetime import timedelta
from functools import cached_property
from typing import Any, NotRequired, TypedDict

import numpy as np

from airflow_provider_zdirect import __version__
from airflow_provider_zdirect.datasets.arrow import arrow_schema
from airflow_provider_zdirect.datasets.page import Rejected
from airflow_provider_zdirect.exceptions import EmptyAnswerError
from airflow_provider_zdirect.pipeline.manifest import NAMED, ExtractResult, Manifest, State
from airflow_provider_zdirect.pipeline.progress import report_result
from airflow_provider_zdirect.pipeline.run import Run
from airflow_provider_zdirect.publish.file_rows import FileRows, last_of_each
from airflow_provider_zdirect.publish.files import PublishedState
from airflow_provider_zdirect.publish.history import KnownVersions, RecordHistory
from airflow_provider_zdirect.publish.same_row import earlier_of_same, record_numbers
from airflow_provider_zdirect.publish.snapshot import store_snapshot
from airflow_provider_zdirect.storage.row_files import as_json_value
from airflow_provider_zdirect.windows import moment_in_words
from airflow_provider_zdirect.words import counted

log = logging.getLogger(__name__)

CONTRADICTED = "the answer holds another record of the same identity with other content"
STALE_AFTER = timedelta(hours=25)
"""A snapshot is up to 24 hours old (zDirect docs, Tracking inventory); an older one has had no successor."""


class _Note(TypedDict):
    """The file with the ETag of the last answer."""

    etag: str
    answer: dict[str, Any]
    file: NotRequired[str | None]


class _File(TypedDict):
    path: str


class _Former(TypedDict):
    """What is needed of the manifest that an earlier run wrote."""

    files: NotRequired[list[_File]]
    rejected: NotRequired[int]


def distinct_rows(run: Run) -> tuple[FileRows, list[Rejected]]:
    """Each fetched record once. Records that contradict each other within one state are invalid, all of them; where
    pages follow one another, the later one is what the record has become."""
    dataset, identity = run.dataset, run.dataset.publish.identity
    rows = FileRows(run.store, run.staged(dataset.name), arrow_schema(dataset.model))
    records = record_numbers(rows.tables(identity), identity)
    last = last_of_each(records)
    if len(last) == rows.count:
        return rows, []
    rejected: list[Rejected] = []
    if dataset.paging.is_single:
        several = np.flatnonzero(np.bincount(records)[records] > 1)
        contents = np.unique([records[several], rows.at(several).contents()], axis=1)[0]
        contradicted = np.isin(records, contents[earlier_of_same(contents) > 0])
        for row in rows.at(np.flatnonzero(contradicted)).read().to_pylist():
            content = {name: value for name, value in row.items() if not name.startswith("_")}
            rejected.append(Rejected(json.dumps(content, default=as_json_value).encode(), CONTRADICTED))
        last = last[~contradicted[last]]
    return rows.at(last), rejected


class KnownState:
    """What is published of the records of a history, and the answer that it was made of."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self.history = RecordHistory(run.place, run.dataset)

    @cached_property
    def versions(self) -> KnownVersions:
        return self.history.read()

    def etag(self) -> str | None:
        """ETag of the last answer, if that answer is what is valid now."""
        note = self.run.store.read_json(self.run.layout.latest_state(), _Note)
        is_valid = note and note["answer"] == self._answer and [note.get("file")] == self.versions.paths
        return str(note["etag"]) if is_valid else None

    def note_etag(self, published: PublishedState) -> None:
        """Keep the answer's ETag with the file that holds the answer, for the next run."""
        run = self.run
        if run.unchanged or _asked(run):
            return
        path = run.layout.latest_state()
        if run.etag is None or run.progress.total("rejected"):
            run.store.delete(path)
        else:
            run.store.write_json(path, {"etag": run.etag, "answer": self._answer, "file": published.held_by})

    @property
    def _answer(self) -> dict[str, Any]:
        """What the answer to a single request depends on, and the rows that are made of it."""
        return {
            "path": self.run.dataset.endpoint.path,
            "parameters": [dict(request.parameters) for request in self.run.requests],
            "environment": self.run.place.environment,
            "package_version": __version__,
        }


def publish_snapshot(run: Run, manifest: Manifest, rows: FileRows) -> ExtractResult:
    """Publish the state as a snapshot, unless the snapshot of that time is there."""
    at, what = manifest.window.start, run.job.what
    path = run.layout.manifest(manifest.window)
    former = run.store.read_json(path, _Former) or {}
    if rows.count or _is_nothing(run):
        if run.answered_at() - at > STALE_AFTER:
            log.warning("%s: the last snapshot is of %s; there should be a later one.", what, moment_in_words(at))
        incomplete = former.get("rejected", 0) > 0
        published = store_snapshot(run.place, run.dataset, rows, at, incomplete=incomplete)
        if any(published.changes.values()):
            log.warning(
                "%s: the snapshot of %s is published already, and zDirect now answers otherwise (%s). The published "
                "one was not changed.",
                what, at.isoformat(), published.changes,
            )  # fmt: skip
    else:
        published = PublishedState([], False, {"added": 0, "changed": 0, "removed": 0})
    new = rows.count if published.stored else published.changes["added"]
    manifest = replace(manifest, records=rows.count, new_records=new)
    result = _result(run, manifest, rows, published)
    # A manifest that describes the published file stays; a run that was killed may have left one of another.
    described = [file["path"] for file in former.get("files", ())]
    if published.stored or not published.files or published.files[0].path not in described:
        run.write(result.manifest)
    return result


def record_state(run: Run, manifest: Manifest, rows: FileRows, known: KnownState) -> ExtractResult:
    """Put the state behind the history of its records.

    :raises EmptyAnswerError: if it has no records, and that must not end all that are known.
    :raises LaterObservation: as :meth:`.RecordHistory.record`.
    """
    valid, history = known.versions.valid, known.history
    now = valid if run.unchanged else rows.read()
    # Any record that was not seen may be among the rejected ones.
    scope = (history.identity[0], []) if manifest.rejected else _asked(run)
    may_be_empty = run.job.replace_with_empty or run.dataset.publish.ends_all
    if scope is None and not now.num_rows and valid.num_rows and not may_be_empty:
        raise EmptyAnswerError(
            f"{run.job.what}: zDirect answered without any record, and {valid.num_rows} were valid until now. They "
            "were left as they are.",
            remedy="Look in the zDirect portal whether there are none; if so, set replace_with_empty=True and clear "
            "the task.",
        )
    published = history.record(now, run.answered_at(), scope)
    known.note_etag(published)
    changes = [{"observed_at": run.answered_at().isoformat(), **published.changes}] if published.stored else []
    manifest = replace(manifest, records=now.num_rows, new_records=published.changes["added"], changes=changes)
    result = _result(run, manifest, rows, published)
    run.write(result.manifest)
    return result


def _is_nothing(run: Run) -> bool:
    """Whether an answer without records says that there is no stock at all.

    :raises EmptyAnswerError: if zDirect does not give such answers.
    """
    key, at, what = run.dataset.answer.snapshot_time_key, run.snapshot_time, run.job.what
    if not run.is_production or key is None:
        return False
    if at is None:
        raise EmptyAnswerError(
            f"{what}: zDirect answered without records and without {key}. That is not a snapshot, not even one of no "
            "stock; nothing was published.",
            remedy="Clear the task to try again. If the connection's app is in sandbox mode, set the connection's "
            "environment to sandbox.",
        )
    if run.progress.total("rejected"):
        return False
    if run.dataset.publish.refuses_empty:
        raise EmptyAnswerError(
            f"{what}: the snapshot of {at.isoformat()} has no EANs. Because of empty_snapshot=refuse in the "
            "connection's assumptions, nothing was published.",
            remedy="Clear the task to try again. If there is no stock, remove empty_snapshot.",
        )
    log.warning("%s: no stock at all, says the snapshot of %s.", what, at.isoformat())
    return True


def _asked(run: Run) -> tuple[str, list[str]] | None:
    """The field by which records were asked for, and the values; None if all were."""
    asked = [(name, value) for request in run.requests for name, values in request.values.items() for value in values]
    return (asked[0][0], sorted(value for _, value in asked)) if asked else None


def _result(run: Run, manifest: Manifest, rows: FileRows, published: PublishedState) -> ExtractResult:
    """With the facts of a state in the manifest, which are reported."""
    count, what = manifest.records, run.job.what
    field_name, asked = _asked(run) or ("", [])
    columns = (table.column(field_name) for table in rows.tables([field_name])) if asked else ()
    answered = {value for column in columns for value in column.unique().to_pylist()}
    stock = "some" if count else "none" if published.files else "unknown"
    state = State(
        observed_at=run.answered_at(),
        snapshot_time=run.snapshot_time,
        since=run.reach.start if run.job.window else None,
        stored=published.stored,
        unchanged=run.unchanged,
        empty_answer=not run.is_production and not count and not manifest.rejected,
        stock=stock if run.dataset.answer.snapshot_time_key else None,
        not_answered=[value for value in asked if value not in answered],
        of_others=run.progress.total("of_others"),
    )
    manifest = replace(manifest, files=published.files, state=state)
    result = ExtractResult(run.place, manifest, published.changes)
    changes = ", ".join(f"{published.changes[kind]} {kind}" for kind in ("added", "changed", "removed"))
    outcome = "published" if state.stored else "nothing new to publish"
    as_of = run.place.subject(manifest.dataset, manifest.window.start)
    report_result(as_of, f"{counted(count, 'record')}, {outcome} ({changes})", result)
    if state.empty_answer:
        log.warning("%s: the answer has no records. In the sandbox this does not mean that there are none.", what)
    if missing := state.not_answered:
        log.warning(
            "%s: zDirect returned no record for %s (%s%s), and does not say whether they are unknown or without stock; "
            "nothing was published for them.",
            what, counted(len(missing), "requested value"),
            ", ".join(missing[:NAMED]), ", ..." if len(missing) > NAMED else "",
        )  # fmt: skip
    return result
