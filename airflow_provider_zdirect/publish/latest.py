# SPDX-License-Identifier: Apache-2.0
"""A table that is published as one file, of which the latest counts.

A new file is written whole beside the former one, which is then deleted: a reader may meet both for a moment, and never
none or half of one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import pyarrow as pa

from airflow_provider_zdirect.publish.files import PublishedFile, publish_tables
from airflow_provider_zdirect.publish.place import Place
from airflow_provider_zdirect.publish.read import read_published
from airflow_provider_zdirect.storage.layout import dated, moment
from airflow_provider_zdirect.storage.row_files import ROW_GROUP_ROWS, read_batches, read_table


@dataclass(frozen=True)
class LatestTable:
    """The table of one merchant; the date in a file's path is the one at which it was made.

    :param dataset: name of the table.
    """

    place: Place
    dataset: str
    schema: pa.Schema

    def files(self) -> list[tuple[datetime, str]]:
        """Its files with the time each was made, the latest last; only that one counts."""
        return dated(self.place.store.files_below(self.place.layout(self.dataset).merchant))

    def read(self, columns: Sequence[str] | None = None) -> pa.Table:
        """All rows; none if there is no table.

        :raises ConcurrentRunError: if other runs keep replacing it.
        """
        wanted = self.schema if columns is None else pa.schema([self.schema.field(name) for name in columns])
        return read_published(
            self.place.in_words(self.dataset),
            lambda: read_table(self.place.store, [path for _, path in self.files()[-1:]], wanted),
        )

    def replace(self, rows: pa.Table, at: datetime) -> PublishedFile:
        """Publish ``rows`` as the table.

        :param at: the present; the table counts as made later than the former one even if a clock says otherwise.
        """
        for made, _ in self.files()[-1:]:
            at = max(at, made + timedelta(microseconds=1))
        starts = range(0, rows.num_rows, ROW_GROUP_ROWS)
        parts = (rows.slice(start, ROW_GROUP_ROWS).cast(self.schema) for start in starts)
        published = publish_tables(self.place, self.dataset, at.date(), self.schema, parts, moment(at), fetched=at)
        self.tidy()
        return published

    def update(self, rows: pa.Table, at: datetime) -> None:
        """Publish ``rows`` as the table, if it has other ones."""
        if read_published(self.place.in_words(self.dataset), lambda: self._has(rows)):
            self.tidy()
        else:
            self.replace(rows, at)

    def _has(self, rows: pa.Table) -> bool:
        """Whether these are its rows; looked at in parts, since they may be many."""
        at = 0
        for _, path in self.files()[-1:]:
            for table in read_batches(self.place.store, path, self.schema):
                if not rows.slice(at, table.num_rows).cast(self.schema).equals(table):
                    return False
                at += table.num_rows
        return at == int(rows.num_rows)

    def tidy(self) -> None:
        """Delete the files that no longer count."""
        for _, path in self.files()[:-1]:
            self.place.store.delete(path)
