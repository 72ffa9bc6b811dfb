# SPDX-License-Identifier: Apache-2.0
"""What an unfinished window has fetched so far, so that a retry goes on instead of starting again.

One JSON object per request names the staged files of its pages. Staged files are never written twice. Loading a
checkpoint checks that its files are still there: a task that was believed dead may finish, and clear up, beside its
successor.

A try reads what it has staged itself from copies on its own disk. Nothing is written to the storage before the first
call of :meth:`Checkpoint.save`: a window that one answer holds is published without.
"""

from __future__ import annotations

import hashlib
import json
import logging
import uuid
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from itertools import chain
from pathlib import Path
from typing import Any

import msgspec

from airflow_provider_zdirect.storage.damaged import DAMAGED
from airflow_provider_zdirect.storage.object_store import ObjectStore

log = logging.getLogger(__name__)

MAX_AGE = timedelta(hours=24)
"""An older checkpoint is not used: what was fetched then would miss what became visible since."""

_HEAD = "checkpoint.json"
_REQUEST = "request-"
_DAMAGED_HEAD: dict[str, Any] = {}


@dataclass
class RequestProgress:
    """How far one request (with its pages) has come.

    :param cursor: cursor of the next page; None before the first page and after the last.
    :param staged: by dataset: paths of the staged Parquet files, in the order of the pages.
    :param rejected_staged: paths of the staged files with invalid records.
    :param too_many: zDirect said that the request holds too many records; it is not asked again as it was.
    :param of_others: records of other merchants, which were left out.
    :param fetched_at: when the last page came, ISO 8601.
    :param requests_sent: HTTP requests, over all attempts.
    :param bytes_received: bytes of the answers, over all attempts.
    """

    done: bool = False
    cursor: str | None = None
    too_many: bool = False
    staged: dict[str, list[str]] = field(default_factory=dict)
    rejected_staged: list[str] = field(default_factory=list)
    pages: int = 0
    records: int = 0
    rejected: int = 0
    repaired: int = 0
    outside: int = 0
    of_others: int = 0
    reasons: list[str] = field(default_factory=list)
    fetched_at: str | None = None
    requests_sent: int = 0
    bytes_received: int = 0

    @property
    def is_empty(self) -> bool:
        """Whether the whole answer had no record, not even an invalid one."""
        return self.done and not self.records and not self.rejected

    def all_staged(self) -> list[str]:
        """Paths of all staged files."""
        return [*chain.from_iterable(self.staged.values()), *self.rejected_staged]


@dataclass
class Progress:
    """How far all requests of a window have come.

    :param started_at: when the first attempt began, ISO 8601.
    :param plan: what the first attempt decided to ask for; later ones keep to it.
    """

    started_at: str
    plan: dict[str, Any]
    requests: dict[str, RequestProgress] = field(default_factory=dict)

    def of(self, request: str) -> RequestProgress:
        return self.requests.setdefault(request, RequestProgress())

    @property
    def has_staged(self) -> bool:
        """Whether anything was staged: rows, or invalid records."""
        return any(request.all_staged() for request in self.requests.values())

    def total(self, count: str) -> int:
        """The sum of a field over all requests."""
        # A copy: another thread may begin a request meanwhile.
        return sum(getattr(request, count) for request in list(self.requests.values()))


class Checkpoint:
    """The checkpoint of one window, in its staging folder.

    :param store: is given the copies of what is staged.
    :param fingerprint: what the staged rows depend on; a checkpoint with another one is not used.
    :param scratch: folder on this machine for the copies.
    """

    def __init__(self, store: ObjectStore, folder: str, fingerprint: dict[str, Any], scratch: Path) -> None:
        self.store = store
        self.folder = folder
        self._head = f"{folder}/{_HEAD}"
        self._fingerprint = fingerprint
        self._scratch = scratch
        self._only_here: set[str] = set()
        self._is_saved = False

    def head(self) -> Any:
        """What all requests have in common; None if nothing is saved."""
        found = self.store.read(self._head)
        if found is None:
            return None
        with suppress(*DAMAGED):
            return json.loads(found)
        return _DAMAGED_HEAD

    def load(self, head: Any, now: datetime) -> Progress | None:
        """The progress so far; None if there is none, or it is too old or has another fingerprint.

        :param head: from :meth:`head`.
        """
        if head is None:
            return None
        self._is_saved = True
        try:
            is_late = now - datetime.fromisoformat(head["started_at"]) > MAX_AGE
            progress = Progress(head["started_at"], head["plan"]) if head["fingerprint"] == self._fingerprint else None
        except DAMAGED:
            log.warning("%s is damaged; all is fetched again.", self.store.full(self._head))
            is_late, progress = True, None
        if is_late or progress is None:
            self.discard()
            return None
        there = set(self.store.files(self.folder))
        saved = [path for path in there if path.rpartition("/")[2].startswith(_REQUEST)]
        for text in self.store.read_many(saved):
            try:
                found = json.loads(text)
                request = msgspec.convert(found["progress"], RequestProgress)
                if there.issuperset(request.all_staged()):
                    progress.requests[found["request"]] = request
            except DAMAGED:
                log.warning("A checkpoint in %s is damaged; its request is made again.", self.store.full(self.folder))
        return progress

    def save(self, progress: Progress, request: str) -> None:
        """Save how far one request has come, and the files that it has staged."""
        if not self._is_saved:
            head = {"fingerprint": self._fingerprint, "started_at": progress.started_at, "plan": progress.plan}
            self.store.write_json(self._head, head)
            self._is_saved = True
        for path in self._only_here.intersection(progress.of(request).all_staged()):
            self.store.upload(self.store.copies[path], path)
            self._only_here.discard(path)
        name = f"{_REQUEST}{hashlib.sha256(request.encode()).hexdigest()[:24]}.json"
        value = {"request": request, "progress": asdict(progress.of(request))}
        self.store.write(f"{self.folder}/{name}", json.dumps(value).encode())

    def new_file(self, suffix: str) -> tuple[str, Path]:
        """A file to stage: its path in the staging folder once it is saved, and the local file to write it to."""
        name = f"{uuid.uuid4().hex}.{suffix}"
        path = f"{self.folder}/{name}"
        self.store.copies[path] = self._scratch / name
        self._only_here.add(path)
        return path, self.store.copies[path]

    def discard(self) -> None:
        """Delete what is saved and staged."""
        if self._is_saved:
            discard(self.store, self.folder)
        self._is_saved = False


def discard(store: ObjectStore, folder: str) -> None:
    """Delete the checkpoint in a staging folder, and all that is staged there."""
    # The head first: without it no run resumes from what is left of the rest.
    store.delete(f"{folder}/{_HEAD}")
    store.delete_folder(folder)
