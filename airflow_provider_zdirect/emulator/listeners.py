"""Tests that want to know of a request before it is answered."""

from __future__ import annotations

import threading
from collections.abc import Callable

Callback = Callable[[int], object]


class Listeners:
    """Called for each admitted request, in the thread that answers it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: list[int] = []
        self._listeners: list[tuple[str, Callback]] = []

    def add(self, path_part: str, callback: Callback) -> None:
        with self._lock:
            self._listeners.append((path_part, callback))
            self._counts.append(0)

    def tell(self, path: str) -> None:
        due = []
        with self._lock:
            for number, (path_part, callback) in enumerate(self._listeners):
                if path_part in path:
                    self._counts[number] += 1
                    due.append((callback, self._counts[number]))
        # Without the lock, since a callback may take long, or ask the emulator something.
        for callback, count in due:
            callback(count)

    def clear(self) -> None:
        with self._lock:
            self._listeners, self._counts = [], []
