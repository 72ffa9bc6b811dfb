"""What became of each order's shipping documents: published as ``shipping_document_results``, one file per run."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import pyarrow as pa

from airflow_provider_zdirect.datasets.arrow import INSTANT
from airflow_provider_zdirect.publish.files import FileBuilder
from airflow_provider_zdirect.storage.layout import Layout, PublishedName, moment
from airflow_provider_zdirect.storage.object_store import ObjectStore
from airflow_provider_zdirect.storage.row_files import BATCH_ROWS

DATASET = "shipping_document_results"

FETCHED, ALREADY, MISSING, ERASED = "fetched", "already", "missing", "erased"
CONFLICT, FAILED = "conflict", "failed"
OUTCOMES = (FETCHED, ALREADY, MISSING, ERASED, CONFLICT, FAILED)
"""``fetched`` by this run; ``already`` there; ``missing``: zDirect has none yet; ``erased``: never fetched again;
``conflict``: its labels have several codes, so that none was filled in; ``failed``: no, or not all."""

SCHEMA = pa.schema(
    [
        ("order_id", pa.string()),
        ("outcome", pa.string()),
        ("document_id", pa.string()),
        ("type", pa.string()),
        ("tracking_id", pa.string()),
        ("shipment_id", pa.string()),
        ("shipment_number", pa.string()),
        ("path", pa.string()),
        ("bytes", pa.int64()),
        ("sha256", pa.string()),
        ("fetched_at", INSTANT),
        ("status_code", pa.int32()),
        ("reason", pa.string()),
        ("run", pa.string()),
        ("_merchant_id", pa.string()),
        ("_environment", pa.string()),
        ("_recorded_at", INSTANT),
    ]
)


@dataclass(frozen=True)
class OrderDocuments:
    """What became of one order.

    :param documents: entries of its ``documents.json``; all that there are, or none.
    :param fetched: how many of them this run fetched.
    :param codes: by the field of the order that they belong to.
    """

    order_id: str
    outcome: str
    documents: tuple[dict[str, Any], ...] = ()
    fetched: int = 0
    codes: Mapping[str, str] = field(default_factory=dict)
    status_code: int | None = None
    reason: str | None = None

    def rows(self) -> list[dict[str, Any]]:
        """One per document, or one without a document."""
        told = {
            "order_id": self.order_id,
            "outcome": self.outcome,
            "status_code": self.status_code,
            "reason": self.reason,
        }
        return [
            {**told, **document, "fetched_at": _instant(document.get("fetched_at"))}
            for document in self.documents or ({},)
        ]


def publish_results(
    store: ObjectStore,
    results: Sequence[OrderDocuments],
    *,
    merchant_id: str,
    run: str,
    environment: str,
    suffix: str,
    at: datetime,
) -> str:
    """Replace the file of the run; a retry tells everything anew. Returns its path, relative to the base path."""
    layout = Layout(DATASET, merchant_id)
    part = hashlib.sha256(run.encode()).hexdigest()[:16]

    def files() -> list[str]:
        found = store.files_below(layout.merchant)
        return [path for path in found if (name := PublishedName.parse(path)) and name.part == part]

    names = [name for path in files() if (name := PublishedName.parse(path))]
    span = min((name.span for name in names), key=lambda span: span.start) if names else moment(at)
    lineage = {"run": run, "_merchant_id": merchant_id, "_environment": environment, "_recorded_at": at}
    rows = [{**row, **lineage} for result in results for row in result.rows()]
    with tempfile.TemporaryDirectory(prefix="zdirect-") as scratch:
        folder = layout.published(span.start.date())
        builder = FileBuilder(SCHEMA, folder, suffix, scratch, span=span, part=part)
        for start in range(0, len(rows), BATCH_ROWS):
            builder.write(pa.Table.from_pylist(rows[start : start + BATCH_ROWS], schema=SCHEMA))
        published = builder.publish(store).path
    # Another try may have published at the same moment, on another date: then the earliest stays.
    stays = published if names else files()[0]
    for path in files():
        if path != stays:
            store.delete(path)
    return stays


def _instant(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
