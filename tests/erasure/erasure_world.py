"""Orders of a customer whose every text is like no other, in every place that orders leave personal data."""

from __future__ import annotations

import asyncio
import gzip
import json
import re
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from extraction import Extraction

from airflow_provider_zdirect.datasets.personal_data import PersonalData
from airflow_provider_zdirect.datasets.table import get_dataset
from airflow_provider_zdirect.emulator.server import EmulatorServer
from airflow_provider_zdirect.erasure.erase import ErasureResult, erase_customers
from airflow_provider_zdirect.exceptions import ServerError
from airflow_provider_zdirect.publish.place import Place
from airflow_provider_zdirect.storage.layout import documents_folder
from airflow_provider_zdirect.storage.object_store import ObjectStore
from airflow_provider_zdirect.windows import Window

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
START = datetime(2026, 11, 18, tzinfo=UTC)
HOUR = timedelta(hours=1)
FIRST, SECOND, THIRD = (Window(START + n * HOUR, START + (n + 1) * HOUR) for n in range(3))
KEY = "a key of sixteen or more"
CUSTOMER = "98765432101"
PERSON = {
    "customer_number": CUSTOMER,
    "customer_email": "zebulonia.q@unheard-of.example",
    "customer_phone": {"number": "+49 155 0000417"},
    "shipping_address": {
        "address_id": "7777123456",
        "first_name": "Zebulonia",
        "last_name": "Quastenflosser",
        "address_type": "PICKUP_POINT",
        "address_line_1": "Nirgendwogasse 417a",
        "address_line_2": "bei Xanthippeldorf",
        "zip_code": "99417X",
        "city": "Unerhörtshausen",
        "country_code": "AT",
        "service_point_details": {"service_point_name": "Punkt Oberunerhört", "service_point_id": "PKT417417"},
    },
    "billing_address": {
        "first_name": "Zebulonius",
        "last_name": "Quastenflosser",
        "address_type": "HOME_ADDRESS",
        "address_line_1": "Anderswostiege 418b",
        "city": "Niegehörtbach",
        "country_code": "AT",
    },
}
NAMELESS = {
    "customer_number": "",
    "customer_email": PERSON["customer_email"],
    "customer_phone": None,
    "shipping_address": {"country_code": "AT"},
    "billing_address": {"country_code": "AT"},
}
"""Of an order that does not say whose it is, but for the e-mail address."""
EVERYWHERE = ("orders", "orders_current", "order_items", "order_items_current", "order_lines", "order_lines_current")


def texts(value: Any = PERSON) -> Iterator[str]:
    """Every text of the person, but for what is said of others too."""
    if isinstance(value, dict):
        for name, inner in value.items():
            if name not in ("country_code", "address_type"):
                yield from texts(inner)
    else:
        yield value


def all_texts(mode: str) -> set[str]:
    plain = set(texts())
    hashes = {PersonalData("hash", KEY).digest(text) for text in plain}
    return plain | hashes if mode == "hash" else plain


def traces(root: Path, sought: set[str]) -> Counter[str]:
    """Files under the base path with one of these texts in their unpacked bytes; independent of the code under test."""
    found: Counter[str] = Counter()
    for path in sorted(root.rglob("*")):
        if path.is_file():
            data = unpacked(path) + str(path)
            found.update(str(path.relative_to(root)) for text in sought if text in data)
    return found


def unpacked(path: Path) -> str:
    data = path.read_bytes()
    if path.suffix == ".parquet":
        return json.dumps(pq.ParquetFile(path).read().to_pylist(), default=str, ensure_ascii=False)
    if path.suffix == ".gz":
        text = gzip.decompress(data).decode()
        return text + json.dumps([json.loads(line) for line in text.splitlines()], ensure_ascii=False)
    # The emulator's PDFs are plain text in Latin-1.
    return data.decode("latin-1" if path.suffix == ".pdf" else "utf-8")


class ErasureWorld(Extraction):
    """One merchant's base path, with orders of the person and of others."""

    def __init__(self, emulator: EmulatorServer, root: Path, mode: str = "keep", format: str = "parquet") -> None:
        super().__init__(emulator, root)
        self.options: dict[str, Any] = {
            "personal_data": PersonalData(mode, KEY if mode == "hash" else None),
            "format": format,
        }
        self.mode = mode
        self.orders: list[str] = []

    @property
    def erasures(self) -> str:
        return f"_erasures/orders/merchant_id={self.merchant_id}"

    @property
    def own_place(self) -> Place:
        return self.place(self.merchant_id, "parquet")

    @property
    def store(self) -> ObjectStore:
        return self.own_place.store

    def add(self, start: datetime, count: int = 1, **attributes: Any) -> list[str]:
        ids = self.emulator.add_orders(self.merchant_id, count, start=start, items=1, lines=1, **attributes)
        if attributes.get("customer_number") in (CUSTOMER, ""):
            self.orders += ids
        return ids

    def fetch(self, window: Window, **options: Any) -> None:
        self.run("orders", window, **{**self.options, "max_rejected": 9, "resume_key": str(window), **options})

    def fill(self, *, few: bool = False) -> None:
        """Past windows with versions, a late order, a rejected and a staged one, labels and returns.

        :param few: only one window, with one order of the person, and no returns.
        """
        mine = self.add(FIRST.start, 1 if few else 2, **PERSON)
        self.add(FIRST.start + timedelta(minutes=5), 5)
        self.add(FIRST.start + timedelta(minutes=6), 1, **NAMELESS)
        if few:
            self.add(FIRST.start + timedelta(minutes=30), 1, **PERSON, order_date="yesterday")
            self.add(FIRST.start + timedelta(minutes=31), 1, **NAMELESS, order_date="yesterday")
        self.fetch(FIRST)
        self._put_labels(mine)
        self.break_off(Window(START - 3 * HOUR, START - 2 * HOUR))
        if few:
            return
        self.emulator.change_order(mine[0], at=SECOND.start + timedelta(minutes=50), tracking_number="T1")
        self.add(SECOND.start + timedelta(minutes=20), 5)
        self.add(SECOND.start + timedelta(minutes=30), 1, **PERSON, order_date="yesterday")
        self.fetch(SECOND)
        self.fetch(THIRD)
        late = self.add(THIRD.start + timedelta(minutes=30), 1, **PERSON)
        self.add(THIRD.start + timedelta(minutes=31), 1)
        self.fetch(Window(THIRD.end, THIRD.end + HOUR))
        self.emulator.announce_return(mine[0], at=FIRST.start + timedelta(minutes=40))
        self.run("announced_returns", FIRST, format=self.options["format"])
        self._put_labels(late)

    def _put_labels(self, order_ids: list[str]) -> None:
        for order_id in order_ids:
            folder = documents_folder(self.merchant_id, order_id)
            self.store.write(f"{folder}/1-OUTBOUND_LABEL.pdf", "Zebulonia Quastenflosser".encode("latin-1"))
            self.store.write_json(f"{folder}/documents.json", [])

    def break_off(self, window: Window, person: dict[str, Any] = PERSON) -> None:
        """A window of which only a first page was fetched, with the person on it."""
        self.add(window.start + timedelta(minutes=1), 1, **person)
        self.add(window.start + timedelta(minutes=2), 60)
        self.emulator.set_options(orders_page_limit=50)
        self.emulator.faults.set([{"match": {"path": "/orders$", "nth": 2}, "action": {"status": 503}, "times": 1}])
        with pytest.raises(ServerError):
            self.fetch(window)
        self.emulator.faults.set([])
        self.emulator.set_options(orders_page_limit=1000)
        assert self.paths(f"_staging/orders/merchant_id={self.merchant_id}")

    def request_deletion(self) -> None:
        self.emulator.request_deletion(self.merchant_id, CUSTOMER)

    def erase(self, with_key: bool = True) -> ErasureResult:
        async def go() -> ErasureResult:
            async with self.client() as client:
                key = KEY if self.mode == "hash" and with_key else None
                return await erase_customers(self.own_place, client, self.clock(), key=key)

        return asyncio.run(go())

    def files(self) -> dict[Path, int]:
        """All files, each with when it was written, but for the one that says when the last erasure was."""
        files = (path for path in self.root.rglob("*") if path.is_file() and path.name != "last.json")
        return {path: path.stat().st_mtime_ns for path in files}

    def traces(self) -> Counter[str]:
        return traces(self.root, all_texts(self.mode))

    def counts(self) -> dict[str, int]:
        return {name: len(self.published(name)) for name in EVERYWHERE}

    def rows_of_others(self) -> dict[str, Counter[str]]:
        """Every row that is not of the person's orders, as it is."""
        return {
            name: Counter(
                json.dumps(row, default=str, sort_keys=True)
                for row in self.published(name)
                if row["order_id"] not in self.orders
            )
            for name in EVERYWHERE
        }

    def is_erased(self) -> None:
        """Their rows are there, with order number, amounts and the country, and nothing else of a person."""
        theirs = [row for row in self.published("orders") if row["order_id"] in self.orders]
        assert theirs
        for row in theirs:
            assert row["order_number"]
            assert row["order_lines_price_amount"] is not None
            for name in get_dataset("orders").personal_data:
                value = row[name]
                if "address" in name:
                    assert {key: inner for key, inner in value.items() if inner} == {"country_code": "AT"}
                else:
                    assert value is None
            assert row["_unknown_fields"] is None

    def certificates(self) -> list[dict[str, Any]]:
        found = self.paths(f"{self.erasures}/certificates")
        assert all(re.fullmatch(r"[0-9TZ.]+-[0-9a-f]{16}\.json", path.name) for path in found)
        return [json.loads(path.read_text()) for path in found]
