# SPDX-License-Identifier: Apache-2.0
"""Rows of files, which are read in batches each time: never are all of them in memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import pyarrow as pa

from airflow_provider_zdirect.datasets.arrow import RECORD_HASH
from airflow_provider_zdirect.publish.same_row import Numbers, row_hashes, unmatched
from airflow_provider_zdirect.storage.object_store import ObjectStore
from airflow_provider_zdirect.storage.row_files import read_batches


@dataclass(frozen=True)
class FileRows:
    """Rows of files that follow one another.

    :param places: which of the rows of these files they are, ascending; None: all of them.
    """

    store: ObjectStore
    paths: Sequence[str]
    schema: pa.Schema
    places: Numbers | None = None

    def tables(self, columns: Sequence[str] | None = None) -> Iterator[pa.Table]:
        """The rows in batches, with all columns or those named."""
        if self.places is not None and not len(self.places):
            return
        end = 0
        for path in self.paths:
            for table in read_batches(self.store, path, self.schema, columns):
                start, end = end, end + table.num_rows
                if self.places is None:
                    yield table
                    continue
                first, last = np.searchsorted(self.places, (start, end))
                if last - first == table.num_rows:
                    yield table
                elif first < last:
                    yield table.take(pa.array(self.places[first:last] - start))

    def read(self) -> pa.Table:
        """All of them, where they are few."""
        return pa.concat_tables([self.schema.empty_table(), *self.tables()])

    def at(self, places: Numbers) -> FileRows:
        """Those at these places among them, which are ascending."""
        return replace(self, places=places if self.places is None else self.places[places])

    @property
    def count(self) -> int:
        return len(self.hashes if self.places is None else self.places)

    @cached_property
    def hashes(self) -> Numbers:
        """``_record_hash`` of each: rows of the same text are the same."""
        found = [table.column(RECORD_HASH).to_numpy() for table in self.tables([RECORD_HASH])]
        return np.concatenate([np.empty(0, np.int64), *found])

    def contents(self) -> Numbers:
        """As :func:`.row_hashes`, of each."""
        return np.concatenate([np.empty(0, np.int64), *(row_hashes(table) for table in self.tables())])


def differing(before: FileRows, after: FileRows) -> tuple[FileRows, FileRows]:
    """The rows of each that the other does not have, or not as often (see :mod:`.same_row`)."""
    gone, came = before.at(unmatched(before.hashes, after.hashes)), after.at(unmatched(after.hashes, before.hashes))
    # Of another text, and yet the same.
    were, are = gone.contents(), came.contents()
    return gone.at(unmatched(were, are)), came.at(unmatched(are, were))


def last_of_each(records: Numbers) -> Numbers:
    """The places of the last row of each record, ascending.

    :param records: their numbers, see :func:`.record_numbers`.
    """
    from_end = np.unique(records[::-1], return_index=True)[1]
    return np.sort(len(records) - 1 - from_end)
