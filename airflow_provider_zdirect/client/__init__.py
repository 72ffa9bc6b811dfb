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
    from airflow_provider_zdirect.client.auth import TokenProvider
    from airflow_provider_zdirect.client.calls import ClientStats
    from airflow_provider_zdirect.client.client import (
        JSON_API,
        Identity,
        Page,
        Reply,
        ZDirectClient,
        checked_merchant_id,
    )
    from airflow_provider_zdirect.client.config import PRODUCTION_URL, SANDBOX_URL, ClientConfig
    from airflow_provider_zdirect.client.problems import Problem, read_problem
    from airflow_provider_zdirect.client.rates import FileRateLimiter, MemoryRateLimiter, Rate, RateLimiter
    from airflow_provider_zdirect.client.retry import RetryPolicy, parse_retry_after
    from airflow_provider_zdirect.client.token_cipher import TokenCipher
    from airflow_provider_zdirect.client.token_stores import FileTokenStore, MemoryTokenStore
    from airflow_provider_zdirect.client.tokens import Token, TokenStore, token_key
    from airflow_provider_zdirect.client.transport import Answer, Headers, Timeouts, Transport

_MODULES = {
    "auth": ("TokenProvider",),
    "calls": ("ClientStats",),
    "client": ("JSON_API", "Identity", "Page", "Reply", "ZDirectClient", "checked_merchant_id"),
    "config": ("PRODUCTION_URL", "SANDBOX_URL", "ClientConfig"),
    "problems": ("Problem", "read_problem"),
    "rates": ("FileRateLimiter", "MemoryRateLimiter", "Rate", "RateLimiter"),
    "retry": ("RetryPolicy", "parse_retry_after"),
    "token_cipher": ("TokenCipher",),
    "token_stores": ("FileTokenStore", "MemoryTokenStore"),
    "tokens": ("Token", "TokenStore", "token_key"),
    "transport": ("Answer", "Headers", "Timeouts", "Transport"),
}
_MODULE_OF = {name: module for module, names in _MODULES.items() for name in names}

__all__ = [
    "JSON_API",
    "PRODUCTION_URL",
    "SANDBOX_URL",
    "Answer",
    "ClientConfig",
    "ClientStats",
    "FileRateLimiter",
    "FileTokenStore",
    "Headers",
    "Identity",
    "MemoryRateLimiter",
    "MemoryTokenStore",
    "Page",
    "Problem",
    "Rate",
    "RateLimiter",
    "Reply",
    "RetryPolicy",
    "Timeouts",
    "Token",
    "TokenCipher",
    "TokenProvider",
    "TokenStore",
    "Transport",
    "ZDirectClient",
    "checked_merchant_id",
    "parse_retry_after",
    "read_problem",
    "token_key",
]


def __getattr__(name: str) -> Any:
    module = _MODULE_OF.get(name)
    if module is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{module}"), name)
