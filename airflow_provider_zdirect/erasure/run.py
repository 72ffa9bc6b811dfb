"""Erasing the customers of a merchant who asked for it, from all that was published of their orders, and proving it.

requests -> ledger -> search -> staged and published rows, invalid records, documents -> proof -> certificate

The ledger comes first: from then on nothing that is fetched brings the data back. Each run applies the whole ledger, so
a run may be killed anywhere and be repeated. Everything is searched for what is known of these people: before anything
is erased, since nobody knows it any more if the run is killed then, and afterwards. The certificate says that nothing
was found, and is written last.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from fsspec import AbstractFileSystem

from airflow_provider_zdirect import __version__
from airflow_provider_zdirect.client import ZDirectClient, checked_merchant_id
from airflow_provider_zdirect.clock import Clock, SystemClock
from airflow_provider_zdirect.datasets.personal_data import SHORTEST_KEY, PersonalData
from airflow_provider_zdirect.erasure.files import STAGED_AS, FileEraser
from airflow_provider_zdirect.erasure.people import ErasedPeople, ErasureLedger
from airflow_provider_zdirect.erasure.places import BegunErasures, PlaceEraser
from airflow_provider_zdirect.erasure.proof import Proof, prove
from airflow_provider_zdirect.erasure.requests import DeletionRequests, fetch_requests
from airflow_provider_zdirect.exceptions import RejectedRecordsError, TracesLeftError
from airflow_provider_zdirect.publish.abandoned import remove_abandoned
from airflow_provider_zdirect.storage.layout import Layout
from airflow_provider_zdirect.storage.object_store import ObjectStore
from airflow_provider_zdirect.windows import subject

log = logging.getLogger(__name__)

MAX_ROUNDS = 3
"""Times that is erased and searched, should others publish meanwhile."""

SHOWN = 5
_TIME = "%Y%m%dT%H%M%S.%fZ"


@dataclass(frozen=True)
class ErasureJob:
    """Whose orders, and where they are published.

    :param fs: filesystem of the base path.
    :param root: the base path as ``fs`` names it.
    :param base_uri: the base path as people name it, for results and messages.
    :param key: of the hashes that replace personal data, if there is one.
    """

    merchant_id: str
    fs: AbstractFileSystem
    root: str
    base_uri: str
    key: str | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "merchant_id", checked_merchant_id(self.merchant_id))


@dataclass(frozen=True)
class ErasureResult:
    """What came of it; small enough for XCom, and nothing personal in it.

    :param requests: that zDirect shows now.
    :param orders: that must be forgotten, by the whole ledger.
    :param erased: rows of published files, and invalid records.
    :param files: that were written anew or deleted.
    :param documents: shipping documents that were deleted.
    :param certificate: URI of the certificate; None if there is nobody to erase.
    :param changed: whether anything was erased, by this run or by one that did not come to its end.
    """

    merchant_id: str
    requests: int
    orders: int
    erased: int
    files: int
    documents: int
    certificate: str | None
    changed: bool

    def as_dict(self) -> dict[str, Any]:
        return {
            "merchant_id": self.merchant_id,
            "requests": self.requests,
            "orders": self.orders,
            "erased": self.erased,
            "files": self.files,
            "documents": self.documents,
            "certificate": self.certificate,
            "changed": self.changed,
        }


async def erase_customers(job: ErasureJob, client: ZDirectClient, clock: Clock | None = None) -> ErasureResult:
    """Erase, and prove it; safe to repeat, to kill anywhere, and to run beside anything else.

    :raises TracesLeftError: if something is found that cannot be erased; it names the files.
    :raises ConcurrentRunError: if other runs kept publishing what has to be erased.
    :raises RejectedRecordsError: if a request names neither an order nor a customer; all others are carried out.
    :raises ZDirectError: see :mod:`airflow_provider_zdirect.exceptions`.
    """
    clock = clock or SystemClock()
    store = ObjectStore(job.fs, job.root)
    store.check_writable(job.base_uri)
    requests = await fetch_requests(client, job.merchant_id)
    # In a thread, because runs that meet wait for each other, and the event loop is the caller's.
    return await asyncio.to_thread(_Erasure(job, store, requests, clock.now()).run)


def last_erasure(fs: AbstractFileSystem, root: str, merchant_id: str) -> datetime | None:
    """When the deletion requests of a merchant were applied last; None: never.

    :param root: the base path as ``fs`` names it.
    """
    store = ObjectStore(fs, root)
    told = store.read_json(_last(ErasureLedger(store, checked_merchant_id(merchant_id))))
    return datetime.fromisoformat(told["at"]) if told else None


def _last(ledger: ErasureLedger) -> str:
    return f"{ledger.folder}/last.json"


class _Erasure:
    def __init__(self, job: ErasureJob, store: ObjectStore, requests: DeletionRequests, now: datetime) -> None:
        self.job = job
        self.store = store
        self.requests = requests
        self.now = now
        self.ledger = ErasureLedger(store, job.merchant_id)
        self.begun = BegunErasures(store, f"{self.ledger.folder}/begun")
        self.what = f"Erased customers of merchant {job.merchant_id}"

    def run(self) -> ErasureResult:
        people = self._enter()
        begun = self.begun
        eraser = PlaceEraser(self.store, self.ledger, self.requests.texts, self.now, self._begin)
        certificate = None
        if people:
            for _ in range(MAX_ROUNDS):
                people, found = eraser.erase()
                certificate = self._certificate_of(people)
                if not found and not begun.any and certificate is not None:
                    break
                proof = prove(self.store, people, self.requests.texts)
                proof.found.update(set(begun.traces_left()).difference(proof.found))
                if not proof.found:
                    certificate = self._certify(people, eraser, proof)
                    break
                self.ledger.add(at=self.now, orders=dict.fromkeys(sorted(proof.theirs)))
            else:
                begun.begin(proof.found)
                self._note()
                raise self._traces_left(proof)
        result = ErasureResult(
            merchant_id=self.job.merchant_id,
            requests=self.requests.count,
            orders=len(people.orders),
            erased=sum(eraser.rows.values()),
            files=len(eraser.files),
            documents=eraser.documents,
            certificate=f"{self.job.base_uri.rstrip('/')}/{certificate}" if certificate else None,
            changed=begun.any,
        )
        begun.end()
        self._note()
        remove_abandoned(self.store, Layout(STAGED_AS, self.job.merchant_id), self.now)
        self._report(result)
        if self.requests.unreadable:
            raise RejectedRecordsError(
                f"{self.what}: {self.requests.unreadable} of {self.requests.count} deletion requests name neither an "
                "order nor a customer; all others were carried out.",
                remedy="Look at them in zDirect (GET /merchants/<id>/orders-deletion-requests), and report it.",
            )
        return result

    def _note(self) -> None:
        """That all that can be erased now is."""
        self.store.write_json(_last(self.ledger), {"at": self.now.isoformat()})

    def _enter(self) -> ErasedPeople:
        requests, key = self.requests, self.job.key
        keyed = PersonalData("hash", key) if key and len(key) >= SHORTEST_KEY else None
        hashed = {keyed.digest(number): asked for number, asked in requests.customers.items()} if keyed else {}
        return self.ledger.add(
            at=self.now,
            orders=requests.orders,
            customers={**requests.customers, **hashed},
        )

    def _begin(self, people: ErasedPeople) -> None:
        """Search while everything is still there that says what to search for, and note what was found."""
        if not self.begun.is_own:
            texts = self.requests.texts
            FileEraser(self.store, self.ledger, self.now, texts.add_rows).look(people)
            self.begun.begin(prove(self.store, people, texts).elsewhere)

    def _certificate_of(self, people: ErasedPeople) -> str | None:
        """The last one of these people."""
        found = self.store.files(f"{self.ledger.folder}/certificates")
        return max((path for path in found if path.endswith(f"-{people.digest}.json")), default=None)

    def _certify(self, people: ErasedPeople, eraser: PlaceEraser, proof: Proof) -> str:
        path = f"{self.ledger.folder}/certificates/{self.now.strftime(_TIME)}-{people.digest}.json"
        self.store.write_json(
            path,
            {
                "merchant_id": self.job.merchant_id,
                "erased_at": self.now.isoformat(),
                "package_version": __version__,
                "ledger": sorted(entry.rpartition("/")[2] for entry in people.entries),
                "orders": len(people.orders),
                "erased": dict(sorted(eraser.rows.items())),
                "files_rewritten_or_deleted": sorted(eraser.files),
                "documents_deleted": eraser.documents,
                "files_searched": proof.files,
                "rows_searched": proof.rows,
                "texts_searched_for": proof.texts,
                "rows_of_other_customers_with_such_a_text": proof.of_others,
                "found": 0,
            },
        )
        return path

    def _traces_left(self, proof: Proof) -> TracesLeftError:
        shown = ", ".join(f"{path} ({count})" for path, count in Counter(proof.found).most_common(SHOWN))
        more = len(proof.found) - SHOWN
        return TracesLeftError(
            f"{self.what}: {sum(proof.found.values())} traces are left in {len(proof.found)} files under "
            f"{self.job.base_uri}: {shown}{f' and {more} more' if more > 0 else ''}. No certificate was written.",
            remedy="Erase them by hand (delete the file, and run its windows again where it is published data), then "
            "clear the task. What was found once has to change or go. If it is found by chance (a number of something "
            f"else), report it, and delete what is in {self.begun.folder}.",
        )

    def _report(self, result: ErasureResult) -> None:
        log.info(
            "%s: %d requests; %d orders by the whole ledger; %d rows erased in %d files, %d documents deleted -> %s",
            subject("order erasures", self.job.merchant_id, full_id=True),
            result.requests,
            result.orders,
            result.erased,
            result.files,
            result.documents,
            result.certificate or "no certificate, as there was nobody to erase",
        )
