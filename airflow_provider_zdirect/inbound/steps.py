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
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from airflow_provider_zdirect.client import ZDirectClient
from airflow_provider_zdirect.datasets.endpoint import REFETCH_DELAY
from airflow_provider_zdirect.exceptions import (
    BadRequestError,
    ConflictError,
    MalformedResponseError,
    NotFoundError,
    ServerError,
    ZDirectError,
)
from airflow_provider_zdirect.inbound import notice_plan as operations
from airflow_provider_zdirect.inbound.item_set import ANNOUNCED, DISPATCHED, ItemSet
from airflow_provider_zdirect.inbound.notice_fields import MERCHANT, REFERENCE, differing_fields
from airflow_provider_zdirect.inbound.notice_plan import PUT, NoticePlan
from airflow_provider_zdirect.inbound.notices import Notice, ShippingNotices

log = logging.getLogger(__name__)

DONE, ALREADY = "done", "already"

STATES = ("initial", "ready_for_delivery_date", "ready_for_dispatch", "ready_for_receive")
"""In the order of a notice's life."""

CONFIRMED_FROM = {ANNOUNCED: 1, DISPATCHED: 3}
"""Places in :data:`STATES` from which on the set of a kind is confirmed, and so locked."""

DISPATCH_FROM = 2

MOST_TRIES = 3
"""How often a write is sent with a newer ETag before somebody else's changes are an error."""

AWAIT_DELIVERY_DATE = (
    "Run the task again when ZFS Operations has confirmed the delivery date (state ready_for_dispatch)."
)
LOOK = "Look at the notice in zDirect; somebody else may have changed it."
RETRIES = "No action needed: the task retries."


@dataclass(frozen=True)
class NoticeResult:
    """The notice after the operations of a plan.

    :param operations: ``done`` or ``already`` by operation.
    """

    notice: Notice
    merchant_id: str | None
    operations: dict[str, str]

    def as_dict(self, plan: NoticePlan) -> dict[str, Any]:
        """The result of a task: JSON-able."""
        announced, dispatched = plan.announced, plan.dispatched
        return {
            "shipping_notice_id": self.notice.id,
            "merchant_id": self.merchant_id,
            "zalando_advice_id": self.notice.content.zalando_advice_id,
            "state": self.notice.state,
            "etag": self.notice.etag,
            "operations": self.operations,
            "items": len(announced) if announced else None,
            "pieces": announced.pieces if announced else None,
            "dispatch_items": len(dispatched) if dispatched else None,
            "dispatch_pieces": dispatched.pieces if dispatched else None,
        }


async def carry_out(plan: NoticePlan, client: ZDirectClient) -> NoticeResult:
    """Carry out the operations of ``plan``, as far as that has not happened already.

    :raises ConflictError: if the notice contradicts one; names notice, state, and what to do.
    :raises ZDirectRetriableError: after any failure that leaves open whether a write was carried out; running the same
        plan again finds out.
    """
    return await _Run(plan, ShippingNotices(client)).carry_out()


class _Run:
    def __init__(self, plan: NoticePlan, notices: ShippingNotices) -> None:
        self._plan = plan
        self._puts = plan.create_by == PUT
        self._notices = notices
        self._found: Notice | None = None
        # The notice as it was when its set of that kind was known to be the plan's.
        self._agreed: dict[str, tuple[Any, ...]] = {}

    async def carry_out(self) -> NoticeResult:
        plan = self._plan
        steps: dict[str, Callable[[], Awaitable[str]]] = {
            operations.CREATE: self._create,
            operations.ANNOUNCE: lambda: self._post_set(ANNOUNCED, plan.announced),
            operations.CONFIRM_ANNOUNCEMENT: lambda: self._confirm(ANNOUNCED, plan.announced),
            operations.DISPATCH: lambda: self._post_set(DISPATCHED, plan.dispatched),
            operations.CONFIRM_DISPATCH: lambda: self._confirm(DISPATCHED, plan.dispatched),
        }
        if operations.CREATE not in plan.operations:
            await self._open()
        results: dict[str, str] = {}
        for operation in plan.operations:
            results[operation] = await steps[operation]()
            log.info("%s: %s %s; state %s.", self._what, operation, results[operation], self._notice.state)
        return NoticeResult(self._notice, self._notice.merchant_id or plan.merchant_id, results)

    @property
    def _notice(self) -> Notice:
        assert self._found is not None, "a step looked at it"
        return self._found

    @property
    def _what(self) -> str:
        notice_id = self._found.id if self._found else self._plan.notice_id
        known = self._found.merchant_id if self._found else None
        return f"Shipping notice {notice_id or '(new)'} of merchant {known or self._plan.merchant_id or '(unknown)'}"

    @property
    def _place(self) -> int | None:
        """How far the notice has come, in :data:`STATES`; None for a state that is not known."""
        return STATES.index(self._notice.state) if self._notice.state in STATES else None

    def _is_from(self, place: int) -> bool:
        return self._place is not None and self._place >= place

    async def _open(self) -> None:
        try:
            self._found = await self._notices.get(self._plan.notice_id or "")
        except NotFoundError as error:
            remedy = "Check shipping_notice_id, or add create to the operations."
            raise self._explained(error, "it does not exist", remedy) from error
        if self._plan.merchant_id and self._notice.merchant_id not in (None, self._plan.merchant_id):
            raise ConflictError(
                f"{self._what} is not one of merchant {self._plan.merchant_id}.",
                remedy="Check shipping_notice_id and merchant_id.",
            )

    # Creation

    async def _create(self) -> str:
        if await self._find():
            return ALREADY
        fields = {MERCHANT: self._plan.merchant_id, **self._plan.fields}
        notice_id = self._plan.notice_id
        try:
            if self._puts:
                await self._notices.put(notice_id or "", fields)
            else:
                notice_id = await self._notices.post(fields)
        except (ConflictError, BadRequestError, NotFoundError) as error:
            # Another try of the same task may have been quicker.
            if await self._find():
                return ALREADY
            other = "post" if self._puts else "put"
            remedy = (
                f"Change the notice as the title says; if zDirect does not create this way, set create_by={other!r}."
            )
            raise self._explained(error, "it cannot be created", remedy) from error
        await self._open_created(notice_id)
        return DONE

    async def _find(self) -> bool:
        """Whether the notice is there; it is a conflict if it has other fields."""
        plan = self._plan
        notice_id = plan.notice_id or self._only_one(await self._ids_by_reference())
        if notice_id is None:
            return False
        try:
            self._found = await self._notices.get(notice_id)
        except NotFoundError:
            return False
        if differing := differing_fields({MERCHANT: plan.merchant_id, **plan.fields}, self._notice.fields):
            raise ConflictError(
                f"{self._what} exists in state {self._notice.state}, and has other values than asked for in: "
                f"{', '.join(differing)}.",
                remedy="Give the values that it has; or, for another delivery, another "
                + ("shipping_notice_id." if self._puts else f"{REFERENCE}."),
            )
        return True

    async def _ids_by_reference(self) -> list[str]:
        return await self._notices.find(self._plan.merchant_id or "", self._plan.fields[REFERENCE])

    def _only_one(self, found: list[str]) -> str | None:
        if len(found) > 1:
            raise ConflictError(
                f"Merchant {self._plan.merchant_id} has {len(found)} shipping notices with "
                f"{REFERENCE}={self._plan.fields[REFERENCE]!r}: {', '.join(found[:5])}.",
                remedy=f"Give a {REFERENCE} that no other notice has; or go on with one of them, by shipping_notice_id "
                "and without create.",
            )
        return found[0] if found else None

    async def _open_created(self, notice_id: str | None) -> None:
        if not self._puts:
            # Another try of the same task may have posted at the same moment.
            listed = [each for each in await self._ids_by_reference() if each.lower() != notice_id]
            notice_id = self._only_one([notice_id, *listed] if notice_id else listed)
        try:
            self._found = await self._notices.get(notice_id) if notice_id else None
        except NotFoundError as error:
            if self._puts:
                raise ServerError(
                    f"{self._what}: zDirect took it, and does not show it yet.",
                    remedy=RETRIES,
                    retry_after=REFETCH_DELAY,
                    path=error.path,
                    flow_id=error.flow_id,
                ) from error
        if self._puts or (self._found is not None and self._notice.fields.get(REFERENCE)):
            return
        # Not to be tried again: a notice that cannot be found would be made a second time.
        if self._found is not None:
            raise ConflictError(
                f"{self._what} was created, and zDirect does not show its {REFERENCE}, by which a retry would find it.",
                remedy="Go on by this shipping_notice_id and without create.",
            )
        raise ConflictError(
            f"{self._what}: zDirect created it, and does not show it ({notice_id or 'its id is unknown'}).",
            remedy=f"Look for {REFERENCE}={self._plan.fields[REFERENCE]!r} in zDirect; if it is there, go on by "
            "shipping_notice_id and without create.",
        )

    # Item sets

    async def _post_set(self, kind: str, items: ItemSet | None) -> str:
        assert items is not None, "a plan that posts items has some"
        wanted = items

        async def has_happened() -> bool:
            if self._is_from(CONFIRMED_FROM[kind]):
                await self._check_locked(kind, wanted)
                return True
            return self._notice.item_count(kind) != 0 and bool(await self._agrees(kind, wanted))

        async def send(etag: str) -> None:
            await self._notices.post_item_set(self._notice.id, kind, wanted, etag)

        return await self._change(f"the items cannot be {kind}", has_happened, send, kind)

    async def _agrees(self, kind: str, items: ItemSet) -> bool | None:
        """Whether the set of that kind is ``items``, None if there is none; asks unless this very version is known."""
        version = (self._notice.etag, self._notice.state, self._notice.item_count(kind))
        if self._agreed.get(kind) == version:
            return True
        there = await self._notices.item_set(self._notice.id, kind)
        if there != dict(items.quantities):
            return None if there is None else False
        self._agreed[kind] = version
        return True

    async def _check_locked(self, kind: str, items: ItemSet) -> None:
        if not await self._agrees(kind, items):
            raise ConflictError(
                f"{self._what} is in state {self._notice.state}, and its items {kind} are others than the "
                f"{items.pieces} pieces of {len(items)} EANs that were asked for; they are locked.",
                remedy="Check the items; what is missing needs another notice.",
            )

    # Confirmations

    async def _confirm(self, kind: str, items: ItemSet | None) -> str:
        async def has_happened() -> bool:
            if self._is_from(CONFIRMED_FROM[kind]):
                if items is not None:
                    await self._check_locked(kind, items)
                return True
            agrees = await self._agrees(kind, items) if items is not None else True
            if agrees is None:
                raise ServerError(
                    f"{self._what}: zDirect took the items {kind}, and does not show them yet.",
                    remedy=RETRIES,
                    retry_after=REFETCH_DELAY,
                )
            if not agrees:
                raise ConflictError(
                    f"{self._what} is in state {self._notice.state}, and its items {kind} are no longer those of this "
                    "task: somebody else has replaced them. They are not confirmed.",
                    remedy="Find out which items are right; run the task again to post its own and confirm them.",
                )
            return False

        async def send(etag: str) -> None:
            await self._notices.confirm(self._notice.id, kind, etag)

        def has_happened_if_refused() -> bool:
            return kind == ANNOUNCED and self._notice.state is not None and self._place is None

        refused = f"the items {kind} cannot be confirmed"
        result = await self._change(refused, has_happened, send, kind, has_happened_if_refused)
        if result == DONE and self._place is not None and not self._is_from(CONFIRMED_FROM[kind]):
            log.warning("%s: zDirect took the confirmation, and still shows %s.", self._what, self._notice.state)
        return result

    # Every change

    async def _change(
        self,
        refused: str,
        has_happened: Callable[[], Awaitable[bool]],
        send: Callable[[str], Awaitable[None]],
        kind: str,
        has_happened_if_refused: Callable[[], bool] = lambda: False,
    ) -> str:
        for tries in range(1, MOST_TRIES + 1):
            if await has_happened():
                return ALREADY
            seen = self._notice
            if seen.etag is None:
                raise MalformedResponseError(
                    f"{self._what}: the answer has no ETag, without which it cannot be changed.",
                    remedy="If a proxy takes it away, let it pass; otherwise report it.",
                    retry_after=REFETCH_DELAY,
                )
            try:
                await send(seen.etag)
            except NotFoundError as error:
                raise self._explained(error, refused, LOOK) from error
            except (ConflictError, BadRequestError) as error:
                # Which status means a stale ETag is not confirmed; whether it was stale can be seen.
                await self._look()
                is_same, is_last = self._notice.etag == seen.etag, tries == MOST_TRIES
                if is_last and await has_happened():
                    return ALREADY
                if is_same and has_happened_if_refused():
                    log.warning("%s counts as confirmed in state %s: %s", self._what, seen.state, error.message)
                    return ALREADY
                if is_same or is_last:
                    raise self._explained(error, refused, self._remedy(error, kind)) from error
                log.info("%s was changed meanwhile; looking again (%s).", self._what, error.message)
            else:
                await self._look()
                return DONE
        raise AssertionError("the last try returns or raises")

    async def _look(self) -> None:
        self._found = await self._notices.get(self._notice.id, known=self._notice)

    def _remedy(self, error: ZDirectError, kind: str) -> str:
        if self._place is None:
            return f"State {self._notice.state!r} is not known to this provider. {LOOK}"
        if kind == DISPATCHED and not self._is_from(DISPATCH_FROM):
            if self._place == 0:
                return f"Confirm the announcement first (operation confirm_announcement). {AWAIT_DELIVERY_DATE}"
            return AWAIT_DELIVERY_DATE
        if self._place == 0 and self._notice.item_count(kind) == 0:
            return "Announce items first (operation announce)."
        if isinstance(error, BadRequestError):
            return "Change what is sent as the title says; the same will be refused again."
        return LOOK

    def _explained(self, error: ZDirectError, refused: str, remedy: str) -> ZDirectError:
        """The error with the notice, its state and what to do."""
        state = f"state {self._notice.state}" if self._found else "not there"
        return type(error)(
            f"{self._what} ({state}): {refused}. {error.message}",
            remedy=remedy,
            status=error.status,
            path=error.path,
            flow_id=error.flow_id,
            title=error.title,
        )
