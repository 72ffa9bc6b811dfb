from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import fsspec
import pytest
from extraction import Extraction

from airflow_provider_zdirect.emulator.server import EmulatorServer
from airflow_provider_zdirect.inbound.received_counts import ReceivedCounts
from airflow_provider_zdirect.storage.object_store import ObjectStore
from airflow_provider_zdirect.windows import Window

DAYS = [Window.of_day(date(2026, 11, day)) for day in (18, 19, 20)]


class CountingStore(ObjectStore):
    """Remembers which files were opened."""

    opened: list[str] = []

    def open(self, path: str) -> Any:
        self.opened.append(path)
        return super().open(path)


@pytest.fixture
def runs(tmp_path: Path) -> Iterator[Extraction]:
    with EmulatorServer(seed=7, now="2026-11-22T10:00:00Z", late_share=0.2) as emulator:
        extraction = Extraction(emulator, tmp_path)
        for day in DAYS:
            extraction.run("received_items", day)
        yield extraction


def counts(runs: Extraction) -> ReceivedCounts:
    CountingStore.opened = []
    store = CountingStore(fsspec.filesystem("file", skip_instance_cache=True), str(runs.root))
    return ReceivedCounts(store, runs.merchant_id)


def expected(runs: Extraction) -> list[tuple[Any, ...]]:
    files = f"{runs.root}/received_items/**/*.parquet"
    return duckdb.sql(
        "SELECT zalando_advice_id, ean, count(DISTINCT quality_label), epoch_us(min(received_timestamp)), "
        f"epoch_us(max(received_timestamp)) FROM read_parquet('{files}') GROUP BY ALL ORDER BY ALL"
    ).fetchall()


def counted(runs: Extraction) -> list[tuple[Any, ...]]:
    return sorted(
        (*key, came.pieces, round(came.first.timestamp() * 1e6), round(came.last.timestamp() * 1e6))
        for key, came in counts(runs).count()[0].items()
    )


def test_the_counts_are_those_of_sql(runs: Extraction) -> None:
    found = counted(runs)
    assert len(found) > 1000
    assert found == expected(runs)


def test_only_dates_with_other_files_are_read_again(runs: Extraction) -> None:
    counted(runs)
    assert len(CountingStore.opened) >= 3
    assert counted(runs) == expected(runs)
    assert CountingStore.opened == []
    runs.run("received_items", Window.of_day(date(2026, 11, 17)))
    assert counted(runs) == expected(runs)
    assert {path.split("/")[2] for path in CountingStore.opened} == {"date=2026-11-17"}


def test_a_record_that_is_there_twice_for_a_moment_counts_once(runs: Extraction) -> None:
    before = counted(runs)
    path = next((runs.root / "received_items").rglob("*.parquet"))
    shutil.copy(path, path.with_name(path.name.replace(".parquet", "0.parquet")))
    assert counted(runs) == before


def test_what_was_remembered_of_dates_that_are_gone_does_not_count(runs: Extraction) -> None:
    counted(runs)
    shutil.rmtree(next((runs.root / "received_items").rglob("date=2026-11-19")))
    assert counted(runs) == expected(runs)


def test_nothing_received_is_nothing(tmp_path: Path) -> None:
    store = ObjectStore(fsspec.filesystem("file"), str(tmp_path))
    assert ReceivedCounts(store, "29809185-6a98-4691-a15b-e8d16839b6e8").count() == ({}, 0)


def test_what_cannot_be_remembered_is_counted_anew(runs: Extraction) -> None:
    counted(runs)
    (memory,) = (runs.root / "_states" / "received_counts").iterdir()
    memory.write_bytes(b"")
    assert counted(runs) == expected(runs)
    assert counts(runs).count()[1] == 3


def test_a_date_whose_files_are_all_gone_meanwhile_counts_nothing(runs: Extraction) -> None:
    store = counts(runs).store
    gone = next((runs.root / "received_items").rglob("date=2026-11-19"))

    class Losing(CountingStore):
        def open(self, path: str) -> Any:
            shutil.rmtree(gone, ignore_errors=True)
            return super().open(path)

    ReceivedCounts(Losing(store.fs, store.root), runs.merchant_id).count()
    assert counted(runs) == expected(runs)
