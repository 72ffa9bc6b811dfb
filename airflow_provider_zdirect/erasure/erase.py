# SPDX-License-Identifier: Apache-2.0
"""Erasing the customers of a merchant who asked for it, from all that was stored of their orders, and proving it.

requests -> ledger -> staged pages, invalid records, documents, published rows -> proof -> certificate

The ledger comes first: from then on nothing that is fetched brings the data back. Each run applies the whole ledger, so
a run may be killed anywhere and be repeated. The certificate says that no personal data was found, and is written last.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from fsspec import AbstractFileSystem

from airflow_provider_zdirect import __version__
from airflow_provider_zdirect.client import ZDirectClient, checked_merchant_id
from airflow_provider_zdirect.clock import Clock, SystemClock
from airflow_provider_zdirect.datasets.personal_data import SHORTEST_KEY, PersonalData
from airflow_provider_zdirect.erasure.copies import erase_copies
from airflow_provider_zdirect.erasure.ledger import ErasedPeople, ErasureLedger
from airflow_provider_zdirect.erasure.proof import Proof, prove
from airflow_provider_zdirect.erasure.requests import DeletionRequests, fetch_requests
from airflow_provider_zdirect.erasure.tables import STAGED_AS, OrderErasure
from airflow_provider_zdirect.exceptions import RejectedRecordsError, TracesLeftError
from airflow_provider_zdirect.publish.abandoned import remove_abandoned
from airflow_provider_zdirect.publish.place import Place
from airflow_provider_zdirect.publish.read import read_published
from airflow_provider_zdirect.storage.damaged import naming_damaged
from airflow_provider_zdirect.storage.object_store import ObjectStore
from airflow_provider_zdirect.words import counted

log = logging.getLogger(__name__)

MAX_ROUNDS = 3
"""How often a run erases and proves, in case others publish meanwhile."""

SHOWN = 5
_TIME = "%Y%m%dT%H%M%S.%fZ"


@dataclass(frozen=True)
class ErasureResult:
    """What was erased; small enough for XCom, and nothing personal in it.

    :param requests: that zDirect shows now.
    :param orders: that must be forgotten, by the whole ledger.
    :param erased: rows of published files, and invalid records.
    :param files: that were rewritten or deleted.
    :param documents: shipping documents that were deleted.
    :param certificate: URI of the certificate; None if no customer has to be erased.
    :param changed: whether anything was erased, by this run, by one that did not finish or by an extraction.
    """

    merchant_id: str
    requests: int
    orders: int
    erased: int
    files: int
    documents: int
    certificate: str | None
    changed: bool


async def erase_customers(
    place: Place, client: ZDirectClient, clock: Clock | None = None, *, key: str | None = None
) -> ErasureResult:
    """Erase customers, and prove it. It may be repeated, killed at any moment, and run beside anything else.

    :param place: where their orders are published.
    :param key: of the hashes that replace personal data, if there is one.
    :raises TracesLeftError: if something is found that cannot be erased; it names the files.
    :raises ConcurrentRunError: if other runs kept publishing what has to be erased.
    :raises RejectedRecordsError: if a request names neither an order nor a customer; all others are carried out.
    :raises ZDirectError: see :mod:`airflow_provider_zdirect.exceptions`.
    """
    clock = clock or SystemClock()
    place.store.check_writable(place.uri)
    requests = await fetch_requests(client, place.merchant_id)
    # In a thread: runs that meet wait for each other, and the event loop is the caller's.
    return await asyncio.to_thread(ErasureRun(place, key, requests, clock.now()).run)


def last_erasure(fs: AbstractFileSystem, root: str, merchant_id: str) -> datetime | None:
    """When the deletion requests of a merchant were applied last; None: never.

    :param root: the base path as ``fs`` names it.
    """
    store = ObjectStore(fs, root)
    path = _last(ErasureLedger(store, checked_merchant_id(merchant_id)))
    last = store.read_json(path)
    with naming_damaged(store.full(path)):
        return datetime.fromisoformat(last["at"]) if last else None


def _last(ledger: ErasureLedger) -> str:
    return f"{ledger.folder}/last.json"


class ErasureRun:
    """One run, after the requests were fetched."""

    def __init__(self, place: Place, key: str | None, requests: DeletionRequests, now: datetime) -> None:
        self.place = place
        self.key = key
        self.store = place.store
        self.requests = requests
        self.now = now
        self.ledger = ErasureLedger(self.store, place.merchant_id)
        self.erasure = OrderErasure(self.ledger, now, set(requests.contacts))
        # Another run that erases meanwhile reports that itself, and may delete the mark of this one.
        self.marks = self.erasure.marks()
        self.what = f"Erased customers of merchant {place.merchant}"

    def run(self) -> ErasureResult:
        self.enter()
        people, certificate = self._erase_and_certify()
        result = ErasureResult(
            merchant_id=self.place.merchant_id,
            requests=self.requests.count,
            orders=len(people.orders),
            erased=sum(self.erasure.rows.values()),
            files=len(self.erasure.files),
            documents=self.erasure.documents,
            certificate=self.place.uri_of(certificate) if certificate else None,
            changed=bool(self.marks),
        )
        remove_abandoned(self.store, self.place.layout(STAGED_AS))
        log.info(
            "%s: %s; %s by the whole ledger; %s erased in %s, %s deleted -> %s",
            self.place.subject("order erasures", full_id=True),
            counted(result.requests, "request"),
            counted(result.orders, "order"),
            counted(result.erased, "row"),
            counted(result.files, "file"),
            counted(result.documents, "document"),
            result.certificate or "no certificate, because no customer has to be erased",
        )
        if self.requests.unreadable:
            # What was erased is reported by the next run that succeeds.
            raise RejectedRecordsError(
                f"{self.what}: {self.requests.unreadable} of {counted(self.requests.count, 'deletion request')} came "
                "with neither an order nor a customer; all others were carried out.",
                remedy="Look at them in zDirect (GET /merchants/<id>/orders-deletion-requests), and report it.",
            )
        for mark in self.marks:
            self.store.delete(mark)
        return result

    def enter(self) -> None:
        """Enter the requests in the ledger."""
        requests, key = self.requests, self.key
        keyed = PersonalData("hash", key) if key and len(key) >= SHORTEST_KEY else None
        hashed = {keyed.digest(number): asked for number, asked in requests.customers.items()} if keyed else {}
        self.ledger.add(at=self.now, orders=requests.orders, customers={**requests.customers, **hashed})

    def _erase_and_certify(self) -> tuple[ErasedPeople, str | None]:
        """All people, and the path of their certificate; None if there is nobody.

        :raises TracesLeftError: if something is found each time.
        """
        for _ in range(MAX_ROUNDS):
            proof = Proof()
            people = self.erasure.erase(erase_copies)
            certificates = self.store.files(f"{self.ledger.folder}/certificates")
            certificate = max((path for path in certificates if path.endswith(f"-{people.digest}.json")), default=None)
            # Without a mark, nothing has changed since the certificate of these people.
            if self.erasure.mark and self.erasure.mark not in self.marks:
                self.marks.append(self.erasure.mark)
            if people and (self.marks or certificate is None):
                proof = read_published(self.what, partial(prove, self.store, people, proof))
                certificate = None if proof.found else self._certify(people, proof)
            if not proof.found:
                break
        # All that can be erased now is.
        self.store.write_json(_last(self.ledger), {"at": self.now.isoformat()})
        if proof.found:
            raise self._traces_left(proof)
        return people, certificate

    def _certify(self, people: ErasedPeople, proof: Proof) -> str:
        path = f"{self.ledger.folder}/certificates/{self.now.strftime(_TIME)}-{people.digest}.json"
        self.store.write_json(
            path,
            {
                "merchant_id": self.place.merchant_id,
                "erased_at": self.now.isoformat(),
                "package_version": __version__,
                "ledger": sorted(people.entries),
                "orders": len(people.orders),
                "erased": dict(sorted(self.erasure.rows.items())),
                "files_rewritten_or_deleted": sorted(self.erasure.files),
                "documents_deleted": self.erasure.documents,
                "files_checked": len(proof.checked),
                "rows_checked": proof.rows,
                "found": 0,
            },
        )
        return path

    def _traces_left(self, proof: Proof) -> TracesLeftError:
        shown = ", ".join(f"{path} ({count})" for path, count in proof.found.most_common(SHOWN))
        more = len(proof.found) - SHOWN
        return TracesLeftError(
            f"{self.what}: personal data of their orders is left in {counted(len(proof.found), 'file')} under "
            f"{self.place.uri}: {shown}{f' and {more} more' if more > 0 else ''}. No certificate was written.",
            remedy="This package did not write them. Delete them, or erase the data by hand, then clear the task.",
        )
