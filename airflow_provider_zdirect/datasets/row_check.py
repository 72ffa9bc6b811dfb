"""Whether rows lie in what was asked for; zDirect might have ignored the window."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, timedelta
from functools import reduce
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

GRACE = timedelta(days=1)
"""For dates of which it is unconfirmed which one is asked for, or in which time zone."""


class RowCheck:
    """The check of the pages of one request.

    :ivar certain: whether rows outside are an error.
    :ivar fields: that show where a row lies.
    """

    certain: bool = True
    fields: tuple[str, ...]

    def outside(self, rows: pa.Table) -> pa.Array | pa.ChunkedArray:
        """Which rows cannot belong to what was asked for."""
        raise NotImplementedError

    def is_one_answer(self, rows: pa.Table) -> bool:
        """Whether these rows and all before can be of one date."""
        return True


class TimesCheck(RowCheck):
    """Rows by time."""

    def __init__(self, time_field: str, start: datetime, end: datetime, certain: bool) -> None:
        self.certain = certain
        self.fields = (time_field,)
        self._start, self._end = start, end

    def outside(self, rows: pa.Table) -> pa.Array | pa.ChunkedArray:
        times = rows.column(self.fields[0])
        start, end = (pa.scalar(at, times.type) for at in (self._start, self._end))
        # Whether "to" is inclusive is unconfirmed, so a row at the very end is not outside.
        return pc.or_(pc.less(times, start), pc.greater(times, end))


class DatesCheck(RowCheck):
    """Rows by date."""

    def __init__(
        self, time_field: str, day: date, dated_by: tuple[str, ...], not_after: str | None, confirmed: bool
    ) -> None:
        self.fields = (*((not_after,) if not_after else ()), time_field, *dated_by)
        self._day = day
        self._dated_by = dated_by
        self._not_after = not_after
        self._slack = timedelta(0) if confirmed else GRACE
        # Fields and dates that all rows may have; no field: in any one. None of it matters where the date is certain.
        self._possible: set[tuple[str | None, date]] = set()
        if dated_by and not confirmed:
            beside = {(name, day + shift) for name in dated_by for shift in (-GRACE, GRACE)}
            self._possible = {(None, day), *beside}

    def outside(self, rows: pa.Table) -> pa.Array | pa.ChunkedArray:
        if self._not_after is not None:
            return _is(pc.greater, rows.column(self._not_after), self._day + GRACE)
        if not self._dated_by:
            return pa.repeat(False, rows.num_rows)
        # A row without any date contradicts nothing.
        contradicting = self._has_date(rows)
        for name in self._dated_by:
            dates = rows.column(name)
            off = pc.or_(_is(pc.less, dates, self._day - self._slack), _is(pc.greater, dates, self._day + self._slack))
            contradicting = pc.and_(contradicting, pc.or_(pc.is_null(dates), off))
        return contradicting

    def is_one_answer(self, rows: pa.Table) -> bool:
        left = {possible for possible in self._possible if self._explains(rows, *possible)}
        one = bool(left) or not self._possible
        self._possible = left
        return one

    def _explains(self, rows: pa.Table, name: str | None, day: date) -> bool:
        """Whether every row with a date has that one in that field, or, where it has none there, in another."""
        on_day = {other: _is(pc.equal, rows.column(other), day) for other in self._dated_by}
        anywhere = reduce(pc.or_, on_day.values())
        fits = anywhere if name is None else pc.or_(on_day[name], pc.and_(pc.is_null(rows.column(name)), anywhere))
        return bool(pc.all(pc.or_(fits, pc.invert(self._has_date(rows)))).as_py())

    def _has_date(self, rows: pa.Table) -> pa.ChunkedArray:
        return reduce(pc.or_, (pc.is_valid(rows.column(name)) for name in self._dated_by))


def _is(compare: Callable[..., Any], values: pa.ChunkedArray, value: Any) -> pa.ChunkedArray:
    return pc.fill_null(compare(values, pa.scalar(value, values.type)), False)
