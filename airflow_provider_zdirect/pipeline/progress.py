# SPDX-License-Identifier: Apache-2.0
"""What the task log says of a run: its progress while records are fetched, and its result."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import timedelta

from airflow_provider_zdirect.clock import Clock
from airflow_provider_zdirect.pipeline.manifest import ExtractResult
from airflow_provider_zdirect.words import counted

log = logging.getLogger(__name__)

EVERY = timedelta(seconds=30)


def report_result(what: str, published: str, result: ExtractResult) -> None:
    """The last line of a run.

    :param what: dataset, merchant and window or time.
    :param published: how many records, in words.
    """
    manifest = result.manifest
    log.info(
        "%s: %s, %d rejected; %s, %s -> %s",
        what, published, manifest.rejected, counted(manifest.pages, "page"), counted(manifest.requests, "request"),
        result.place.data_uri(manifest.dataset),
    )  # fmt: skip
    if manifest.repaired:
        log.warning(
            "%s: %s came with damaged texts; U+FFFD stands for what was damaged.",
            what,
            counted(manifest.repaired, "record"),
        )


def report_window(what: str, result: ExtractResult, new: int) -> ExtractResult:
    """The last lines of a run over a window; the result.

    :param what: as that of :func:`report_result`.
    :param new: how many records were not there before.
    """
    manifest, changes = result.manifest, result.changes
    notes = [
        f"{manifest.records - new:,} were there already",
        f", {changes['changed']:,} of them with other values" if changes["changed"] else "",
        f"; {changes['removed']:,} are gone" if changes["removed"] else "",
    ]
    known = f" ({''.join(notes)})" if manifest.records > new or any(notes[1:]) else ""
    late = f", {counted(manifest.late_records, 'late record')} of earlier windows" if manifest.late_records else ""
    report_result(what, f"{new:,} new of {manifest.records:,}{known}{late}", result)
    if manifest.outside:
        log.warning(
            "%s: %s outside of what was asked for, and published under the time that each names; see "
            "docs/exactly-once.md.",
            what, counted(manifest.outside, "record lies", "records lie"),
        )  # fmt: skip
    return result


class ProgressLog:
    """A line at the start, and now and then one while pages, or the pieces of a large one, come.

    :param what: what is fetched, in words, for the lines after the first.
    :param counts: gives what has come so far, in words.
    :param note: is given these lines too, without ``what``; and the last state, if there were any.
    """

    def __init__(
        self, what: str, counts: Callable[[], str], clock: Clock, note: Callable[[str], object] | None = None
    ) -> None:
        self._what = what
        self._counts = counts
        self._clock = clock
        self._note = note
        self._has_noted = False
        self._began = self._said = clock.now()
        self._received = 0

    def started(self, line: str) -> None:
        log.info("%s", line)

    def page(self) -> None:
        """Call after every page."""
        self._received = 0
        self._say("")

    def ended(self) -> None:
        """Call when no more comes, also after a failure."""
        if self._has_noted:
            self._take_note("")

    def received(self, size: int) -> None:
        """Call when a piece of an answer has come, or is still waited for.

        :param size: of the piece, in bytes; 0 while nothing comes.
        """
        self._received += size
        coming = f"{self._received / 1e6:,.1f} MB since the last page" if self._received else "waiting for an answer"
        self._say(f"; {coming}")

    def _say(self, coming: str) -> None:
        now = self._clock.now()
        if now - self._said >= EVERY:
            self._said = now
            elapsed = timedelta(seconds=round((now - self._began).total_seconds()))
            log.info("%s: %s in %s%s.", self._what, self._counts(), elapsed, coming)
            self._take_note(f" in {elapsed}{coming}")

    def _take_note(self, more: str) -> None:
        if self._note is None:
            return
        try:
            self._note(f"{self._counts()}{more}")
            self._has_noted = True
        except Exception as error:
            # What a reader sees of the progress is worth no failure; it is in the log as well.
            log.warning("%s: the progress cannot be noted any more: %r", self._what, error)
            self._note = None
