"""Rows of a file whose cells are plainly right, found in columns, so that only the others are looked at one by one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from airflow_provider_zdirect.merchant_files.ean import DIGITS, ROUNDED_ZEROS

PLAIN_EAN = f"^[0-9]{{{DIGITS}}}$"
PLAIN_COUNT = "^[0-9]{1,9}$"
PLAIN_UUID = "^([0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12})?$"
"""In lower case, or nothing."""
PLAIN_TEXT = "^[^?]*$"
"""Any text in UTF-8, but none with a question mark: see :meth:`.Parquet.plain_rows`."""

Flags = npt.NDArray[np.bool_]
Numbers = npt.NDArray[np.int64]


@dataclass(frozen=True)
class PlainRows:
    """Some of a file's rows.

    :param numbers: which rows they are; the first one of a file without a header is 1.
    :param columns: their cells, as text, by our names of the columns; those that the file has.
    """

    numbers: Numbers
    columns: Mapping[str, pa.Array]

    def matching(self, patterns: Mapping[str, str]) -> PlainRows:
        """Those in which all cells match; none if a column that may not be blank is missing.

        :param patterns: by our name of the column; other columns do not matter.
        """
        fits = np.ones(len(self.numbers), dtype=bool)
        for name, pattern in patterns.items():
            if name in self.columns:
                cells = self.columns[name].fill_null("")
                fits &= pc.match_substring_regex(cells, pattern).to_numpy(zero_copy_only=False)
            elif not pc.match_substring_regex(pa.scalar(""), pattern).as_py():
                fits[:] = False
        return self.filter(fits)

    def filter(self, fits: Flags) -> PlainRows:
        return PlainRows(self.numbers[fits], {name: cells.filter(fits) for name, cells in self.columns.items()})


def are_eans(texts: pa.Array) -> Flags:
    """Which of these texts, all of 13 digits, :func:`~.ean.read_ean` takes: by check digit, unless it looks rounded."""
    if not len(texts):
        return np.zeros(0, dtype=bool)
    first = texts.offset * DIGITS
    digits = np.frombuffer(texts.buffers()[2], dtype=np.uint8)[first : first + len(texts) * DIGITS]
    digits = digits.reshape(-1, DIGITS) - ord("0")
    total = digits[:, ::2].sum(axis=1, dtype=np.int64) + 3 * digits[:, 1::2].sum(axis=1, dtype=np.int64)
    is_rounded = pc.ends_with(texts, ROUNDED_ZEROS).to_numpy(zero_copy_only=False)
    is_right: Flags = (total % 10 == 0) & ~is_rounded
    return is_right
