# SPDX-License-Identifier: Apache-2.0
"""Operations on a shipping notice: values only, complete and checked before the first request."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from airflow_provider_zdirect.inbound.item_set import ANNOUNCED, DISPATCHED, ItemSet
from airflow_provider_zdirect.inbound.notice_fields import REFERENCE, refusal
from airflow_provider_zdirect.merchant_files.cells import UUID

CREATE, ANNOUNCE, CONFIRM_ANNOUNCEMENT = "create", "announce", "confirm_announcement"
DISPATCH, CONFIRM_DISPATCH = "dispatch", "confirm_dispatch"
OPERATIONS = (CREATE, ANNOUNCE, CONFIRM_ANNOUNCEMENT, DISPATCH, CONFIRM_DISPATCH)
"""In the order of a notice's life (zDirect docs, *Shipping Notices*). Between confirm_announcement and the last two,
ZFS Operations confirms a delivery date, which may take days: those are for a later task."""

CREATE_BY = PUT, POST = "put", "post"
"""``put``: the older docs create with ``PUT`` to an id that the client chooses. ``post``: a newer copy of them creates
with ``POST``, and breaks off where it would say who chooses the id. The default is ``put``, because it is documented in
full, and a repeated ``PUT`` of the same id cannot make a second notice."""


@dataclass(frozen=True)
class NoticePlan:
    """Operations on one notice.

    :param operations: some of :data:`OPERATIONS`, in their order.
    :param merchant_id: whose it is; None if it is not known, which only an existing notice allows.
    :param notice_id: its id; None if zDirect gives it one.
    :param create_by: one of :data:`CREATE_BY`.
    :param fields: what to create it with, as :func:`~.notice_fields.checked_fields` gives it.
    :param items: the set to announce and that to dispatch, by kind; None: whatever zDirect has.
    """

    operations: tuple[str, ...]
    merchant_id: str | None
    notice_id: str | None
    create_by: str = PUT
    fields: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    items: Mapping[str, ItemSet | None] = field(
        default_factory=lambda: MappingProxyType({ANNOUNCED: None, DISPATCHED: None})
    )


def checked_operations(operations: Any) -> tuple[str, ...]:
    """The operations of a list, or of a text with commas.

    :raises ZDirectConfigurationError: if one is unknown, comes twice, or they are not in the order of a notice's life.
    """
    if isinstance(operations, str):
        operations = [word for text in operations.strip(" []").split(",") if (word := text.strip(" '\""))]
    if not isinstance(operations, list | tuple) or not operations:
        raise refusal("operations is empty", f"Give some of: {', '.join(OPERATIONS)}.")
    for operation in operations:
        if operation not in OPERATIONS:
            raise refusal(f"operations: {str(operation)[:60]!r} is unknown", f"Use: {', '.join(OPERATIONS)}.")
    if list(operations) != [operation for operation in OPERATIONS if operation in operations]:
        raise refusal(
            f"operations: {', '.join(operations)} is not the order of a notice's life",
            f"It is {', '.join(OPERATIONS)}.",
        )
    return tuple(operations)


def check_combination(
    operations: tuple[str, ...],
    create_by: str | None,
    *,
    notice: Mapping[str, Any] | None,
    has_id: bool | None,
    items: bool | None,
    dispatch_items: bool | None,
) -> None:
    """Raise ZDirectConfigurationError if an argument is missing for an operation, or is given for none.

    Of each argument, None means that it is not known whether or as what it will be given; nothing is refused for that.

    :param notice: the fields, as far as they are known.
    """
    if CREATE in operations:
        if notice is not None and not notice:
            raise refusal("notice is empty", "Give the fields of the notice that is to be created.")
        if create_by == POST and has_id:
            raise refusal(
                "shipping_notice_id is given, but with create_by='post' zDirect gives the id",
                "Leave one of the two out.",
            )
        if create_by == POST and notice is not None and not notice.get(REFERENCE):
            raise refusal(
                f"notice has no {REFERENCE}, by which a retry would find what it created with create_by='post'",
                f"Give a {REFERENCE} that no other notice has.",
            )
    elif notice:
        raise refusal("notice is given, but operations has no create", "Leave notice out, or add create.")
    elif has_id is False:
        raise refusal("shipping_notice_id is missing", "Give the id of the notice, or add create to the operations.")
    for operation, name, given in ((ANNOUNCE, "items", items), (DISPATCH, "dispatch_items", dispatch_items)):
        if operation in operations and given is False:
            raise refusal(
                f"operations has {operation}, but there are no {name}", f"Give {name} or {name}_path, or leave it out."
            )
        if given and operation not in operations:
            raise refusal(
                f"{name} are given, but operations has no {operation}", f"Add {operation}, or leave them out."
            )


def checked_notice_id(text: Any) -> str:
    """``text`` in lower case, if it can be the id of a notice: a UUID. It becomes part of a path.

    :raises ZDirectConfigurationError: if it is anything else.
    """
    notice_id = str(text).strip().lower()
    if not UUID.fullmatch(notice_id):
        raise refusal(
            f"shipping_notice_id={str(text)[:60]!r} is not a UUID",
            "Give the id that the task which created the notice returned, or that zDirect shows.",
        )
    return notice_id


def derived_id(merchant_id: str, resume_key: str) -> str:
    """The id of the notice that a task instance creates for a merchant: the same with every try.

    A UUID that looks like one of version 4, as zDirect wants it (zDirect docs, creating).
    """
    digest = hashlib.sha256(f"shipping notice\n{merchant_id}\n{resume_key}".encode()).digest()
    return str(uuid.UUID(bytes=digest[:16], version=4))
