"""Every file that a page shows is one that the product takes, with all its rows."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import fsspec
import pytest
from code_blocks import Block, blocks

from airflow_provider_zdirect.inbound import item_set
from airflow_provider_zdirect.merchant_files.tables import TableFile
from airflow_provider_zdirect.orders import update_rows
from airflow_provider_zdirect.stocks.feed import FeedFiles

FILES = fsspec.filesystem("file")
NOW = datetime(2026, 11, 22, tzinfo=UTC)


def goods(path: Path) -> int:
    return len(item_set.read_items(TableFile(FILES, str(path), str(path), "items_path", item_set.COLUMNS, ("ean",))))


def updates(path: Path) -> int:
    file = TableFile(FILES, str(path), str(path), "updates_path", update_rows.COLUMNS, update_rows.REQUIRED)
    read = update_rows.read_updates(file.rows(), merchant_id="01234567-89ab-cdef-0123-456789abcdef")
    assert read.wrong == ()
    return len(read.updates)


def feed(path: Path) -> int:
    files = FeedFiles(FILES, str(path), str(path))
    read = files.read(files.find(), None, NOW)
    assert (read.bad, read.wrong) == ([], {})
    return read.count


READERS: dict[str, Callable[[Path], int]] = {"inbound.md": goods, "order-updates.md": updates, "stocks.md": feed}


@pytest.mark.parametrize("block", blocks("csv"), ids=str)
def test_a_file_of_a_page_is_read_completely(block: Block, tmp_path: Path) -> None:
    path = tmp_path / "file.csv"
    path.write_text(block.text, encoding="utf-8")
    assert READERS[block.page](path) == len(block.text.splitlines()) - 1
