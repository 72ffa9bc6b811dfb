"""What becomes of personal data before anything is stored."""

from __future__ import annotations

import gzip
import hashlib
import hmac
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pyarrow.parquet as pq
import pytest
from extraction import Extraction

from airflow_provider_zdirect.datasets.personal_data import PersonalData
from airflow_provider_zdirect.datasets.table import get_dataset
from airflow_provider_zdirect.emulator.server import EmulatorServer
from airflow_provider_zdirect.exceptions import ZDirectConfigurationError
from airflow_provider_zdirect.windows import Window

DAY = Window(datetime(2026, 11, 19, tzinfo=UTC), datetime(2026, 11, 20, tzinfo=UTC))
KEY = "a key of the merchant's own"
ORDERS = get_dataset("orders")
RECORD: dict[str, Any] = {
    "order_id": "1",
    "customer_number": "37470929652",
    "customer_email": " Femke@Example.com",
    "customer_phone": {"number": "+34555437996"},
    "shipping_address": {
        "first_name": "Femke",
        "country_code": "ES",
        "zip_code": 28001,
        "service_point_details": {"service_point_id": "181542"},
    },
    "billing_address": None,
    "nickname": "Femmie",
    "order_lines_price_amount": 143.20,
}


@pytest.fixture(scope="module")
def emulator() -> Iterator[EmulatorServer]:
    with EmulatorServer(now="2026-11-20T12:00:00Z", order_days=0) as server:
        server.add_orders(server.merchant_ids[0], 12, start=DAY.start, customer_number="37470929652")
        yield server


def treat(mode: str, record: Any = RECORD) -> Any:
    treated = PersonalData(mode, KEY).treat(ORDERS, msgspec.Raw(msgspec.json.encode(record)))
    return msgspec.json.decode(treated)


def digest(text: str) -> str:
    return hmac.new(KEY.encode(), text.encode(), hashlib.sha256).hexdigest()[:32]


def test_kept_is_as_it_came() -> None:
    raw = msgspec.Raw(b'{ "customer_email" : "x" , "amount": 1.00}')
    assert bytes(PersonalData().treat(ORDERS, raw)) == bytes(raw)


def test_dropped_leaves_the_country() -> None:
    assert treat("drop") == {
        "order_id": "1",
        "customer_number": None,
        "customer_email": None,
        "customer_phone": None,
        "shipping_address": {"country_code": "ES"},
        "billing_address": None,
        "order_lines_price_amount": 143.2,
    }


def test_hashed_is_the_keyed_hash_of_each_text() -> None:
    treated = treat("hash")
    assert treated["customer_number"] == digest("37470929652")
    assert treated["customer_email"] == digest("femke@example.com")
    assert treated["shipping_address"] == {
        "first_name": digest("femke"),
        "country_code": "ES",
        "zip_code": digest("28001"),
        "service_point_details": {"service_point_id": digest("181542")},
    }
    assert treated["billing_address"] is None
    assert "nickname" not in treated
    assert treat("hash", RECORD)["customer_number"] != PersonalData("hash", "another key of sixteen").digest(
        "37470929652"
    )


@pytest.mark.parametrize("record", ["Femke", ["Femke"], None, 1])
def test_what_is_no_object_is_not_stored(record: Any) -> None:
    assert "Femke" not in str(treat("drop", record))


@pytest.mark.parametrize(("mode", "key"), [("HASH", KEY), ("", KEY), ("hash", None), ("hash", "short")])
def test_a_mode_that_cannot_be_is_refused(mode: str, key: str | None) -> None:
    with pytest.raises(ZDirectConfigurationError, match="personal_data"):
        PersonalData(mode, key)
    assert KEY not in repr(PersonalData("hash", KEY))


def stored_texts(root: Path) -> str:
    """All that any file says, decoded."""
    said = []
    for path in root.rglob("*"):
        if path.suffix == ".parquet":
            said.append(str(pq.read_table(path, partitioning=None).to_pylist()))
        elif path.is_file():
            content = path.read_bytes()
            said.append((gzip.decompress(content) if path.suffix == ".gz" else content).decode())
    return "\n".join(said)


@pytest.mark.parametrize("mode", ["drop", "hash"])
@pytest.mark.parametrize("format", ["parquet", "jsonl"])
def test_nothing_personal_reaches_the_storage(emulator: EmulatorServer, tmp_path: Path, mode: str, format: str) -> None:
    here = Extraction(emulator, tmp_path)
    result = here.run("orders", DAY, personal_data=PersonalData(mode, KEY), format=format)
    said = stored_texts(tmp_path)
    orders = emulator.orders(here.merchant_id)
    assert len(orders) == len(here.published("orders")) == 12
    for order in orders:
        assert order["order_id"] in said
        personal = [order["customer_number"], order["customer_email"], order["customer_phone"]["number"]]
        for address in (order["shipping_address"], order["billing_address"]):
            personal += [address["last_name"], address["address_line_1"], address["zip_code"]]
        assert not [text for text in personal if f"'{text}'" in said or f'"{text}"' in said]
    assert here.manifest(result)["personal_data"] == (f"hash:{digest('key')[:8]}" if mode == "hash" else "drop")
    countries = {(row["shipping_address"] or {})["country_code"] for row in here.published("orders")}
    assert countries == {order["shipping_address"]["country_code"] for order in orders}
    customers = {row["customer_number"] for row in here.published("orders_current")}
    assert customers == ({digest("37470929652")} if mode == "hash" else {None})


def test_rejected_records_are_treated_too(emulator: EmulatorServer, tmp_path: Path) -> None:
    here = Extraction(emulator, tmp_path)
    emulator.change_order(emulator.orders(here.merchant_id)[0]["order_id"], at=DAY.start, order_date="no time")
    result = here.run("orders", DAY, personal_data=PersonalData("drop"), max_rejected=99)
    lines = gzip.decompress(Path(result.as_dict()["rejected_uri"].removeprefix("file://")).read_bytes()).splitlines()
    assert len(lines) == result.manifest.rejected >= 3
    # What belongs to the order has no date of its order either.
    record = json.loads(lines[0])["record"]
    assert record["order_id"]
    assert record["customer_email"] is None
