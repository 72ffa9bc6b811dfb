"""Files that people make: a table with a header, as CSV, Parquet or JSON lines, read as rows by our names of columns.

CSV: ``,`` or ``;``, UTF-8, quotes as RFC 4180 has them; blank lines are skipped. JSON lines: one object a line. Names
of columns are compared in lower case, with blanks and hyphens as ``_``; those that nobody asks for are not looked at.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airflow_provider_zdirect.exceptions import ZDirectConfigurationError

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem

KINDS = ("csv", "parquet", "jsonl")

Row = tuple[str, dict[str, Any]]
"""How to find the row (``row 7``), and its values by our names of the columns."""

PutAside = Callable[[str, str, Any], None]
"""Takes a row that is none: how to find it, what is wrong with it, and what is there."""


def table_kind(uri: str, *, name: str, kinds: Sequence[str] = KINDS) -> str:
    """The kind of a file, by the end of its name.

    :param name: the parameter that it came in, for the error.
    :raises ZDirectConfigurationError: if it is none of ``kinds``.
    """
    kind = uri.rpartition(".")[2].lower()
    if kind not in kinds:
        endings = [f".{kind}" for kind in kinds]
        raise ZDirectConfigurationError(
            f"{name}={uri!r} is of an unknown kind.",
            remedy=f"Give a file whose name ends in {', '.join(endings[:-1])} or {endings[-1]}.",
        )
    return kind


@dataclass(frozen=True)
class TableFile:
    """A file with a table in it.

    :param path: as ``fs`` names it.
    :param uri: as people name it.
    :param name: the parameter that it came in, for errors.
    :param columns: by our name of a column, what else it may be called.
    :param required: the column that it must have; of several, one of them.
    """

    fs: AbstractFileSystem
    path: str
    uri: str
    name: str
    columns: Mapping[str, tuple[str, ...]]
    required: str | tuple[str, ...] = "ean"

    def rows(self, put_aside: PutAside | None = None) -> Iterator[Row]:
        """Its rows, in order.

        :param put_aside: takes rows that are none, if the others can be read all the same; None: they are errors.
        :raises ZDirectConfigurationError: if the file is missing, empty, or not of its kind.
        """
        readers = {"csv": _csv_rows, "parquet": _parquet_rows, "jsonl": _json_rows}
        reader = readers[table_kind(self.uri, name=self.name)]
        try:
            yield from reader(self._data(), self, put_aside)
        except _Unreadable as error:
            raise self.refusal(str(error), error.remedy) from error

    def refusal(self, what: str, remedy: str = "Correct the file.") -> ZDirectConfigurationError:
        """The error that says what is wrong with this file."""
        return ZDirectConfigurationError(f"{self.name}={self.uri!r}: {what}.", remedy=remedy)

    def columns_of(self, header: Sequence[str]) -> list[str | None]:
        """Our name of each column, None for those that are not looked at."""
        ours = {called: column for column, names in self.columns.items() for called in (column, *names)}
        found = [ours.get(re.sub(r"[\s_-]+", "_", name.strip().lower())) for name in header]
        for column in self.columns:
            if found.count(column) > 1:
                raise _Unreadable(
                    f"several of its columns mean {column}: {', '.join(header)[:300]}", "Leave one of them."
                )
        return found

    def header_of(self, header: Sequence[str]) -> list[str | None]:
        """As :meth:`columns_of`; the required column must be there."""
        found = self.columns_of(header)
        required = (self.required,) if isinstance(self.required, str) else self.required
        if not set(required) & set(found):
            names = " or ".join(required)
            raise _Unreadable(
                f"it has no column {names}, only: {', '.join(header)[:300]}", f"Name the column that holds it {names}."
            )
        return found

    def _data(self) -> bytes:
        try:
            data: bytes = self.fs.cat_file(self.path)
        except (FileNotFoundError, PermissionError, IsADirectoryError, NotADirectoryError) as error:
            raise _Unreadable(
                f"it cannot be read: {type(error).__name__}", f"Put the file there, or leave {self.name} out."
            ) from error
        if not data.strip():
            raise _Unreadable("it is empty", f"Give a file with rows, or leave {self.name} out.")
        return data


class _Unreadable(Exception):
    def __init__(self, what: str, remedy: str = "Correct the file.") -> None:
        super().__init__(what)
        self.remedy = remedy


def _csv_rows(data: bytes, file: TableFile, put_aside: PutAside | None = None) -> Iterator[Row]:
    text = _text(data)
    header_line = text.lstrip("\r\n").partition("\n")[0]
    delimiter = ";" if header_line.count(";") > header_line.count(",") else ","
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        header: list[str | None] | None = None
        for cells in reader:
            if not any(cell.strip() for cell in cells):
                continue
            if header is None:
                header = file.header_of(cells)
                continue
            where = f"row {reader.line_num}"
            if len(cells) != len(header):
                said = f"{len(cells)} fields, and the header has {len(header)}"
                if put_aside is not None:
                    put_aside(where, f"it has {said}", cells)
                    continue
                raise _Unreadable(
                    f"{where} has {said}",
                    "Write decimals with a point, and put texts that hold the delimiter in quotes.",
                )
            yield where, {name: cell for name, cell in zip(header, cells, strict=True) if name}
    except csv.Error as error:
        raise _Unreadable(f"row {reader.line_num} is no CSV ({error})") from error


def _parquet_rows(data: bytes, file: TableFile, put_aside: PutAside | None = None) -> Iterator[Row]:
    # Here, so that what a file may be called can be said without it: DAG files are parsed often.
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(io.BytesIO(data))
    except (pa.ArrowException, OSError) as error:
        raise _Unreadable(f"it is no Parquet file ({type(error).__name__})") from error
    names = file.header_of(table.column_names)
    wanted = [number for number, name in enumerate(names) if name]
    for number, row in enumerate(table.select(wanted).to_pylist(), start=1):
        yield f"row {number}", {name: row[table.column_names[at]] for at, name in enumerate(names) if name}


def _json_rows(data: bytes, file: TableFile, put_aside: PutAside | None = None) -> Iterator[Row]:
    for number, line in enumerate(_text(data).split("\n"), start=1):
        if not line.strip():
            continue
        try:
            yield f"row {number}", _json_row(line, file)
        except _Unreadable as error:
            if put_aside is None:
                raise _Unreadable(f"row {number}{error}", error.remedy) from error
            put_aside(f"row {number}", str(error).removeprefix(":").strip(), line)


def _json_row(line: str, file: TableFile) -> dict[str, Any]:
    try:
        row = json.loads(line, object_pairs_hook=_without_repeats)
    except (ValueError, RecursionError) as error:
        raise _Unreadable(f" is no JSON ({error})", "Write one JSON object a line.") from error
    if not isinstance(row, dict):
        raise _Unreadable(" is no JSON object", "Write one JSON object a line.")
    try:
        names = file.header_of(list(row))
    except _Unreadable as error:
        raise _Unreadable(f": {error}", error.remedy) from error
    return {name: value for name, value in zip(names, row.values(), strict=True) if name}


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise ValueError(f"{name[:60]!r} is in it twice")
        found[name] = value
    return found


def _text(data: bytes) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise _Unreadable("it is not UTF-8", "Save it in UTF-8.") from None
