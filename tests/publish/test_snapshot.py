"""Snapshots as files, on a local disk and in memory."""

from __future__ import annotations

from datetime import date
from typing import Any

from item_rows import MERCHANT, at, put, table_of

from airflow_provider_zdirect.datasets.arrow import arrow_schema
from airflow_provider_zdirect.datasets.table import DATASETS
from airflow_provider_zdirect.publish.file_rows import FileRows
from airflow_provider_zdirect.publish.files import PublishedState
from airflow_provider_zdirect.publish.place import Place
from airflow_provider_zdirect.publish.snapshot import store_snapshot
from airflow_provider_zdirect.storage.layout import Layout
from airflow_provider_zdirect.storage.object_store import ObjectStore

SNAPSHOTS = DATASETS["item_quantity_snapshots"]
DAY, CREATED = date(2026, 11, 20), at(22)
FOLDER, REVISIONS = Layout(SNAPSHOTS.name, MERCHANT).published(DAY), Layout(SNAPSHOTS.name, MERCHANT).revisions(DAY)

STOCK = {"a": 1, "b": 2, "c": 3}


def publish(store: ObjectStore, quantities: dict[str, int], **others: Any) -> PublishedState:
    """The quantities by location of one EAN; ``others`` are fields of each record."""
    place = Place(store.fs, store.root, "file:///somewhere", MERCHANT, "production")
    return store_snapshot(place, SNAPSHOTS, staged(store, quantities, **others), CREATED)


def staged(store: ObjectStore, quantities: dict[str, int], **others: Any) -> FileRows:
    records = (
        {"ean": "4006381333931", "stock_location_id": place or None, "total_quantity": number, **others}
        for place, number in quantities.items()
    )
    rows = table_of(SNAPSHOTS.name, *({**record, "created": CREATED.isoformat()} for record in records))
    paths = ["_staging/a.parquet", "_staging/b.parquet"]
    for path, part in zip(paths, (rows.slice(0, 2), rows.slice(2)), strict=True):
        put(store, path, part)
    return FileRows(store, paths, arrow_schema(SNAPSHOTS.model))


def changes(published: PublishedState) -> tuple[int, int, int]:
    return published.changes["added"], published.changes["changed"], published.changes["removed"]


def test_the_same_records_in_any_order_are_there_already(store: ObjectStore) -> None:
    first = publish(store, STOCK)
    again = publish(store, dict(reversed(STOCK.items())))
    assert (first.stored, again.stored, again.files) == (True, False, first.files)
    assert changes(first) == changes(again) == (0, 0, 0)


def test_how_others_of_the_same_time_differ_is_counted(store: ObjectStore) -> None:
    publish(store, {**STOCK, "": 4})
    before = store.files(FOLDER)
    differing = publish(store, {"a": 1, "b": 7, "": 5, "d": 4, "e": 5})
    assert (differing.stored, changes(differing)) == (False, (2, 2, 1))
    assert changes(publish(store, {})) == (0, 0, 4)
    assert store.files(FOLDER) == before


def test_records_of_other_texts_that_say_the_same_are_no_difference(store: ObjectStore) -> None:
    publish(store, STOCK)
    same = publish(store, STOCK, name=None)
    assert (same.stored, changes(same)) == (False, (0, 0, 0))
    assert changes(publish(store, {**STOCK, "a": 9}, name=None)) == (0, 1, 0)
    assert len(store.files(FOLDER)) == 1


def test_of_two_files_of_runs_that_met_with_other_texts_one_stays_and_the_other_is_a_revision(
    store: ObjectStore,
) -> None:
    publish(store, STOCK)
    (first,) = store.files(FOLDER)
    data = store.read(first) or b""
    store.delete(first)
    publish(store, STOCK, name=None)
    (second,) = store.files(FOLDER)
    store.write(first, data)
    met = publish(store, STOCK)
    stays, goes = sorted([first, second])
    assert (met.stored, [file.path for file in met.files], store.files(FOLDER)) == (False, [stays], [stays])
    assert changes(met) == (0, 0, 0)
    assert [path.rpartition("/")[2] for path in store.files(REVISIONS)] == [goes.rpartition("/")[2]]
    assert [(file.rows, file.bytes) for file in met.files] == [(3, len(store.read(stays) or b""))]
