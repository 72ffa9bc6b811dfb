# SPDX-License-Identifier: Apache-2.0
"""Publishing the rows of a window: each record once, or each day as a whole."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any

from airflow_provider_zdirect.datasets.table import Dataset, get_dataset
from airflow_provider_zdirect.pipeline.manifest import ExtractResult, Manifest, count_changes
from airflow_provider_zdirect.pipeline.progress import report_window
from airflow_provider_zdirect.pipeline.run import Run
from airflow_provider_zdirect.publish.day import DayReplacer
from airflow_provider_zdirect.publish.day_changes import published_changes
from airflow_provider_zdirect.publish.files import PublishedFile
from airflow_provider_zdirect.publish.late_records import publishable
from airflow_provider_zdirect.publish.merge import Merged, RowMerger


def publish_once(run: Run, manifest: Manifest) -> ExtractResult:
    """Publish each record once; the dataset after its parts, so that whoever sees a record finds its parts."""
    wanted = publishable(run.store, run.layout, run.window, run.reach.overlap)

    def merge(dataset: Dataset, staged: list[str]) -> Merged:
        layout = run.place.layout(dataset.name)
        place = run.place
        merger = RowMerger(run.store, layout, dataset, run.window, place.suffix, place.merchant_name)
        merged = merger.merge(staged, wanted)
        if latest := dataset.of_latest():
            merge(latest, staged)
        return merged

    parts = []
    for name in run.dataset.answer.parts:
        merged = merge(get_dataset(name), run.staged(name))
        parts.append(manifest.of_part(name, **vars(merged)))
        run.write(parts[-1])
    counts = {part.dataset: part.records for part in parts}
    manifest = replace(manifest, parts=counts, **vars(merge(run.dataset, run.staged(run.dataset.name))))
    run.write(manifest)
    result = ExtractResult(run.place, manifest, count_changes(()), tuple(parts))
    return report_window(run.job.what, result, manifest.new_records)


def publish_days(run: Run, manifest: Manifest) -> ExtractResult:
    """Replace each day as a whole."""
    replacer = DayReplacer(
        run.place,
        run.dataset,
        run.job.timezone,
        run.key,
        run.clock.now(),
        by_nothing=run.job.replace_with_empty,
        only=run.job.filters if run.is_production else {},
    )
    days: dict[str, str] = {}
    files: list[PublishedFile] = []
    own: list[dict[str, Any]] = []
    new = 0
    for request in run.requests:
        fetched = run.progress.of(request.key)
        assert request.day is not None
        assert fetched.fetched_at is not None
        days[request.day.isoformat()] = fetched.fetched_at
        staged = fetched.staged.get(run.dataset.name, [])
        replaced = replacer.replace(request.day, staged, datetime.fromisoformat(fetched.fetched_at))
        files += replaced.files
        if replaced.change is not None:
            new += sum(file.rows for file in replaced.files)
            own.append(replaced.change.as_dict())

    def all_changes() -> list[dict[str, Any]]:
        asked = {request.day for request in run.requests if request.day is not None}
        return [change.as_dict() for change in published_changes(run.store, run.layout, asked)]

    manifest = replace(
        manifest,
        records=sum(file.rows for file in files),
        new_records=new,
        files=files,
        days=days,
        empty_because=run.empty_because,
        changes=all_changes(),
    )
    run.write(manifest)
    while (changes := all_changes()) != manifest.changes:
        # Another run has published meanwhile; the manifest that is written last has to name the changes of both.
        manifest = replace(manifest, changes=changes)
        run.write(manifest)
    counted = count_changes(own)
    # A date is replaced as a whole, but most of its rows may be as they were.
    return report_window(run.job.what, ExtractResult(run.place, manifest, counted), counted["added"])
