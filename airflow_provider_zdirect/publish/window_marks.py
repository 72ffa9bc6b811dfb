"""Which windows have been asked for, and which of them are published: two empty marker objects per window and day.

A run announces its window before its first request. So whoever finds a late record knows whether somebody has
asked for its time (announced), and whether they have published what they found (published).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date, datetime

from airflow_provider_zdirect.storage.layout import Layout
from airflow_provider_zdirect.storage.object_store import ObjectStore
from airflow_provider_zdirect.windows import Window

_OPEN, _PUBLISHED = ".open", ".published"


@dataclass(frozen=True)
class WindowStates:
    """The announced windows that touch some days: each is open or published."""

    open: frozenset[Window]
    published: frozenset[Window]


@dataclass(frozen=True)
class WindowMarks:
    """The markers of one dataset of one merchant."""

    store: ObjectStore
    layout: Layout

    def announce(self, window: Window) -> None:
        self._mark(window, _OPEN)

    def publish(self, window: Window) -> None:
        self._mark(window, _PUBLISHED)

    def is_open(self, window: Window) -> bool:
        """Whether it has been announced, by its first date."""
        return self.store.read(self._path(window, window.start.date(), _OPEN)) is not None

    def withdraw(self, window: Window, *, if_made: Callable[[datetime], bool] | None = None) -> None:
        """Take an announcement back, unless the window is published: nobody fetches it any more.

        :param if_made: whether to, by the time when it was announced last.
        """
        for day in window.utc_dates():
            written = self.store.written_below(self.layout.window_marks(day))
            mark = self._path(window, day, _OPEN)
            if mark not in written or self._path(window, day, _PUBLISHED) in written:
                continue
            if if_made is not None and not if_made(written[mark]):
                return
            self.store.delete(mark)

    def of_days(self, days: Iterable[date]) -> WindowStates:
        announced: set[Window] = set()
        published: set[Window] = set()
        for day in days:
            for path in self.store.files(self.layout.window_marks(day)):
                name = path.rpartition("/")[2]
                if name.endswith(_OPEN):
                    announced.add(Window.from_label(name.removesuffix(_OPEN)))
                elif name.endswith(_PUBLISHED):
                    published.add(Window.from_label(name.removesuffix(_PUBLISHED)))
        return WindowStates(open=frozenset(announced - published), published=frozenset(published))

    def _mark(self, window: Window, state: str) -> None:
        for day in window.utc_dates():
            self.store.write(self._path(window, day, state), b"")

    def _path(self, window: Window, day: date, state: str) -> str:
        return f"{self.layout.window_marks(day)}/{window.label}{state}"
