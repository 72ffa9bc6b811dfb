# SPDX-License-Identifier: Apache-2.0
"""Rows of a CSV that people or programs made."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from airflow_provider_zdirect.merchant_files.cells import column_name
from airflow_provider_zdirect.words import counted

if TYPE_CHECKING:
    import pyarrow as pa

    from airflow_provider_zdirect.merchant_files.tables import FoundRow, Numbers, TableFile

_DELIMITERS = ",;\t"
_SEP = re.compile(r'"?sep=(.)"?[,;\t]*', re.IGNORECASE)
_LINES_OF_A_ROW = 1_000
_SPLIT_NUMBER = re.compile(r"(^|,) *([A-Z]{3} |[^\s\w,] ?)?[0-9]{1,7}(\.[0-9]{3})*,[0-9]{1,6} *(?=,)")
"""Two fields that may be one number, such as ``0,25`` or ``EUR 1.299,00``, in a row whose delimiter is a comma."""


class Csv:
    """Rows of a CSV, each found by itself: a quote that is not closed must not swallow the rows that follow."""

    def __init__(self, text: str, file: TableFile) -> None:
        self._file = file
        self._lines = list(io.StringIO(text, newline=""))
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
        self._header_cells, taken = headers[self.delimiter]
        self._widest = len(self._header_cells)
        while len(self._header_cells) > 1 and not self._header_cells[-1].strip():
            self._header_cells.pop()
        self._width = len(self._header_cells)
        self._first = at + taken
        names = file.header_of(self._header_cells, f"the header in row {at + 1}")
        self._wanted = {name: place for place, name in enumerate(names) if name}

    def columns(self) -> pa.Table:
        """Rows without quotes that have as many fields as the header; none if the file is not UTF-8."""
        import pyarrow as pa
        import pyarrow.compute as pc

        try:
            lines = pc.utf8_rtrim(pa.array(self._lines[self._first :], pa.string()), characters="\r\n")
        except UnicodeEncodeError:
            lines = pa.array([], pa.string())
        has_all = pc.equal(pc.count_substring(lines, self.delimiter), self._width - 1)
        is_plain = pc.and_not(has_all, pc.match_substring(lines, '"'))
        cells = pc.split_pattern(lines.filter(is_plain), self.delimiter)
        numbers = pc.add(pc.indices_nonzero(is_plain), self._first + 1)
        return pa.table({**{name: pc.list_element(cells, at) for name, at in self._wanted.items()}, "number": numbers})

    def rows(self, without: Numbers | tuple[()] = ()) -> Iterator[FoundRow]:
        """
        :param without: numbers of rows that are left out; they are among :meth:`columns`, and so no part of others.
        """
        import numpy as np

        after = 0
        for number in np.setdiff1d(np.arange(self._first, len(self._lines)) + 1, without).tolist():
            if (at := number - 1) < after:
                continue
            line, where = self._lines[at], f"row {number}"
            if '"' in line:
                cells, taken, problem = self._quoted(at)
            else:
                cells, taken, problem = self._split(line), 1, ""
            after = at + taken
            if not any(map(str.strip, cells)) or self._is_header(cells):
                continue
            if not problem and len(cells) != self._width:
                problem = f"it has {counted(len(cells), 'field')}, and the header has {self._width}"
            row = {} if problem else {name: cells[place] for name, place in self._wanted.items()}
            yield where, row, problem, cells

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
        with suppress(csv.Error):
            cells = self._trimmed(next(reader), "".join(self._lines[at : at + reader.line_num]))
            if reader.line_num == 1 or len(cells) == self._width:
                return cells, reader.line_num, ""
        # One of its quotes is wrong. In a column that is not read it does not matter.
        cells = self._split(self._lines[at])
        is_read = len(cells) == self._width and self._is_read_without_quotes(cells)
        return cells, 1, "" if is_read else "it has a quote that is not closed, or text after the closing one"

    def _split(self, line: str) -> list[str]:
        return self._trimmed(line.rstrip("\r\n").split(self.delimiter), line)

    def _trimmed(self, cells: list[str], text: str) -> list[str]:
        """Without blank fields after the last column: many programs end each row with a delimiter.

        A field more than the header has may also come from a decimal comma, whose row must not lose its last field.
        """
        if len(cells) == self._width or any(map(str.strip, cells[self._width :])):
            return cells
        if len(cells) > self._widest and self.delimiter == "," and _SPLIT_NUMBER.search(text):
            return cells
        return cells[: self._width]

    def _is_header(self, cells: Sequence[str]) -> bool:
        """Whether it is the header once more: several files were put together."""
        header = self._header_cells
        return cells[1:] == header[1:] and column_name(cells[0]) == column_name(header[0])

    def _lines_of_row(self, at: int) -> Iterator[str]:
        """A row and lines that may belong to it: a text with line breaks, but none that looks like the next row."""
        yield self._lines[at]
        for number in range(at + 1, min(at + _LINES_OF_A_ROW, len(self._lines))):
            if self._could_be_row(self._lines[number]):
                return
            yield self._lines[number]

    def _could_be_row(self, line: str) -> bool:
        """Whether it has enough fields, and no quote in those that are looked at."""
        return line.count(self.delimiter) >= self._width - 1 and self._is_read_without_quotes(
            line.split(self.delimiter)
        )

    def _is_read_without_quotes(self, cells: Sequence[str]) -> bool:
        return not any('"' in cells[place] for place in self._wanted.values())
