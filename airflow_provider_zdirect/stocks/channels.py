# SPDX-License-Identifier: Apache-2.0
"""The sales channels in which a merchant's articles are for sale."""

from __future__ import annotations

from pydantic import ValidationError

from airflow_provider_zdirect.client import ZDirectClient
from airflow_provider_zdirect.datasets.endpoint import REFETCH_DELAY
from airflow_provider_zdirect.datasets.reference_data import SalesChannel
from airflow_provider_zdirect.datasets.table import get_dataset
from airflow_provider_zdirect.exceptions import MalformedResponseError, ZDirectConfigurationError
from airflow_provider_zdirect.words import counted


async def live_channels(client: ZDirectClient, merchant_id: str) -> tuple[str, ...]:
    """Ids of the live ones, sorted (zDirect docs, *Sales Channels*).

    :raises MalformedResponseError: if one cannot be read; without it, stock would be missing somewhere.
    :raises ZDirectConfigurationError: if none is live.
    """
    merchant = client.merchants.in_words(merchant_id)
    found: list[SalesChannel] = []
    async for page in client.pages(get_dataset("sales_channels"), merchant_id, {}):
        for record in (*page.records, *(bad.record for bad in page.rejected)):
            try:
                found.append(SalesChannel.model_validate_json(bytes(record)))
            except ValidationError as error:
                raise MalformedResponseError(
                    f"Sales channels of merchant {merchant}: one of them cannot be read "
                    f"({counted(error.error_count(), 'error')}), so it is unknown where stock has to go. "
                    "Nothing was sent.",
                    remedy="If it happens again, give sales_channel_ids.",
                    retry_after=REFETCH_DELAY,
                ) from None
    unknown = client.assumptions.unknown_live == "live"
    live = sorted({each.sales_channel_id for each in found if (unknown if each.live is None else each.live)})
    if not live:
        raise ZDirectConfigurationError(
            f"Merchant {merchant} has {counted(len(found), 'sales channel')}, none of them live. Nothing was sent.",
            remedy="Look in the zDirect portal; or give sales_channel_ids.",
        )
    return tuple(live)
