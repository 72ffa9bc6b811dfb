from __future__ import annotations

from collections import Counter
from itertools import pairwise
from typing import Any

import httpx
import jsonschema
import pytest

from airflow_provider_zdirect.emulator.server import EmulatorServer

from .movement_answers import (
    AFTER,
    AT_ONCE,
    CROSS_BORDER,
    DATASET,
    DATES,
    ICM,
    body,
    pages,
    shown,
)

UUID_SCHEMA = {"type": "string", "pattern": "^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$"}
DATE_SCHEMA = {"type": "string", "pattern": r"^\d{4}-\d\d-\d\d$"}
TEXT_SCHEMA = {"type": "string", "minLength": 1}
EAN_SCHEMA = {"type": "string", "pattern": "^[0-9]{13}$", "maxLength": 13}


def closed(properties: dict[str, Any], *optional: str) -> dict[str, Any]:
    """An object with these keys only."""
    required = sorted(set(properties) - set(optional))
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}


LOCATION = {
    "location_id": UUID_SCHEMA,
    "name": TEXT_SCHEMA,
    "country_code": {"type": "string", "pattern": "^[A-Z]{2}$"},
}
# zDirect docs: Cross-Border Movements specification 1.1.0, CrossBorderReportResponse.
LOCATION_V2 = closed({**LOCATION, "inbound_active": {"type": "boolean"}, "outbound_active": {"type": "boolean"}})
CROSS_BORDER_SCHEMA = closed(
    {
        "merchant_id": UUID_SCHEMA,
        "items": {
            "type": "array",
            "items": closed(
                {
                    "movement_id": UUID_SCHEMA,
                    "report_date": DATE_SCHEMA,
                    "transaction_date": DATE_SCHEMA,
                    "product_sku": TEXT_SCHEMA,
                    "ean": EAN_SCHEMA,
                    "merchant_sku": TEXT_SCHEMA,
                    "movement_type": {
                        "enum": [
                            "relocation_inbound",
                            "customer_return_inbound",
                            "external_treatment_inbound",
                            "reconciliation_inbound",
                        ]
                    },
                    "source_stock_location": LOCATION_V2,
                    "destination_stock_location": LOCATION_V2,
                    "order_id": TEXT_SCHEMA,
                },
                "merchant_sku",
                "order_id",
            ),
        },
        "next": {"type": "string"},
        "query": closed(
            {"from": DATE_SCHEMA, "to": DATE_SCHEMA, "cursor": {"type": "string"}, "limit": {"type": "integer"}},
            "cursor",
        ),
    },
    "next",
)
# zDirect docs: Intra-Community Movements, examples of both answers.
MOVEMENT = {
    "product_sku": TEXT_SCHEMA,
    "ean": EAN_SCHEMA,
    "merchant_sku": TEXT_SCHEMA,
    "quantity": {"type": "integer"},
    "destination_stock_location": closed(LOCATION),
    "source_stock_location": closed(LOCATION),
    "order_number": TEXT_SCHEMA,
    "movement_type": TEXT_SCHEMA,
}
GROUPS = {
    "type": "array",
    "items": closed(
        {"transaction_date": DATE_SCHEMA, "movements": {"type": "array", "minItems": 1, "items": closed(MOVEMENT)}}
    ),
}
ICM_SCHEMA = closed(
    {
        "merchant_id": UUID_SCHEMA,
        "items": GROUPS,
        "next": {"type": "string"},
        "query": closed({"from": DATE_SCHEMA, "to": DATE_SCHEMA}),
    },
    "next",
)
AT_ONCE_SCHEMA = closed({"merchant_id": UUID_SCHEMA, "reports": GROUPS})


@pytest.mark.parametrize(
    ("path", "schema"), [(ICM, ICM_SCHEMA), (AT_ONCE, AT_ONCE_SCHEMA), (CROSS_BORDER, CROSS_BORDER_SCHEMA)]
)
def test_answers_have_the_documented_shape(
    server: EmulatorServer, api: httpx.Client, path: str, schema: dict[str, Any]
) -> None:
    server.set_options(icm_page_size=50, rate_limits=False)
    for merchant in server.merchant_ids:
        for answer in pages(api, path, merchant, **DATES, **({"limit": 50} if path == CROSS_BORDER else {})):
            jsonschema.validate(answer, schema)
            assert answer["merchant_id"] == merchant
            assert path == AT_ONCE or answer["query"].items() >= DATES.items()


def test_the_deprecated_answer_can_have_the_other_list_key(server: EmulatorServer, api: httpx.Client) -> None:
    merchant = server.merchant_ids[0]
    groups = body(api, AT_ONCE, merchant, **DATES)["reports"]
    server.set_options(icm_list_key="items")
    assert body(api, AT_ONCE, merchant, **DATES) == {"merchant_id": merchant, "items": groups}


def test_the_deprecated_answer_can_be_grouped_by_report_date(server: EmulatorServer, api: httpx.Client) -> None:
    server.set_options(icm_group_key="report_date")
    merchant = server.merchant_ids[0]
    groups = body(api, AT_ONCE, merchant, **DATES)["reports"]
    rows = server.truth(DATASET[AT_ONCE], merchant, DATES["from"], AFTER)
    assert [group["report_date"] for group in groups] == sorted({row["report_date"] for row in rows})
    assert {frozenset(group) for group in groups} == {frozenset({"report_date", "movements"})}
    found = [{"report_date": g["report_date"], **movement} for g in groups for movement in g["movements"]]
    older = {"transaction_date", "merchant_sku"}
    assert found == [{name: value for name, value in row.items() if name not in older} for row in rows]
    paginated = body(api, ICM, merchant, **DATES)
    jsonschema.validate(paginated, ICM_SCHEMA)


def test_corrections_and_duplicates_are_shown(server: EmulatorServer, api: httpx.Client) -> None:
    server.set_options(volume=10, icm_page_size=10_000)
    for path in (ICM, AT_ONCE):
        found = shown(api, server, path, **DATES)
        negative = [row for row in found if row["quantity"] < 0]
        assert {row["movement_type"] for row in negative} == {"customer_order_relocation_correction"}
        assert any(before == after for before, after in pairwise(found))


@pytest.mark.parametrize("path", [ICM, AT_ONCE, CROSS_BORDER])
def test_drifted_and_bad_movements_are_shown_as_they_are_sent(
    server: EmulatorServer, api: httpx.Client, path: str
) -> None:
    server.set_options(drift=0.4, bad_records=0.1)
    sent = server.truth(DATASET[path], server.merchant_ids[0], DATES["from"], AFTER, as_sent=True)
    if path != CROSS_BORDER:
        sent = [{name: value for name, value in row.items() if name != "report_date"} for row in sent]
        assert {type(row["quantity"]) for row in sent} == {int, str}
        assert "many" in {row["quantity"] for row in sent}
    else:
        assert {"movement_id" in row for row in sent} == {True, False}
    assert shown(api, server, path, **DATES) == sent


def test_reports_follow_each_other_and_groups_within_them(server: EmulatorServer, api: httpx.Client) -> None:
    groups = body(api, AT_ONCE, server.merchant_ids[0], **DATES)["reports"]
    dates = [group["transaction_date"] for group in groups]
    # A later report goes back to a date that an earlier one had.
    assert dates != sorted(dates)
    assert max(Counter(dates).values()) > 1
    assert all(before != after for before, after in pairwise(dates))


@pytest.mark.parametrize("path", [ICM, CROSS_BORDER])
def test_the_last_page_of_reports_can_end_in_three_ways(server: EmulatorServer, api: httpx.Client, path: str) -> None:
    ends = {}
    for way in ("absent", "empty", "null"):
        server.set_options(last_page_next=way)
        ends[way] = body(api, path, server.merchant_ids[0], **DATES).get("next", "no key")
    assert ends == {"absent": "no key", "empty": "", "null": None}
