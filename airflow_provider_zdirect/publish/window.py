"""Publishing what a window's run fetched: its own records, and late ones of the windows before it.

A run asks for more than its window: it looks back by the overlap for records that became visible late. What it
finds there belongs to other windows, and

* if such a window is published, its late record is published now;
* if it is announced and not yet published, its rows are parked for it, and it takes them up when it is;
* if nobody has asked for that time, they are nobody's: whoever asks later will fetch them himself.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, replace
from functools import partial

import pyarrow as pa
import pyarrow.compute as pc

from airflow_provider_zdirect.datasets.arrow import arrow_schema
from airflow_provider_zdirect.publish.files import FileBuilder
from airflow_provider_zdirect.publish.merge import Merged, RowMerger, Times, within
from airflow_provider_zdirect.publish.row_index import AnsweredRecords
from airflow_provider_zdirect.publish.window_marks import WindowMarks, WindowStates
from airflow_provider_zdirect.storage.row_files import read_batches
from airflow_provider_zdirect.windows import Window


@dataclass(frozen=True)
class WindowPublisher:
    """Publishes one window of a dataset whose records have an identity.

    :param looked_back: the time before the window that was asked for as well; None if none was.
    :param latest: publishes the latest versions of the same records, where the dataset has such a table.
    """

    merger: RowMerger
    marks: WindowMarks
    looked_back: Window | None
    latest: RowMerger | None = None

    def announce(self) -> None:
        """Tell other runs that this window is being fetched. To be called before its first request."""
        self.marks.announce(self.merger.window)

    def is_announced(self) -> bool:
        """Whether that is so still: the mark of a task that stood still for a day may have been removed."""
        return self.marks.is_open(self.merger.window)

    def withdraw(self) -> None:
        """Tell other runs that nobody fetches this window any more."""
        self.marks.withdraw(self.merger.window)

    def publish(self, staged: list[str]) -> Merged:
        """Publish the staged rows; safe to repeat, and at the same time as any other run.

        :param staged: paths of Parquet files with fetched rows.
        :raises FileNotFoundError: if a staged file is gone.
        """
        merged = Merged(AnsweredRecords(0, None, None))
        parked: dict[Window, str] = {}
        while True:
            states = self._states_before()
            merged = _after(merged, self._merge(staged, states.published))
            for path in parked.values():
                self.merger.store.delete(path)
            parked = self._park(staged, states)
            # A window may have been published while its rows were parked; then nobody would take them up.
            if parked.keys().isdisjoint(self._states_before().published):
                break
        self.marks.publish(self.merger.window)
        return self._take_up_parked(staged, merged, states.published)

    def _take_up_parked(self, staged: list[str], merged: Merged, published: frozenset[Window]) -> Merged:
        """Publish what others have parked for this window, together with its own rows, so that both are counted."""
        folder = self.merger.layout.parked(self.merger.window)
        while paths := self.merger.store.files(folder):
            try:
                taken = self._merge([*staged, *paths], published)
            except FileNotFoundError:
                if self.merger.store.files(folder) == paths:
                    raise
                # Whoever parked it has seen that this window is published, and publishes the rows himself.
                continue
            merged = _after(merged, taken)
            for path in paths:
                self.merger.store.delete(path)
        return merged

    def _merge(self, staged: list[str], published: frozenset[Window]) -> Merged:
        wanted = partial(self._publishable, published=published)
        merged = self.merger.merge(staged, wanted)
        if self.latest is not None:
            self.latest.merge(staged, wanted)
        return merged

    def _states_before(self) -> WindowStates:
        if self.looked_back is None:
            return WindowStates(frozenset(), frozenset())
        return self.marks.of_days(self.looked_back.utc_dates())

    def _publishable(self, times: Times, published: frozenset[Window]) -> pa.ChunkedArray:
        if self.looked_back is None:
            return pa.chunked_array([pa.repeat(True, len(times))])
        # Rows outside of all that was asked for are the server's choice, not ours to drop.
        mask = pc.invert(within(times, self.looked_back))
        for window in published:
            mask = pc.or_(mask, within(times, window))
        return mask

    def _park(self, staged: list[str], states: WindowStates) -> dict[Window, str]:
        """Keep rows for open windows; the path of each window's file."""
        parked = {}
        for window in sorted(states.open - {self.merger.window}):
            if self.looked_back is None or not window.intersects(self.looked_back):
                continue
            if path := self._park_for(window, staged, states.published):
                parked[window] = path
        return parked

    def _park_for(self, window: Window, staged: list[str], published: frozenset[Window]) -> str | None:
        merger = self.merger
        schema = arrow_schema(merger.dataset.model)
        with tempfile.TemporaryDirectory(prefix="zdirect-") as scratch:
            builder = FileBuilder(schema, merger.layout.parked(window), "parquet", scratch, span=merger.window)
            for path in staged:
                for table in read_batches(merger.store, path, schema):
                    times = table.column(merger.dataset.placed_by)
                    rows = table.filter(pc.and_not(within(times, window), self._publishable(times, published)))
                    if rows.num_rows:
                        builder.write(rows)
            if not builder.rows:
                builder.discard()
                return None
            return builder.publish(merger.store).path


def _after(before: Merged, last: Merged) -> Merged:
    """What two merges of the same rows, one after the other, have done."""
    return replace(last, new=before.new + last.new, files_outside=before.files_outside + last.files_outside)
