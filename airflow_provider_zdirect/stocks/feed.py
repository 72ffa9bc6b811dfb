# SPDX-License-Identifier: Apache-2.0
"""The merchant's stock feed: rows of one or several files, each judged by itself.

A bad row is rejected with its place and the reason; the others go on. A file that cannot be read as a table, or has no
row that can be read, is an error before anything is sent; if there are other files, it is rejected as a whole.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import reduce
from types import MappingProxyType
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from fsspec import AbstractFileSystem

from airflow_provider_zdirect.exceptions import StorageUnavailableError, ZDirectConfigurationError, one_line
from airflow_provider_zdirect.merchant_files.cells import UUID, CellError, bare, read_cell, read_count, shown
from airflow_provider_zdirect.merchant_files.ean import are_eans, read_ean, restored_ean
from airflow_provider_zdirect.merchant_files.tables import KINDS, TableFile, is_passing, is_table, table_kind
from airflow_provider_zdirect.publish.placed_rows import integers
from airflow_provider_zdirect.publish.same_row import Numbers
from airflow_provider_zdirect.stocks.level import LARGEST

log = logging.getLogger(__name__)

COLUMNS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "ean": ("gtin", "ean13"),
        "merchant_sku": ("sku", "merchant_article_id"),
        "quantity": ("qty", "pieces", "stock"),
        "sales_channel_id": ("sales_channel",),
    }
)
"""Columns of a feed, with what else they may be called."""

MAPPING_COLUMNS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {"merchant_sku": COLUMNS["merchant_sku"], "ean": COLUMNS["ean"]}
)
SHORTEST_UPC = 12

PLAIN = {
    "ean": "^[0-9]{13}$",
    "quantity": "^[0-9]{1,9}$",
    "sales_channel_id": f"^({UUID.pattern})?$",
    "merchant_sku": "^[^?]*$",
}
"""What cells look like of which nothing has to be judged but the check digit; any text in UTF-8 may be an SKU."""
ROWS = pa.schema(
    [
        ("file", pa.dictionary(pa.int32(), pa.string())),
        ("number", pa.int64()),
        ("sales_channel_id", pa.dictionary(pa.int32(), pa.string())),
        ("ean", pa.string()),
        ("quantity", pa.int64()),
    ]
)
"""Of rows with an EAN. The sales channel is blank if they are for all, the quantity null if it is not valid."""


@dataclass(frozen=True, slots=True)
class FeedRow:
    """A row of a file.

    :param where: as :mod:`~airflow_provider_zdirect.merchant_files.tables` names it: ``row 7``.
    :param reason: why it is rejected; blank if nothing is wrong with it.
    :param content: as it came; None if nothing is wrong: these are too many to keep them.
    :param ean: blank if its article is not known.
    :param channel: the only sales channel that it is for; None: for all.
    :param quantity: None if it is not valid.
    """

    file: str
    where: str
    reason: str = ""
    content: Mapping[str, Any] | None = None
    ean: str = ""
    channel: str | None = None
    quantity: int | None = None

    @property
    def source(self) -> str:
        return f"{self.where} of {self.file.rpartition('/')[2]}"


@dataclass(frozen=True)
class SkuMapping:
    """EANs by merchant SKU.

    :param wrong: SKUs without a valid EAN, with the reason.
    """

    eans: Mapping[str, str] = field(default_factory=dict)
    wrong: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def read(cls, file: TableFile) -> SkuMapping:
        """The mapping in a file; an SKU that is in it with different EANs has none.

        :raises ZDirectConfigurationError: if the file cannot be read.
        """
        eans: dict[str, str] = {}
        wrong: dict[str, str] = {}
        for where, row in file.rows():
            try:
                sku = read_cell(row, "merchant_sku", bare)
            except CellError as error:
                raise file.refusal(f"{where}: {error}") from error
            if not sku:
                continue
            try:
                ean = read_cell(row, "ean", read_ean)
            except CellError as error:
                wrong[sku] = f"{where} of the mapping gives it {error}"
                continue
            if eans.setdefault(sku, ean) != ean:
                wrong[sku] = f"the mapping gives it several EANs, in {where} another one than before"
        return cls({sku: ean for sku, ean in eans.items() if sku not in wrong}, wrong)

    def ean_of(self, sku: str) -> str | None:
        """The EAN of an article as the merchant calls it: by SKU, or by the EAN (or UPC) itself."""
        if sku in self.eans:
            return self.eans[sku]
        # One in ten shorter numbers would be an EAN by chance, and may be an SKU.
        return restored_ean(sku) if len(sku) >= SHORTEST_UPC and sku not in self.wrong else None


@dataclass
class Feed:
    """The rows of all files.

    :param rows: those with an EAN (``ROWS``), by file and number.
    :param wrong: of these the ones without a valid quantity, by file and number.
    :param bad: all others.
    :param times: by file, when its figures were made.
    """

    rows: pa.Table = field(default_factory=ROWS.empty_table)
    wrong: dict[tuple[str, int], FeedRow] = field(default_factory=dict)
    bad: list[FeedRow] = field(default_factory=list)
    times: dict[str, datetime] = field(default_factory=dict)

    @property
    def count(self) -> int:
        return int(self.rows.num_rows) + len(self.bad)

    def add(self, plain: pa.Table, others: Iterable[FeedRow]) -> None:
        """Add the rows of a file.

        :param plain: those that are right (``ROWS``).
        """
        known = []
        for row in others:
            if not row.ean:
                self.bad.append(row)
                continue
            number = int(row.where.rpartition(" ")[2])
            known.append((row.file, number, row.channel or "", row.ean, row.quantity))
            if row.quantity is None:
                self.wrong[row.file, number] = row
        judged = pa.Table.from_struct_array(pa.array(known, pa.struct(ROWS)))
        added = pa.concat_tables([plain, judged]).unify_dictionaries().sort_by("number")
        self.rows = pa.concat_tables([self.rows, added]).unify_dictionaries()

    def at(self, places: Numbers) -> list[FeedRow]:
        """Some of the rows with an EAN, each by itself."""
        return [
            self.wrong.get((file, number)) or FeedRow(file, f"row {number}", "", None, ean, channel or None, quantity)
            for file, number, channel, ean, quantity in zip(
                *(column.to_pylist() for column in self.rows.take(pa.array(places)).columns), strict=True
            )
        ]


@dataclass(frozen=True)
class FeedFiles:
    """A file, or a folder with files: CSV, Parquet, JSON lines.

    :param path: as ``fs`` names it.
    :param uri: as people name it.
    :param feed_time: when the figures were made; None: when the file was written last.
    """

    fs: AbstractFileSystem
    path: str
    uri: str
    feed_time: datetime | None = None

    def find(self) -> list[TableFile]:
        """The files, by name; none if there is no such file or folder, or nothing in it.

        :raises ZDirectConfigurationError: if there are only files of other kinds in the folder.
        """
        self.fs.invalidate_cache()
        if not self.fs.exists(self.path):
            return []
        if not self.fs.isdir(self.path):
            return [self._file(self.path, self.uri)]
        listed = (one["name"] for one in self.fs.ls(self.path, detail=True) if one["type"] == "file")
        names = sorted(name for path in listed if (name := path.rpartition("/")[2]) and not is_passing(name))
        known = [name for name in names if is_table(name)]
        others = ", ".join(name for name in names if name not in known)[:300]
        if others and not known:
            raise ZDirectConfigurationError(
                f"stock_path={self.uri!r} has only files of other kinds: {others}.",
                remedy=f"Put a feed there: {', '.join(f'.{kind}' for kind in KINDS)}, or with .gz after it.",
            )
        if others:
            log.warning("Stock feed %s: these files are not feeds, and are not read: %s.", self.uri, one_line(others))
        return [self._file(f"{self.path}/{name}", f"{self.uri}/{name}") for name in known]

    def read(self, files: list[TableFile], mapping: SkuMapping | None, now: datetime) -> Feed:
        """All rows of ``files``.

        :raises ZDirectConfigurationError: if no file can be read as a table, or the only one; or it has merchant SKUs
            without a mapping.
        :raises StorageUnavailableError: if a file was changed while it was read, or is gone.
        """
        feed = Feed()
        refused: list[ZDirectConfigurationError] = []
        for file in files:
            table_kind(file.uri, name=file.name)
            try:
                self._read_file(file, mapping, now, feed)
            except ZDirectConfigurationError as error:
                if not self.fs.exists(file.path):
                    raise _changing(file) from error
                refused.append(error)
                feed.bad.append(FeedRow(file.uri, "the whole", error.message.rstrip("."), {}))
        if refused and not feed.times:
            others = "".join(f" {error.message}" for error in refused[1:10])
            raise ZDirectConfigurationError(refused[0].message + others, remedy=refused[0].remedy) from refused[0]
        return feed

    def _file(self, path: str, uri: str) -> TableFile:
        return TableFile(self.fs, path, uri, "stock_path", COLUMNS, ("ean or merchant_sku", "quantity"))

    def _read_file(self, file: TableFile, mapping: SkuMapping | None, now: datetime, feed: Feed) -> None:
        broken: list[FeedRow] = []
        plain = ROWS.empty_table()

        def reject(where: str, why: str, content: Any) -> None:
            broken.append(FeedRow(file.uri, where, why, {"content": content}))

        def take(found: pa.Table) -> Numbers:
            nonlocal plain
            plain = _plain_rows(file, found)
            return integers(plain["number"])

        written = self._time_of(file)
        rows = [_judged(file, where, row, mapping) for where, row in file.rows(reject, take)]
        if self._time_of(file) != written:
            # The time and the figures have to belong together.
            raise _changing(file)
        if broken and not plain.num_rows and not any(row.ean for row in rows):
            raise file.refusal(f"{broken[0].where}: {broken[0].reason}; and no row can be sent")
        # A file from the future comes from a machine whose clock is ahead; later feeds must not seem older.
        feed.times[file.uri] = min(written, now)
        feed.add(plain, [*rows, *broken])

    def _time_of(self, file: TableFile) -> datetime:
        if self.feed_time is not None:
            return self.feed_time
        try:
            self.fs.invalidate_cache()
            time = self.fs.modified(file.path)
        except FileNotFoundError as error:
            raise _changing(file) from error
        except (NotImplementedError, AttributeError, KeyError, TypeError) as error:
            raise file.refusal(
                "the storage does not say when it was written", "Give feed_time: when its figures were made."
            ) from error
        utc: datetime = time.astimezone(UTC) if time.tzinfo else time.replace(tzinfo=UTC)
        return utc


def _changing(file: TableFile) -> StorageUnavailableError:
    return StorageUnavailableError(
        f"stock_path={file.uri!r} was replaced or is gone since it was looked for.",
        remedy="No action needed: the retry reads what is there then. Write a feed under another name first, and "
        "rename it when it is complete.",
        retry_after=60,
    )


def _plain_rows(file: TableFile, found: pa.Table) -> pa.Table:
    """The rows of which each cell is plainly right (``ROWS``)."""
    blank = pa.repeat("", found.num_rows)
    cells = {name: found[name].fill_null("") if name in found.column_names else blank for name in PLAIN}
    is_plain = reduce(pc.and_, (pc.match_substring_regex(cells[name], pattern) for name, pattern in PLAIN.items()))
    file_name = pa.repeat(pa.scalar(file.uri, ROWS.field("file").type), found.num_rows)
    columns = {**cells, "number": found["number"], "file": file_name}
    rows = pa.table({name: columns[name] for name in ROWS.names}).filter(is_plain)
    return rows.filter(are_eans(integers(rows["ean"]))).cast(ROWS)


def _judged(file: TableFile, where: str, row: Mapping[str, Any], mapping: SkuMapping | None) -> FeedRow:
    ean, channel = "", None
    try:
        channel = read_cell(row, "sales_channel_id", _channel)
        ean = read_cell(row, "ean", read_ean) if read_cell(row, "ean", bare) else _mapped(file, row, mapping)
        return FeedRow(file.uri, where, "", None, ean, channel, _quantity(row))
    except CellError as error:
        return FeedRow(file.uri, where, str(error), row, ean, channel)


def _channel(value: Any) -> str | None:
    channel = bare(value).lower()
    if channel and not UUID.fullmatch(channel):
        raise CellError("is not a UUID")
    return channel or None


def _mapped(file: TableFile, row: Mapping[str, Any], mapping: SkuMapping | None) -> str:
    """The EAN of a row that has only an SKU."""
    sku = read_cell(row, "merchant_sku", bare)
    if not sku:
        raise CellError("neither ean nor merchant_sku is given" if "merchant_sku" in row else "ean is missing")
    if mapping is None:
        raise file.refusal(
            "it has merchant SKUs, and mapping_path is not given",
            "Give mapping_path: a file with the columns merchant_sku and ean; or write EANs.",
        )
    if sku not in mapping.eans:
        wrong = f": {mapping.wrong[sku]}" if sku in mapping.wrong else " is not in the mapping"
        raise CellError(f"merchant_sku={shown(sku)}{wrong}")
    return mapping.eans[sku]


def _quantity(row: Mapping[str, Any]) -> int:
    if not read_cell(row, "quantity", bare):
        raise CellError("quantity is missing")
    number = read_cell(row, "quantity", read_count)
    if not 0 <= number <= LARGEST:
        raise CellError(f"quantity={number} is {'negative' if number < 0 else f'more than {LARGEST}'}")
    return number
