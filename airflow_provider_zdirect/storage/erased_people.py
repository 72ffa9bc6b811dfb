"""Who has to be forgotten: the ledger of the customers whose data a merchant must not keep.

    <base>/_erasures/orders/merchant_id=<id>/ledger/<name>.json                  requests, per run that had new ones
    <base>/_erasures/orders/merchant_id=<id>/certificates/<time>-<ledger>.json   what was erased; nothing is left

zDirect shows a request for 30 days; the ledger keeps it, since a window may be fetched again much later. It never holds
the data themselves: order ids, and hashes of customer numbers. Objects are added and never changed.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import msgspec

from airflow_provider_zdirect import __version__
from airflow_provider_zdirect.storage.object_store import ObjectStore


class _Who(msgspec.Struct):
    order_id: Any = None
    customer_number: Any = None
    orders: Any = None


_WHO = msgspec.json.Decoder(_Who)


@dataclass(frozen=True)
class ErasedPeople:
    """The customers of one merchant who have to be forgotten.

    :param orders: ids of their orders, as far as they are known; each with when its erasure was asked for, if that was
        said.
    :param customers: marks of their customer numbers, and of what stands in place of these where personal data is
        hashed; see :func:`customer_mark`.
    :param entries: names of the ledger's objects that say so.
    """

    merchant_id: str
    orders: Mapping[str, str | None] = field(default_factory=dict)
    customers: frozenset[str] = frozenset()
    entries: frozenset[str] = frozenset()

    def __bool__(self) -> bool:
        return bool(self.orders or self.customers)

    @property
    def digest(self) -> str:
        """The same for the same entries."""
        return hashlib.sha256("\n".join(sorted(self.entries)).encode()).hexdigest()[:16]

    def has_customer(self, number: Any) -> bool:
        """Whether a value of ``customer_number``, plain or hashed, is of one of them."""
        return bool(self.customers) and number is not None and customer_mark(self.merchant_id, number) in self.customers

    def has_record(self, record: bytes | bytearray | memoryview | msgspec.Raw) -> bool:
        """Whether a record, as JSON, is of one of them; False for what is no object."""
        if not self:
            return False
        who = _who(record)
        return any(order_id in self.orders for order_id in _order_ids(who)) or self.has_customer(who.customer_number)

    def orders_found(self, records: Iterable[msgspec.Raw]) -> set[str]:
        """Ids of orders that are theirs by the customer number, and are not known yet."""
        if not self.customers:
            return set()
        found = (who for record in records if self.has_customer((who := _who(record)).customer_number))
        return {order_id for who in found for order_id in _order_ids(who)} - self.orders.keys()


class ErasureLedger:
    """The ledger of one merchant. Safe to write and to read at the same time as anybody else.

    ``known``: what it said when it was read last.
    """

    def __init__(self, store: ObjectStore, merchant_id: str) -> None:
        self.store = store
        self.merchant_id = merchant_id
        self.known = ErasedPeople(merchant_id)

    @property
    def folder(self) -> str:
        """Of the ledger, and of the certificates."""
        return f"_erasures/orders/merchant_id={self.merchant_id}"

    def people(self) -> ErasedPeople:
        """What the ledger says now; only what is new since the last time is read."""
        known = self.known
        new = [path for path in self.store.files(f"{self.folder}/ledger") if path not in known.entries]
        if new:
            orders, customers = dict(known.orders), set(known.customers)
            for text in self.store.read_many(new):
                entry = json.loads(text)
                for order_id, requested_at in entry["orders"].items():
                    orders[order_id] = orders.get(order_id) or requested_at
                customers.update(entry["customers"])
            self.known = ErasedPeople(self.merchant_id, orders, frozenset(customers), known.entries | set(new))
        return self.known

    def add(
        self,
        *,
        at: datetime,
        orders: Mapping[str, str | None] | None = None,
        customers: Iterable[Any] = (),
    ) -> ErasedPeople:
        """Enter what is not there yet; what the ledger says then.

        :param at: the present.
        :param customers: customer numbers, or hashes of them, of which only marks are entered.
        """
        known = self.people()
        entry = {
            "orders": {key: since for key, since in sorted((orders or {}).items()) if key not in known.orders},
            "customers": sorted({customer_mark(self.merchant_id, each) for each in customers} - known.customers),
        }
        if not any(entry.values()):
            return known
        # By content, so that two runs that find the same write the same.
        name = hashlib.sha256(json.dumps(entry, sort_keys=True).encode()).hexdigest()[:24]
        self.store.write_json(
            f"{self.folder}/ledger/{name}.json",
            {"merchant_id": self.merchant_id, "entered_at": at.isoformat(), "package_version": __version__, **entry},
        )
        return self.people()

    def people_of(self, records: Iterable[msgspec.Raw], at: datetime) -> ErasedPeople:
        """As :meth:`people`, with orders of these records that are found to be theirs by the customer."""
        people = self.people()
        found = people.orders_found(records)
        return self.add(at=at, orders=dict.fromkeys(found)) if found else people


def customer_mark(merchant_id: str, customer_number: Any) -> str:
    """SHA-256 of the merchant and what stands in ``customer_number``, regardless of case and of blanks around it."""
    return hashlib.sha256(f"{merchant_id}\n{str(customer_number).strip().lower()}".encode()).hexdigest()


def as_order_id(value: Any) -> str | None:
    """An order id as it is published; zDirect writes one and the same in either case, and with blanks."""
    return ("".join(value.split()).lower() or None) if isinstance(value, str) else None


def _who(record: bytes | bytearray | memoryview | msgspec.Raw) -> _Who:
    try:
        return _WHO.decode(record)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return _Who()


def _order_ids(who: _Who) -> list[str]:
    """Of an order, of a part of one, or of what holds several."""
    several = who.orders if isinstance(who.orders, list) else []
    values = [who.order_id, *(each.get("order_id") for each in several if isinstance(each, dict))]
    return [order_id for value in values if (order_id := as_order_id(value))]
