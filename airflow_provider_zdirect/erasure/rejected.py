"""Lines with invalid records of people who have to be forgotten."""

from __future__ import annotations

import gzip
from collections.abc import Callable, Iterator

import msgspec

from airflow_provider_zdirect.datasets.rejected import NOT_READABLE
from airflow_provider_zdirect.erasure.ledger import ErasedPeople
from airflow_provider_zdirect.storage.object_store import ObjectStore

_NOTHING = msgspec.Raw(b"null")
_IDS = ("order_id", "order_item_id", "order_line_id", "announced_return_id")


def lines_of(store: ObjectStore, path: str) -> Iterator[bytes]:
    """The lines of a file of JSON lines."""
    with store.open(path) as file, gzip.open(file) as lines:
        yield from lines


def is_theirs_line(line: bytes, people: ErasedPeople) -> bool:
    """Whether a line is about an invalid record of one of these people; one that cannot be decoded may be."""
    record = msgspec.json.decode(line, type=dict[str, msgspec.Raw]).get("record", _NOTHING)
    return bool(people) and (bytes(record).startswith(b'"') or people.has_record(record))


def erased_line(line: bytes) -> bytes:
    """What stays of a line with an invalid record: the reason, and the ids."""
    content = msgspec.json.decode(line, type=dict[str, msgspec.Raw])
    try:
        record = msgspec.json.decode(content.get("record", _NOTHING), type=dict[str, msgspec.Raw])
        said = {name: msgspec.json.decode(record[name]) for name in _IDS if name in record}
    except NOT_READABLE:
        said = {}
    left = {name: value for name, value in said.items() if isinstance(value, str)}
    return msgspec.json.encode({"reason": content.get("reason", _NOTHING), "record": left}) + b"\n"


def line_to_erase(line: bytes, people: ErasedPeople) -> bool:
    """Whether a line is of one of these people and holds more than the reason and the ids."""
    return is_theirs_line(line, people) and erased_line(line) != line


def erase_lines(
    store: ObjectStore, path: str, to_erase: Callable[[bytes], bool], begin: Callable[[], None] = lambda: None
) -> int:
    """Erase the records of these lines in the file that holds them; how many there were.

    :param begin: is called before the file changes.
    """
    try:
        lines = list(lines_of(store, path))
    except FileNotFoundError:
        return 0
    left = [erased_line(line) if to_erase(line) else line for line in lines]
    count = sum(one != other for one, other in zip(lines, left, strict=True))
    if count:
        begin()
        store.write(path, gzip.compress(b"".join(left), mtime=0))
    return count
