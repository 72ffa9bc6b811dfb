# SPDX-License-Identifier: Apache-2.0
"""Files that people make: a table with a header, as CSV, Parquet or JSON lines, read as rows by our names of columns.

CSV: ``,``, ``;`` or tab, whichever gives more columns, or what a first line ``sep=;`` says; UTF-8, or UTF-16 with a
byte-order mark (Excel's "Unicode text"); quotes as RFC 4180 has them. JSON lines: one object a line. Either may be
compressed with gzip. Names of columns are compared in lower case, with blanks and hyphens as ``_``; what stands in
columns that are not asked for is never a reason to refuse a row.
"""

from __future__ import annotations

import gzip
import json
import logging
import re
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airflow_provider_zdirect.exceptions import ZDirectConfigurationError
from airflow_provider_zdirect.merchant_files.cells import column_name
from airflow_provider_zdirect.merchant_files.csv_rows import Csv

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pyarrow as pa
    from fsspec import AbstractFileSystem

    from airflow_provider_zdirect.merchant_files.parquet_rows import Parquet

    Numbers = npt.NDArray[np.int64]

log = logging.getLogger(__name__)

KINDS = ("tsv", "csv", "parquet", "jsonl")
GZIPPED = ("csv", "tsv", "jsonl")

Row = tuple[str, dict[str, Any]]
"""How to find the row (``row 7``), and its values by our names of the columns."""

FoundRow = tuple[str, dict[str, Any], str, Any]
"""A row as it was found: with what is wrong with it (empty: nothing), and what it holds, for whoever looks at it."""

PutAside = Callable[[str, str, Any], None]
"""Takes an invalid row: how to find it, what is wrong with it, and what it holds."""

Take = Callable[["pa.Table"], "Numbers"]
"""Takes rows from columns of texts, by our names and with the ``number`` of each row; returns the numbers of those."""

_NOT_UTF8 = re.compile("[\udc80-\udcff]")
_NOT_A_FEED = re.compile(r"[._~].*|.*(~|\.(tmp|temp|part|partial|swp|crdownload|filepart))", re.IGNORECASE)


def table_kind(uri: str, *, name: str) -> str:
    """The kind of a file, by the end of its name, without ``.gz``.

    :param name: the parameter that it came in, for the error.
    :raises ZDirectConfigurationError: if it is not one of KINDS.
    """
    kind = _kind(uri)
    if kind not in KINDS:
        endings = [f".{kind}" for kind in KINDS]
        raise ZDirectConfigurationError(
            f"{name}={uri!r} is of an unknown kind.",
            remedy=f"Give a file whose name ends in {', '.join(endings[:-1])} or {endings[-1]} (but for .parquet, .gz "
            "may follow).",
        )
    return kind


def is_table(file_name: str) -> bool:
    """Whether a file of that name in a folder is a table that somebody put there."""
    return _kind(file_name) in KINDS and not is_passing(file_name)


def is_passing(file_name: str) -> bool:
    """Whether it is hidden, a lock file of an office program (``~$stock.csv``), or one that is being written."""
    return _NOT_A_FEED.fullmatch(file_name) is not None


def _kind(uri: str) -> str:
    name = uri.lower()
    kind = name.removesuffix(".gz").rpartition(".")[2]
    return kind if kind in GZIPPED or not name.endswith(".gz") else "gz"


@dataclass(frozen=True)
class TableFile:
    """A file with a table in it.

    :param path: as ``fs`` names it.
    :param uri: as people name it.
    :param name: the parameter that it came in, for errors.
    :param columns: by our name of a column, what else it may be called.
    :param required: columns that it must have; ``a or b`` is one of several. Objects of JSON lines need only the first.
    """

    fs: AbstractFileSystem
    path: str
    uri: str
    name: str
    columns: Mapping[str, tuple[str, ...]]
    required: tuple[str, ...] = ("ean",)

    def rows(self, put_aside: PutAside | None = None, take: Take | None = None) -> Iterator[Row]:
        """Its rows, in order.

        :param put_aside: takes invalid rows, if the others are to be read anyway; None: they are errors.
        :param take: takes rows that need not be looked at one by one; they are left out.
        :raises ZDirectConfigurationError: if the file is missing, empty, or not of its kind.
        """
        return self.read(put_aside, take).rows

    def read(self, put_aside: PutAside | None = None, take: Take | None = None) -> Table:
        """As :meth:`rows`, with what the file says of itself."""
        kind = table_kind(self.uri, name=self.name)
        if kind == "jsonl":
            return Table(self._valid(self._json_rows(self._text()), put_aside))
        if kind == "parquet":
            # Here, so that what a file may be called can be said without Arrow: DAG files are parsed often.
            from airflow_provider_zdirect.merchant_files.parquet_rows import Parquet

            table: Csv | Parquet = Parquet(self._data(), self)
        else:
            table = Csv(self._text(), self)
        rows = table.rows(take(table.columns()) if take else ())
        decimal_comma = isinstance(table, Csv) and table.delimiter == ";"
        return Table(self._valid(rows, put_aside), decimal_comma)

    def _valid(self, found: Iterable[FoundRow], put_aside: PutAside | None) -> Iterator[Row]:
        for where, row, problem, content in found:
            problem = problem or _not_utf8(row)
            if not problem:
                yield where, row
            elif put_aside is None:
                raise self.refusal(
                    f"{where}: {problem}",
                    "Write the file in UTF-8, in CSV decimals with a point and texts that hold the delimiter in "
                    "quotes, in JSON lines one object a line.",
                )
            else:
                put_aside(where, problem, _printable(content))

    def refusal(self, what: str, remedy: str = "Correct the file.") -> ZDirectConfigurationError:
        """The error that says what is wrong with this file."""
        return ZDirectConfigurationError(f"{self.name}={self.uri!r}: {what}.", remedy=remedy)

    def columns_of(self, header: Sequence[str]) -> list[str | None]:
        """Our name of each column, None for those that are not looked at."""
        known = {called: column for column, names in self.columns.items() for called in (column, *names)}
        return [known.get(column_name(name)) for name in header]

    def header_of(self, header: Sequence[str], where: str) -> list[str | None]:
        """As :meth:`columns_of`; an error if a column is there twice, or a required one is missing."""
        if problem := self.header_problem(header, self.required):
            known = ", ".join("/".join((column, *names)) for column, names in self.columns.items())
            raise self.refusal(f"{where}: {problem}", f"Name each column once, as it is known: {known}.")
        columns = self.columns_of(header)
        if ignored := [name for name, column in zip(header, columns, strict=True) if column is None and name.strip()]:
            log.info("%s=%r: columns that are not read: %s.", self.name, self.uri, ", ".join(map(repr, ignored))[:300])
        return columns

    def header_problem(self, header: Sequence[str], required: Sequence[str]) -> str:
        """What is wrong with the names of columns."""
        found = self.columns_of(header)
        there = ", ".join(name if name.isprintable() else repr(name) for name in header)[:1000]
        for column in self.columns:
            if found.count(column) > 1:
                return f"several of its columns mean {column}: {there}"
        missing = [names for names in required if not set(names.split(" or ")) & set(found)]
        return f"it has no column {' and no column '.join(missing)}, only: {there}" if missing else ""

    def _data(self) -> bytes:
        try:
            data: bytes = self.fs.cat_file(self.path)
        except (FileNotFoundError, PermissionError, IsADirectoryError, NotADirectoryError) as error:
            raise self.refusal(
                f"it cannot be read: {type(error).__name__}", f"Put the file there, or leave {self.name} out."
            ) from error
        if data and self.uri.lower().endswith(".gz"):
            try:
                data = gzip.decompress(data)
            except (OSError, EOFError, zlib.error) as error:
                raise self.refusal(f"it is not a complete gzip file ({type(error).__name__})") from error
        if not data.strip():
            raise self.refusal("it is empty", f"Give a file with rows, or leave {self.name} out.")
        return data

    def _text(self) -> str:
        """The text; bytes that are not UTF-8 become lone surrogates, as they may be in a column that is not read."""
        data = self._data()
        try:
            is_utf16 = data.startswith((b"\xff\xfe", b"\xfe\xff"))
            text = data.decode("utf-16") if is_utf16 else data.decode(errors="surrogateescape")
        except UnicodeDecodeError:
            text = "\0"
        if "\0" in text:
            raise self.refusal("it is not text in UTF-8", "Save it in UTF-8.")
        return text.lstrip("\ufeff")

    def _json_rows(self, text: str) -> Iterator[FoundRow]:
        for number, line in enumerate(text.split("\n"), start=1):
            if not line.strip():
                continue
            row, problem = _json_object(line)
            problem = problem or self.header_problem(list(row), self.required[:1])
            names = self.columns_of(list(row))
            values = {name: value for name, value in zip(names, row.values(), strict=True) if name}
            yield f"row {number}", values, problem, line


@dataclass(frozen=True)
class Table:
    """What a file holds.

    :param decimal_comma: whether its numbers may have one: its fields are separated by ``;``.
    """

    rows: Iterator[Row]
    decimal_comma: bool = False


def _not_utf8(row: Mapping[str, Any]) -> str:
    """What is wrong with cells in which bytes are left that are not UTF-8."""
    for name, cell in row.items():
        if isinstance(cell, str) and not cell.isascii() and _NOT_UTF8.search(cell):
            return f"{name} has characters that are not UTF-8"
    return ""


def _printable(content: Any) -> Any:
    if isinstance(content, list):
        return list(map(_printable, content))
    return str(content).encode(errors="replace").decode()


def _json_object(line: str) -> tuple[dict[str, Any], str]:
    """The object, or what is wrong with the line."""
    try:
        row = json.loads(line.encode(), object_pairs_hook=_without_repeats)
    except UnicodeEncodeError:
        return {}, "it is not UTF-8"
    except (ValueError, RecursionError) as error:
        return {}, f"it is not JSON ({error})"
    return (row, "") if isinstance(row, dict) else ({}, "it is not a JSON object")


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise ValueError(f"{name[:60]!r} is in it twice")
        found[name] = value
    return found
