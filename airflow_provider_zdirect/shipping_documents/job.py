"""Fetching the shipping documents of many orders, each once, and filling in the tracking codes of their labels.

What was fetched lies there: a document is written whole, the list of an order's documents after all of them. So a task
that was killed between any two requests or writes goes on where it was, and two tasks at once write the same.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

from fsspec import AbstractFileSystem

from airflow_provider_zdirect.client import ZDirectClient
from airflow_provider_zdirect.clock import Clock, SystemClock
from airflow_provider_zdirect.erasure.people import ErasureLedger
from airflow_provider_zdirect.exceptions import (
    DocumentsNotReadyError,
    NotFoundError,
    PermissionDeniedError,
    RateLimitedError,
    ShippingDocumentsError,
    ZDirectError,
    ZDirectRetriableError,
)
from airflow_provider_zdirect.orders.order_flow import UpdateRules
from airflow_provider_zdirect.orders.order_updates import OrderUpdateJob, OrderUpdateResult, update_orders
from airflow_provider_zdirect.orders.update_rows import OrderUpdate
from airflow_provider_zdirect.shipping_documents.documents import (
    FOLDER,
    INDEX,
    LIST_PATH,
    DocumentCalls,
    ShippingDocument,
    delete_documents,
    documents_folder,
    is_erased,
    tracking_codes,
)
from airflow_provider_zdirect.shipping_documents.results import (
    ALREADY,
    CONFLICT,
    ERASED,
    FAILED,
    FETCHED,
    MISSING,
    OUTCOMES,
    OrderDocuments,
    publish_results,
)
from airflow_provider_zdirect.storage.layout import FORMATS
from airflow_provider_zdirect.storage.object_store import ObjectStore
from airflow_provider_zdirect.windows import subject

log = logging.getLogger(__name__)

AT_ONCE = {"sandbox": 4}
"""Orders under way at the same time. In sandbox requests are 1.7 s apart, and none may wait for more than 30 s."""
MOST_AT_ONCE = 16

IN_VAIN = 10
"""Failures without any success between them, after which the rest is not tried."""

LOOK_AGAIN = 600.0
"""Seconds after which documents that must be there, and are not, are looked for again."""

SHOWN = 10


@dataclass(frozen=True)
class DocumentsJob:
    """The documents of one merchant's orders.

    :param fs: the filesystem; :param root: the base path as ``fs`` names it; :param base_uri: as people name it.
    :param run: the same with every try of the same task run, and of no other.
    :param fill_tracking: set the orders' tracking codes to those of their labels.
    :param overwrite_tracking: also where zDirect has others.
    :param require_documents: an order without documents is an error that a later try may mend.
    :param max_failed: orders that may fail or be in conflict before that is an error; None: any number.
    """

    merchant_id: str
    order_ids: Sequence[str]
    fs: AbstractFileSystem
    root: str
    base_uri: str
    run: str
    fill_tracking: bool = True
    overwrite_tracking: bool = False
    require_documents: bool = False
    max_failed: int | None = 0
    format: str = "parquet"
    environment: str = "production"


@dataclass(frozen=True)
class DocumentsResult:
    """What became of a job.

    :param orders: how many came to each outcome.
    :param documents: files that are there of these orders.
    :param downloaded: those of them that this run fetched, earlier tries of it included.
    :param missing: the first orders without documents.
    :param tracking: what became of the tracking codes; None if none were to be filled in.
    """

    merchant_id: str
    orders: Mapping[str, int]
    documents: int
    downloaded: int
    missing: tuple[str, ...]
    uri: str
    results_uri: str | None
    requests: int
    tracking: OrderUpdateResult | None = None

    def as_dict(self) -> dict[str, Any]:
        """Small, for XCom."""
        return {
            "merchant_id": self.merchant_id,
            "orders": sum(self.orders.values()),
            **{outcome: self.orders[outcome] for outcome in OUTCOMES},
            "documents": self.documents,
            "downloaded": self.downloaded,
            "missing_orders": list(self.missing),
            "tracking": dict(self.tracking.rows) if self.tracking else None,
            "uri": self.uri,
            "results_uri": self.results_uri,
            "requests": self.requests,
        }


async def fetch_documents(job: DocumentsJob, client: ZDirectClient, clock: Clock | None = None) -> DocumentsResult:
    """Fetch what is not there yet, fill in tracking codes, and publish what became of each order.

    :raises ZDirectRetriableError: if requests failed that may work later; everything else was done and is published.
        After a rate limit nothing is published yet: the retry goes on.
    :raises ShippingDocumentsError: if more than ``max_failed`` orders failed or are in conflict; likewise.
    :raises ZDirectFatalError: if the app may not read documents at all.
    :raises FilterIgnoredError: if zDirect answers with another order's documents.
    """
    return await _Run(job, client, clock or SystemClock()).carry_out()


class _Run:
    def __init__(self, job: DocumentsJob, client: ZDirectClient, clock: Clock) -> None:
        self._job = job
        self._client = client
        self._clock = clock
        self._calls = DocumentCalls(client)
        self._store = ObjectStore(job.fs, job.root)
        self._ledger = ErasureLedger(self._store, job.merchant_id)
        self._done: dict[str, OrderDocuments] = {}
        self._errors: list[ZDirectRetriableError] = []
        self._denied: PermissionDeniedError | None = None
        # Why the rest is not tried.
        self._stop: ZDirectError | None = None
        self._failures_in_a_row = 0

    async def carry_out(self) -> DocumentsResult:
        job = self._job
        order_ids = list(dict.fromkeys(job.order_ids))
        free = asyncio.Semaphore(AT_ONCE.get(self._client.config.environment, MOST_AT_ONCE))

        async def one(order_id: str) -> None:
            async with free:
                if self._stop is None:
                    await self._try(order_id)

        # In another order with every try, so that it is not always the same ones that are tried before it is in vain.
        shuffled = Random(f"{job.run} {self._clock.now()}").sample(order_ids, len(order_ids))  # noqa: S311
        tasks = [asyncio.ensure_future(one(order_id)) for order_id in shuffled]
        try:
            await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        if isinstance(self._stop, RateLimitedError):
            raise self._stop
        return await self._conclude(order_ids)

    # One order

    async def _try(self, order_id: str) -> None:
        try:
            self._done[order_id] = await self._fetch(order_id)
        except NotFoundError as error:
            self._fail(order_id, error, _not_found(error))
        except ShippingDocumentsError as error:
            self._fail(order_id, error, f"{error.message} {error.remedy}")
        except PermissionDeniedError as error:
            self._denied = self._denied or error
            self._count(error)
            self._fail(order_id, error, error.message)
        except RateLimitedError as error:
            self._stop = self._stop or error
        except ZDirectRetriableError as error:
            self._errors.append(error)
            self._count(error)
            self._fail(order_id, error, error.message)
        except ZDirectError as error:
            self._stop = self._stop or error
        else:
            self._failures_in_a_row = 0

    def _fail(self, order_id: str, error: ZDirectError, reason: str) -> None:
        self._done[order_id] = OrderDocuments(order_id, FAILED, status_code=error.status, reason=reason[:500])

    def _count(self, error: ZDirectError) -> None:
        """One more failure that may be the next order's as well."""
        self._failures_in_a_row += 1
        if self._failures_in_a_row >= IN_VAIN:
            self._stop = self._stop or error

    async def _fetch(self, order_id: str) -> OrderDocuments:
        folder = documents_folder(self._job.merchant_id, order_id)
        if self._is_erased(order_id):
            return self._erased(order_id)
        entries = self._known(folder)
        if entries is None:
            listed = await self._calls.list(order_id)
            if not listed:
                return OrderDocuments(order_id, MISSING, reason="zDirect has no documents of it yet")
            entries = await self._download(order_id, folder, listed)
            if entries is None:
                return self._erased(order_id)
        return self._outcome(order_id, entries)

    def _erased(self, order_id: str) -> OrderDocuments:
        """Erased before, or while its documents were being fetched, maybe by a task that was killed over it."""
        delete_documents(self._store, self._job.merchant_id, order_id)
        return OrderDocuments(order_id, ERASED, reason="its personal data was erased")

    def _known(self, folder: str) -> list[dict[str, Any]] | None:
        """What an earlier try of this run wrote; None if it did not come so far."""
        index = self._store.read_json(f"{folder}/{INDEX}")
        return index["documents"] if index and index.get("run") == self._job.run else None

    async def _download(
        self, order_id: str, folder: str, listed: Sequence[ShippingDocument]
    ) -> list[dict[str, Any]] | None:
        """Entries of all documents; None if the order is erased meanwhile."""
        there = set(self._store.files(folder))
        index = self._store.read_json(f"{folder}/{INDEX}") or {}
        before = {entry["path"]: entry for entry in [*index.get("documents", []), *index.get("withdrawn", [])]}
        entries: dict[str, dict[str, Any]] = {}
        for document in listed:
            path = f"{folder}/{document.file_name}"
            facts = {
                "document_id": document.id,
                "type": document.type,
                "tracking_id": document.tracking_id,
                "shipment_id": document.shipment_id,
                "shipment_number": document.shipment_number,
                "path": path,
            }
            if path in there and path in before:
                entries[path] = {**before[path], **facts}
                continue
            # A task that was killed may have left the document, and not told of it.
            data = self._store.read(path) if path in there else None
            if data is None:
                data = await self._calls.download(document)
                self._store.write(path, data)
                if self._is_erased(order_id):
                    return None
            entries[path] = {**facts, **self._measured(data), "fetched_by": self._job.run}
        documents = list(entries.values())
        withdrawn = [entry for path, entry in before.items() if path not in entries]
        told = {"run": self._job.run, "documents": documents, "withdrawn": withdrawn}
        self._store.write_json(f"{folder}/{INDEX}", told)
        return None if self._is_erased(order_id) else documents

    def _measured(self, data: bytes) -> dict[str, Any]:
        return {
            "bytes": len(data),
            "sha256": hashlib.sha256(data).hexdigest(),
            "fetched_at": self._clock.now().isoformat(),
        }

    def _outcome(self, order_id: str, entries: Sequence[dict[str, Any]]) -> OrderDocuments:
        fetched = sum(entry["fetched_by"] == self._job.run for entry in entries)
        rows = tuple({name: value for name, value in entry.items() if name != "fetched_by"} for entry in entries)
        codes = tracking_codes(
            [ShippingDocument(entry["document_id"], order_id, entry["type"], entry["tracking_id"]) for entry in entries]
        )
        several = [name for name, found in codes.items() if len(found) > 1]
        reason = None
        if several:
            reason = "; ".join(
                f"its labels have several codes for {name}: {', '.join(codes[name])}" for name in several
            )
        if several and self._job.fill_tracking:
            return OrderDocuments(order_id, CONFLICT, rows, fetched, reason=reason)
        only = {name: found[0] for name, found in codes.items() if len(found) == 1}
        return OrderDocuments(order_id, FETCHED if fetched else ALREADY, rows, fetched, only, reason=reason)

    def _is_erased(self, order_id: str) -> bool:
        # The ledger also has orders that were fetched since its last erasure.
        return order_id in self._ledger.people().orders or is_erased(self._store, self._job.merchant_id, order_id)

    # The end

    async def _conclude(self, order_ids: Sequence[str]) -> DocumentsResult:
        job = self._job
        results = [self._done.get(order_id) or self._untried(order_id) for order_id in order_ids]
        path = None
        if results:
            path = publish_results(
                self._store,
                results,
                merchant_id=job.merchant_id,
                run=job.run,
                environment=job.environment,
                suffix=FORMATS[job.format],
                at=self._clock.now(),
            )
        counts = Counter(result.outcome for result in results)
        tracking = await self._fill_tracking(results)
        base = job.base_uri.rstrip("/")
        result = DocumentsResult(
            merchant_id=job.merchant_id,
            orders={outcome: counts[outcome] for outcome in OUTCOMES},
            documents=sum(len(one.documents) for one in results),
            downloaded=sum(one.fetched for one in results),
            missing=tuple(one.order_id for one in results if one.outcome == MISSING)[:SHOWN],
            uri=f"{base}/{FOLDER}/merchant_id={job.merchant_id}",
            results_uri=f"{base}/{path}" if path else None,
            requests=self._client.stats.requests,
            tracking=tracking,
        )
        told = ", ".join(f"{count} {outcome}" for outcome, count in result.orders.items() if count) or "none"
        what = subject("shipping documents", job.merchant_id, full_id=True)
        log.info("%s: orders: %s; %d documents downloaded -> %s", what, told, result.downloaded, result.uri)
        self._raise(result, results)
        return result

    def _untried(self, order_id: str) -> OrderDocuments:
        why = self._stop.message if self._stop else "unknown"
        return OrderDocuments(order_id, FAILED, reason=f"not tried, because: {why}"[:500])

    async def _fill_tracking(self, results: Sequence[OrderDocuments]) -> OrderUpdateResult | None:
        job = self._job
        if not job.fill_tracking or self._stop is not None:
            return None
        updates = [
            OrderUpdate(
                result.order_id,
                tracking_number=result.codes.get("tracking_number"),
                return_tracking_number=result.codes.get("return_tracking_number"),
                row=number,
            )
            for number, result in enumerate(results, start=1)
            if result.codes
        ]
        if not updates:
            return None
        update = OrderUpdateJob(
            merchant_id=job.merchant_id,
            updates=updates,
            fs=job.fs,
            root=job.root,
            base_uri=job.base_uri,
            run=job.run,
            rules=UpdateRules(overwrite_tracking=job.overwrite_tracking),
            max_failed=None,
            format=job.format,
            environment=job.environment,
        )
        return await update_orders(update, self._client, self._clock)

    def _raise(self, result: DocumentsResult, results: Sequence[OrderDocuments]) -> None:
        job = self._job
        if self._stop is not None and not isinstance(self._stop, ZDirectRetriableError):
            raise self._stop
        if self._denied and all(one.outcome == FAILED for one in results):
            raise self._denied
        if self._errors:
            first = self._errors[0]
            raise type(first)(
                f"Shipping documents of merchant {job.merchant_id}: {result.orders[FAILED]} of {len(results)} orders "
                f"could not be fetched, the first because: {first.message}",
                remedy=first.remedy,
                status=first.status,
                path=first.path,
                flow_id=first.flow_id,
                title=first.title,
                retry_after=max(error.retry_after for error in self._errors),
            ) from first
        bad = [one for one in results if one.outcome in (FAILED, CONFLICT)]
        untold = result.tracking.failed if result.tracking else 0
        if job.max_failed is not None and len(bad) + untold > job.max_failed:
            raise _failed(job, result, bad, untold)
        missing = result.orders[MISSING]
        if job.require_documents and missing:
            raise DocumentsNotReadyError(
                f"Shipping documents of merchant {job.merchant_id}: zDirect has none yet of {missing} orders, such as "
                f"{', '.join(result.missing)}.",
                remedy="Nothing, if they come before the task's last retry; documents of the others are there.",
                retry_after=LOOK_AGAIN,
            )


def _failed(
    job: DocumentsJob, result: DocumentsResult, bad: Sequence[OrderDocuments], untold: int
) -> ShippingDocumentsError:
    parts = [f"order {one.order_id}: {one.outcome}, {one.reason}" for one in bad[:SHOWN]]
    if untold and result.tracking:
        wrong = [one for one in result.tracking.results if one.outcome in ("refused", "conflict", "failed")]
        parts += [f"order {one.order_id}: {one.what} {one.outcome}, {one.reason}" for one in wrong[:SHOWN]]
        parts.append(f"all results of tracking codes: {result.tracking.uri}")
    more = f"; and {len(bad) - SHOWN} more" if len(bad) > SHOWN else ""
    return ShippingDocumentsError(
        f"Shipping documents of merchant {job.merchant_id}: {len(bad)} of {len(job.order_ids)} orders failed or are in "
        f"conflict, and the tracking codes of {untold} could not be filled in; {job.max_failed} may. "
        f"{'; '.join(parts)}{more}.",
        remedy=f"Correct these orders and run the task again; the others are done. All results: {result.results_uri}.",
    )


def _not_found(error: NotFoundError) -> str:
    if error.path != LIST_PATH:
        return f"{error.message} Is document_path in the connection's assumptions right?"
    return f"{error.message} The order is unknown or too old; see no_documents in docs/assumptions.md."
