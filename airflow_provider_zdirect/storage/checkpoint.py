"""What an unfinished window has fetched so far, so that a retry goes on instead of starting again.

One JSON object per request names the staged files of its pages. Staged files are never written twice. Loading a
checkpoint checks that its files are still there: a task that was believed dead may finish, and clear up, beside its
successor.
"""

from __future__ import annotations

import hashlib
import json
import uuid
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from itertools import chain
from pathlib import Path
from typing import Any

from airflow_provider_zdirect.storage.object_store import ObjectStore

MAX_AGE = timedelta(hours=24)
"""An older checkpoint is not used: what was fetched then would miss what became visible since."""

_REQUEST = "request-"


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

    def total(self, count: str) -> int:
        """The sum of a field over all requests."""
        return sum(getattr(request, count) for request in self.requests.values())


@dataclass(frozen=True)
class Checkpoint:
    """The checkpoint of one window, in its staging folder.

    :param fingerprint: what the staged rows depend on; a checkpoint with another one is not used.
    """

    store: ObjectStore
    folder: str
    fingerprint: dict[str, Any]

    def load(self, now: datetime) -> Progress | None:
        """The progress so far; None if there is none, or it is too old or has another fingerprint."""
        head = self.store.read_json(self._head)
        usable = (
            head is not None
            and head["fingerprint"] == self.fingerprint
            and now - datetime.fromisoformat(head["started_at"]) <= MAX_AGE
        )
        if not usable:
            self.discard()
            return None
        there = set(self.store.files(self.folder))
        progress = Progress(head["started_at"], head["plan"])
        saved = [path for path in there if path.rpartition("/")[2].startswith(_REQUEST)]
        for text in self.store.read_many(saved):
            found = json.loads(text)
            request = RequestProgress(**found["progress"])
            if there.issuperset(request.all_staged()):
                progress.requests[found["request"]] = request
        return progress

    def begin(self, progress: Progress) -> None:
        """Save what all requests have in common."""
        head = {"fingerprint": self.fingerprint, "started_at": progress.started_at, "plan": progress.plan}
        self.store.write_json(self._head, head)

    def save(self, progress: Progress, request: str) -> None:
        """Save how far one request has come."""
        name = f"{_REQUEST}{hashlib.sha256(request.encode()).hexdigest()[:24]}.json"
        value = {"request": request, "progress": asdict(progress.of(request))}
        self.store.write(f"{self.folder}/{name}", json.dumps(value).encode())

    def stage(self, local: Path, suffix: str) -> str:
        """Put a file into the staging folder under a name of its own; the path."""
        path = f"{self.folder}/{uuid.uuid4().hex}.{suffix}"
        self.store.upload(local, path)
        return path

    def discard(self) -> None:
        """Delete the checkpoint and all that is staged."""
        # The head first: without it no run resumes from what is left of the rest.
        self.store.delete(self._head)
        self.store.delete_folder(self.folder)

    @property
    def _head(self) -> str:
        return f"{self.folder}/checkpoint.json"
