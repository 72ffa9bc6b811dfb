"""An extraction and an erasure at the same time: what was fetched before the erasure does not come back after it.

An erasure enters people in the ledger, and then looks at what is published. An extraction publishes, and then looks at
the ledger. At least one of the two looks comes after the other's write.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from functools import partial

from airflow_provider_zdirect.datasets.table import Dataset
from airflow_provider_zdirect.erasure.files import FileEraser, erase_lines
from airflow_provider_zdirect.erasure.people import ErasedPeople, ErasureLedger
from airflow_provider_zdirect.erasure.rows import ORDER_DATASETS, is_theirs_line, staged_is_telling
from airflow_provider_zdirect.exceptions import ConcurrentRunError
from airflow_provider_zdirect.storage.checkpoint import Checkpoint, Progress


@dataclass
class ErasedMeanwhile:
    """What an extraction does about erasures.

    :param ledger: None where a dataset has nothing to do with orders.
    :param what: is extracted, for errors.
    :param before: what the ledger said before publishing.
    """

    ledger: ErasureLedger | None
    checkpoint: Checkpoint
    what: str
    retry_after: float
    before: frozenset[str] = frozenset()

    @classmethod
    def of(cls, dataset: Dataset, merchant_id: str, checkpoint: Checkpoint, what: str) -> ErasedMeanwhile:
        ledger = ErasureLedger(checkpoint.store, merchant_id) if dataset.name in ORDER_DATASETS else None
        return cls(ledger, checkpoint, what, dataset.endpoint.refetch_delay)

    def refuse(self, progress: Progress) -> None:
        """To be called before publishing: begin anew if people are to be forgotten since pages of them were staged.

        :raises ConcurrentRunError: then.
        """
        if self.ledger is None:
            return
        people = self.ledger.people()
        self.before = people.entries
        if not self._is_telling(people, progress):
            return
        self.checkpoint.discard()
        raise ConcurrentRunError(
            f"{self.what}: customers of some fetched orders have been erased since; nothing was published.",
            remedy="Let the retry fetch the window again, without their personal data.",
            retry_after=self.retry_after,
        )

    def erase_published(self, rejected_path: str, at: datetime) -> None:
        """To be called after publishing, also if that failed: erase people who were entered since :meth:`refuse`.

        The staged pages say nothing of them any more: the erasure may have deleted these.

        :param rejected_path: where invalid records are published.
        """
        if self.ledger is None or self.ledger.people().entries == self.before:
            return
        eraser = FileEraser(self.checkpoint.store, self.ledger, at)
        people = eraser.learn()
        eraser.erase(people)
        erase_lines(self.checkpoint.store, rejected_path, partial(is_theirs_line, people=people))

    def _is_telling(self, people: ErasedPeople, progress: Progress) -> bool:
        staged = (path for request in progress.requests.values() for path in request.all_staged())
        return bool(people) and any(staged_is_telling(self.checkpoint.store, path, people) for path in staged)
