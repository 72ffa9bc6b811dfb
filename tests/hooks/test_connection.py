from __future__ import annotations

import base64
import json
import unicodedata
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_zdirect.client import PRODUCTION_URL, SANDBOX_URL
from airflow_provider_zdirect.exceptions import ZDirectConfigurationError
from airflow_provider_zdirect.hooks.connection import ConnectionSettings, read_settings, secrets_of
from airflow_provider_zdirect.hooks.connection_form import EXTRA_FIELDS

NAMES = [field.name for field in EXTRA_FIELDS]
BLANKS = st.characters(categories=["Zs", "Zl", "Zp", "Cc", "Cf"])
MERCHANT = "01234567-89ab-cdef-0123-456789abcdef"


def connection(extra: Any = None, **fields: Any) -> SimpleNamespace:
    usual = {"conn_type": "zdirect", "login": "app", "password": "the-secret", "host": "", "schema": "", "port": None}
    text = extra if isinstance(extra, str) else json.dumps(extra) if extra is not None else None
    return SimpleNamespace(**{**usual, "extra": text, **fields})


def read(extra: Any = None, **fields: Any) -> ConnectionSettings:
    return read_settings("shop", connection(extra, **fields))


def refusal(extra: Any = None, **fields: Any) -> str:
    with pytest.raises(ZDirectConfigurationError, match="'shop'") as caught:
        read(extra, **fields)
    assert caught.value.remedy
    error: BaseException | None = caught.value
    while error is not None:
        assert "the-secret" not in str(error) + repr(error)
        error = error.__cause__ or error.__context__
    return str(caught.value)


@given(field=st.sampled_from(["login", "password", "personal_data_secret"]), blank=BLANKS, first=st.booleans())
def test_any_blank_before_or_after_a_secret_is_named(field: str, blank: str, first: bool) -> None:
    value = f"{blank}the-secret-of-somebody" if first else f"the-secret-of-somebody{blank}"
    text = refusal({field: value}) if field == "personal_data_secret" else refusal(**{field: value})
    assert field in text
    assert ("starts with" if first else "ends with") in text


@pytest.mark.parametrize("blank", [" ", "\xa0", "\u200b", "\t", "\n", "\ufeff"])
def test_the_kind_of_blank_is_said(blank: str) -> None:
    said = {" ": "a space", "\t": "a tab", "\n": "a line break"}.get(blank) or unicodedata.name(blank).lower()
    assert said in refusal(password=f"the-secret{blank}")


@pytest.mark.parametrize(
    ("key", "nearest"),
    [
        ("enviroment", "environment"),
        ("Environment", "environment"),
        ("environment ", "environment"),
        ("extra__zdirect__environment", "environment"),
        ("merchantId", "merchant_id"),
        ("share_token", "share_access"),
        ("personal_data_key", "personal_data_secret"),
    ],
)
def test_an_unknown_key_is_named_with_the_nearest_known_one(key: str, nearest: str) -> None:
    text = refusal({key: "sandbox"})
    assert f"{key!r} (did you mean {nearest!r}?)" in text


@given(name=st.sampled_from(NAMES), place=st.integers(0, 30), letter=st.characters(codec="ascii", categories=["Ll"]))
def test_a_known_key_with_a_wrong_letter_is_never_taken_for_blank(name: str, place: int, letter: str) -> None:
    place %= len(name)
    for wrong in (name[:place] + letter + name[place:], name[:place] + name[place + 1 :], name.upper()):
        text = refusal({wrong: "sandbox"})
        assert repr(wrong) in text
        assert f"did you mean {name!r}" in text


def test_the_value_of_an_unknown_key_is_not_shown() -> None:
    assert "the keys are environment" in refusal({"client_secret": "the-secret"}).lower()


def test_an_assumption_beside_the_assumptions_is_told_where_it_belongs() -> None:
    text = refusal({"orders_page_size": 500})
    assert "'orders_page_size' (an assumption: put it into the object 'assumptions')" in text
    assert "did you mean" not in text


def test_keys_that_resemble_nothing_are_named_all_the_same() -> None:
    text = refusal({"zzz": 1, "qqq": 2})
    assert "unknown keys 'zzz'; 'qqq'" in text
    assert "did you mean" not in text


@pytest.mark.parametrize(
    ("extra", "named"),
    [
        ({"environment": True}, "environment=True is not a text"),
        ({"environment": ["sandbox"]}, "environment=['sandbox'] is not a text"),
        ({"environment": "sandbxo"}, "environment='sandbxo'"),
        ({"merchant_id": 7}, "merchant_id=7 is not a text"),
        ({"merchant_id": [MERCHANT]}, "merchant_id="),
        ({"merchant_id": f"{MERCHANT},{MERCHANT}"}, "is not a UUID"),
        ({"merchant_id": MERCHANT[:-1]}, "is not a UUID"),
        ({"rate_share": True}, "rate_share=True is not a number"),
        ({"rate_share": 2}, "rate_share=2.0 is not a number from 0.001 to 1"),
        ({"rate_share": "0,5"}, "rate_share='0,5' is not a number"),
        ({"timeout": "60s"}, "timeout='60s' is not a number"),
        ({"timeout": {}}, "timeout={} is not a number"),
        ({"timeout": "nan"}, "extra timeout=nan is not a number of seconds above 0"),
        ({"timeout": 0}, "extra timeout=0.0 is not a number of seconds above 0"),
        ({"timeout": 10**400}, "is not a number"),
        ({"max_inline_wait": -1}, "max_inline_wait"),
        ({"max_answer_size": 0}, "max_answer_size=0.0 is not a number from 0.001 to 1e+06"),
        ({"share_access": 1}, "share_access=1 is not true or false"),
        ({"share_access": []}, "share_access=[] is not true or false"),
        ({"personal_data_secret": 1234567890123456789}, "personal_data_secret is not a text"),
        ({"personal_data_secret": "***"}, "personal_data_secret is ***"),
        ({"personal_data_secret": "short"}, "personal_data_secret is shorter than 16 characters"),
        ({"assumptions": "orders_page_size=500"}, "extra assumptions='orders_page_size=500' is not a JSON object"),
        ({"assumptions": ["orders_page_size"]}, "is not a JSON object"),
        ({"assumptions": {"page_size": 500}}, "assumptions: 'page_size' is not an assumption"),
        ({"assumptions": {"orders_page_size": "x"}}, "assumptions: orders_page_size='x' is not valid"),
        ("[]", "not a valid JSON object"),
        ('{"environment": "sandbox"', "not a valid JSON object"),
        ('{"personal_data_secret": "the-secret"', "not a valid JSON object"),
    ],
)
def test_a_value_of_a_wrong_type_is_named(extra: Any, named: str) -> None:
    assert named in refusal(extra)


@pytest.mark.parametrize("values", [{"orders_page_size": 500}, '{"orders_page_size": "500"}'])
def test_assumptions_are_an_object_or_a_text_that_holds_one(values: Any) -> None:
    assert read({"assumptions": values}).config.assumptions.orders_page_size == 500
    assert read().config.assumptions.orders_page_size == 1000


@pytest.mark.parametrize("blank", [None, "", " ", "\t\n"])
def test_a_blank_value_is_as_good_as_none(blank: str | None) -> None:
    settings = read(dict.fromkeys(NAMES, blank))
    assert (settings.config.environment, settings.merchant_id) == ("production", None)
    assert settings.share_access
    assert settings.personal_data_secret is None


def test_text_may_have_blanks_and_any_case_and_numbers_may_be_text() -> None:
    extra = {"environment": " SandBox ", "merchant_id": f" {MERCHANT.upper()}\n", "rate_share": "0.5", "timeout": "60"}
    settings = read({**extra, "max_answer_size": "64"})
    config = settings.config
    assert (config.environment, config.address, settings.merchant_id) == ("sandbox", SANDBOX_URL, MERCHANT)
    assert config.max_answer_size == 64
    assert (config.rate_share, config.total_timeout, config.read_timeout, config.connect_timeout) == (0.5, 60, 60, 10)


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"host": "localhost:8088"}, "host='localhost:8088' has no scheme"),
        ({"host": "localhost", "port": 8088}, "host='localhost:8088' has no scheme"),
        ({"host": "gateway.example"}, "host='gateway.example' has no scheme"),
        ({"host": "", "port": 8088}, "port=8088, but host is empty"),
        ({"host": "http://example.org"}, "plain HTTP"),
        ({"host": "https://"}, "must be followed by ://"),
        ({"host": "api.merchants.zalando.com", "port": 8443}, "neither a path nor a port"),
        ({"login": ""}, "login) is empty"),
        ({"password": None}, "password) is empty"),
        ({"login": "***"}, "login) is ***"),
        ({"password": "***"}, "password) is ***"),
        ({"conn_type": "http"}, "type is 'http'"),
    ],
)
def test_a_field_that_cannot_be_right_is_named(fields: dict[str, Any], named: str) -> None:
    assert named in refusal(**fields)


@pytest.mark.parametrize(
    ("host", "schema", "port", "address"),
    [
        (None, None, None, PRODUCTION_URL),
        ("", "https", 443, PRODUCTION_URL),
        ("", None, 0, PRODUCTION_URL),
        (PRODUCTION_URL, None, 443, PRODUCTION_URL),
        ("api.merchants.zalando.com", None, 443, PRODUCTION_URL),
        ("api.merchants.zalando.com", None, 0, PRODUCTION_URL),
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
def test_host_schema_and_port_make_one_address(
    host: str | None, schema: str | None, port: int | None, address: str
) -> None:
    assert read(host=host, schema=schema, port=port).config.address == address


def test_every_secret_is_known_even_if_the_connection_cannot_be_used() -> None:
    found = secrets_of(connection({"enviroment": "x", "personal_data_secret": "short"}))
    assert found == ["the-secret", "short", base64.b64encode(b"app:the-secret").decode()]
    assert "the-secret" not in repr(read({"personal_data_secret": "the-secret-of-personal-data"}))


def test_the_settings_know_their_connection() -> None:
    assert "'shop'" in read().config.source
