# SPDX-License-Identifier: Apache-2.0
"""The ledger of the customers whose data a merchant must not keep.

    <base>/_erasures/orders/merchant_id=<id>/ledger/<name>.json                  requests, per run that had new ones
    <base>/_erasures/orders/merchant_id=<id>/certificates/<time>-<ledger>.json   what was erased; nothing is left
    <base>/_erasures/orders/merchant_id=<id>/begun/<run>                         runs that did not finish
    <base>/_erasures/orders/merchant_id=<id>/last.json                           when requests were applied last

zDirect shows a request for 30 days; the ledger keeps it, because a window may be fetched again much later. It holds no
personal data, only order ids and hashes of customer numbers. Entries are added and never changed.

Only orders from before the request are erased: one that is placed later has to be shipped.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import msgspec

from airflow_provider_zdirect import __version__
from airflow_provider_zdirect.datasets.page import NOT_READABLE
from airflow_provider_zdirect.exceptions import StorageUnavailableError
from airflow_provider_zdirect.storage.damaged import naming_damaged
from airflow_provider_zdirect.storage.journal import Journal
from airflow_provider_zdirect.storage.object_store import ObjectStore
from airflow_provider_zdirect.words import counted

ORDER_DATASETS = ("orders", "order_items", "order_lines", "announced_returns")
"""Datasets with rows of orders. The published ``orders`` alone have personal fields."""

RETRY_SECONDS = 60.0


class _Who(msgspec.Struct):
    order_id: Any = None
    customer_number: Any = None
    order_date: Any = None
    orders: Any = None


_WHO = msgspec.json.Decoder(_Who)


@dataclass(frozen=True)
class ErasedPeople:
    """The customers of one merchant whose data has to be erased.

    :param orders: known ids of their orders, each with the time of the request, if that is known.
    :param customers: marks of their customer numbers, and of the hashes that replace these (see
        :func:`customer_mark`), each with the time of the last request.
    :param entries: names of the ledger's entries that say so.
    """

    merchant_id: str
    orders: Mapping[str, str | None] = field(default_factory=dict)
    customers: Mapping[str, datetime] = field(default_factory=dict)
    entries: frozenset[str] = frozenset()

    def __bool__(self) -> bool:
        return bool(self.orders or self.customers)

    @property
    def digest(self) -> str:
        """The same for the same entries."""
        return hashlib.sha256("\n".join(sorted(self.entries)).encode()).hexdigest()[:16]

    @property
    def asked_last(self) -> datetime | None:
        """When the last of them asked."""
        return max(self.customers.values(), default=None)

    def asked_at(self, number: Any) -> datetime | None:
        """When the customer with that ``customer_number``, plain or hashed, asked; None: somebody else."""
        if not self.customers or number is None:
            return None
        return self.customers.get(customer_mark(self.merchant_id, number))

    def has_record(self, record: bytes | bytearray | memoryview | msgspec.Raw) -> bool:
        """Whether a record, as JSON, is one of theirs; False if it is not an object."""
        if not self:
            return False
        who = _who(record)
        return any(order_id in self.orders for order_id in _order_ids(who)) or self.placed(who)

    def placed(self, who: _Who) -> bool:
        """Whether it is an order that one of them placed before asking."""
        asked = self.asked_at(who.customer_number)
        placed = as_time(who.order_date)
        return asked is not None and (placed is None or placed <= asked)


class ErasureLedger:
    """The ledger of one merchant. Safe to write and to read while others do."""

    def __init__(self, store: ObjectStore, merchant_id: str) -> None:
        self.store = store
        self.merchant_id = merchant_id
        self._known = ErasedPeople(merchant_id)
        self._entries = Journal(store, f"{self.folder}/ledger")

    @property
    def folder(self) -> str:
        """The folder of the ledger and of the certificates."""
        return f"_erasures/orders/merchant_id={self.merchant_id}"

    def people(self) -> ErasedPeople:
        """All people in the ledger; only entries that are new since the last call are read.

        :raises StorageUnavailableError: if it cannot be read whole.
        """
        known = self._known
        new = [name for name in self._entries.names() if name not in known.entries]
        if not new:
            return known
        entries = self._entries.read(new)
        if len(entries) != len(new):
            raise StorageUnavailableError(
                f"Erased customers of merchant {self.merchant_id}: {len(new) - len(entries)} of "
                f"{counted(len(new), 'object')} in {self.folder}/ledger can be listed, but not read.",
                remedy="No action needed if the task retries. Without the whole ledger, customers would be missed.",
                retry_after=RETRY_SECONDS,
            )
        orders, customers = dict(known.orders), dict(known.customers)
        with naming_damaged(f"{self.store.full(self.folder)}/ledger/*.json"):
            for entry in entries:
                for order_id, requested_at in entry["orders"].items():
                    orders[order_id] = orders.get(order_id) or requested_at
                for mark, asked in entry["customers"].items():
                    at = datetime.fromisoformat(asked)
                    customers[mark] = max(at, customers.get(mark, at))
        self._known = ErasedPeople(self.merchant_id, orders, customers, known.entries | set(new))
        return self._known

    def add(
        self,
        *,
        at: datetime,
        orders: Mapping[str, str | None] | None = None,
        customers: Mapping[Any, str | None] | None = None,
    ) -> ErasedPeople:
        """Enter what is not there yet, and return all people.

        :param at: the present.
        :param customers: customer numbers, or hashes of them, each with the time of the request. Only their marks are
            entered. If the time is unknown, the present is entered, once.
        """
        known = self.people()
        asked: dict[str, datetime] = {}
        for number, requested_at in (customers or {}).items():
            mark, time = customer_mark(self.merchant_id, number), as_time(requested_at)
            before = asked.get(mark) or known.customers.get(mark)
            if before is None or (time is not None and time > before):
                asked[mark] = time or at
        entry = {
            "orders": {key: since for key, since in sorted((orders or {}).items()) if key not in known.orders},
            "customers": {mark: time.isoformat() for mark, time in sorted(asked.items())},
        }
        if not any(entry.values()):
            return known
        # Named by content, so that two runs that find the same write the same entry.
        name = hashlib.sha256(json.dumps(entry, sort_keys=True).encode()).hexdigest()[:24]
        lineage = {"merchant_id": self.merchant_id, "entered_at": at.isoformat(), "package_version": __version__}
        self._entries.add({**lineage, **entry}, name)
        return self.people()

    def people_of(self, records: Iterable[msgspec.Raw], at: datetime) -> ErasedPeople:
        """As :meth:`people`, with orders of these records that are found to be theirs by the customer number."""
        people = self.people()
        if not people.customers:
            return people
        theirs = (who for record in records if people.placed(who := _who(record)))
        found = {order_id for who in theirs for order_id in _order_ids(who)}
        return self.add(at=at, orders=dict.fromkeys(found)) if found else people


def customer_mark(merchant_id: str, customer_number: Any) -> str:
    """SHA-256 of the merchant and what stands in ``customer_number``, regardless of case and of blanks around it."""
    return hashlib.sha256(f"{merchant_id}\n{str(customer_number).strip().lower()}".encode()).hexdigest()


def as_order_id(value: Any) -> str | None:
    """An order id as it is published: zDirect writes the same id in either case, and with blanks."""
    return ("".join(value.split()).lower() or None) if isinstance(value, str) else None


def as_time(value: Any) -> datetime | None:
    """A time as zDirect writes it; None if it is not one."""
    try:
        time = datetime.fromisoformat(value)
    except (TypeError, ValueError):
        return None
    return time if time.tzinfo else time.replace(tzinfo=UTC)


def as_text(value: Any) -> str | None:
    """A text, or a number as text; None for what is blank or neither."""
    return None if value is None or isinstance(value, bool | dict | list) else str(value).strip() or None


def _who(record: bytes | bytearray | memoryview | msgspec.Raw) -> _Who:
    try:
        return _WHO.decode(record)
    except NOT_READABLE:
        return _Who()


def _order_ids(who: _Who) -> list[str]:
    """Of an order, of a part of one, or of a record that holds several."""
    several = who.orders if isinstance(who.orders, list) else []
    values = [who.order_id, *(each.get("order_id") for each in several if isinstance(each, dict))]
    return [order_id for value in values if (order_id := as_order_id(value))]
