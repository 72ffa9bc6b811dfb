"""The manifest of a window: written last, so that its presence means that the window is complete."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

from airflow_provider_zdirect import __version__
from airflow_provider_zdirect.publish.files import PublishedFile
from airflow_provider_zdirect.windows import Window


@dataclass(frozen=True)
class Manifest:
    """What a run published for a window.

    :param window: the window that was asked for.
    :param clipped: its front part that zDirect no longer keeps, if clipping was allowed.
    :param days: the dates that were asked for, where the endpoint asks for dates, each with the time at which its last
        page came; each was replaced as a whole.
    :param empty_because: those of them whose daily report was empty, each with why that is certain; null: it is not, as
        the report may not have been made yet.
    :param overlap_seconds: how far before the window late records were looked for.
    :param records: records of the window that zDirect answered, each once.
    :param new_records: those among them that were not published before.
    :param late_records: records of other windows that were published for the first time: late ones of earlier windows.
    :param repaired: records that came with damaged texts, which were mended (U+FFFD stands for what was damaged).
    :param outside: records outside of what was asked for (see ``docs/exactly-once.md``).
    :param requests: HTTP requests, over all attempts.
    :param bytes: bytes of the answers, over all attempts.
    :param files: the files that hold the window's records, with how many of them each.
    :param late_files: files with the late records that this run published.
    :param changes: every publication of a date so far, by this run or others, where the endpoint asks for dates, as the
        files under ``_changes`` tell it: ``date``, ``fetched_at``, ``run`` (who), ``added``, ``removed`` and
        ``changed`` rows, and the ``file`` with them (null for the first publication).
    :param filters: only records with these values were asked for.
    :param personal_data: what became of personal data: ``keep``, ``drop``, ``hash`` with a sign of the key; ``none``
        if the dataset has none.
    :param parts: by dataset: how many records came with the window's records; each has a manifest of its own, which
        tells the same requests.
    :param first: time of the earliest record.
    """

    dataset: str
    merchant_id: str
    environment: str
    path: str
    window: Window
    clipped: Window | None
    days: dict[str, str]
    overlap_seconds: float
    format: str
    records: int
    new_records: int
    late_records: int
    rejected: int
    outside: int
    pages: int
    requests: int
    bytes: int
    first: datetime | None
    last: datetime | None
    started_at: str
    finished_at: str
    rejected_file: str | None = None
    files: list[PublishedFile] = field(default_factory=list)
    late_files: list[PublishedFile] = field(default_factory=list)
    changes: list[dict[str, Any]] = field(default_factory=list)
    filters: dict[str, str] = field(default_factory=dict)
    personal_data: str = "none"
    parts: dict[str, int] = field(default_factory=dict)
    repaired: int = 0
    empty_because: dict[str, str | None] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        return {
            **asdict(self),
            "window": _span(self.window),
            "clipped": _span(self.clipped) if self.clipped else None,
            "first": self.first.isoformat() if self.first else None,
            "last": self.last.isoformat() if self.last else None,
            "package_version": __version__,
        }


def _span(window: Window) -> dict[str, str]:
    return {"from": window.start.isoformat(), "to": window.end.isoformat()}
