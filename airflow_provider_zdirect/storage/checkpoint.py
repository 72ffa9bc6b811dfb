"""What an unfinished window has fetched so far, so that a retry goes on instead of starting again.

A checkpoint is one JSON object that names staged files. Staged files are never written twice, so every checkpoint
that can be read is consistent, even where a task that was believed dead still writes beside its successor.
"""

from __future__ import annotations

import uuid
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from airflow_provider_zdirect.storage.object_store import ObjectStore

MAX_AGE = timedelta(hours=24)
"""An older checkpoint is not used: what was fetched then would miss what became visible since."""

_VERSION = 1


@dataclass
class RequestProgress:
    """How far one request (with its pages) has come.

    :param cursor: cursor of the next page; None before the first page and after the last.
    :param staged: paths of the staged Parquet files, in the order of the pages.
    :param rejected_staged: paths of the staged files with invalid records.
    :param fetched_at: when the last page came, ISO 8601.
    """

    done: bool = False
    cursor: str | None = None
    staged: list[str] = field(default_factory=list)
    rejected_staged: list[str] = field(default_factory=list)
    pages: int = 0
    records: int = 0
    rejected: int = 0
    outside: int = 0
    reasons: list[str] = field(default_factory=list)
    fetched_at: str | None = None


@dataclass
class Progress:
    """How far all requests of a window have come.

    :param requests_sent: HTTP requests, over all attempts.
    :param bytes_received: bytes of the answers, over all attempts.
    """

    started_at: str
    requests: dict[str, RequestProgress] = field(default_factory=dict)
    requests_sent: int = 0
    bytes_received: int = 0

    def of(self, request: str) -> RequestProgress:
        return self.requests.setdefault(request, RequestProgress())


@dataclass(frozen=True)
class Checkpoint:
    """The checkpoint of one window, in its staging folder.

    :param fingerprint: what the staged rows depend on; a checkpoint with another one is not used.
    """

    store: ObjectStore
    folder: str
    fingerprint: dict[str, Any]

    def load(self, now: datetime) -> Progress:
        """The progress so far; a new one if there is none, it is too old, or not for this."""
        saved = self.store.read_json(self._path)
        if saved is not None and saved["fingerprint"] == {"version": _VERSION, **self.fingerprint}:
            progress = saved["progress"]
            if now - datetime.fromisoformat(progress["started_at"]) <= MAX_AGE:
                requests = {key: RequestProgress(**value) for key, value in progress.pop("requests").items()}
                return Progress(requests=requests, **progress)
        self.discard()
        return Progress(started_at=now.isoformat())

    def save(self, progress: Progress) -> None:
        self.store.write_json(
            self._path, {"fingerprint": {"version": _VERSION, **self.fingerprint}, "progress": asdict(progress)}
        )

    def stage(self, local: Path, suffix: str) -> str:
        """Put a file into the staging folder under a name of its own; the path."""
        path = f"{self.folder}/{uuid.uuid4().hex}.{suffix}"
        self.store.upload(local, path)
        return path

    def discard(self) -> None:
        """Delete the checkpoint and all that is staged."""
        self.store.delete_folder(self.folder)

    @property
    def _path(self) -> str:
        return f"{self.folder}/checkpoint.json"
