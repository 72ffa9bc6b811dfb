# SPDX-License-Identifier: Apache-2.0
"""The records of one merchant, where an answer holds those of all that the app may use."""

from __future__ import annotations

from dataclasses import dataclass, replace

import msgspec

from airflow_provider_zdirect.client import Page, ZDirectClient
from airflow_provider_zdirect.datasets.page import NOT_READABLE, Rejected

NO_MERCHANT = "the record names no merchant, and the app may use several"


@dataclass
class MerchantRecords:
    """:param merchant_field: the field of a record that names its merchant."""

    client: ZDirectClient
    merchant_id: str
    merchant_field: str
    _is_only_one: bool | None = None

    async def of(self, page: Page) -> tuple[Page, int]:
        """The page with the merchant's records, and how many of others were left out."""
        own: list[msgspec.Raw] = []
        rejected: list[Rejected] = []
        for record in page.records:
            merchant = self._merchant_of(record)
            if merchant is None and not await self._is_only_merchant():
                rejected.append(Rejected(bytes(record), NO_MERCHANT))
            elif merchant in (None, self.merchant_id):
                own.append(record)
        of_others = len(page.records) - len(own) - len(rejected)
        return replace(page, records=own, rejected=[*page.rejected, *rejected]), of_others

    def _merchant_of(self, record: msgspec.Raw) -> str | None:
        try:
            content = msgspec.json.decode(record)
        except NOT_READABLE:
            return None
        value = content.get(self.merchant_field) if isinstance(content, dict) else None
        # A damaged id may be that of this merchant.
        if value is None or "\ufffd" in str(value):
            return None
        return "".join(str(value).split()).lower() or None

    async def _is_only_merchant(self) -> bool:
        if self._is_only_one is None:
            granted = (await self.client.me()).merchant_ids
            self._is_only_one = [merchant.lower() for merchant in granted] == [self.merchant_id]
        return self._is_only_one
