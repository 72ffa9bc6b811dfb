# SPDX-License-Identifier: Apache-2.0
"""Fetching the shipping documents of many orders, each once, and filling in the tracking codes of their labels.

A document is written whole, and the list of an order's documents after all of them. So a task that was killed between
any two requests or writes goes on where it stopped, and two tasks at the same time write the same.
"""

from __future__ import annotations

import hashlib
import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from random import Random
from typing import Any

from airflow_provider_zdirect.client import ZDirectClient
from airflow_provider_zdirect.clock import Clock, SystemClock
from airflow_provider_zdirect.erasure.ledger import ErasureLedger
from airflow_provider_zdirect.exceptions import (
    DocumentsNotReadyError,
    NotFoundError,
    RateLimitedError,
    ShippingDocumentsError,
    ZDirectError,
)
from airflow_provider_zdirect.orders.few_at_once import for_each, raise_failures
from airflow_provider_zdirect.orders.order_updates import update_orders
from airflow_provider_zdirect.orders.row_parts import NOT_APPLIED, untried
from airflow_provider_zdirect.orders.update_job import OrderUpdateJob, OrderUpdateResult, UpdateRules
from airflow_provider_zdirect.orders.update_rows import OrderUpdate
from airflow_provider_zdirect.publish.place import Place
from airflow_provider_zdirect.publish.results import RunResults
from airflow_provider_zdirect.shipping_documents.documents import (
    INDEX,
    LIST_PATH,
    DocumentCalls,
    Index,
    ShippingDocument,
    tracking_codes,
)
from airflow_provider_zdirect.shipping_documents.results import (
    ALREADY,
    CONFLICT,
    DATASET,
    ERASED,
    FAILED,
    FETCHED,
    MISSING,
    OUTCOMES,
    SCHEMA,
    OrderDocuments,
)
from airflow_provider_zdirect.storage.layout import documents_folder
from airflow_provider_zdirect.words import counted

log = logging.getLogger(__name__)

TRY_AGAIN = 600.0
"""Seconds until missing documents that are required are asked for again."""

SHOWN = 10


@dataclass(frozen=True)
class DocumentsJob:
    """The documents of one merchant's orders.

    :param run: the same for every try of the same task run, and for no other run.
    :param fill_tracking: set the orders' tracking codes to those of their labels.
    :param overwrite_tracking: replace other codes that zDirect has.
    :param require_documents: raise a retriable error if an order has no documents.
    :param max_failed: orders that may fail or be in conflict before that is an error; None: any number.
    """

    place: Place
    order_ids: Sequence[str]
    run: str
    fill_tracking: bool = True
    overwrite_tracking: bool = False
    require_documents: bool = False
    max_failed: int | None = 0


@dataclass(frozen=True)
class DocumentsResult:
    """The outcome of a job.

    :param orders: number of orders by outcome.
    :param documents: stored files of these orders.
    :param downloaded: those of them that this run fetched, earlier tries of it included.
    :param missing_orders: the first orders without documents.
    :param tracking: the outcome of the tracking codes; None if none were to be filled in.
    """

    merchant_id: str
    orders: Mapping[str, int]
    documents: int
    downloaded: int
    missing_orders: list[str]
    uri: str
    results_uri: str | None
    requests: int
    tracking: OrderUpdateResult | None = None

    def as_dict(self) -> dict[str, Any]:
        """Small, for XCom."""
        tracking = dict(self.tracking.rows) if self.tracking else None
        return {**vars(self), **self.orders, "orders": sum(self.orders.values()), "tracking": tracking}


async def fetch_documents(job: DocumentsJob, client: ZDirectClient, clock: Clock | None = None) -> DocumentsResult:
    """Fetch missing documents, fill in tracking codes, and publish the outcome of each order.

    :raises ZDirectRetriableError: if requests failed that may work later; everything else was done and is published.
        After a rate limit nothing is published yet; the retry goes on.
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
        self._store = job.place.store
        self._merchant_id = job.place.merchant_id
        self._ledger = ErasureLedger(self._store, self._merchant_id)
        self._done: dict[str, OrderDocuments] = {}
        self._errors: list[ZDirectError] = []
        # Why the rest is not tried.
        self._end: ZDirectError | None = None

    async def carry_out(self) -> DocumentsResult:
        order_ids = list(dict.fromkeys(self._job.order_ids))
        # Shuffled anew with each try: orders that always fail must not keep the others from being tried.
        shuffled = Random(f"{self._job.run} {self._clock.now()}").sample(order_ids, len(order_ids))  # noqa: S311
        environment = self._client.config.environment
        self._end = await for_each(shuffled, self._try, self._failed, environment=environment)
        if isinstance(self._end, RateLimitedError):
            raise self._end
        for order_id in order_ids:
            self._done.setdefault(order_id, OrderDocuments(order_id, FAILED, reason=untried(self._end)))
        return await self._conclude([self._done[order_id] for order_id in order_ids])

    # One order

    async def _try(self, order_id: str) -> None:
        try:
            self._done[order_id] = await self._fetch(order_id)
        except (NotFoundError, ShippingDocumentsError) as error:
            self._fail(order_id, error, f"{error.message} {_hint(error)}")

    def _failed(self, order_id: str, error: ZDirectError) -> None:
        self._errors.append(error)
        self._fail(order_id, error, error.message)

    def _fail(self, order_id: str, error: ZDirectError, reason: str) -> None:
        self._done[order_id] = OrderDocuments(order_id, FAILED, status_code=error.status, reason=reason[:500])

    async def _fetch(self, order_id: str) -> OrderDocuments:
        folder = documents_folder(self._merchant_id, order_id)
        if self._is_erased(order_id):
            return self._erased(order_id)
        index = self._store.read_json(f"{folder}/{INDEX}", Index) or {"documents": []}
        # Otherwise, an earlier try of this run wrote it, and it is complete.
        if index.get("run") != self._job.run:
            listed = await self._calls.list(order_id)
            if not listed:
                return OrderDocuments(order_id, MISSING, reason="zDirect has no documents of it yet")
            entries = await self._download(order_id, folder, listed, index["documents"])
            index = {"run": self._job.run, "documents": entries}
            if entries is not None:
                self._store.write_json(f"{folder}/{INDEX}", index)
            if self._is_erased(order_id):
                return self._erased(order_id)
        return self._outcome(order_id, index["documents"])

    def _is_erased(self, order_id: str) -> bool:
        return order_id in self._ledger.people().orders

    def _erased(self, order_id: str) -> OrderDocuments:
        """Delete what was fetched before, or during, the erasure, perhaps by a task that was killed."""
        self._store.delete_folder(documents_folder(self._merchant_id, order_id))
        return OrderDocuments(order_id, ERASED, reason="its personal data was erased")

    async def _download(
        self, order_id: str, folder: str, listed: Sequence[ShippingDocument], entries: Sequence[Mapping[str, Any]]
    ) -> list[dict[str, Any]] | None:
        """Fetch the documents, and return their entries for the index; None if the order is erased in the meantime.

        :param entries: those of an earlier run.
        """
        there = set(self._store.files(folder))
        before = {entry["path"]: entry for entry in entries if entry["path"] in there}
        new: dict[str, dict[str, Any]] = {}
        for document in listed:
            path = f"{folder}/{document.file_name}"
            fetched = before.get(path)
            if fetched is None:
                data = await self._calls.download(document)
                self._store.write(path, data)
                if self._is_erased(order_id):
                    return None
                fetched = {
                    "bytes": len(data),
                    "sha256": hashlib.sha256(data).hexdigest(),
                    "fetched_at": self._clock.now().isoformat(),
                    "fetched_by": self._job.run,
                }
            new[path] = {**fetched, **asdict(document), "path": path}
        return list(new.values())

    def _outcome(self, order_id: str, entries: Sequence[Mapping[str, Any]]) -> OrderDocuments:
        fetched = sum(entry["fetched_by"] == self._job.run for entry in entries)
        codes = tracking_codes(entries) if self._job.fill_tracking else {}
        several = [
            f"its labels have several codes for {name}: {', '.join(found)}"
            for name, found in codes.items()
            if len(found) > 1
        ]
        if several:
            return OrderDocuments(order_id, CONFLICT, entries, fetched, reason="; ".join(several))
        only = {name: code for name, (code,) in codes.items()}
        return OrderDocuments(order_id, FETCHED if fetched else ALREADY, entries, fetched, only)

    # The end

    async def _conclude(self, results: Sequence[OrderDocuments]) -> DocumentsResult:
        job = self._job
        path = None
        if results:
            rows = [row for result in results for row in result.rows()]
            path = RunResults(job.place, DATASET, SCHEMA, job.run).publish(rows, self._clock.now())
        counts = Counter(result.outcome for result in results)
        result = DocumentsResult(
            merchant_id=self._merchant_id,
            orders={outcome: counts[outcome] for outcome in OUTCOMES},
            documents=sum(len(one.documents) for one in results),
            downloaded=sum(one.fetched for one in results),
            missing_orders=[one.order_id for one in results if one.outcome == MISSING][:SHOWN],
            uri=job.place.uri_of(documents_folder(self._merchant_id)),
            results_uri=job.place.uri_of(path) if path else None,
            tracking=await self._fill_tracking(results),
            requests=self._client.stats.requests,
        )
        orders = ", ".join(f"{count} {outcome}" for outcome, count in result.orders.items() if count) or "none"
        what = job.place.subject("shipping documents", full_id=True)
        log.info(
            "%s: orders: %s; %s downloaded -> %s", what, orders, counted(result.downloaded, "document"), result.uri
        )
        self._raise(result, results)
        return result

    async def _fill_tracking(self, results: Sequence[OrderDocuments]) -> OrderUpdateResult | None:
        job = self._job
        updates = [
            OrderUpdate(number, result.order_id, **result.codes)  # type: ignore[arg-type]
            for number, result in enumerate(results, start=1)
            if result.codes
        ]
        if not updates or self._end is not None:
            return None
        rules = UpdateRules(overwrite_tracking=job.overwrite_tracking)
        update = OrderUpdateJob(job.place, updates, job.run, rules=rules, max_failed=None)
        return await update_orders(update, self._client, self._clock)

    def _raise(self, result: DocumentsResult, results: Sequence[OrderDocuments]) -> None:
        job = self._job
        of_merchant = f"Shipping documents of merchant {job.place.merchant}"
        raise_failures(
            self._end,
            self._errors,
            f"{of_merchant}: {result.orders[FAILED]} of {counted(len(results), 'order')} could not be fetched",
            in_vain=all(one.outcome == FAILED for one in results),
        )
        bad = {one.order_id: f"{one.outcome}, {one.reason}" for one in results if one.outcome in (FAILED, CONFLICT)}
        for part in result.tracking.results if result.tracking else ():
            if part.outcome in NOT_APPLIED:
                bad.setdefault(str(part.order_id), f"{part.what} {part.outcome}, {part.reason}")
        if job.max_failed is not None and len(bad) > job.max_failed:
            shown = [f"order {order_id}: {why}" for order_id, why in list(bad.items())[:SHOWN]]
            more = f"; and {len(bad) - SHOWN} more" if len(bad) > SHOWN else ""
            uris = [result.results_uri, *([result.tracking.uri] if result.tracking else [])]
            raise ShippingDocumentsError(
                f"{of_merchant}: {len(bad)} of {counted(len(results), 'order')} failed or met a conflict, or their "
                f"tracking codes could not be filled in; {job.max_failed} may. {'; '.join(shown)}{more}.",
                remedy="Correct these orders and run the task again; the others are done. All results: "
                f"{', '.join(map(str, uris))}.",
            )
        missing = result.orders[MISSING]
        if job.require_documents and missing:
            raise DocumentsNotReadyError(
                f"{of_merchant}: zDirect has none yet of {counted(missing, 'order')}, such as "
                f"{', '.join(result.missing_orders)}.",
                remedy="No action needed if they come before the task's last retry; documents of the others are there.",
                retry_after=TRY_AGAIN,
            )


def _hint(error: ZDirectError) -> str:
    if not isinstance(error, NotFoundError):
        return error.remedy or ""
    if error.path != LIST_PATH:
        return "Is the assumption document_path of the connection right?"
    return "The order is unknown or too old; see no_documents in docs/assumptions.md."
