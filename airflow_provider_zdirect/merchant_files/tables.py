"""Files that people make: a table with a header, as CSV, Parquet or JSON lines, read as rows by our names of columns.

CSV: ``,``, ``;`` or tab, whichever gives more columns, or what a first line ``sep=;`` says; UTF-8, or UTF-16 with a
byte-order mark (Excel's "Unicode text"); quotes as RFC 4180 has them. JSON lines: one object a line. Either may be
compressed with gzip. Names of columns are compared in lower case, with blanks and hyphens as ``_``; what stands in
columns that are not asked for is never a reason to refuse a row.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import re
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from airflow_provider_zdirect.exceptions import ZDirectConfigurationError
from airflow_provider_zdirect.merchant_files.cells import bare

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem

KINDS = ("tsv", "csv", "parquet", "jsonl")
GZIPPED = ("csv", "tsv", "jsonl")

Row = tuple[str, dict[str, Any]]
"""How to find the row (``row 7``), and its values by our names of the columns."""

PutAside = Callable[[str, str, Any], None]
"""Takes an invalid row: how to find it, what is wrong with it, and what it holds."""

_DELIMITERS = ",;\t"
_SEP = re.compile(r'"?sep=(.)"?[,;\t]*', re.IGNORECASE)
_LINES_OF_A_ROW = 1_000
_SPLIT_NUMBER = re.compile(r"(^|,) *([A-Z]{3} |[^\s\w,] ?)?[0-9]{1,7}(\.[0-9]{3})*,[0-9]{1,6} *(?=,)")
"""Two fields that may be one number, such as ``0,25`` or ``EUR 1.299,00``, in a row whose delimiter is a comma."""
_NOT_UTF8 = re.compile("[\udc80-\udcff]")
_NOT_A_FEED = re.compile(r"[._~].*|.*(~|\.(tmp|temp|part|partial|swp|crdownload|filepart))", re.IGNORECASE)


def table_kind(uri: str, *, name: str, kinds: Sequence[str] = KINDS) -> str:
    """The kind of a file, by the end of its name, without ``.gz``.

    :param name: the parameter that it came in, for the error.
    :raises ZDirectConfigurationError: if it is not one of ``kinds``.
    """
    kind = _kind(uri)
    if kind not in kinds:
        endings = [f".{kind}" for kind in kinds]
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

    def rows(self, put_aside: PutAside | None = None) -> Iterator[Row]:
        """Its rows, in order.

        :param put_aside: takes invalid rows, if the others can be read all the same; None: they are errors.
        :raises ZDirectConfigurationError: if the file is missing, empty, or not of its kind.
        """
        return self.read(put_aside).rows

    def read(self, put_aside: PutAside | None = None) -> Table:
        """As :meth:`rows`, with what the file says of itself."""
        kind = table_kind(self.uri, name=self.name)
        data = self._data()
        if kind == "parquet":
            return Table(_parquet_rows(data, self, put_aside))
        text = self._text(data)
        if kind == "jsonl":
            return Table(_json_rows(text, self, put_aside))
        table = _Csv(text, self)
        return Table(table.rows(put_aside), decimal_comma=table.delimiter == ";")

    def refusal(self, what: str, remedy: str = "Correct the file.") -> ZDirectConfigurationError:
        """The error that says what is wrong with this file."""
        return ZDirectConfigurationError(f"{self.name}={self.uri!r}: {what}.", remedy=remedy)

    def columns_of(self, header: Sequence[str]) -> list[str | None]:
        """Our name of each column, None for those that are not looked at."""
        known = {called: column for column, names in self.columns.items() for called in (column, *names)}
        return [known.get(_plain(name)) for name in header]

    def header_of(self, header: Sequence[str], where: str) -> list[str | None]:
        """As :meth:`columns_of`; an error if a column is there twice, or a required one is missing."""
        if problem := self.header_problem(header, self.required):
            raise self.refusal(f"{where}: {problem[0]}", problem[1])
        return self.columns_of(header)

    def header_problem(self, header: Sequence[str], required: Sequence[str]) -> tuple[str, str] | None:
        """What is wrong with the names of columns, and what to do."""
        found = self.columns_of(header)
        there = ", ".join(name if name.isprintable() else repr(name) for name in header)[:1000]
        for column in self.columns:
            if found.count(column) > 1:
                return f"several of its columns mean {column}: {there}", "Leave one of them."
        missing = [names for names in required if not set(names.split(" or ")) & set(found)]
        if not missing:
            return None
        known = ", ".join("/".join((column, *names)) for column, names in self.columns.items())
        return (
            f"it has no column {' and no column '.join(missing)}, only: {there}",
            f"Name the columns as they are known: {known}.",
        )

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

    def _text(self, data: bytes) -> str:
        """The text; bytes that are not UTF-8 become lone surrogates, as they may be in a column that is not read."""
        try:
            is_utf16 = data.startswith((b"\xff\xfe", b"\xfe\xff"))
            text = data.decode("utf-16") if is_utf16 else data.decode(errors="surrogateescape")
        except UnicodeDecodeError:
            text = "\0"
        if "\0" in text:
            raise self.refusal("it is not text in UTF-8", "Save it in UTF-8.")
        return text.lstrip("\ufeff")


@dataclass(frozen=True)
class Table:
    """What a file holds.

    :param decimal_comma: whether its numbers may have one: its fields are separated by ``;``.
    """

    rows: Iterator[Row]
    decimal_comma: bool = False


class _Csv:
    """Rows of a CSV, each found by itself: a quote that is not closed must not swallow the rows that follow."""

    def __init__(self, text: str, file: TableFile) -> None:
        self._file = file
        self._lines = list(io.StringIO(text, newline=""))
        self._is_utf8 = text.isascii() or _NOT_UTF8.search(text) is None
        at = self._next_line(0)
        delimiters = _DELIMITERS
        if said := _SEP.fullmatch(self._lines[at].strip("\r\n ")):
            delimiters = said[1]
            at = self._next_line(at + 1)
        headers = {delimiter: self._header(at, delimiter) for delimiter in delimiters}
        # Most columns that are known, then most columns.
        self.delimiter = max(
            headers, key=lambda one: (sum(map(bool, file.columns_of(headers[one][0]))), len(headers[one][0]))
        )
        header, taken = headers[self.delimiter]
        self._widest = len(header)
        while len(header) > 1 and not header[-1].strip():
            header.pop()
        self._first = at + taken
        self._width = len(header)
        self._header_cells = header
        self._names = file.header_of(header, f"the header in row {at + 1}")

    def rows(self, put_aside: PutAside | None) -> Iterator[Row]:
        wanted = [(number, name) for number, name in enumerate(self._names) if name]
        width, delimiter, lines, at = self._width, self.delimiter, self._lines, self._first
        while at < len(lines):
            line = lines[at]
            where = f"row {at + 1}"
            if '"' in line:
                cells, taken, problem = self._quoted(at)
            else:
                cells, taken, problem = line.rstrip("\r\n").split(delimiter), 1, ""
            at += taken
            if not any(map(str.strip, cells)):
                continue
            if len(cells) != width:
                cells = self._trimmed(cells, line)
            if not problem and len(cells) != width:
                fields = "1 field" if len(cells) == 1 else f"{len(cells)} fields"
                problem = f"it has {fields}, and the header has {width}"
            elif self._is_header(cells):
                continue
            row = {} if problem else {name: cells[number] for number, name in wanted}
            if not self._is_utf8:
                problem = problem or _not_utf8(row)
            if not problem:
                yield where, row
            elif put_aside is None:
                raise self._file.refusal(
                    f"{where}: {problem}",
                    "Write the file in UTF-8, decimals with a point, and texts that hold the delimiter in quotes.",
                )
            else:
                put_aside(where, problem, [_printable(cell) for cell in cells])

    def _next_line(self, at: int) -> int:
        """The first line from there that is not blank."""
        for number in range(at, len(self._lines)):
            if self._lines[number].strip():
                return number
        raise self._file.refusal("it is empty", f"Give a file with rows, or leave {self._file.name} out.")

    def _header(self, at: int, delimiter: str) -> tuple[list[str], int]:
        """Its cells, and how many lines it takes."""
        reader = csv.reader(self._lines[at : at + _LINES_OF_A_ROW], delimiter=delimiter, strict=True)
        try:
            return next(reader), reader.line_num
        except csv.Error:
            return self._lines[at].rstrip("\r\n").split(delimiter), 1

    def _quoted(self, at: int) -> tuple[list[str], int, str]:
        """The cells of a row with quotes, how many lines it takes, and what is wrong with it."""
        reader = csv.reader(self._lines_of_row(at), delimiter=self.delimiter, strict=True)
        try:
            cells = next(reader)
            cells = self._trimmed(cells, "".join(self._lines[at : at + reader.line_num]))
        except csv.Error:
            pass
        else:
            if reader.line_num == 1 or len(cells) == self._width:
                return cells, reader.line_num, ""
        # One of its quotes is wrong. In a column that is not read it does not matter.
        cells = self._trimmed(self._lines[at].rstrip("\r\n").split(self.delimiter), self._lines[at])
        if len(cells) == self._width and self._is_read_without_quotes(cells):
            return cells, 1, ""
        return cells, 1, "it has a quote that is not closed, or text after the closing one"

    def _trimmed(self, cells: list[str], text: str) -> list[str]:
        """Without blank fields after the last column: many programs end each row with a delimiter.

        A field more than the header has may also come from a decimal comma, whose row must not lose its last field.
        """
        if any(map(str.strip, cells[self._width :])):
            return cells
        if len(cells) > self._widest and self.delimiter == "," and _SPLIT_NUMBER.search(text):
            return cells
        return cells[: self._width]

    def _is_header(self, cells: Sequence[str]) -> bool:
        """Whether it is the header once more: several files were put together."""
        header = self._header_cells
        return cells[1:] == header[1:] and _plain(cells[0]) == _plain(header[0])

    def _lines_of_row(self, at: int) -> Iterator[str]:
        """A row and lines that may belong to it: a text with line breaks, but none that looks like the next row."""
        yield self._lines[at]
        for number in range(at + 1, min(at + _LINES_OF_A_ROW, len(self._lines))):
            if self._could_be_row(self._lines[number]):
                return
            yield self._lines[number]

    def _could_be_row(self, line: str) -> bool:
        """Whether it has enough fields, and no quote in those that are looked at."""
        if line.count(self.delimiter) < self._width - 1:
            return False
        return self._is_read_without_quotes(line.split(self.delimiter))

    def _is_read_without_quotes(self, cells: Sequence[str]) -> bool:
        return not any(name and '"' in cell for name, cell in zip(self._names, cells, strict=False))


@lru_cache(maxsize=1_024)
def _plain(name: str) -> str:
    """A column's name as it is compared."""
    return re.sub(r"[\s_-]+", "_", bare(name).lower())


def _not_utf8(row: Mapping[str, Any]) -> str:
    """What is wrong with cells in which bytes are left that are not UTF-8."""
    for name, cell in row.items():
        if isinstance(cell, str) and _NOT_UTF8.search(cell):
            return f"{name} has characters that are not UTF-8"
    return ""


def _printable(text: str) -> str:
    return text.encode(errors="replace").decode()


def _parquet_rows(data: bytes, file: TableFile, put_aside: PutAside | None) -> Iterator[Row]:
    # Here, so that what a file may be called can be said without it: DAG files are parsed often.
    import pyarrow as pa
    import pyarrow.parquet as pq

    from airflow_provider_zdirect.merchant_files.parquet_cells import ROUNDED, parquet_cells

    try:
        table = pq.read_table(io.BytesIO(data))
        names = file.header_of(table.column_names, "its schema")
        columns = {name: parquet_cells(table.column(at)) for at, name in enumerate(names) if name}
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise file.refusal(f"it is not a Parquet file that can be read ({type(error).__name__})") from error
    for number, cells in enumerate(zip(*columns.values(), strict=True), start=1):
        row = dict(zip(columns, cells, strict=True))
        rounded = next((name for name, cell in row.items() if cell is ROUNDED), None)
        problem = f"{rounded} is a 16-bit or 32-bit number, which rounds; write it as text" if rounded else ""
        problem = problem or _not_utf8(row)
        if not problem:
            yield f"row {number}", row
        elif put_aside is None:
            raise file.refusal(f"row {number}: {problem}")
        else:
            there = {name: None if cell is ROUNDED else cell for name, cell in row.items()}
            put_aside(f"row {number}", problem, _printable(str(there)))


def _json_rows(text: str, file: TableFile, put_aside: PutAside | None) -> Iterator[Row]:
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        row: Any = {}
        problem: tuple[str, str] | None = None
        try:
            row = json.loads(line.encode(), object_pairs_hook=_without_repeats)
        except UnicodeEncodeError:
            problem = "it is not UTF-8", "Save the file in UTF-8."
        except (ValueError, RecursionError) as error:
            problem = f"it is not JSON ({error})", "Write one JSON object a line."
        if not problem and not isinstance(row, dict):
            problem = "it is not a JSON object", "Write one JSON object a line."
        problem = problem or file.header_problem(list(row), file.required[:1])
        if not problem:
            names = file.columns_of(list(row))
            yield f"row {number}", {name: value for name, value in zip(names, row.values(), strict=True) if name}
        elif put_aside is None:
            raise file.refusal(f"row {number}: {problem[0]}", problem[1])
        else:
            put_aside(f"row {number}", problem[0], _printable(line))


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise ValueError(f"{name[:60]!r} is in it twice")
        found[name] = value
    return found
