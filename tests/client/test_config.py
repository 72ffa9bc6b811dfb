from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_zdirect.client import PRODUCTION_URL, SANDBOX_URL, ClientConfig
from airflow_provider_zdirect.exceptions import ZDirectConfigurationError


@pytest.mark.parametrize(
    ("settings", "address"),
    [
        ({}, PRODUCTION_URL),
        ({"environment": "sandbox"}, SANDBOX_URL),
        ({"base_url": ""}, PRODUCTION_URL),
        ({"base_url": PRODUCTION_URL + "/"}, PRODUCTION_URL),
        ({"base_url": "api.merchants.zalando.com"}, PRODUCTION_URL),
        ({"base_url": " https://API.merchants.zalando.com "}, PRODUCTION_URL),
        ({"base_url": SANDBOX_URL, "environment": "sandbox"}, SANDBOX_URL),
        ({"environment": " Sandbox\n"}, SANDBOX_URL),
        ({"base_url": "api.merchants.zalando.com:443"}, PRODUCTION_URL),
        ({"base_url": "https://api.merchants.zalando.com:443/"}, PRODUCTION_URL),
        ({"base_url": "https://gateway.example.com:443/"}, "https://gateway.example.com:443"),
        ({"base_url": "http://localhost:8088/"}, "http://localhost:8088"),
        ({"base_url": "http://127.1.2.3:8088"}, "http://127.1.2.3:8088"),
        ({"base_url": "http://[::1]:8088"}, "http://[::1]:8088"),
        ({"base_url": "https://gateway.example.com/zDirect/"}, "https://gateway.example.com/zDirect"),
    ],
)
def test_the_address(settings: dict[str, Any], address: str) -> None:
    assert ClientConfig("app", "secret", **settings).address == address


@pytest.mark.parametrize(
    ("settings", "names"),
    [
        ({"client_id": ""}, "client_id"),
        ({"client_id": "a:b"}, "client_id"),
        ({"client_secret": "hidden-secret\r\n"}, "client_secret .* ends with a line break"),
        ({"client_secret": "hidden-\u200bsecret"}, "client_secret .* holds .* zero width space"),
        ({"environment": "sandbox\u200b"}, "environment"),
        ({"environment": None}, "environment"),
        ({"base_url": "localhost:8088"}, "host='localhost:8088' has no scheme.*http://localhost:8088"),
        ({"base_url": "gateway.example.com/zdirect"}, "no scheme.*https://gateway.example.com/zdirect"),
        ({"base_url": "http:/localhost:8088"}, "must be followed by ://"),
        ({"base_url": "https://"}, "must be followed by ://"),
        ({"base_url": "//gateway.example.com"}, "host"),
        ({"base_url": "user:pw@example.com"}, "host"),
        ({"base_url": "htps://gateway.example.com"}, "host"),
        ({"base_url": "https://gateway\u200b.example.com"}, "host"),
        ({"base_url": "https://gate way.example.com"}, "host"),
        ({"base_url": "http://localhost:0"}, "host"),
        ({"base_url": "https://gateway..example.com"}, "host"),
        ({"base_url": f"https://{'x' * 64}.example.com"}, "host"),
        ({"base_url": "http://localhost:80880"}, "host"),
        ({"base_url": PRODUCTION_URL + "/auth/token"}, "neither a path nor a port"),
        ({"base_url": PRODUCTION_URL + ":8443"}, "neither a path nor a port"),
        ({"environment": "staging"}, "environment"),
        ({"environment": "sandbox", "base_url": PRODUCTION_URL}, "environment"),
        ({"base_url": SANDBOX_URL}, "environment"),
        ({"base_url": "http://api.merchants.zalando.com"}, "host"),
        ({"base_url": "http://emulator:8088"}, "host"),
        ({"base_url": "http://10.0.0.1/"}, "host"),
        ({"base_url": "http://0.0.0.0/"}, "host"),
        ({"base_url": "http://localhost.example.com/"}, "host"),
        ({"base_url": "http://127.0.0.1.nip.io/"}, "host"),
        ({"base_url": "http://localhost@example.com/"}, "host"),
        ({"base_url": "http://localhost\\@example.com/"}, "host"),
        ({"base_url": "http://example.com#@localhost/"}, "host"),
        ({"base_url": "ftp://localhost/"}, "host"),
        ({"base_url": "https://[::1/"}, "host"),
        ({"base_url": "https://host:port/"}, "host"),
        ({"base_url": "https://example.com?x=1"}, "host"),
        ({"base_url": "https://example.com#x"}, "host"),
        ({"connect_timeout": 0}, "connect_timeout"),
        ({"read_timeout": -1}, "read_timeout"),
        ({"total_timeout": float("inf")}, "total_timeout"),
        ({"total_timeout": 0}, "total_timeout"),
        ({"read_timeout": 0}, "read_timeout"),
        ({"max_answer_size": 0}, "max_answer_size"),
        ({"max_answer_size": 1_000_001}, "max_answer_size"),
        ({"max_inline_wait": 86_401}, "max_inline_wait"),
        ({"max_inline_wait": float("nan")}, "max_inline_wait"),
        ({"rate_share": 0}, "rate_share"),
        ({"rate_share": 1.1}, "rate_share"),
        ({"rate_share": True}, "rate_share"),
    ],
)
def test_a_value_that_cannot_be_used_is_named(settings: dict[str, Any], names: str) -> None:
    with pytest.raises(ZDirectConfigurationError, match=names) as caught:
        ClientConfig(**{"client_id": "app", "client_secret": "hidden-secret", **settings})
    assert caught.value.remedy
    assert "hidden-secret" not in str(caught.value)
    assert "user:pw" not in str(caught.value)


def test_a_task_may_leave_every_wait_to_airflow() -> None:
    assert ClientConfig("app", "secret", max_inline_wait=0).max_inline_wait == 0


def test_the_secret_is_not_shown() -> None:
    assert "hidden-secret" not in repr(ClientConfig("app", "hidden-secret"))


def test_the_defaults_are_the_documented_ones() -> None:
    config = ClientConfig("app", "secret")
    assert (config.connect_timeout, config.read_timeout, config.total_timeout) == (10, 300, 900)
    assert (config.rate_share, config.max_inline_wait, config.max_answer_size) == (None, 30, 512)
