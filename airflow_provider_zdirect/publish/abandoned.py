"""Clearing up after tasks that were given up: staged pages, and marks of windows that nobody fetches any more.

A task that is marked as failed cannot clear up itself. What it has left is removed by a later run of the same dataset
and merchant, once the last write to it is older than :data:`~.checkpoint.MAX_AGE`. Nobody can need it then: a retry
does not take up a checkpoint that was begun before that, and a task that is at work stages pages all the time.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime, timedelta

from airflow_provider_zdirect.clock import SystemClock
from airflow_provider_zdirect.publish.window_marks import WindowMarks
from airflow_provider_zdirect.storage.checkpoint import MAX_AGE
from airflow_provider_zdirect.storage.layout import Layout
from airflow_provider_zdirect.storage.object_store import ObjectStore
from airflow_provider_zdirect.windows import Window

log = logging.getLogger(__name__)


def remove_abandoned(store: ObjectStore, layout: Layout, now: datetime, marks: Iterable[WindowMarks] = ()) -> None:
    """Remove what tasks of the layout's dataset and merchant have left; costs one listing, if that is nothing.

    An error is logged and not raised: the caller has done its own work.

    :param marks: those of all datasets that are announced with a window.
    """
    try:
        _remove(store, layout, now, list(marks))
    except Exception:
        log.warning("What tasks that were given up have left under %s was not removed.", layout.staged, exc_info=True)


def _remove(store: ObjectStore, layout: Layout, now: datetime, marks: list[WindowMarks]) -> None:
    paths: dict[str, list[str]] = defaultdict(list)
    written: dict[str, datetime] = {}
    for path, at in store.written_below(layout.staged).items():
        folder = path.removeprefix(f"{layout.staged}/").partition("/")[0]
        paths[folder].append(path)
        written[folder] = max(at, written.get(folder, at))

    def is_over(at: datetime) -> bool:
        # By the run's clock and by the machine's; one that is behind that of the storage says nothing.
        ages = [age for age in (now - at, SystemClock().now() - at) if age >= timedelta(0)]
        return bool(ages) and min(ages) > MAX_AGE

    abandoned = {folder for folder, at in written.items() if is_over(at)}
    in_use = {_label(folder) for folder in written.keys() - abandoned}
    for folder in sorted(abandoned):
        # The marks first: nothing else leads to them.
        if _label(folder) not in in_use and (window := _window(store, layout, folder)):
            for each in marks:
                each.withdraw(window, if_made=is_over)
        # These files, not the folder: a task that was cleared this moment may begin anew in it.
        store.delete_all(paths[folder])
        log.info("Removed what a task that was given up had left: %s/%s.", layout.staged, folder)
    if not store.writes_whole_objects:
        unfinished = store.written_below("_staging/_tmp")
        store.delete_all([path for path, at in unfinished.items() if is_over(at)])


def _window(store: ObjectStore, layout: Layout, folder: str) -> Window | None:
    """The window that was announced; None for a folder or file that is not of a window.

    Where it was clipped to what zDirect keeps, only the checkpoint says so.
    """
    try:
        window = Window.from_label(_label(folder))
    except ValueError:
        return None
    try:
        head = store.read_json(f"{layout.staged}/{folder}/checkpoint.json")
        return window if head is None else Window(datetime.fromisoformat(head["plan"]["from"]), window.end)
    except (ValueError, TypeError, KeyError):
        # Damaged: nobody can go on from it.
        return window


def _label(folder: str) -> str:
    return folder.partition("-")[0]
