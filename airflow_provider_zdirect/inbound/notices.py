# SPDX-License-Identifier: Apache-2.0
"""The Shipping Notices API as calls: get a notice, find it, write it, its item sets and its confirmations.

Facts: zDirect docs, *Shipping Notices* (getting, creating, announced and dispatch item sets). Nothing is decided here;
that is done in :mod:`.steps`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec
from pydantic import Field, ValidationError

from airflow_provider_zdirect.client import Reply, ZDirectClient
from airflow_provider_zdirect.datasets.endpoint import REFETCH_DELAY, Rate, RateLimits
from airflow_provider_zdirect.datasets.inbound import ShippingNotice
from airflow_provider_zdirect.datasets.record import EanKey, Quantity, Record
from airflow_provider_zdirect.datasets.table import get_dataset
from airflow_provider_zdirect.exceptions import MalformedResponseError, NotFoundError
from airflow_provider_zdirect.inbound.item_set import ANNOUNCED, DISPATCHED, ItemSet
from airflow_provider_zdirect.inbound.notice_fields import MERCHANT, REFERENCE
from airflow_provider_zdirect.merchant_files.cells import UUID

PATH, NOTICE = "/zfs/shipping-notices", "shipping_notice"
LISTED = get_dataset("shipping_notices")
READ, WRITE = "/shipping-notices/read", "/shipping-notices/write"
"""Scopes; their full text is not confirmed, and they are named in errors only."""

SET_PATHS = {ANNOUNCED: "announced-item-sets", DISPATCHED: "dispatch-item-sets"}
CONFIRMATION_PATHS = {ANNOUNCED: "announcement-confirmations", DISPATCHED: "dispatch-confirmations"}

_SANDBOX = Rate(10, 60, burst=5)
ONE_NOTICE = RateLimits(Rate(10, 60, burst=5), _SANDBOX)
"""Any method on a notice itself (zDirect docs, *Shipping Notices*, rate limits)."""

PER_HOUR = RateLimits(Rate(30, 3600, burst=10), _SANDBOX)
"""Each of the two kinds of item sets and of confirmations, any method (same source). Ten may follow each other at once,
so that the requests for one notice do not wait for each other."""

IN_THE_BACKGROUND = RateLimits(Rate(22, 3600, burst=3), _SANDBOX)
"""The same limit for who is in no hurry: the same time between two requests, but only a few at once, so that an
announcement beside it finds room."""


@dataclass(frozen=True)
class Notice:
    """A notice as it was when it was looked at.

    :param etag: names this state of it, for ``If-Match``; None if zDirect did not send one.
    :param content: as far as the model knows it.
    :param fields: as zDirect sent it.
    """

    id: str
    etag: str | None
    content: ShippingNotice = field(repr=False)
    fields: Mapping[str, Any] = field(repr=False)

    @property
    def state(self) -> str | None:
        return self.content.state

    @property
    def merchant_id(self) -> str | None:
        return self.content.zalando_merchant_id

    def item_count(self, kind: str) -> int | None:
        """Items that zDirect counts in the set of that kind; None if it does not say."""
        return self.content.announced_item_count if kind == ANNOUNCED else self.content.dispatch_item_count


class ShippingNotices:
    """The notices that an app may use.

    :param item_set_rates: at which item sets are read.
    """

    def __init__(self, client: ZDirectClient, item_set_rates: RateLimits = PER_HOUR) -> None:
        self._client = client
        self._item_set_rates = item_set_rates

    async def get(self, notice_id: str, *, known: Notice | None = None) -> Notice:
        """The notice as it is now.

        :param known: it as it was before; the same object comes back if nothing has changed.
        :raises NotFoundError: if there is none with that id.
        """
        what, etag = f"Shipping notice {notice_id}", known.etag if known else None
        reply = await self._send("GET", f"/{notice_id}", NOTICE, ONE_NOTICE, what, if_none_match=etag)
        if reply.status == 304 and known is not None:
            return known
        return _notice(reply.content, notice_id, reply.etag)

    async def find(self, merchant_id: str, reference: str) -> list[str]:
        """Ids of the merchant's notices with that ``merchant_b2b_reference``, in the order of the list.

        The list has the notices of all merchants of the app, and cannot be filtered (zDirect docs, getting). One that
        does not name its merchant is read again on its own; if that does not help, it counts as the merchant's.
        """
        found: list[str] = []
        async for page in self._client.pages(LISTED, merchant_id, {}):
            if page.rejected:
                merchant = self._client.merchants.in_words(merchant_id)
                raise MalformedResponseError(
                    f"Shipping notices of merchant {merchant}: {len(page.rejected)} of them cannot be read, so "
                    f"it is unknown whether {reference} is there already.",
                    remedy="No action needed if the retry succeeds; otherwise report it to Zalando's merchant support.",
                    retry_after=REFETCH_DELAY,
                )
            for record in page.records:
                fields = msgspec.json.decode(record)
                if not isinstance(fields, dict) or str(fields.get(REFERENCE)).strip() != reference.strip():
                    continue
                notice = _notice(fields, None, None)
                if notice.merchant_id is None:
                    notice = await self.get(notice.id)
                if notice.merchant_id in (merchant_id, None) and notice.id not in found:
                    found.append(notice.id)
        return found

    async def put(self, notice_id: str, fields: Mapping[str, Any]) -> None:
        """Create a notice under an id of one's own: a UUID of version 4 (zDirect docs, creating, older copy)."""
        what = f"Creation of shipping notice {notice_id}"
        await self._send("PUT", f"/{notice_id}", NOTICE, ONE_NOTICE, what, json=dict(fields))

    async def post(self, fields: Mapping[str, Any]) -> str | None:
        """Create a notice, to which zDirect gives an id (zDirect docs, creating, newer copy).

        The limit of this request is not documented; it counts for that of the list, whose path it has.

        :returns: the id, if the answer has it: as ``Location`` or in the body.
        """
        what = f"Creation of a shipping notice of merchant {self._client.merchants.in_words(fields[MERCHANT])}"
        reply = await self._send("POST", "", LISTED.name, LISTED.endpoint.rate_limits, what, json=dict(fields))
        try:
            return _id_in(reply.location) or _id_in(_notice(reply.content, None, None).id)
        except MalformedResponseError:
            # It is made; where it is can be found out.
            return None

    async def item_set(self, notice_id: str, kind: str) -> ItemSet | None:
        """The set that counts; None if there is none.

        :param kind: ``announced`` or ``dispatched``.
        :raises MalformedResponseError: if the answer is neither a set nor a list of sets.
        """
        path = SET_PATHS[kind]
        what = f"Items {kind} of shipping notice {notice_id}"
        try:
            reply = await self._send("GET", f"/{notice_id}/{path}", path, self._item_set_rates, what)
        except NotFoundError:
            # Whether there is an empty collection without a set is not confirmed; callers know that the notice is.
            return None
        return _current_set(reply.content, what, -1 if self._client.assumptions.current_item_set == "last" else 0)

    async def post_item_set(self, notice_id: str, kind: str, items: ItemSet, etag: str) -> None:
        """Replace the set of that kind."""
        path = SET_PATHS[kind]
        what = f"Items to be {kind} of shipping notice {notice_id}"
        body = {"items": [{"ean": ean, "quantity": quantity} for ean, quantity in items.items()]}
        await self._send("POST", f"/{notice_id}/{path}", path, PER_HOUR, what, json=body, if_match=etag)

    async def confirm(self, notice_id: str, kind: str, etag: str) -> None:
        """Confirm the announcement or the dispatch; the set of that kind is locked then."""
        path = CONFIRMATION_PATHS[kind]
        what = f"{path.removesuffix('s').replace('-', ' ').capitalize()} of shipping notice {notice_id}"
        body: dict[str, Any] | None = {} if self._client.assumptions.confirmation_body == "object" else None
        await self._send("POST", f"/{notice_id}/{path}", path, PER_HOUR, what, json=body, if_match=etag)

    async def _send(
        self, method: str, path: str, endpoint: str, limits: RateLimits, what: str, **arguments: Any
    ) -> Reply:
        if method == "GET":
            arguments["expected"] = frozenset({200})
        return await self._client.request(
            method,
            PATH + path,
            rate=limits.of(self._client.config.environment),
            endpoint=endpoint,
            scope=READ if method == "GET" else WRITE,
            what=what,
            **arguments,
        )


class _Item(Record):
    """What zDirect holds is taken as it is, whatever the check digit of the EAN."""

    ean: EanKey = Field(pattern="^[0-9]{13}$")
    quantity: Quantity


def _notice(fields: Any, notice_id: str | None, etag: str | None) -> Notice:
    try:
        content = ShippingNotice.model_validate({"shipping_notice_id": notice_id, **fields} if notice_id else fields)
    except (ValidationError, TypeError) as error:
        what = f"Shipping notice {notice_id or ''}"
        raise _malformed(what, f"the answer is not a shipping notice ({_reason(error)})") from None
    return Notice(notice_id or content.shipping_notice_id, etag, content, fields)


def _current_set(content: Any, what: str, place: int) -> ItemSet | None:
    """The set itself, or the one at ``place`` in a list of sets; the latter bare or under whatever key."""
    if isinstance(content, dict) and not isinstance(content.get("items"), list):
        lists = [value for value in content.values() if isinstance(value, list)]
        if len(lists) != 1:
            raise _malformed(what, f"the answer holds neither a set nor one list of sets: {', '.join(content)[:100]}")
        content = lists[0]
    if isinstance(content, list):
        content = content[place] if content else None
    if content is None:
        return None
    items: dict[str, int] = {}
    try:
        for item in map(_Item.model_validate, content["items"]):
            items[item.ean] = items.get(item.ean, 0) + item.quantity
    except (KeyError, TypeError, ValidationError) as error:
        raise _malformed(
            what, f"an item lacks its EAN or quantity, or the list is missing ({_reason(error)})"
        ) from None
    return items or None


def _reason(error: Exception) -> str:
    if not isinstance(error, ValidationError):
        return type(error).__name__
    return "; ".join(f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors()[:3])


def _id_in(text: str | None) -> str | None:
    """The id at the end of a link, or the text itself."""
    end = (text or "").partition("?")[0].rstrip("/").rpartition("/")[2].lower()
    return end if UUID.fullmatch(end) else None


def _malformed(what: str, reason: str) -> MalformedResponseError:
    return MalformedResponseError(
        f"{what}: {reason}.",
        remedy="No action needed if the retry succeeds; else the API has changed: update the provider or report it.",
        path=PATH,
        retry_after=REFETCH_DELAY,
    )
