# SPDX-License-Identifier: Apache-2.0
"""The rows of one date as one sorted file, or several that follow one another in time if it is large.

Files of one date that were cut share the beginning of their ``part``, which ends in their number and how many they
are. So a listing alone says whether a date is compact.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from datetime import date
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from airflow_provider_zdirect.publish.files import FileBuilder, PublishedFile, new_part
from airflow_provider_zdirect.publish.key_columns import SAMPLED
from airflow_provider_zdirect.publish.placed_rows import integers
from airflow_provider_zdirect.publish.same_row import Numbers
from airflow_provider_zdirect.storage.layout import PublishedName
from airflow_provider_zdirect.storage.object_store import ObjectStore
from airflow_provider_zdirect.storage.row_files import ROW_GROUP_ROWS
from airflow_provider_zdirect.windows import Window

FILE_ROWS = 1_000_000
"""Rows of a file, at most, or a few more."""

MOST_PILES = 64
"""Each is an open file."""


def is_compact(paths: Sequence[str]) -> bool:
    """Whether the published files of a date are as few as they should be."""
    if len(paths) <= 1:
        return True
    parts = {name.part for name in map(PublishedName.parse, paths) if name is not None}
    return parts == _cut_parts(min(parts)[:16], len(paths))


class SortedFiles:
    """Rows of one date, in piles that follow one another in time until they are published; each is sorted then.

    :param order: columns by which rows are sorted; the first is the time.
    :param times: of some of the rows: each stands for ``SAMPLED``.
    :param new_file: makes a :class:`.FileBuilder` of what the files do not have in common.
    """

    def __init__(
        self,
        schema: pa.Schema,
        day: date,
        scratch: str,
        order: Sequence[str],
        times: Numbers,
        new_file: Callable[..., FileBuilder],
    ) -> None:
        self._day = day
        self._order = order
        self._new_file = new_file
        step = max(ROW_GROUP_ROWS // SAMPLED, math.ceil(len(times) / MOST_PILES))
        self._starts = np.unique(np.sort(times)[step::step])
        self._piles = [_Pile(schema, Path(scratch) / f"pile{number}.arrow") for number in range(len(self._starts) + 1)]

    def write(self, table: pa.Table) -> None:
        numbers = np.searchsorted(self._starts, integers(table.column(self._order[0])), side="right")
        for number in np.unique(numbers).tolist():
            self._piles[number].write(table.filter(pa.array(numbers == number)))

    def publish(self, store: ObjectStore) -> list[PublishedFile]:
        piles = [pile for pile in self._piles if pile.rows]
        files = math.ceil(sum(pile.rows for pile in piles) / FILE_ROWS)
        ends = [len(piles) * number // files for number in range(files + 1)]
        groups = [piles[start:end] for start, end in pairwise(ends) if start < end]
        is_cut = len(groups) > 1
        parts = sorted(_cut_parts(new_part(), len(groups))) if is_cut else [new_part()]
        published: list[PublishedFile] = []
        for group, part in zip(groups, parts, strict=True):
            builder = self._new_file(span=None if is_cut else Window.of_day(self._day), part=part, group_rows=1)
            for pile in group:
                builder.write(pile.read_sorted(self._order))
            published += builder.publish(store)
        return published


class _Pile:
    """Rows on the local disk."""

    def __init__(self, schema: pa.Schema, local: Path) -> None:
        self.rows = 0
        self._local = local
        self._writer = pa.ipc.new_file(str(local), schema, options=pa.ipc.IpcWriteOptions(compression="lz4"))

    def write(self, table: pa.Table) -> None:
        self._writer.write_table(table)
        self.rows += table.num_rows

    def read_sorted(self, order: Sequence[str]) -> pa.Table:
        """All rows; none can be added any more."""
        self._writer.close()
        with pa.OSFile(str(self._local)) as file:
            rows = pa.ipc.open_file(file).read_all()
        self._local.unlink()
        return rows.take(pc.sort_indices(rows, [(name, "ascending") for name in order]))


def _cut_parts(shared: str, count: int) -> set[str]:
    """The parts of files that were cut: 16 characters that are shared, its number, how many."""
    return {f"{shared}{number:02x}{count:02x}" for number in range(count)}
