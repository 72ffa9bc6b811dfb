"""Compaction: the many small files of a past date become one, or a few if it is large."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import date

import pyarrow as pa

from airflow_provider_zdirect.datasets.arrow import arrow_schema
from airflow_provider_zdirect.datasets.table import Dataset
from airflow_provider_zdirect.publish.files import publish_table
from airflow_provider_zdirect.publish.place import Place
from airflow_provider_zdirect.storage.layout import PublishedName
from airflow_provider_zdirect.storage.row_files import read_table
from airflow_provider_zdirect.windows import Window


@dataclass(frozen=True)
class Compacted:
    """What a date was before and is after.

    :param rows: of the date; 0 if nothing had to be done.
    """

    files_before: int
    files_after: int
    rows: int
    bytes_before: int
    bytes_after: int


def dates_to_compact(place: Place, dataset: Dataset, until: date) -> list[date]:
    """The dates before ``until`` that have more files than they need, in order; costs one listing."""
    files: dict[date, list[str]] = defaultdict(list)
    for path in place.store.files_below(place.layout(dataset.name).merchant):
        if PublishedName.parse(path) is not None:
            files[date.fromisoformat(path.rpartition("/date=")[2].partition("/")[0])].append(path)
    return sorted(day for day, paths in files.items() if day < until and len(paths) > 1)


def compact_date(place: Place, dataset: Dataset, day: date) -> Compacted:
    """Put the files of one date together; each record once, whoever else publishes at the same time.

    :param dataset: one whose records are published once each, or its :meth:`.Dataset.of_latest`.
    :raises ConcurrentRunError: if other runs kept publishing records of the date all the time.
    :raises ZDirectConfigurationError: if the dataset is not published record by record, or files of the date have
        another format than the place.
    """
    store, schema = place.store, arrow_schema(dataset.model)
    files = [path for path in store.files(place.layout(dataset.name).published(day)) if PublishedName.parse(path)]
    sizes = [store.fs.size(store.full(path)) for path in files]
    if len(files) <= 1:
        return Compacted(len(files), len(files), 0, sum(sizes), sum(sizes))
    rows: pa.Table = read_table(store, files, schema).sort_by(dataset.once.time_field)
    written = publish_table(place, dataset.name, day, rows, Window.of_day(day))
    for path in files:
        store.delete(path)
    return Compacted(len(files), 1, rows.num_rows, sum(sizes), written.bytes)
