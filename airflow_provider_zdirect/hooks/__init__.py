# SPDX-License-Identifier: Apache-2.0
"""The hooks. A name is imported when it is first used."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from airflow_provider_zdirect.hooks.http import ZDirectHttpAsyncHook, ZDirectHttpHook
    from airflow_provider_zdirect.hooks.http_auth import ZDirectAuth
    from airflow_provider_zdirect.hooks.zdirect import ZDirectHook

__all__ = [
    "ZDirectAuth",
    "ZDirectHook",
    "ZDirectHttpAsyncHook",
    "ZDirectHttpHook",
]

_MODULE_OF = {
    "ZDirectAuth": "http_auth",
    "ZDirectHook": "zdirect",
    "ZDirectHttpAsyncHook": "http",
    "ZDirectHttpHook": "http",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULE_OF[name]}"), name)
