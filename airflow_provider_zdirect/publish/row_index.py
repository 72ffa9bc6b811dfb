"""Which row of which file holds each record: an index on the local disk, so that memory does not grow with rows.

A record is known by its identity (text). Of several versions of it the last one wins; of equal ones the one that is
published already, so that nothing is written twice.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

CACHE_KIB = 2 * 1024

_TABLES = """
CREATE TABLE record (
    key TEXT PRIMARY KEY, source INTEGER, row INTEGER, seen, hash INTEGER,
    day INTEGER, instant INTEGER, in_window INTEGER, answered INTEGER
) WITHOUT ROWID;
CREATE TABLE held (key TEXT, source INTEGER, PRIMARY KEY (key, source)) WITHOUT ROWID;
"""

_ADD = """
INSERT INTO record VALUES (?, ?, ?, ?, ?, ?, ?, ?, {})
ON CONFLICT (key) DO UPDATE
SET source = excluded.source, row = excluded.row, seen = excluded.seen, hash = excluded.hash
WHERE excluded.hash {} hash {} (excluded.seen, excluded.hash) > (seen, hash)
"""
_ADD_ANSWERED, _ADD_HELD = _ADD.format(1, "<>", "AND"), _ADD.format(0, "=", "OR")

# A published file has to be written anew if a record in it has a newer version, or is in another file too. In the
# second case both are: a run must not drop a record from one file because of another that it does not own.
_OUTDATED = """
SELECT held.source FROM held JOIN record USING (key) WHERE record.source <> held.source
UNION
SELECT source FROM held WHERE key IN (SELECT key FROM held GROUP BY key HAVING count(*) > 1)
"""

Row = tuple[str, int, int, int | str, int, int, int, bool]
"""key, source, row, version (all numbers, or all texts), hash, day (days since epoch), instant (µs), in window."""

Spans = dict[date, tuple[datetime, datetime]]
"""Days, each with the first and the last time on it."""

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class RowIndex:
    """See the module. Answered rows (just fetched) are added first, then held ones (published before)."""

    def __init__(self, file: Path) -> None:
        self._db = sqlite3.connect(file, isolation_level=None)
        self._db.execute("PRAGMA journal_mode = OFF")
        self._db.execute("PRAGMA synchronous = OFF")
        self._db.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
        self._db.executescript(_TABLES)
        self._db.execute("BEGIN")

    def close(self) -> None:
        self._db.close()

    def add_answered(self, rows: Iterable[Row]) -> None:
        self._db.executemany(_ADD_ANSWERED, rows)

    def add_held(self, rows: Iterable[Row]) -> None:
        rows = list(rows)
        self._db.executemany(_ADD_HELD, rows)
        self._db.executemany("INSERT OR IGNORE INTO held VALUES (?, ?)", [(row[0], row[1]) for row in rows])

    def outdated_sources(self) -> set[int]:
        """Published files that have to be written anew."""
        return {source for (source,) in self._db.execute(_OUTDATED)}

    def spans(self) -> Spans:
        """First and last time of the records of each day."""
        found = self._db.execute("SELECT day, min(instant), max(instant) FROM record GROUP BY day")
        return {_day(day): (_instant(first), _instant(last)) for day, first, last in found}

    def answered_in_window(self) -> tuple[int, datetime | None, datetime | None]:
        """How many records the fetched answers hold of the window itself, and the first and last time of these."""
        count, first, last = self._db.execute(
            "SELECT count(*), min(instant), max(instant) FROM record WHERE answered AND in_window"
        ).fetchone()
        return count, _instant(first) if count else None, _instant(last) if count else None

    def count_new(self, answered_sources: int) -> tuple[int, int]:
        """How many records no published file holds yet: of the window, and of others.

        :param answered_sources: sources with a smaller number were added by :meth:`add_answered`.
        """
        missing = "FROM record WHERE source < ? AND key NOT IN (SELECT key FROM held)"
        found = self._db.execute(f"SELECT in_window, count(*) {missing} GROUP BY in_window", (answered_sources,))
        count = dict(found.fetchall())
        return count.get(1, 0), count.get(0, 0)

    def holders_of_answered(self) -> dict[int, int]:
        """Sources that hold the window's answered records, with how many."""
        found = self._db.execute("SELECT source, count(*) FROM record WHERE answered AND in_window GROUP BY source")
        return dict(found.fetchall())

    def prepare_reading(self) -> None:
        """Call once, between the last ``add`` and the first of the methods below."""
        self._db.execute("CREATE INDEX reading ON record (source, row)")

    def days_of(self, sources: Iterable[int]) -> list[date]:
        """The days of the rows that win, in order."""
        wanted = "SELECT DISTINCT day FROM record WHERE source IN (SELECT value FROM json_each(?)) ORDER BY day"
        return [_day(day) for (day,) in self._db.execute(wanted, (json.dumps(list(sources)),))]

    def rows_of(self, source: int, first_day: date, last_day: date) -> Iterator[int]:
        """Numbers of the rows of ``source`` that win, ascending, for the days from first to last."""
        bounds = ((first_day - EPOCH.date()).days, (last_day - EPOCH.date()).days)
        found = self._db.execute(
            "SELECT row FROM record WHERE source = ? AND day BETWEEN ? AND ? ORDER BY row", (source, *bounds)
        )
        return (row for (row,) in found)


def _day(days: int) -> date:
    return EPOCH.date() + timedelta(days=days)


def _instant(microseconds: int) -> datetime:
    return EPOCH + timedelta(microseconds=microseconds)
