# SPDX-License-Identifier: Apache-2.0
"""Reading published tables while other runs may replace their files, and asking questions about them in SQL."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar

import pyarrow as pa

from airflow_provider_zdirect.exceptions import ConcurrentRunError
from airflow_provider_zdirect.publish.place import Place
from airflow_provider_zdirect.storage.layout import PublishedName, dated
from airflow_provider_zdirect.storage.object_store import ObjectStore
from airflow_provider_zdirect.storage.row_files import read_batches

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

ATTEMPTS = 10
RETRY_SECONDS = 60.0

T = TypeVar("T")


def read_published(what: str, read: Callable[[], T]) -> T:
    """What ``read`` returns; it is called again if a file went between its listing and its reading.

    :param what: dataset and merchant, for the error.
    :raises ConcurrentRunError: if files went each time.
    """
    for _ in range(ATTEMPTS):
        try:
            return read()
        except FileNotFoundError:
            continue
    raise ConcurrentRunError(
        f"{what}: other runs replaced its files while they were read, {ATTEMPTS} times in a row.",
        remedy="No action needed: the task retries.",
        retry_after=RETRY_SECONDS,
    )


@dataclass(frozen=True)
class Table:
    """A published table of one merchant, as a query sees it.

    :param dataset: name of the dataset; its folder under the base path.
    :param schema: of the rows that are read: the table's schema, or the columns of it that the query needs.
    :param days: dates (``date=`` folders) that are read; None: all.
    :param where: SQL condition on the rows that are kept; it may name the tables before.
    :param latest: only the file that was made last counts (:class:`~.latest.LatestTable`).
    """

    dataset: str
    schema: pa.Schema
    days: Callable[[str], bool] | None = None
    where: str = "true"
    latest: bool = False

    def files(self, place: Place) -> list[str]:
        """Paths of its files, sorted."""
        found = place.store.files_below(place.layout(self.dataset).merchant)
        if self.latest:
            return [path for _, path in dated(found)[-1:]]
        return [path for path in found if PublishedName.parse(path) and (self.days is None or self.days(_day(path)))]


def query(place: Place, sql: str, tables: Mapping[str, Table], parameters: Mapping[str, Any] | None = None) -> pa.Table:
    """The answer of an SQL query over published tables (DuckDB's dialect).

    While another run replaces a file, a row may be met twice; queries that count rows have to name them once.

    :param tables: by the name under which the query knows them.
    :param parameters: values of ``$name`` in the query.
    :raises ConcurrentRunError: if other runs keep replacing the files.
    """
    names = ", ".join(table.dataset for table in tables.values())
    return read_published(place.in_words(names), lambda: _ask(place, sql, tables, parameters))


def _ask(place: Place, sql: str, tables: Mapping[str, Table], parameters: Mapping[str, Any] | None) -> pa.Table:
    import duckdb

    with connection() as database:
        for name, table in tables.items():
            gone: list[FileNotFoundError] = []
            batches = _batches(place.store, table.files(place), table.schema, gone)
            reader = pa.RecordBatchReader.from_batches(table.schema, batches)
            database.register("source", reader)
            try:
                # A copy, because a stream can be read once only, and a query may name a table several times.
                database.execute(f'CREATE TEMP TABLE "{name}" AS FROM source WHERE {table.where}')
            except duckdb.Error:
                if gone:
                    raise gone[0] from None
                raise
            database.unregister("source")
        return database.sql(sql, params=dict(parameters or {})).to_arrow_table()


def connection() -> DuckDBPyConnection:
    """A connection of its own to the one database in memory of this process: another database would take 20 ms.

    It has one thread, because the order of rows that a query does not order would follow the threads otherwise.
    """
    opened = _database().cursor()
    opened.execute("SET TimeZone = 'UTC'")
    return opened


@cache
def _database() -> DuckDBPyConnection:
    import duckdb

    return duckdb.connect(config={"threads": 1})


def _batches(
    store: ObjectStore, files: list[str], schema: pa.Schema, gone: list[FileNotFoundError]
) -> Iterator[pa.RecordBatch]:
    """The rows of the files; notes that one was gone: DuckDB raises an error of its own then."""
    try:
        for path in files:
            for table in read_batches(store, path, schema):
                yield from table.to_batches()
    except FileNotFoundError as error:
        gone.append(error)
        raise


def _day(path: str) -> str:
    return path.rpartition("/date=")[2].partition("/")[0]
