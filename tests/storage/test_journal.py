from __future__ import annotations

from pathlib import Path

import fsspec

from airflow_provider_zdirect.storage.journal import Journal
from airflow_provider_zdirect.storage.object_store import ObjectStore


def test_notes_of_any_number_of_writers_are_read_whole_until_all_are_deleted(tmp_path: Path) -> None:
    store = ObjectStore(fsspec.filesystem("file"), str(tmp_path))
    one, other = Journal(store, "notes"), Journal(store, "notes")
    assert (one.read(), one.names()) == ([], [])
    one.add({"n": 1}, "a")
    other.add({"n": 1}, "a")
    other.add({"n": 2}, "b")
    other.add({"n": 3})
    assert (len(one.names()), one.names()[:2]) == (3, sorted(one.names())[:2])
    assert sorted(note["n"] for note in one.read()) == [1, 2, 3]
    assert one.read(["b", "never written"]) == [{"n": 2}]
    assert "a" in one.names()
    assert not Journal(store, "other notes").names()
    store.delete_folder("notes")
    assert one.read() == []
