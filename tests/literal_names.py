"""Names of folders that a filesystem may take for a pattern, a query or an escape; and all that is done in one."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path

import real_time

from airflow_provider_zdirect.storage.object_store import ObjectStore

NAMES = (
    "ERP [prod]",
    "a%20b",
    "Müller & Söhne 東京",
    "a#b",
    "a?b",
    "a*b",
    "**",
    "[!a]b",
    "{a,b}",
    "100%",
    "a+b",
    "a&b=c?d",
    "a?",
    "~a",
    "a::b",
)


def neighbour_of(name: str) -> str:
    """Another name, which the first one fits if it is read as a pattern."""
    other = re.sub(r"\[!?(.)[^\]]*\]", r"\1", name).replace("?", "X").replace("*", "XX")
    return other if other != name else f"{name}X"


def use_every_operation(store: ObjectStore, scratch: Path) -> None:
    """All that is done to a base path; and nothing is left there."""
    store.check_writable("base")
    assert store.files("folder") == store.files_below("folder") == []
    assert (store.read("folder/a"), store.read_many(["folder/a"])) == (None, [])
    store.delete("folder/a")
    store.delete_folder("folder")
    store.move("folder/a", "folder/z")
    store.write("folder/a", b"1")
    version = store.versions_below("folder")
    assert store.versions_below("folder") == version
    store.write("folder/a", b"11")
    assert version["folder/a"] != store.versions_below("folder")["folder/a"]
    local = scratch / "a-local-file"
    local.write_bytes(b"222")
    store.upload(local, "folder/deep/b")
    assert store.write_if_absent("folder/deep/c", b"3") == b"3"
    assert store.write_if_absent("folder/deep/c", b"4") == b"3"
    assert (store.files("folder/deep"), store.files_below("folder")) == (
        ["folder/deep/b", "folder/deep/c"],
        ["folder/a", "folder/deep/b", "folder/deep/c"],
    )
    now = real_time.now()
    assert all(abs(now - at) < timedelta(hours=1) for at in store.written_below("folder").values())
    assert store.read("folder/a") == b"11"
    assert store.read_many(["folder/a", "folder/gone", "folder/deep/b"]) == [b"11", b"222"]
    with store.open("folder/deep/b") as file:
        assert file.read() == b"222"
    store.move("folder/a", "folder/moved/z")
    store.move("folder/a", "folder/elsewhere")
    assert store.files_below("folder") == ["folder/deep/b", "folder/deep/c", "folder/moved/z"]
    assert store.read("folder/moved/z") == b"11"
    store.delete("folder/deep/c")
    store.delete_folder("folder/deep")
    assert store.files_below("folder") == ["folder/moved/z"]
    store.delete_folder("folder")
    assert store.files_below("folder") == []
