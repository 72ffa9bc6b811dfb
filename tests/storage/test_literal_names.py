"""Whatever a base path is called, it is that folder and no other: no name is taken for a pattern."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path

import fsspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from literal_names import NAMES, neighbour_of, use_every_operation

from airflow_provider_zdirect.exceptions import StorageUnavailableError
from airflow_provider_zdirect.storage.object_store import ObjectStore

ANY_NAME = st.text(
    st.one_of(st.sampled_from("[]?*{}!%+#&~ -.aXb'\"\\:ü"), st.characters(exclude_categories=("Cs", "Cc"))),
    min_size=1,
    max_size=30,
).filter(lambda name: "/" not in name and name not in (".", ".."))


def use_beside_a_neighbour(kind: str, folder: str, name: str) -> None:
    fs = fsspec.filesystem(kind, skip_instance_cache=True)
    other = ObjectStore(fs, f"{folder}/{neighbour_of(name)}/zd")
    other.write("folder/a", b"theirs")
    other.write("folder/deep/b", b"theirs")
    use_every_operation(
        ObjectStore(fs, f"{folder}/{name}/zd"), Path(folder if kind == "file" else tempfile.gettempdir())
    )
    assert other.files_below("folder") == ["folder/a", "folder/deep/b"]
    assert other.read_many(["folder/a", "folder/deep/b"]) == [b"theirs"] * 2


@pytest.mark.parametrize("kind", ["file", "memory"])
@pytest.mark.parametrize("name", NAMES)
def test_every_operation_takes_a_name_as_it_is_and_leaves_the_neighbour_alone(
    kind: str, name: str, tmp_path: Path
) -> None:
    use_beside_a_neighbour(kind, str(tmp_path), name)


@given(ANY_NAME)
@settings(max_examples=20)
def test_so_it_is_with_any_name(name: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        use_beside_a_neighbour("file", folder, name)
        use_beside_a_neighbour("memory", folder, name)


def test_a_folder_that_cannot_be_listed_is_not_an_empty_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = ObjectStore(fsspec.filesystem("file", skip_instance_cache=True), str(tmp_path))
    store.write("folder/deep/a", b"")
    listing = type(store.fs).ls

    def stale(self: object, path: str, *arguments: object, **options: object) -> object:
        if path.endswith("deep"):
            raise OSError(116, "Stale file handle")
        return listing(self, path, *arguments, **options)

    monkeypatch.setattr(type(store.fs), "ls", stale)
    with pytest.raises(StorageUnavailableError, match="Stale"):
        store.files_below("folder")


@pytest.mark.parametrize("times", [1, 99])
def test_a_folder_in_which_an_object_goes_while_it_is_listed_is_listed_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, times: int
) -> None:
    """Some filesystems (the local one of older fsspec) raise an error for the object."""
    store = ObjectStore(fsspec.filesystem("file", skip_instance_cache=True), str(tmp_path))
    store.write("folder/a", b"")
    errors = [FileNotFoundError(2, "folder/b") for _ in range(times)]
    listing = type(store.fs).ls

    def ls(self: object, *arguments: object, **options: object) -> object:
        if errors:
            raise errors.pop()
        return listing(self, *arguments, **options)

    monkeypatch.setattr(type(store.fs), "ls", ls)
    if times == 1:
        assert store.files_below("folder") == store.files("folder") == ["folder/a"]
    else:
        with pytest.raises(FileNotFoundError):
            store.files("folder")


def test_a_move_that_fails_for_another_reason_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = ObjectStore(fsspec.filesystem("file", skip_instance_cache=True), str(tmp_path))
    store.write("a", b"1")

    def nowhere(self: object, *_: object) -> None:
        raise FileNotFoundError("the folder it is moved to")

    monkeypatch.setattr(type(store.fs), "mv", nowhere)
    with pytest.raises(FileNotFoundError):
        store.move("a", "b")
    assert store.read("a") == b"1"


def test_nothing_of_the_package_calls_what_expands_patterns() -> None:
    import airflow_provider_zdirect

    package = Path(airflow_provider_zdirect.__file__).parent
    calls = re.compile(r"\bfs\.(cat|rm|get|put|copy|cp|glob|expand_path|move|rename|delete|download|upload|du)\(")
    found = [
        f"{path.name}: {line.strip()}"
        for path in package.rglob("*.py")
        for line in path.read_text().splitlines()
        if calls.search(line)
    ]
    assert not found
