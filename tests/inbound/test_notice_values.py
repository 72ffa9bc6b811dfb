from __future__ import annotations

import uuid
from datetime import date
from typing import Any

import pytest

from airflow_provider_zdirect.exceptions import ZDirectConfigurationError
from airflow_provider_zdirect.inbound.notice_fields import FIELDS, checked_fields, differing_fields
from airflow_provider_zdirect.inbound.notice_plan import checked_notice_id, checked_operations, derived_id

WAREHOUSE = "6d5a3a5c-9e6f-4a7b-8c1d-2e3f4a5b6c7d"


def test_fields_are_sent_in_the_form_that_zdirect_documents() -> None:
    given = {
        "carrier_name": "DHL",
        "pallets_count": "2",
        "colli_count": 3.0,
        "hanging_goods_count": 0,
        "earliest_delivery_date": date(2026, 11, 30),
        "requested_zalando_location_id": WAREHOUSE.upper(),
        "comments": "",
        "contact_name": None,
        "merchant_b2b_reference": 4711,
    }
    expected = {
        "carrier_name": "DHL",
        "pallets_count": 2,
        "colli_count": 3,
        "hanging_goods_count": 0,
        "earliest_delivery_date": "2026-11-30",
        "requested_zalando_location_id": WAREHOUSE,
        "merchant_b2b_reference": "4711",
    }
    assert checked_fields(given) == expected
    assert checked_fields(expected) == expected


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"carrier": "DHL"}, "unknown field carrier"),
        ({"zalando_merchant_id": WAREHOUSE}, "give the merchant as merchant_id"),
        ({"announced_items": {}}, "with the operation announce"),
        ({"pallets_count": -1}, "notice['pallets_count']='-1'"),
        ({"pallets_count": 1.5}, "notice['pallets_count']='1.5'"),
        ({"pallets_count": True}, "notice['pallets_count']='True'"),
        ({"pallets_count": "many"}, "notice['pallets_count']='many'"),
        ({"earliest_delivery_date": "30.11.2026"}, "notice['earliest_delivery_date']='30.11.2026'"),
        ({"earliest_delivery_date": "2026-02-30"}, "is not a date"),
        ({"earliest_delivery_date": "2026-11-30T00:00:00+01:00"}, "is not a date"),
        ({"requested_zalando_location_id": "Erfurt"}, "is not a UUID"),
        ({"carrier_name": 7.0}, "notice['carrier_name'] is not a text, but float"),
        ({"carrier_name": True}, "notice['carrier_name'] is not a text, but bool"),
        (["carrier_name"], "is not a mapping"),
        ('{"contact_name": "Erika Mustermann"', "is not a mapping, but str of 35 characters"),
    ],
)
def test_what_cannot_be_a_field_is_refused_with_what_to_do(fields: Any, named: str) -> None:
    with pytest.raises(ZDirectConfigurationError) as caught:
        checked_fields(fields)
    assert named in str(caught.value)
    assert "Erika" not in str(caught.value)
    assert "unknown" not in named or all(name in str(caught.value) for name in FIELDS)


@pytest.mark.parametrize(
    ("field", "wanted", "there", "is_same"),
    [
        ("pallets_count", 2, "2", True),
        ("pallets_count", 2, 2.0, True),
        ("pallets_count", 2, 3, False),
        ("pallets_count", 2, "two", False),
        ("earliest_delivery_date", "2026-03-20", "2026-03-20", True),
        ("earliest_delivery_date", "2026-03-20", "2026-03-20T00:00:00+01:00", True),
        ("earliest_delivery_date", "2026-03-20", "2026-03-19T23:00:00Z", True),
        ("earliest_delivery_date", "2026-07-20", "2026-07-19T22:00:00Z", True),
        ("earliest_delivery_date", "2026-03-20", "2026-03-21T00:00:00+01:00", False),
        ("requested_zalando_location_id", WAREHOUSE, WAREHOUSE.upper(), True),
        ("requested_zalando_location_id", WAREHOUSE, WAREHOUSE[:-1] + "0", False),
        ("comments", "Ramp 4", " Ramp 4\n", True),
        ("comments", "Ramp 4", "ramp 4", False),
        ("comments", "Ramp 4", None, True),
    ],
)
def test_the_same_value_in_another_form_is_no_difference(field: str, wanted: Any, there: Any, is_same: bool) -> None:
    assert differing_fields({field: wanted}, {field: there, "carrier_name": "DHL"}) == ([] if is_same else [field])
    assert differing_fields({field: wanted}, {}) == []


def test_the_id_of_a_task_instance_is_a_version_4_uuid_of_that_and_the_merchant() -> None:
    made = derived_id("a-merchant", "a-key")
    assert uuid.UUID(made).version == 4
    assert made == checked_notice_id(made.upper())
    assert derived_id("a-merchant", "a-key") == made
    assert len({made, derived_id("another", "a-key"), derived_id("a-merchant", "another")}) == 3


@pytest.mark.parametrize(
    "operations",
    [["create", "announce"], "create, announce", "['create', 'announce']", ("create", "announce")],
)
def test_operations_are_a_list_or_a_text(operations: Any) -> None:
    assert checked_operations(operations) == ("create", "announce")


@pytest.mark.parametrize(
    ("operations", "named"),
    [
        ([], "empty"),
        ("", "empty"),
        ("deliver", "'deliver' is unknown"),
        (["announce", "create"], "not the order of a notice's life"),
        (["create", "create"], "not the order of a notice's life"),
        ([None], "unknown"),
    ],
)
def test_other_operations_are_refused(operations: Any, named: str) -> None:
    with pytest.raises(ZDirectConfigurationError, match=named):
        checked_operations(operations)


@pytest.mark.parametrize("text", ["", "4711", "../auth/me", "6d5a3a5c-9e6f-4a7b-8c1d-2e3f4a5b6c7d/x"])
def test_what_is_no_id_never_becomes_part_of_a_path(text: str) -> None:
    with pytest.raises(ZDirectConfigurationError, match="not a UUID"):
        checked_notice_id(text)
