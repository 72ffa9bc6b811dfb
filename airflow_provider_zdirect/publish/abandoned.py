# SPDX-License-Identifier: Apache-2.0
"""Clearing up after tasks that were given up: pages that they have staged, and notes on updates of orders.

A task that is marked as failed cannot clear up itself. What it has left is removed by a later run of the same dataset
and merchant, once the last write to it is older than :data:`~.checkpoint.MAX_AGE`. Nobody can need it then: a retry
does not resume from a checkpoint that was begun before that, and a task that is at work stages pages all the time.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from datetime import datetime

from airflow_provider_zdirect.clock import SystemClock
from airflow_provider_zdirect.storage.checkpoint import MAX_AGE
from airflow_provider_zdirect.storage.layout import Layout
from airflow_provider_zdirect.storage.object_store import ObjectStore

log = logging.getLogger(__name__)


def remove_abandoned(store: ObjectStore, layout: Layout) -> None:
    """Remove what tasks of the layout's dataset and merchant have left; costs one listing if there is nothing.

    An error is logged and not raised: the caller has done its own work.
    """
    # By the machine's clock, because the storage's times are real.
    longest_ago = SystemClock().now() - MAX_AGE
    folders: dict[str, dict[str, datetime]] = defaultdict(dict)
    try:
        for path, at in store.written_below(layout.staged).items():
            folders[path.removeprefix(f"{layout.staged}/").partition("/")[0]][path] = at
        for folder, written in sorted(folders.items()):
            if max(written.values()) < longest_ago:
                # These files, not the folder: a task that was cleared this moment may begin anew in it.
                store.delete_all(list(written))
                log.info("Removed what an abandoned task had left: %s/%s.", layout.staged, folder)
        if not store.writes_whole_objects:
            unfinished = store.written_below("_staging/_tmp")
            store.delete_all([path for path, at in unfinished.items() if at < longest_ago])
    except Exception:
        log.warning("What abandoned tasks have left under %s was not removed.", layout.staged, exc_info=True)
