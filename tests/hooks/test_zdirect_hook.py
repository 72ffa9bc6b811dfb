from __future__ import annotations

import socket
from types import SimpleNamespace

import pytest
from airflow.providers.common.compat.sdk import redact

from airflow_provider_zdirect.exceptions import ZDirectConfigurationError
from airflow_provider_zdirect.hooks.connection import base_url
from airflow_provider_zdirect.hooks.zdirect import ZDirectHook

pytestmark = pytest.mark.usefixtures("database")


def test_a_good_connection_reports_environment_merchants_and_scopes(connect, emulator):
    works, message = ZDirectHook().test_connection()
    assert works
    assert "production" in message
    assert "zfs/returned-item/read" in message
    assert all(merchant in message for merchant in emulator.merchant_ids)


def test_a_wrong_secret_is_named(connect):
    connect(password="wrong")
    works, message = ZDirectHook().test_connection()
    assert not works
    assert "client secret is wrong" in message
    assert "wrong'" not in message


def test_a_sandbox_app_against_production_is_explained(connect, emulator):
    emulator.faults.add({"match": {"path": "/auth/me"}, "action": {"status": 403}, "times": None})
    works, message = ZDirectHook().test_connection()
    assert not works
    assert "sandbox mode" in message
    assert "403" in message


def test_a_merchant_that_is_not_granted_is_named(connect, emulator):
    connect(extra={"merchant_id": emulator.foreign_merchant_id})
    works, message = ZDirectHook().test_connection()
    assert not works
    assert emulator.foreign_merchant_id in message
    assert emulator.merchant_ids[0] in message


def test_an_unreachable_host_is_named(connect):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    connect(host=f"http://127.0.0.1:{port}")
    works, message = ZDirectHook().test_connection()
    assert not works
    for part in ("'zdirect_default'", f"http://127.0.0.1:{port}", "refused", "cannot be reached"):
        assert part in message


def test_the_limit_of_token_requests_is_named_with_the_time_to_wait(connect, emulator):
    emulator.faults.add(
        {"match": {"path": "/auth/token"}, "action": {"status": 429, "headers": {"Retry-After": "41"}}, "times": None}
    )
    works, message = ZDirectHook().test_connection()
    assert not works
    assert "41 seconds" in message


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"login": ""}, "login) is empty"),
        ({"password": None}, "password) is empty"),
        ({"extra": {"environment": "staging"}}, "environment='staging'"),
        ({"extra": {"merchant_id": "none"}}, "merchant_id='none'"),
        ({"extra": {"rate_share": "much"}}, "rate_share='much'"),
        ({"extra": {"rate_share": 2}}, "rate_share=2"),
        ({"extra": {"share_access": "maybe"}}, "share_access='maybe'"),
        ({"host": "http://example.org"}, "plain HTTP"),
        ({"conn_type": "http"}, "type is 'http'"),
    ],
)
def test_an_unusable_field_is_named_with_its_connection_and_nothing_is_sent(connect, emulator, fields, named):
    connect(**fields)
    with pytest.raises(ZDirectConfigurationError, match="zdirect_default") as caught:
        ZDirectHook().client()
    assert named in str(caught.value)
    assert caught.value.remedy
    assert not ZDirectHook().test_connection()[0]
    assert not emulator.requests


def test_what_an_unusable_connection_holds_is_not_shown(connect):
    connect(login="hidden-login\n", password="hidden-secret\u200b", host="hidden:pw@localhost")
    _, message = ZDirectHook().test_connection()
    assert "client_id" in message
    assert "hidden" not in message


def test_a_missing_connection_says_how_to_add_it():
    with pytest.raises(ZDirectConfigurationError, match="AIRFLOW_CONN_NOT_THERE"):
        ZDirectHook("not_there").config()


def test_blank_fields_of_the_form_count_as_not_given(connect):
    connect(extra={"environment": "", "merchant_id": "", "rate_share": "", "max_inline_wait": None})
    config = ZDirectHook().config()
    assert config.environment == "production"


def test_numbers_may_come_as_text(connect):
    connect(extra={"rate_share": "0.5", "max_inline_wait": "7", "timeout": "60"})
    config = ZDirectHook().config()
    assert (config.rate_share, config.max_inline_wait, config.total_timeout, config.read_timeout) == (0.5, 7, 60, 60)


@pytest.mark.parametrize(
    ("host", "schema", "port", "address"),
    [
        (None, None, None, None),
        ("", "https", 443, None),
        ("https://localhost:8088/", None, None, "https://localhost:8088"),
        ("localhost", "http", 8088, "http://localhost:8088"),
        ("http://localhost", "", 8088, "http://localhost:8088"),
        ("http://localhost:8088", "", 9, "http://localhost:8088"),
        ("gateway.example/zdirect", "https", 8443, "https://gateway.example:8443/zdirect"),
        ("http://[::1]", None, 8088, "http://[::1]:8088"),
        ("https://gateway.example", None, 443, "https://gateway.example"),
        ("https://gateway.example:8443", None, 443, "https://gateway.example:8443"),
        ("http://localhost", None, 443, "http://localhost:443"),
    ],
)
def test_host_schema_and_port_make_one_address(host, schema, port, address):
    assert base_url(SimpleNamespace(host=host, schema=schema, port=port)) == address


def test_the_merchant_of_the_connection_needs_no_request(connect, emulator):
    connect(extra={"merchant_id": emulator.merchant_ids[0].upper()})
    assert ZDirectHook().merchant_ids() == [emulator.merchant_ids[0]]
    assert ZDirectHook().merchant_id() == emulator.merchant_ids[0]
    assert not emulator.requests


def test_without_a_merchant_in_the_connection_all_granted_ones_count(connect, emulator):
    assert ZDirectHook().merchant_ids() == list(emulator.merchant_ids)
    with pytest.raises(ZDirectConfigurationError, match="may use 2 merchants"):
        ZDirectHook().merchant_id()


def test_secrets_and_token_are_masked_in_logs(connect, emulator):
    connect(password="demo-secret", extra={"personal_data_secret": "key-of-all-hashes"})
    assert ZDirectHook().personal_data_key() == "key-of-all-hashes"
    assert ZDirectHook().test_connection()[0]
    token = next(iter(emulator.state.tokens._expires_at))
    assert redact(f"a {token} b demo-secret c key-of-all-hashes") == "a *** b *** c ***"


def test_secrets_of_a_connection_that_cannot_be_used_are_masked_as_well(connect):
    connect(password="another-secret", extra={"personal_data_secret": "another-key ", "timeout": "soon"})
    assert not ZDirectHook().test_connection()[0]
    assert redact("a another-secret b another-key c") == "a *** b ***c"
