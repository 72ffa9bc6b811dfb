# SPDX-License-Identifier: Apache-2.0
"""Tables of results: one published file per run, which a retry of the run replaces."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import pyarrow as pa

from airflow_provider_zdirect.publish.files import publish_tables
from airflow_provider_zdirect.publish.place import Place
from airflow_provider_zdirect.publish.read import read_published
from airflow_provider_zdirect.storage.layout import PublishedName, moment
from airflow_provider_zdirect.storage.row_files import read_table


@dataclass(frozen=True)
class RunResults:
    """The file of one run.

    :param dataset: name of the table.
    :param schema: of its rows.
    :param run: the same for every try of the run, and for no other run.
    :param day: on which the run began, if it is known: only that folder is looked through then.
    """

    place: Place
    dataset: str
    schema: pa.Schema
    run: str
    day: date | None = None

    @property
    def uri(self) -> str:
        """The merchant's folder of the table."""
        return self.place.data_uri(self.dataset)

    def read(self) -> list[dict[str, Any]]:
        """The rows that an earlier try of the run published."""
        return read_published(
            self.place.in_words(self.dataset),
            lambda: read_table(self.place.store, [path for _, path in self._files()[:1]], self.schema).to_pylist(),
        )

    def publish(self, rows: Sequence[Mapping[str, Any]], at: datetime) -> str:
        """Replace the file.

        :param rows: by the names of the columns; ``run``, ``_merchant_id``, ``_environment`` and ``_recorded_at`` are
            filled in where they are left out.
        :param at: the present, or when the run began. The file stays where its first try put it.
        :returns: the file's path, relative to the base path.
        """
        place = self.place
        origin = {"_merchant_id": place.merchant_id, "_environment": place.environment}
        lineage = {"run": self.run, **origin, "_recorded_at": at}
        before = self._files()
        span = before[0][0].span if before else moment(at)
        tables = [pa.Table.from_pylist([{**lineage, **row} for row in rows], schema=self.schema)]
        day, part = span.start.date(), self._part
        published = publish_tables(place, self.dataset, day, self.schema, tables, span, part=part).path
        # Two first tries at the same moment have two names: the earlier one stays.
        stays = published if before else self._files()[0][1]
        for _, path in self._files():
            if path != stays:
                place.store.delete(path)
        return stays

    @property
    def _part(self) -> str:
        return hashlib.sha256(self.run.encode()).hexdigest()[:16]

    def _files(self) -> list[tuple[PublishedName, str]]:
        """The run's files, the earliest first; there is more than one only while two tries publish."""
        store, layout = self.place.store, self.place.layout(self.dataset)
        found = store.files(layout.published(self.day)) if self.day else store.files_below(layout.merchant)
        named = [(name, path) for path in found if (name := PublishedName.parse(path)) and name.part == self._part]
        return sorted(named, key=lambda each: (each[0].span.start, each[1]))
