"""The machine's trusted certificates, read once: for each client httpx reads them anew, which takes longer than a
whole life of a shipping notice in the emulator, where there is no TLS."""

from __future__ import annotations

import functools

import httpx._config
import pytest

_read_once = functools.cache(httpx._config.create_ssl_context)


def read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("httpx._transports.default.create_ssl_context", _read_once)
