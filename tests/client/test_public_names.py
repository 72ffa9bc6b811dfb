from __future__ import annotations

import subprocess
import sys

import airflow_provider_zdirect.client as package

PUBLIC = [
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


def test_the_public_names_are_these() -> None:
    assert package.__all__ == PUBLIC
    assert sorted(package._MODULE_OF) == sorted(PUBLIC)
    for name in PUBLIC:
        assert getattr(package, name) is not None


def test_importing_the_package_imports_neither_airflow_nor_the_http_library() -> None:
    code = (
        "import sys, airflow_provider_zdirect.client as c; assert 'httpx' not in sys.modules; "
        "c.ZDirectClient; assert 'httpx' in sys.modules; "
        "assert not [m for m in sys.modules if m == 'airflow' or m.startswith('airflow.')]"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
