# SPDX-License-Identifier: Apache-2.0
"""Compaction: the many small files of a past date become one, or a few if it is large."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from itertools import groupby

from airflow_provider_zdirect.datasets.table import Dataset
from airflow_provider_zdirect.publish.merge import RowMerger
from airflow_provider_zdirect.publish.place import Place
from airflow_provider_zdirect.publish.placed_rows import EPOCH
from airflow_provider_zdirect.publish.sorted_files import is_compact
from airflow_provider_zdirect.storage.layout import FORMATS, PublishedName, moment


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
    """The dates before ``until`` that have more files than they need, in order; costs one listing.

    :raises ZDirectConfigurationError: if the dataset is not published record by record.
    """
    _ = dataset.once  # refuses others
    found = filter(PublishedName.parse, place.store.files_below(place.layout(dataset.name).merchant))
    folders = groupby(found, lambda path: path.rpartition("/")[0])
    days = (date.fromisoformat(folder.rpartition("=")[2]) for folder, paths in folders if not is_compact([*paths]))
    return sorted(day for day in days if day < until)


def compact_date(place: Place, dataset: Dataset, day: date) -> Compacted:
    """Put the files of one date together, in their format; each record once, whoever else publishes meanwhile.

    A date that is compact already costs one listing.

    :param dataset: one whose records are published once each, or its :meth:`.Dataset.of_latest`.
    :raises ConcurrentRunError: if other runs kept publishing records of the date all the time.
    :raises ZDirectConfigurationError: if the dataset is not published record by record, or the date mixes formats.
    """
    _ = dataset.once  # refuses others
    layout = place.layout(dataset.name)

    def sizes() -> dict[str, int]:
        found = place.store.sizes_below(layout.published(day))
        return {path: size for path, size in found.items() if PublishedName.parse(path)}

    before = after = sizes()
    rows = 0
    if not is_compact(list(before)):
        # That of the date, whatever other dates have.
        suffix = next(suffix for suffix in FORMATS.values() if min(before).endswith(f".{suffix}"))
        rows = RowMerger(place.store, layout, dataset, moment(EPOCH), suffix, place.merchant_name).compact(day)
        after = sizes()
    return Compacted(len(before), len(after), rows, sum(before.values()), sum(after.values()))
