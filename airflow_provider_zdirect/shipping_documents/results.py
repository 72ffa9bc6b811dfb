# SPDX-License-Identifier: Apache-2.0
"""The outcome of each order's shipping documents: published as ``shipping_document_results``, one file per run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import pyarrow as pa

from airflow_provider_zdirect.datasets.arrow import INSTANT

DATASET = "shipping_document_results"

FETCHED, ALREADY, MISSING, ERASED = "fetched", "already", "missing", "erased"
CONFLICT, FAILED = "conflict", "failed"
OUTCOMES = (FETCHED, ALREADY, MISSING, ERASED, CONFLICT, FAILED)
"""``fetched`` by this run; ``already`` there; ``missing``: zDirect has none yet; ``erased``: never fetched again;
``conflict``: its labels have several codes, so none was filled in; ``failed``: some documents could not be fetched."""

SCHEMA = pa.schema(
    [
        *((name, pa.string()) for name in ("order_id", "outcome", "document_id", "type", "tracking_id")),
        *((name, pa.string()) for name in ("shipment_id", "shipment_number", "path")),
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
    """The outcome of one order.

    :param documents: the entries of its ``documents.json``; all or none.
    :param fetched: how many of them this run fetched.
    :param codes: tracking codes by the order's field that they belong in.
    """

    order_id: str
    outcome: str
    documents: Sequence[Mapping[str, Any]] = ()
    fetched: int = 0
    codes: Mapping[str, str] = field(default_factory=dict)
    status_code: int | None = None
    reason: str | None = None

    def rows(self) -> list[dict[str, Any]]:
        """One per document, or one without a document."""
        of_order = {name: getattr(self, name) for name in ("order_id", "outcome", "status_code", "reason")}
        return [
            {**document, **of_order, "fetched_at": datetime.fromisoformat(document["fetched_at"])}
            for document in self.documents
        ] or [of_order]
