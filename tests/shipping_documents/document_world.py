"""One merchant's orders with shipping documents."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import duckdb
from killing import DeadlyTransport
from orders.order_world import OrderWorld

from airflow_provider_zdirect.erasure.ledger import ErasureLedger
from airflow_provider_zdirect.shipping_documents.job import DocumentsJob, DocumentsResult, fetch_documents
from airflow_provider_zdirect.storage.layout import documents_folder

TYPES = ("DELIVERY_SLIP", "OUTBOUND_LABEL", "RETURN_LABEL")
NOBODY = "00000000-0000-4000-8000-000000000000"


class DocumentWorld(OrderWorld):
    def documents_job(self, *order_ids: str, **changes: Any) -> DocumentsJob:
        return DocumentsJob(self.place(), order_ids, **{"run": "a-run", "fill_tracking": False, **changes})

    def fetch(self, *order_ids: str, transport: DeadlyTransport | None = None, **changes: Any) -> DocumentsResult:
        async def go() -> DocumentsResult:
            async with self.client(transport) as client:
                return await fetch_documents(self.documents_job(*order_ids, **changes), client, self.clock)

        return asyncio.run(go())

    def folder(self, order_id: str) -> Path:
        return self.base / documents_folder(self.merchant_id, order_id)

    def pdfs(self, order_id: str) -> dict[str, bytes]:
        """The PDFs of an order by type."""
        files = self.folder(order_id).glob("*.pdf")
        return dict(sorted((path.stem.rpartition("-")[2], path.read_bytes()) for path in files))

    def results(self, columns: str = "order_id, outcome, type", run: str = "%") -> list[tuple[Any, ...]]:
        """Every published row, by DuckDB: independent of the code under test."""
        files = f"read_parquet('{self.base}/shipping_document_results/**/*.parquet')"
        return duckdb.sql(f"SELECT {columns} FROM {files} WHERE run LIKE '{run}' ORDER BY ALL").fetchall()

    def asked(self) -> list[str]:
        """The paths that were asked for, without tokens."""
        return [request.path for request in self.emulator.requests if "/auth/" not in request.path]

    def codes(self, order_id: str) -> tuple[str | None, str | None]:
        truth = self.truth(order_id)
        return truth["tracking_number"], truth["return_tracking_number"]

    def label_codes(self, order_id: str) -> tuple[str, str]:
        by_type = {one["type"]: one for one in self.emulator.shipping_documents(order_id)}
        return by_type["OUTBOUND_LABEL"]["tracking_id"], by_type["RETURN_LABEL"]["tracking_id"]

    def document_id(self, order_id: str, kind: str) -> str:
        return next(one["id"] for one in self.emulator.shipping_documents(order_id) if one["type"] == kind)

    def erase(self, order_id: str) -> None:
        """As an erasure does it: the ledger first, then the documents."""
        ErasureLedger(self.store, self.merchant_id).add(at=self.clock.now(), orders={order_id: None})
        self.store.delete_folder(documents_folder(self.merchant_id, order_id))
