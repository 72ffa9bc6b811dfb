# SPDX-License-Identifier: Apache-2.0
"""An extraction and an erasure at the same time: what was fetched before the erasure does not come back after it.

An erasure enters people in the ledger, and then looks at what is published. An extraction publishes, and then looks at
the ledger. At least one of the two looks comes after the other's write.
"""

from __future__ import annotations

from datetime import datetime

from airflow_provider_zdirect.datasets.endpoint import REFETCH_DELAY
from airflow_provider_zdirect.erasure.copies import erase_lines, staged_to_erase
from airflow_provider_zdirect.erasure.ledger import ErasedPeople, ErasureLedger
from airflow_provider_zdirect.erasure.tables import OrderErasure
from airflow_provider_zdirect.exceptions import ConcurrentRunError
from airflow_provider_zdirect.storage.checkpoint import Checkpoint, Progress


class ErasedMeanwhile:
    """What an extraction does about erasures.

    :param ledger: who must be forgotten; None where a dataset has nothing to do with orders.
    :param what: is extracted, for errors.
    """

    def __init__(self, ledger: ErasureLedger | None, checkpoint: Checkpoint, what: str) -> None:
        self.ledger = ledger
        self._checkpoint = checkpoint
        self._what = what
        self._before: frozenset[str] = frozenset()

    def refuse(self, progress: Progress) -> None:
        """Call this before publishing: it begins anew if people were entered since their pages were staged.

        :raises ConcurrentRunError: then.
        :raises FileNotFoundError: if an erasure has already deleted them.
        """
        if self.ledger is None:
            return
        people = self.ledger.people()
        self._before = people.entries
        staged = (path for request in progress.requests.values() for path in request.all_staged())
        if not people or not any(staged_to_erase(self._checkpoint.store, path, people) for path in staged):
            return
        self._checkpoint.discard()
        raise ConcurrentRunError(
            f"{self._what}: customers of some fetched orders have been erased since; nothing was published.",
            remedy="No action needed if the task retries: it fetches the window again, without their personal data.",
            retry_after=REFETCH_DELAY,
        )

    def erase_published(self, rejected_path: str, at: datetime) -> None:
        """Call this after publishing, also if that failed: it erases people who were entered since :meth:`refuse`.

        :param rejected_path: where invalid records are published.
        """
        if self.ledger is None or self.ledger.people().entries == self._before:
            return

        def erase_rejected(erasure: OrderErasure, people: ErasedPeople) -> None:
            if erasure.store.read(rejected_path) is not None:
                erase_lines(erasure, people, rejected_path)

        OrderErasure(self.ledger, at).erase(erase_rejected)
