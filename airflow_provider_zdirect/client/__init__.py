# SPDX-License-Identifier: Apache-2.0
"""Client of zDirect's merchant API, without Airflow.

    async with ZDirectClient(ClientConfig(client_id, client_secret)) as client:
        identity = await client.me()
        async for page in client.pages(dataset, identity.merchant_ids[0], dataset.windows.parameters(start, end)):
            ...

Names are imported when they are first used, so that a DAG file which only needs one does not pay for all.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from airflow_provider_zdirect.client.client import Identity, Reply, ZDirectClient, checked_merchant_id
    from airflow_provider_zdirect.client.config import ClientConfig
    from airflow_provider_zdirect.client.hosts import PRODUCTION_URL, SANDBOX_URL
    from airflow_provider_zdirect.client.rates import FileRateLimiter, MemoryRateLimiter, RateLimiter
    from airflow_provider_zdirect.client.retry import RetryPolicy
    from airflow_provider_zdirect.client.sending import ClientStats
    from airflow_provider_zdirect.client.token_stores import (
        FileTokenStore,
        MemoryTokenStore,
        Token,
        TokenStore,
        token_key,
    )
    from airflow_provider_zdirect.client.transport import Timeouts, Transport
    from airflow_provider_zdirect.datasets.endpoint import Rate
    from airflow_provider_zdirect.datasets.orders import JSON_API
    from airflow_provider_zdirect.datasets.page import Page

_MODULES = {
    "client.client": ("Identity", "Reply", "ZDirectClient", "checked_merchant_id"),
    "client.config": ("ClientConfig",),
    "client.hosts": ("PRODUCTION_URL", "SANDBOX_URL"),
    "client.rates": ("FileRateLimiter", "MemoryRateLimiter", "RateLimiter"),
    "client.retry": ("RetryPolicy",),
    "client.sending": ("ClientStats",),
    "client.token_stores": ("FileTokenStore", "MemoryTokenStore", "Token", "TokenStore", "token_key"),
    "client.transport": ("Timeouts", "Transport"),
    "datasets.endpoint": ("Rate",),
    "datasets.orders": ("JSON_API",),
    "datasets.page": ("Page",),
}
_MODULE_OF = {name: module for module, names in _MODULES.items() for name in names}

__all__ = [
    "JSON_API",
    "PRODUCTION_URL",
    "SANDBOX_URL",
    "ClientConfig",
    "ClientStats",
    "FileRateLimiter",
    "FileTokenStore",
    "Identity",
    "MemoryRateLimiter",
    "MemoryTokenStore",
    "Page",
    "Rate",
    "RateLimiter",
    "Reply",
    "RetryPolicy",
    "Timeouts",
    "Token",
    "TokenStore",
    "Transport",
    "ZDirectClient",
    "checked_merchant_id",
    "token_key",
]


def __getattr__(name: str) -> Any:
    module = _MODULE_OF.get(name)
    if module is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"airflow_provider_zdirect.{module}"), name)
