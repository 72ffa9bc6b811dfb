# SPDX-License-Identifier: Apache-2.0
"""The operations on a shipping notice, each safe to repeat: look first, then decide, then write.

A run may be killed before or after any request. The next one starts at the beginning and looks at the notice: what has
happened already is recognised and left alone, what contradicts it is a ConflictError, and only the rest is sent, with
the ETag of the notice as it was looked at. So nothing is remembered anywhere but in zDirect.

States (zDirect docs, *Shipping Notices*; ``ready_for_dispatch`` is known from public clients only)::

    initial -> confirm_announcement -> ready_for_delivery_date -> ZFS Operations confirms a delivery date
            -> ready_for_dispatch -> confirm_dispatch -> ready_for_receive

What another state allows is left to zDirect's own answer. Only where zDirect refuses to confirm an announcement in one,
and its items are the plan's, it counts as confirmed already: ``initial`` is the one state before that.

What is confirmed cannot be changed any more. So its set is read first, and confirmed with the notice's ETag as it was
before. Counts would not do: somebody else's set may have as many pieces.
"""

from __future__ import annotations

import logging
from contextlib import suppress
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

from airflow_provider_zdirect.client import ZDirectClient
from airflow_provider_zdirect.client.merchants import MerchantNames
from airflow_provider_zdirect.datasets.endpoint import REFETCH_DELAY
from airflow_provider_zdirect.exceptions import (
    BadRequestError,
    ConflictError,
    MalformedResponseError,
    NotFoundError,
    ServerError,
    ZDirectError,
)
from airflow_provider_zdirect.inbound.item_set import ANNOUNCED, DISPATCHED
from airflow_provider_zdirect.inbound.notice_fields import MERCHANT, REFERENCE, differing_fields
from airflow_provider_zdirect.inbound.notice_plan import (
    ANNOUNCE,
    CONFIRM_ANNOUNCEMENT,
    CONFIRM_DISPATCH,
    CREATE,
    DISPATCH,
    POST,
    PUT,
    NoticePlan,
)
from airflow_provider_zdirect.inbound.notices import Notice, ShippingNotices
from airflow_provider_zdirect.words import counted

log = logging.getLogger(__name__)

DONE, ALREADY = "done", "already"

STATES = ("initial", "ready_for_delivery_date", "ready_for_dispatch", "ready_for_receive")
"""In the order of a notice's life."""

DISPATCH_FROM = 2
"""Place in :data:`STATES`, as that of :class:`Step`."""

MOST_TRIES = 3
"""How often a write is sent with a newer ETag before somebody else's changes are an error."""

AWAIT_DELIVERY_DATE = (
    "Run the task again when ZFS Operations has confirmed the delivery date (state ready_for_dispatch)."
)
LOOK = "Look at the notice in zDirect; somebody else may have changed it."
GO_ON = "go on by shipping_notice_id and without create"


@dataclass(frozen=True)
class Step:
    """An operation on an item set.

    :param kind: of the set.
    :param confirms: whether it confirms the set, or posts it.
    :param locked_from: place in :data:`STATES` from which on the set is confirmed, and so locked.
    """

    kind: str
    confirms: bool
    locked_from: int

    @property
    def refused(self) -> str:
        return f"the items {self.kind} cannot be confirmed" if self.confirms else f"the items cannot be {self.kind}"


STEPS: Final = MappingProxyType(
    {
        ANNOUNCE: Step(ANNOUNCED, confirms=False, locked_from=1),
        CONFIRM_ANNOUNCEMENT: Step(ANNOUNCED, confirms=True, locked_from=1),
        DISPATCH: Step(DISPATCHED, confirms=False, locked_from=3),
        CONFIRM_DISPATCH: Step(DISPATCHED, confirms=True, locked_from=3),
    }
)


async def carry_out(plan: NoticePlan, client: ZDirectClient) -> dict[str, Any]:
    """Carry out the operations of ``plan``, as far as that has not happened already.

    :returns: the notice afterwards, and ``done`` or ``already`` by operation; small, for XCom.
    :raises ConflictError: if the notice contradicts one; names notice, state, and what to do.
    :raises ZDirectRetriableError: after any failure that leaves open whether a write was carried out; running the same
        plan again finds out.
    """
    run = _Run(plan, ShippingNotices(client), client.merchants)
    operations: dict[str, str] = {}
    if CREATE not in plan.operations:
        await run.open()
    for operation in plan.operations:
        operations[operation] = await (run.create() if operation == CREATE else run.change(STEPS[operation]))
        log.info("%s: %s %s; state %s.", run.what, operation, operations[operation], run.notice.state)
    announced, dispatched = plan.items[ANNOUNCED], plan.items[DISPATCHED]
    return {
        "shipping_notice_id": run.notice.id,
        "merchant_id": run.notice.merchant_id or plan.merchant_id,
        "zalando_advice_id": run.notice.content.zalando_advice_id,
        "state": run.notice.state,
        "etag": run.notice.etag,
        "operations": operations,
        "items": announced and len(announced),
        "pieces": announced and sum(announced.values()),
        "dispatch_items": dispatched and len(dispatched),
        "dispatch_pieces": dispatched and sum(dispatched.values()),
    }


class _Run:
    def __init__(self, plan: NoticePlan, notices: ShippingNotices, names: MerchantNames) -> None:
        self._plan = plan
        self._names = names
        self._notices = notices
        self._found: Notice | None = None
        # The notice as it was when its set of that kind was known to be the plan's.
        self._agreed: dict[str, tuple[Any, ...]] = {}

    @property
    def notice(self) -> Notice:
        assert self._found is not None, "a step looked at it"
        return self._found

    @property
    def what(self) -> str:
        notice_id = self._found.id if self._found else self._plan.notice_id
        known = (self._found.merchant_id if self._found else None) or self._plan.merchant_id
        merchant = self._names.in_words(known) if known else "(unknown)"
        return f"Shipping notice {notice_id or '(new)'} of merchant {merchant}"

    @property
    def _rank(self) -> int:
        """How far the notice has come, in :data:`STATES`; -1 for a state that is not known."""
        return STATES.index(self.notice.state) if self.notice.state in STATES else -1

    async def open(self) -> None:
        """Look at a notice that has to be there."""
        try:
            self._found = await self._notices.get(self._plan.notice_id or "")
        except NotFoundError as error:
            remedy = "Check shipping_notice_id, or add create to the operations."
            raise self._explained(error, "it does not exist", remedy) from error
        if self._plan.merchant_id and self.notice.merchant_id not in (None, self._plan.merchant_id):
            raise ConflictError(
                f"{self.what} is not one of merchant {self._names.in_words(self._plan.merchant_id)}.",
                remedy="Check shipping_notice_id and merchant_id.",
            )

    async def create(self) -> str:
        if await self._find():
            return ALREADY
        plan, fields = self._plan, self._fields
        notice_id = plan.notice_id
        try:
            if plan.create_by == PUT:
                await self._notices.put(notice_id or "", fields)
            else:
                notice_id = await self._notices.post(fields)
        except (ConflictError, BadRequestError, NotFoundError) as error:
            # Another try of the same task may have been quicker.
            if await self._find():
                return ALREADY
            other = POST if plan.create_by == PUT else PUT
            remedy = (
                f"Change the notice as the title says; if zDirect does not create this way, set create_by={other!r}."
            )
            raise self._explained(error, "it cannot be created", remedy) from error
        if plan.create_by == POST:
            await self._open_posted(notice_id)
        elif not await self._is_there(notice_id):
            raise self._not_shown("it")
        return DONE

    @property
    def _fields(self) -> dict[str, Any]:
        return {MERCHANT: self._plan.merchant_id, **self._plan.fields}

    async def _find(self) -> bool:
        """Whether the notice is there; it is a conflict if it has other fields."""
        notice_id = self._plan.notice_id or self._only_one(await self._ids_by_reference())
        if not await self._is_there(notice_id):
            return False
        if differing := differing_fields(self._fields, self.notice.fields):
            raise ConflictError(
                f"{self.what} exists in state {self.notice.state}, and has other values than asked for in: "
                f"{', '.join(differing)}.",
                remedy="Give the values that it has; or, for another delivery, another "
                f"{'shipping_notice_id' if self._plan.create_by == PUT else REFERENCE}.",
            )
        return True

    async def _ids_by_reference(self) -> list[str]:
        return await self._notices.find(self._plan.merchant_id or "", self._plan.fields[REFERENCE])

    def _only_one(self, found: list[str]) -> str | None:
        if len(found) > 1:
            merchant = self._names.in_words(self._plan.merchant_id or "")
            raise ConflictError(
                f"Merchant {merchant} has {len(found)} shipping notices with "
                f"{REFERENCE}={self._plan.fields[REFERENCE]!r}: {', '.join(found[:5])}.",
                remedy=f"Give a {REFERENCE} that no other notice has; or {GO_ON} with one of them.",
            )
        return found[0] if found else None

    async def _is_there(self, notice_id: str | None) -> bool:
        self._found = None
        with suppress(NotFoundError):
            self._found = await self._notices.get(notice_id) if notice_id else None
        return self._found is not None

    async def _open_posted(self, notice_id: str | None) -> None:
        # Another try of the same task may have posted at the same moment.
        listed = [each for each in await self._ids_by_reference() if each.lower() != notice_id]
        notice_id = self._only_one([notice_id, *listed] if notice_id else listed)
        # What follows is not to be tried again: a notice that cannot be found would be made a second time.
        if not await self._is_there(notice_id):
            raise ConflictError(
                f"{self.what}: zDirect created it, and does not show it ({notice_id or 'its id is unknown'}).",
                remedy=f"Look for {REFERENCE}={self._plan.fields[REFERENCE]!r} in zDirect; if it is there, {GO_ON}.",
            )
        if not self.notice.fields.get(REFERENCE):
            raise ConflictError(
                f"{self.what} was created, and zDirect does not show its {REFERENCE}, by which a retry would find it.",
                remedy=f"To continue, {GO_ON}.",
            )

    async def change(self, step: Step) -> str:
        """Post or confirm a set."""
        for tries in range(1, MOST_TRIES + 1):
            if await self._has_happened(step):
                return ALREADY
            seen = self.notice
            if seen.etag is None:
                raise MalformedResponseError(
                    f"{self.what}: the answer has no ETag, without which it cannot be changed.",
                    remedy="If a proxy takes it away, let it pass; otherwise report it.",
                    retry_after=REFETCH_DELAY,
                )
            try:
                await self._send(step, seen.etag)
            except NotFoundError as error:
                raise self._explained(error, step.refused, LOOK) from error
            except (ConflictError, BadRequestError) as error:
                # Which status means a stale ETag is not confirmed; whether it was stale can be seen.
                await self._look()
                is_same, is_last = self.notice.etag == seen.etag, tries == MOST_TRIES
                if is_last and await self._has_happened(step):
                    return ALREADY
                if is_same and step is STEPS[CONFIRM_ANNOUNCEMENT] and seen.state is not None and self._rank < 0:
                    log.warning("%s counts as confirmed in state %s: %s", self.what, seen.state, error.message)
                    return ALREADY
                if is_same or is_last:
                    raise self._explained(error, step.refused, self._remedy(error, step)) from error
                log.info("%s was changed meanwhile; looking again (%s).", self.what, error.message)
            else:
                await self._look()
                if step.confirms and 0 <= self._rank < step.locked_from:
                    log.warning("%s: zDirect took the confirmation, and still shows %s.", self.what, self.notice.state)
                return DONE
        raise AssertionError("the last try returns or raises")

    async def _send(self, step: Step, etag: str) -> None:
        if step.confirms:
            await self._notices.confirm(self.notice.id, step.kind, etag)
        else:
            await self._notices.post_item_set(self.notice.id, step.kind, self._plan.items[step.kind] or {}, etag)

    async def _look(self) -> None:
        self._found = await self._notices.get(self.notice.id, known=self.notice)

    async def _has_happened(self, step: Step) -> bool:
        """Whether the set was posted or confirmed; it is a conflict if that was another set."""
        state, kind, items = self.notice.state, step.kind, self._plan.items[step.kind]
        if self._rank >= step.locked_from:
            if items is not None and not await self._agrees(kind):
                raise ConflictError(
                    f"{self.what} is in state {state}, and its {kind} items differ from the requested "
                    f"{counted(sum(items.values()), 'piece')} of {counted(len(items), 'EAN')}; they are locked.",
                    remedy="Check the items; what is missing needs another notice.",
                )
            return True
        if not step.confirms:
            return self.notice.item_count(kind) != 0 and bool(await self._agrees(kind))
        agrees = items is None or await self._agrees(kind)
        if agrees is None:
            raise self._not_shown(f"the items {kind}")
        if not agrees:
            raise ConflictError(
                f"{self.what} is in state {state}, and its items {kind} are no longer those of this task: somebody "
                "else has replaced them. They are not confirmed.",
                remedy="Find out which items are right; run the task again to post its own and confirm them.",
            )
        return False

    async def _agrees(self, kind: str) -> bool | None:
        """Whether the set is the plan's, None if there is none; asks unless this very version is known."""
        version = (self.notice.etag, self.notice.state, self.notice.item_count(kind))
        if self._agreed.get(kind) == version:
            return True
        there = await self._notices.item_set(self.notice.id, kind)
        if there != self._plan.items[kind]:
            return None if there is None else False
        self._agreed[kind] = version
        return True

    def _remedy(self, error: ZDirectError, step: Step) -> str:
        if self._rank < 0:
            return f"State {self.notice.state!r} is not known to this provider. {LOOK}"
        if step.kind == DISPATCHED and self._rank < DISPATCH_FROM:
            if self._rank == 0:
                return f"Confirm the announcement first (operation confirm_announcement). {AWAIT_DELIVERY_DATE}"
            return AWAIT_DELIVERY_DATE
        if self._rank == 0 and self.notice.item_count(step.kind) == 0:
            return "Announce items first (operation announce)."
        if isinstance(error, BadRequestError):
            return "Change what is sent as the title says; the same will be refused again."
        return LOOK

    def _not_shown(self, taken: str) -> ServerError:
        said = f"{self.what}: zDirect took {taken}, but does not show what it took yet."
        return ServerError(said, remedy="No action needed: the task retries.", retry_after=REFETCH_DELAY)

    def _explained(self, error: ZDirectError, refused: str, remedy: str) -> ZDirectError:
        """The error with the notice, its state and what to do."""
        state = f"state {self.notice.state}" if self._found else "not there"
        return error.with_message(f"{self.what} ({state}): {refused}. {error.message}", remedy=remedy)
