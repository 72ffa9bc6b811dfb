# SPDX-License-Identifier: Apache-2.0
"""One try of a job: its plan, what it has fetched, and what its manifests have in common."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime

from airflow_provider_zdirect.clock import Clock
from airflow_provider_zdirect.datasets.publication import Days
from airflow_provider_zdirect.datasets.table import Dataset
from airflow_provider_zdirect.erasure.ledger import ORDER_DATASETS, ErasureLedger
from airflow_provider_zdirect.pipeline.cover import Cover, with_earlier
from airflow_provider_zdirect.pipeline.job import ExtractJob
from airflow_provider_zdirect.pipeline.manifest import Manifest
from airflow_provider_zdirect.pipeline.plan import PlannedRequest, Reach
from airflow_provider_zdirect.publish.place import Place
from airflow_provider_zdirect.storage.checkpoint import Checkpoint, Progress
from airflow_provider_zdirect.storage.layout import Layout, moment
from airflow_provider_zdirect.storage.object_store import ObjectStore
from airflow_provider_zdirect.windows import Window


@dataclass
class Run:
    """One try of a job.

    :param key: the same for every try of the job, and for no other.
    :param first_answer: when it came; a present state is of one moment.
    :param snapshot_time: of when a snapshot is, where the first page says so.
    :param etag: names the answer, if it was a single one.
    :param unchanged: zDirect said that the answer is the one that was known; there are no rows then.
    :param empty_because: as in the manifest.
    """

    job: ExtractJob
    clock: Clock
    key: str
    reach: Reach
    checkpoint: Checkpoint
    progress: Progress
    first_answer: datetime | None = None
    snapshot_time: datetime | None = None
    etag: str | None = None
    unchanged: bool = False
    empty_because: dict[str, str | None] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.requests: list[PlannedRequest] = self.reach.requests(self.job)
        # Who must be forgotten, where a dataset has to do with orders.
        is_of_orders = self.dataset.name in ORDER_DATASETS
        self.ledger = ErasureLedger(self.store, self.place.merchant_id) if is_of_orders else None

    @property
    def dataset(self) -> Dataset:
        return self.job.dataset

    @property
    def place(self) -> Place:
        return self.job.place

    @property
    def store(self) -> ObjectStore:
        return self.job.place.store

    @property
    def layout(self) -> Layout:
        return self.job.place.layout(self.job.dataset.name)

    @property
    def is_production(self) -> bool:
        """The sandbox answers with samples, whatever was asked for."""
        return self.job.place.environment == "production"

    def answered_at(self) -> datetime:
        """When the first answer came; the first call is that moment."""
        self.first_answer = self.first_answer or self.clock.now()
        return self.first_answer

    @property
    def window(self) -> Window:
        """The part of the window that is fetched; of a present state the moment that it is of."""
        if self.job.dataset.has_windows:
            assert self.job.window is not None
            return Window(self.reach.start, self.job.window.end)
        return moment(self.snapshot_time or self.answered_at())

    @property
    def is_complete(self) -> bool:
        """Whether it fetches all records of the window that was asked for: no filters, and nothing is clipped."""
        return not self.job.filters and self.window == self.job.window

    @property
    def rejected_path(self) -> str:
        """Where the invalid records are written. Of a state by the time of the answer: that of a snapshot may have
        others already, which its manifest names."""
        asked = self.job.window if self.job.dataset.has_windows else None
        return self.layout.rejected(asked or moment(self.answered_at()))

    def staged(self, dataset: str) -> list[str]:
        """Paths of the staged files of the dataset or a part of it, in the order of requests and pages."""
        return [path for each in self.progress.requests.values() for path in each.staged.get(dataset, [])]

    def manifest(self, rejected_file: str | None) -> Manifest:
        """What is known before anything is published."""
        job, reach, progress = self.job, self.reach, self.progress
        asked = job.window if job.dataset.has_windows and job.window else self.window
        return Manifest(
            dataset=job.dataset.name,
            merchant_id=job.place.merchant_id,
            environment=job.place.environment,
            path=job.dataset.endpoint.path,
            window=asked,
            format=job.place.format,
            started_at=progress.started_at,
            clipped=Window(job.window.start, reach.start) if job.window and job.window.start < reach.start else None,
            overlap_seconds=reach.overlap.total_seconds(),
            rejected=progress.total("rejected"),
            rejected_file=rejected_file,
            repaired=progress.total("repaired"),
            outside=progress.total("outside"),
            pages=progress.total("pages"),
            requests=progress.total("requests_sent"),
            bytes=progress.total("bytes_received"),
            filters=dict(job.filters),
            personal_data=job.personal_data.label(job.dataset),
        )

    def cover(self, dataset: str) -> Cover:
        """What is covered of the window once this run has published, by itself and by earlier runs.

        :param dataset: the run's, or a part of it; each has a manifest.
        """
        if self.job.window is None or not self.dataset.has_windows:
            return Cover(None)
        own = None if self.job.filters else self.window
        # With filters, a day is replaced as a whole. In production such a run is refused if the day has other rows.
        if self.is_complete or (own is None and isinstance(self.dataset.publish, Days)):
            return Cover(own)
        path = self.place.layout(dataset).manifest(self.job.window)
        return with_earlier(own, self.store, path, self.place.environment)

    def write(self, manifest: Manifest) -> None:
        path = self.place.layout(manifest.dataset).manifest(manifest.window)
        # Read at the last moment, so that a run of the same window that has just ended counts.
        known = vars(self.cover(manifest.dataset))
        self.store.write_json(path, replace(manifest, **known, finished_at=self.clock.now().isoformat()).as_json())
