from __future__ import annotations

import pytest

from airflow_provider_zdirect.airflow_sdk import redact
from airflow_provider_zdirect.exceptions import ZDirectConfigurationError
from airflow_provider_zdirect.hooks.zdirect import ZDirectHook

pytestmark = pytest.mark.usefixtures("database")


def test_a_good_connection_reports_environment_merchants_and_scopes(connect, emulator):
    works, message = ZDirectHook().test_connection()
    assert works
    for part in ("production", "zfs/returned-item/read", *emulator.merchant_ids):
        assert part in message


@pytest.mark.parametrize(
    ("fields", "fault", "parts"),
    [
        ({"password": "wrong"}, None, ["refused the client id or the client secret"]),
        ({}, {"match": {"path": "/auth/me"}, "action": {"status": 403}}, ["sandbox mode", "403"]),
        (
            {"extra": {"share_access": False}},
            {"match": {"path": "/auth/token"}, "action": {"status": 429, "headers": {"Retry-After": "41"}}},
            ["41 s"],
        ),
    ],
    ids=["wrong secret", "sandbox app against production", "no more tokens"],
)
def test_what_zdirect_refuses_is_explained(connect, emulator, fields, fault, parts):
    connect(**fields)
    if fault:
        emulator.faults.add({**fault, "times": None})
    works, message = ZDirectHook().test_connection()
    assert not works
    for part in parts:
        assert part in message
    assert "wrong'" not in message


def test_a_merchant_that_is_not_granted_is_named(connect, emulator):
    connect(extra={"merchant_id": emulator.foreign_merchant_id})
    works, message = ZDirectHook().test_connection()
    assert not works
    assert emulator.foreign_merchant_id in message
    assert emulator.merchant_ids[0] in message


def test_an_unreachable_host_is_named(connect, refused):
    connect(host=refused)
    works, message = ZDirectHook().test_connection()
    assert not works
    for part in ("'zdirect_default'", refused, "refused", "cannot be reached"):
        assert part in message


def test_an_unusable_connection_is_named_and_nothing_of_it_is_shown_or_sent(connect, emulator):
    connect(login="hidden-login\n", password="hidden-secret\u200b", host="hidden:pw@localhost")
    with pytest.raises(ZDirectConfigurationError, match="'zdirect_default': client_id"):
        ZDirectHook().client()
    works, message = ZDirectHook().test_connection()
    assert not works
    assert "client_id" in message
    assert "hidden" not in message
    assert not emulator.requests


def test_a_missing_connection_says_how_to_add_it():
    with pytest.raises(ZDirectConfigurationError, match="AIRFLOW_CONN_NOT_THERE"):
        ZDirectHook("not_there").config()


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
    connect(extra={"personal_data_secret": "key-of-all-hashes"})
    assert ZDirectHook().personal_data_key() == "key-of-all-hashes"
    assert ZDirectHook().test_connection()[0]
    token = next(iter(emulator.state.tokens._expires_at))
    assert redact(f"a {token} b demo-secret c key-of-all-hashes") == "a *** b *** c ***"


def test_a_token_that_is_not_shared_is_masked_as_well(connect, emulator):
    connect(extra={"share_access": False})
    before = set(emulator.state.tokens._expires_at)
    assert ZDirectHook().test_connection()[0]
    (token,) = emulator.state.tokens._expires_at.keys() - before
    assert redact(f"a {token} b") == "a *** b"


def test_secrets_of_a_connection_that_cannot_be_used_are_masked_as_well(connect):
    connect(password="another-secret", extra={"personal_data_secret": "another-key ", "timeout": "soon"})
    assert not ZDirectHook().test_connection()[0]
    assert redact("a another-secret b another-key c") == "a *** b ***c"
