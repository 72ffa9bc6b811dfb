from __future__ import annotations

import json
import re
from pathlib import Path
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_zdirect.client.merchants import MerchantNames, can_be_name, id_or_name
from airflow_provider_zdirect.exceptions import ZDirectConfigurationError

ONE, OTHER = "01924c48-49bb-40c2-9c32-ab582e6db6f4", "0a7bd8c1-0000-4fc0-8cd9-86e454e6dfa3"
NAMES = st.from_regex(r"[A-Za-z][A-Za-z0-9._-]{0,20}[A-Za-z0-9]", fullmatch=True).filter(can_be_name)
TABLES = st.dictionaries(NAMES, st.uuids().map(str)).filter(
    lambda table: len({name.lower() for name in table}) == len(table) == len(set(table.values()))
)


@given(TABLES)
def test_a_merchant_is_found_by_id_and_by_its_name_in_any_case(table):
    names = MerchantNames.of_table({f" {name} ": merchant_id.upper() for name, merchant_id in table.items()})
    for name, merchant_id in table.items():
        for text in (name, f" {name.upper()}", name.lower(), merchant_id, merchant_id.upper()):
            assert names.id_of(text) == merchant_id
        assert names.name_of(merchant_id) == name
        assert names.in_words(merchant_id) == f"{name} ({merchant_id})"


@given(st.text(max_size=80))
def test_what_is_taken_for_a_name_is_one_entry_of_a_list_and_one_part_of_a_path(text):
    try:
        taken = id_or_name(text)
    except ValueError:
        return
    assert taken.isascii()
    assert not set(taken) & set(" ,;/\\\"'<>{}%?#@:\n\t")
    assert taken not in (".", "..", "None", "none")


def test_a_merchant_without_a_name_is_shown_by_its_id_alone():
    names = MerchantNames.of_table({"shop-de": ONE})
    assert names.name_of(OTHER) is None
    assert names.in_words(OTHER) == OTHER
    assert names.beside_ids({"merchant_id": OTHER, "records": 3}) == {"merchant_id": OTHER, "records": 3}
    assert names.beside_ids({"merchant_id": ONE}) == {"merchant_id": ONE, "merchant": "shop-de"}
    assert names.beside_ids({"records": 3}) == {"records": 3}


def test_an_unknown_name_is_refused_with_the_names_that_there_are():
    names = MerchantNames.of_table({"shop-de": ONE, "shop-pl": OTHER}, "my_zdirect")
    with pytest.raises(ZDirectConfigurationError, match=r"'shop-fr'.*connection 'my_zdirect'.*shop-de, shop-pl"):
        names.id_of("shop-fr")
    with pytest.raises(ZDirectConfigurationError, match="It names no merchants"):
        MerchantNames().id_of("shop-de")


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ({"": ONE}, "the name '' cannot be used"),
        ({"shop,de": ONE}, "cannot be used"),
        ({"shop/de": ONE}, "cannot be used"),
        ({"shop de": ONE}, "cannot be used"),
        ({"..": ONE}, "cannot be used"),
        ({"shop.": ONE}, "cannot be used"),
        ({"None": ONE}, "cannot be used"),
        ({"4711": ONE}, "cannot be used"),
        ({"x" * 65: ONE}, "cannot be used"),
        ({"a\x00b": ONE}, "cannot be used"),
        ({ONE: ONE}, "cannot be used"),
        ({OTHER.replace("0a", "aa")[:-1]: ONE}, "cannot be used"),
        ({"shop-de": "4711"}, "'shop-de' is '4711', which is not a UUID"),
        ({"shop-de": None}, "'shop-de' is None, which is not a UUID"),
        ({"shop-de": ONE, "SHOP-DE": OTHER}, "'SHOP-DE' is there twice"),
        ({"shop-de": ONE, "shop": ONE.upper()}, f"{ONE} has two names"),
    ],
)
def test_a_table_that_could_be_misread_is_refused(table, said):
    with pytest.raises(ZDirectConfigurationError) as refused:
        MerchantNames.of_table(table)
    assert said in str(refused.value)
    assert "extra merchants" in str(refused.value)


def test_the_table_in_the_documents_is_one():
    document = Path(__file__).parents[2] / "docs" / "merchant-names.md"
    (text,) = re.findall(r"```json\n(.*?)```", document.read_text(), re.DOTALL)
    assert list(MerchantNames.of_table(json.loads(text)["merchants"]).ids) == ["shop-de", "shop-pl"]


def test_any_uuid_is_an_id():
    assert id_or_name(f" {str(uuid4()).upper()} ") != ""
