# SPDX-License-Identifier: Apache-2.0
"""The requests of customers that their data be deleted, as zDirect shows them for 30 days.

Facts: zDirect docs, *Orders*, deletion requests. Unconfirmed is whether a customer is named once per order or once at
all; either way, all orders with the customer number are erased.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from airflow_provider_zdirect.client import ZDirectClient
from airflow_provider_zdirect.datasets.page import NOT_READABLE
from airflow_provider_zdirect.datasets.table import get_dataset
from airflow_provider_zdirect.erasure.ledger import as_order_id, as_text, as_time
from airflow_provider_zdirect.erasure.rows import Contacts, contacts_of

DATASET = "order_deletion_requests"


@dataclass
class DeletionRequests:
    """What customers asked for. In memory only.

    :param count: of requests.
    :param orders: when each order's erasure was asked for, by order id.
    :param customers: when each customer asked for it last, by customer number.
    :param contacts: what the requests say of the customers besides their numbers.
    :param unreadable: requests that name neither an order nor a customer, or cannot be read.
    """

    count: int = 0
    orders: dict[str, str | None] = field(default_factory=dict)
    customers: dict[str, str | None] = field(default_factory=dict)
    contacts: Contacts = field(default_factory=set)
    unreadable: int = 0

    def take(self, request: Any) -> None:
        """Add one request, as it came."""
        self.count += 1
        content: Mapping[str, Any] = request if isinstance(request, Mapping) else {}
        order_id, number = as_order_id(content.get("order_id")), as_text(content.get("customer_number"))
        # A damaged one does not identify anybody.
        order_id, number = (None if text and "\ufffd" in text else text for text in (order_id, number))
        if order_id is None and number is None:
            self.unreadable += 1
            return
        requested_at = as_text(content.get("requested_at"))
        if order_id is not None:
            self.orders[order_id] = self.orders.get(order_id) or requested_at
        if number is not None:
            times = [time for each in (requested_at, self.customers.get(number)) if (time := as_time(each))]
            self.customers[number] = max(times).isoformat() if times else None
        self.contacts |= contacts_of(content)


async def fetch_requests(client: ZDirectClient, merchant_id: str) -> DeletionRequests:
    """All requests that zDirect shows now.

    :raises ZDirectError: if a page cannot be fetched.
    """
    requests = DeletionRequests()
    # With what the published dataset leaves out: it is needed to find the rows, and is not stored.
    dataset = get_dataset(DATASET).but(answer={"left_out": ()})
    async for page in client.pages(dataset, merchant_id, {}):
        for record in page.records:
            try:
                requests.take(msgspec.json.decode(record))
            except NOT_READABLE:
                requests.take(None)
        for _ in page.rejected:
            requests.take(None)
    return requests
