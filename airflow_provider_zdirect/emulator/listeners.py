"""Tests that want to know of a request before it is answered."""

from __future__ import annotations

import threading
from collections.abc import Callable

Callback = Callable[[int], object]


class Listeners:
    """Called for each admitted request, in the thread that answers it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        # Part of a path, callback, and how many requests there were so far.
        self._listeners: list[tuple[str, Callback, list[int]]] = []

    def add(self, path_part: str, callback: Callback) -> None:
        with self._lock:
            self._listeners.append((path_part, callback, [0]))

    def notify(self, path: str) -> None:
        due = []
        with self._lock:
            for path_part, callback, count in self._listeners:
                if path_part in path:
                    count[0] += 1
                    due.append((callback, count[0]))
        # Without the lock, since a callback may take long, or ask the emulator something.
        for callback, number in due:
            callback(number)
