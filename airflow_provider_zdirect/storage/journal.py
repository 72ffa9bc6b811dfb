# SPDX-License-Identifier: Apache-2.0
"""Notes that are added and never changed.

Any number of processes may add notes at the same time, and one may be killed between any two: no lock is needed.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from airflow_provider_zdirect.storage.damaged import naming_damaged
from airflow_provider_zdirect.storage.object_store import ObjectStore


@dataclass(frozen=True)
class Journal:
    """A folder of small JSON objects.

    :param folder: relative to the base path; there is nothing else in it.
    """

    store: ObjectStore
    folder: str

    def add(self, note: Any, name: str | None = None) -> None:
        """Add a note.

        :param name: the same for the same note; None: a new one.
        """
        self.store.write_json(self._path(name or uuid.uuid4().hex), note)

    def names(self) -> list[str]:
        """The names of all notes, sorted."""
        return [path.rpartition("/")[2].removesuffix(".json") for path in self.store.files(self.folder)]

    def read(self, names: Iterable[str] | None = None) -> list[Any]:
        """The notes with these names, or all; those that were deleted meanwhile are left out.

        :raises ZDirectConfigurationError: if one is not JSON.
        """
        wanted = self.names() if names is None else names
        notes = self.store.read_many([self._path(name) for name in wanted])
        with naming_damaged(f"{self.store.full(self.folder)}/*.json"):
            return [json.loads(note) for note in notes]

    def _path(self, name: str) -> str:
        return f"{self.folder}/{name}.json"
