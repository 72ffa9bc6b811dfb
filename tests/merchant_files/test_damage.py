"""Every damage of the table, through every reader of merchants' files, in every kind of file that can hold it."""

from __future__ import annotations

import csv
import io
import itertools
import json
import re
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import fsspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from damage import AMOUNT, CN8, DAMAGE, EAN, EVERY, GOOD, QUANTITY, READERS, TRACKING
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_zdirect.exceptions import ZDirectConfigurationError
from airflow_provider_zdirect.inbound.item_set import COLUMNS, read_items
from airflow_provider_zdirect.intrastat.master_data import ALIASES, read_master_data
from airflow_provider_zdirect.merchant_files.tables import TableFile
from airflow_provider_zdirect.orders.update_rows import COLUMNS as UPDATE_COLUMNS
from airflow_provider_zdirect.orders.update_rows import REQUIRED, listed_updates, read_updates
from airflow_provider_zdirect.stocks.feed import MAPPING_COLUMNS, FeedFiles, SkuMapping
from airflow_provider_zdirect.windows import parse_instant

NOW = parse_instant("2026-11-28T10:00:00Z", name="now")
ORDER = "5b1f6a52-9d3c-4d6e-8f3a-0c9a5b7e1d24"
BACK = "JJD000390007882445566"
FS = fsspec.filesystem("memory")
_numbers = itertools.count()

REFUSED = "refused"
LOST_ZEROS = ("lost zeros", "number", "decimal", "decimal with .0")


def write(kind: str, row: dict[str, Any]) -> str:
    path = f"/damage/{next(_numbers)}.{kind}"
    if kind == "parquet":
        sink = io.BytesIO()
        pq.write_table(pa.table({name: [cell] for name, cell in row.items()}), sink)
        FS.pipe_file(path, sink.getvalue())
    elif kind == "jsonl":
        FS.pipe_file(path, json.dumps(row).encode())
    else:
        text = io.StringIO()
        csv.writer(text).writerows([row.keys(), row.values()])
        FS.pipe_file(path, text.getvalue().encode())
    return path


def refusal(error: ZDirectConfigurationError) -> str:
    return REFUSED if re.search("row [12]: ", error.message) else f"the row is not named: {error}"


def tracking(path: str) -> Any:
    rows = read_updates(TableFile(FS, path, path, "updates_path", UPDATE_COLUMNS, REQUIRED).rows(), merchant_id="")
    assert len(rows.updates) + len(rows.wrong) == 1
    if rows.wrong:
        assert str(rows.wrong[0].reason).startswith("tracking_number="), "the value is shown"
        assert rows.wrong[0].order_id == ORDER
        return REFUSED
    return rows.updates[0].tracking_number


def feed(path: str) -> Any:
    files = FeedFiles(FS, path, path, NOW)
    read = files.read(files.find(), None, NOW)
    (row,) = read.at(np.arange(read.rows.num_rows)) or [None]
    if row is None or row.quantity is None:
        (bad,) = read.bad or [row]
        assert "missing" in bad.reason or "ean=" in bad.reason or "quantity=" in bad.reason
        return None if "missing" in bad.reason else REFUSED
    return row.ean, str(row.quantity)


def items(path: str) -> Any:
    file = TableFile(FS, path, path, "items_path", COLUMNS, ("ean", "quantity"))
    try:
        ((ean, quantity),) = read_items(file).items()
    except ZDirectConfigurationError as error:
        return refusal(error)
    return ean, str(quantity)


def master_data(path: str) -> Any:
    try:
        (row,) = read_master_data(TableFile(FS, path, path, "master_data", ALIASES)).to_pylist()
    except ZDirectConfigurationError as error:
        return refusal(error)
    return row


def mapping(path: str) -> Any:
    file = TableFile(FS, path, path, "mapping_path", MAPPING_COLUMNS, ("merchant_sku", "ean"))
    return SkuMapping.read(file).eans.get("A", REFUSED)


def _of_master_data(column: str) -> Callable[[str], Any]:
    def value(path: str) -> Any:
        row = master_data(path)
        return row if row == REFUSED else row[column]

    return value


# Reader, what stands in the damaged column, the rest of the row, and the value as that reader gives it.
WAYS: dict[str, tuple[str, dict[str, Any], Callable[[str], Any], Callable[[str], Any]]] = {
    "order updates": (
        TRACKING,
        {"order_id": ORDER, "return_tracking_number": BACK, "status": "shipped"},
        tracking,
        lambda cell: cell,
    ),
    "feed, article": (EAN, {QUANTITY: "5"}, feed, lambda ean: (ean, "5")),
    "feed, quantity": (QUANTITY, {EAN: "4006381333931"}, feed, lambda cell: ("4006381333931", cell)),
    "item set, article": (EAN, {QUANTITY: "5"}, items, lambda ean: (ean, "5")),
    "item set, quantity": (QUANTITY, {EAN: "4006381333931"}, items, lambda cell: ("4006381333931", cell)),
    "mapping": (EAN, {"merchant_sku": "A"}, mapping, lambda ean: ean),
    "master data, article": (EAN, {CN8: "61091000"}, _of_master_data(EAN), lambda ean: ean),
    "master data, code": (CN8, {EAN: "4006381333931"}, _of_master_data(CN8), lambda cell: cell),
    "master data, mass": (AMOUNT, {EAN: "4006381333931"}, _of_master_data(AMOUNT), Decimal),
}


def kinds_of(cell: Any) -> Iterator[str]:
    yield "parquet"
    if isinstance(cell, str):
        yield "csv"
    if isinstance(cell, str | bool | int | float | list) and cell == cell:
        yield "jsonl"


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", DAMAGE)
def test_a_damaged_cell_is_read_as_it_was_meant_or_refused(name: str, way: str) -> None:
    column, rest, read, value = WAYS[way]
    damage = DAMAGE[name]
    cell = damage.cell(GOOD[column])
    wanted = value(GOOD[column]) if column in damage.meant else REFUSED
    if damage.blank:
        wanted = {TRACKING: None, CN8: None, AMOUNT: None}.get(column, REFUSED)
    for kind in kinds_of(cell):
        found = read(write(kind, {column: cell, **rest}))
        if column == TRACKING and name in LOST_ZEROS:
            assert found == GOOD[TRACKING].lstrip("0"), "whether it ever had zeros is not known"
        elif damage.blank and column in (EAN, QUANTITY):
            assert found in (None, REFUSED)
        elif column == CN8 and name in ("text with .00", "scientific"):
            assert found in (GOOD[CN8], REFUSED)
        else:
            assert found == wanted, kind


@given(st.lists(st.sampled_from([n for n, one in DAMAGE.items() if one.meant == EVERY and n != "bytes"]), max_size=4),
       st.sampled_from(sorted(WAYS)))  # fmt: skip
def test_however_often_a_cell_was_wrapped_it_is_unwrapped(names: list[str], way: str) -> None:
    column, rest, read, value = WAYS[way]
    cell = GOOD[column]
    for name in names:
        cell = DAMAGE[name].cell(cell)
    assert read(write("csv", {column: cell, **rest})) == value(GOOD[column])


@pytest.mark.parametrize("name", DAMAGE)
def test_rows_of_a_list_are_read_as_those_of_a_file(name: str) -> None:
    for column in ("tracking_number", "return_tracking_number"):
        damage = DAMAGE[name]
        other = "return_tracking_number" if column == "tracking_number" else "tracking_number"
        row = {"order_id": ORDER, column: damage.cell(GOOD[TRACKING]), other: BACK}
        rows = read_updates(listed_updates([row], name="updates"), merchant_id="")
        if damage.blank or name in LOST_ZEROS:
            continue
        assert [getattr(update, column) for update in rows.updates] == [GOOD[TRACKING]] * (TRACKING in damage.meant)
        assert len(rows.wrong) == (TRACKING not in damage.meant)


def test_every_reader_of_the_table_is_tried() -> None:
    assert {column for column, *_ in WAYS.values()} == set(READERS)
