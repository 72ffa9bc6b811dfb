# SPDX-License-Identifier: Apache-2.0
"""Shipping documents of Zalando Shipping Solutions (ZSS): labels and slips of an order, and where they are stored.

    <base>/shipping_documents/merchant_id=<id>/order_id=<id>/<document id>-<type>.pdf
    <base>/shipping_documents/merchant_id=<id>/order_id=<id>/documents.json           their list, written last

Labels carry names and addresses. Facts: zDirect docs, *ZSS Shipping Documents*.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, NotRequired, TypedDict

import msgspec

from airflow_provider_zdirect.client import ZDirectClient
from airflow_provider_zdirect.datasets.endpoint import REFETCH_DELAY, Rate
from airflow_provider_zdirect.erasure.ledger import as_text
from airflow_provider_zdirect.exceptions import (
    FilterIgnoredError,
    MalformedResponseError,
    NotFoundError,
    ShippingDocumentsError,
)
from airflow_provider_zdirect.storage.damaged import Instant

INDEX = "documents.json"
LIST_PATH = "/zss/shipping-documents"
PER_MINUTE = {"production": 400, "sandbox": 40}
"""Requests a minute; documented for documents of returns (ZRS), not for those of orders."""

OUTBOUND_LABEL, RETURN_LABEL = "OUTBOUND_LABEL", "RETURN_LABEL"
SCOPE = "zss/shipping-document/read"

_IN_A_PATH = re.compile(r"[A-Za-z0-9_~-][A-Za-z0-9._~-]{0,199}")
_HEAD, _TAIL = 1024, 4096


@dataclass(frozen=True)
class ShippingDocument:
    """One document of an order.

    :param type: ``OUTBOUND_LABEL``, ``RETURN_LABEL``, or any other.
    :param tracking_id: of a label.
    """

    document_id: str
    order_id: str
    type: str
    tracking_id: str | None = None
    shipment_id: str | None = None
    shipment_number: str | None = None

    @property
    def file_name(self) -> str:
        """The name of its PDF; a document always has the same."""
        return f"{_for_a_name(self.document_id)}-{_for_a_name(self.type)}.pdf"


class IndexEntry(TypedDict):
    """A stored document."""

    path: str
    type: str
    tracking_id: str | None
    fetched_at: Instant
    fetched_by: str
    document_id: NotRequired[str]
    shipment_id: NotRequired[str | None]
    shipment_number: NotRequired[str | None]
    bytes: NotRequired[Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]]
    sha256: NotRequired[str]


class Index(TypedDict):
    """The file :data:`INDEX` of an order; ``run`` is the last that fetched."""

    run: NotRequired[str]
    documents: list[IndexEntry]


class DocumentCalls:
    """The calls of the API."""

    def __init__(self, client: ZDirectClient) -> None:
        self._client = client
        self._assumptions = client.assumptions
        per_minute = client.assumptions.documents_per_minute
        limit = PER_MINUTE[client.config.environment] if per_minute == "default" else int(per_minute)
        self.rate = Rate(limit, 60, burst=max(1, min(20, limit // 4)))

    async def list(self, order_id: str) -> list[ShippingDocument]:
        """The documents of an order.

        :raises NotFoundError: if zDirect does not know the order.
        :raises FilterIgnoredError: if the answer is about another order.
        :raises ShippingDocumentsError: if it does not name the order, see ``unnamed_order``.
        """
        what = f"Shipping documents of order {order_id}"
        try:
            content = await self._client.get(
                LIST_PATH,
                {self._assumptions.documents_order_parameter: order_id},
                rate=self.rate,
                endpoint="shipping documents",
                scope=SCOPE,
                what=what,
            )
        except NotFoundError:
            if self._assumptions.no_documents == "not_found":
                return []
            raise
        # An empty object is a valid answer, as everywhere in zDirect.
        listed = None
        if isinstance(content, dict) and (not content or "documents" in content):
            listed = content.get("documents") or []
        if not isinstance(listed, list):
            raise _malformed(what, "the answer has no list of documents", LIST_PATH)
        return [self._document(entry, order_id, what) for entry in listed]

    def _document(self, entry: Any, order_id: str, what: str) -> ShippingDocument:
        if not isinstance(entry, dict) or not (document_id := as_text(entry.get("id"))):
            raise _malformed(what, "a document of the answer has no id", LIST_PATH)
        named = (as_text(entry.get("order_id")) or "").lower()
        if not named and self._assumptions.unnamed_order == "refuse":
            raise ShippingDocumentsError(
                f"{what}: zDirect answered document {document_id[:60]} without the id of its order.",
                remedy="Compare it with the order in the portal; if it is the right one, set "
                "unnamed_order to trust in the connection's assumptions.",
                path=LIST_PATH,
            )
        if named and named != order_id:
            raise FilterIgnoredError(
                f"{what}: zDirect answered a document of order {named[:60]}.",
                remedy="Nothing was fetched. Find out which parameter selects an order, and set it as "
                "documents_order_parameter in the connection's assumptions.",
                path=LIST_PATH,
            )
        names = ("tracking_id", "shipment_id", "shipment_number")
        return ShippingDocument(
            document_id,
            order_id,
            as_text(entry.get("type")) or "UNKNOWN",
            *(as_text(entry.get(name)) for name in names),
        )

    async def download(self, document: ShippingDocument) -> bytes:
        """The document's PDF.

        :raises MalformedResponseError: if the answer is not a whole PDF.
        """
        what = f"{document.type} {document.document_id} of order {document.order_id}"
        if not _IN_A_PATH.fullmatch(document.document_id):
            raise _malformed(what, "its id cannot be part of a path", LIST_PATH)
        path = self._assumptions.document_path.format(document_id=document.document_id)
        body = await self._client.get_bytes(
            path, rate=self.rate, endpoint="shipping documents", scope=SCOPE, accept="application/pdf", what=what
        )
        if reason := _why_no_pdf(body):
            # The body is not quoted: it may hold an address.
            raise _malformed(what, f"the answer is not a PDF, {reason}", path)
        return body


def tracking_codes(entries: Iterable[Mapping[str, Any]]) -> dict[str, list[str]]:
    """The tracking codes of labels, by the order's field that they belong in; each code once.

    :param entries: documents with their ``type`` and ``tracking_id``.
    """
    fields = {OUTBOUND_LABEL: "tracking_number", RETURN_LABEL: "return_tracking_number"}
    codes: dict[str, list[str]] = {}
    for entry in entries:
        field, code = fields.get(entry["type"].upper()), entry["tracking_id"]
        if field and code and code not in codes.setdefault(field, []):
            codes[field].append(code)
    return codes


def _why_no_pdf(body: bytes) -> str | None:
    if not body.strip():
        return "but empty"
    if b"%PDF-" not in body[:_HEAD]:
        start = body[:_HEAD].lstrip()[:1]
        return "but " + {b"<": "a page (HTML or XML)", b"{": "JSON", b"[": "JSON"}.get(start, "something else")
    return None if b"%%EOF" in body[-_TAIL:] else "or one that breaks off"


def _malformed(what: str, reason: str, path: str) -> MalformedResponseError:
    return MalformedResponseError(
        f"{what}: {reason}.",
        remedy="No action needed: the task retries. If it persists, check the assumption document_path.",
        path=path,
        retry_after=REFETCH_DELAY,
    )


def _for_a_name(text: str) -> str:
    """``text`` as part of a file's name; two texts that differ have names that differ."""
    if re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_-]{0,99}", text):
        return text
    kept = re.sub(r"[^A-Za-z0-9_-]", "_", text)[:60]
    return f"{kept}_{hashlib.sha256(text.encode('utf-8', 'surrogatepass')).hexdigest()[:8]}"
