"""Texts of zDirect and of merchants' files, where they get into requests, messages, pages, tables and queries."""

from __future__ import annotations

import asyncio
import csv
import io
import pickle
import re
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import fsspec
import payloads
import pyarrow as pa
import pytest
from client.scripted_server import ScriptedServer, reply
from clocks import FakeClock
from exhaustive import exhaustive
from own_emulator import config_of, own_emulator

from airflow_provider_zdirect.client import ClientConfig, MemoryRateLimiter, ZDirectClient
from airflow_provider_zdirect.datasets.endpoint import Rate
from airflow_provider_zdirect.emulator.server import EmulatorServer
from airflow_provider_zdirect.exceptions import ZDirectConfigurationError, ZDirectError
from airflow_provider_zdirect.inbound.notices import ShippingNotices
from airflow_provider_zdirect.intrastat.country_report import ask, country_report
from airflow_provider_zdirect.intrastat.csv_text import lines_as_csv, table_as_csv
from airflow_provider_zdirect.intrastat.master_data import SCHEMA
from airflow_provider_zdirect.intrastat.selection import Month
from airflow_provider_zdirect.merchant_files.cells import UUID
from airflow_provider_zdirect.operators.notifiers import Notifiers
from airflow_provider_zdirect.operators.order_notifiers import notify_all
from airflow_provider_zdirect.orders.order_calls import OrderCalls
from airflow_provider_zdirect.orders.update_rows import read_updates
from airflow_provider_zdirect.publish.place import Place
from airflow_provider_zdirect.shipping_documents.documents import DocumentCalls, ShippingDocument

MERCHANT = "01924c48-49bb-40c2-9c32-ab582e6db6f4"
ORDER = "5b1f6a52-9d3c-4d6e-8f3a-0c9a5b7e1d24"
RATE = Rate(1_000)
ONE_LINE = [*payloads.LINES, "a\x00b", "\t=1", "\n=1"]

Work = Callable[[ZDirectClient], Awaitable[Any]]


@pytest.fixture(scope="module")
def emulator() -> Iterator[EmulatorServer]:
    with own_emulator(seed=7, rate_limits=False) as server:
        yield server


def refused(config: ClientConfig, work: Work) -> ZDirectError:
    async def run() -> None:
        clock = FakeClock()
        async with ZDirectClient(config, clock=clock, limiter=MemoryRateLimiter(clock)) as client:
            await work(client)

    with pytest.raises(ZDirectError) as caught:
        asyncio.run(run())
    return caught.value


# Messages and log lines

DOCUMENTS = "/zss/shipping-documents"
SOURCES: dict[str, tuple[str, Callable[[str], dict[str, Any]], Work]] = {
    "title of an error": (
        "/auth/me",
        lambda text: {"status": 403, "body": {"title": text, "detail": text}},
        lambda client: client.me(),
    ),
    "page of a gateway": ("/auth/me", lambda text: {"status": 404, "body": text}, lambda client: client.me()),
    "order of a document": (
        DOCUMENTS,
        lambda text: {"status": 200, "body": {"documents": [{"id": "1", "order_id": text}]}},
        lambda client: DocumentCalls(client).list(ORDER),
    ),
    "id of a document": (
        DOCUMENTS,
        lambda text: {"status": 200, "body": {"documents": [{"id": text, "type": text, "order_id": ORDER}]}},
        lambda client: _download(client),
    ),
    "id of an order": (
        "/orders/",
        lambda text: {"status": 200, "body": {"data": {"id": text, "type": "Order", "attributes": {}}}},
        lambda client: OrderCalls(client, MERCHANT).get(ORDER),
    ),
    "a shipping notice": (
        "/zfs/shipping-notices/",
        lambda text: {"status": 200, "body": {"shipping_notice_id": 1, text: text, "state": {text: text}}},
        lambda client: ShippingNotices(client).get(ORDER),
    ),
    "token": (
        "/auth/token",
        lambda text: {"status": 200, "body": {"access_token": f"{text}\n", "expires_in": 7200}},
        lambda client: client.me(),
    ),
}


async def _download(client: ZDirectClient) -> None:
    calls = DocumentCalls(client)
    for document in await calls.list(ORDER):
        await calls.download(document)


@pytest.mark.parametrize("text", exhaustive(ONE_LINE, 2), ids=ascii)
@pytest.mark.parametrize("source", SOURCES)
def test_an_error_is_one_line_whatever_it_quotes(emulator: EmulatorServer, source: str, text: str) -> None:
    path, action, work = SOURCES[source]
    emulator.faults.set([{"match": {"path": path}, "action": action(text), "times": None}])
    error = refused(config_of(emulator), work)
    again = pickle.loads(pickle.dumps(error))
    for each in (error, again, error.with_message(f"{error.message} {text}")):
        assert str(each).isprintable()
        assert each.message.isprintable()


@pytest.mark.parametrize("text", ONE_LINE, ids=ascii)
def test_a_merchant_that_the_identity_names_must_be_one(emulator: EmulatorServer, text: str) -> None:
    """The hook gives merchants to operators, which make paths and messages of them."""
    from airflow_provider_zdirect.client.client import Identity
    from airflow_provider_zdirect.hooks.zdirect import ZDirectHook

    hook = ZDirectHook("shop")
    for merchants in ((text,), ("../../x",), (MERCHANT, text)):
        with pytest.raises(ZDirectConfigurationError, match="is not a UUID") as caught:
            hook._granted(Identity("app", "user", merchants, ()))
        assert str(caught.value).isprintable()
    assert hook._granted(Identity("app", "user", (f" {MERCHANT.upper()} ",), ())) == [MERCHANT]


@pytest.mark.parametrize("text", payloads.ALL, ids=lambda text: ascii(text)[:40])
def test_a_cell_of_a_merchants_file_is_refused_in_one_line_or_kept_as_it_is(text: str) -> None:
    for column in (
        "order_id",
        "order_number",
        "merchant_order_id",
        "tracking_number",
        "status",
        "merchant_id",
        "lines",
    ):
        row = {"order_number": "1234567", "tracking_number": "003403418039972556", column: text}
        found = read_updates([("row 2", row)], merchant_id=MERCHANT)
        assert all(str(part.reason).isprintable() for part in found.wrong)
        for update in found.updates:
            given = [value for value in vars(update).values() if isinstance(value, str)]
            assert all(value.isprintable() for value in given)


@pytest.mark.parametrize("text", [*ONE_LINE, *payloads.MARKUP, *payloads.CODE], ids=ascii)
def test_a_notification_shows_the_texts_of_orders_as_texts(text: str) -> None:
    row = {
        "order_id": ORDER,
        "order_number": text,
        "merchant_order_id": text,
        "age_hours": 5,
        "missing": ("export",),
        "portal_url": "https://portal.example.com/",
    }
    place = Place(fsspec.filesystem("memory"), "/base", "memory://base", MERCHANT, environment="production")
    told: dict[str, Any] = {}
    notify_all(Notifiers(lambda context: told.update(context)), [row], "file:///base", place, {})
    assert told["missing_orders_text"].isprintable()
    for part in ("<script", "<img", "<svg", "' onmouseover"):
        assert part not in told["missing_orders_html"]
    assert told["missing_orders"][0]["order_number"] == text


# Requests


@pytest.mark.parametrize("text", payloads.ALL, ids=lambda text: ascii(text)[:40])
def test_a_text_in_a_request_stays_where_it_belongs(text: str) -> None:
    """In the query it is quoted; a header that it would break is not sent; in a path it is refused."""

    async def run() -> None:
        clock = FakeClock()
        async with ScriptedServer([reply(200, {})]) as server:
            config = ClientConfig("app", "secret-of-the-app", base_url=server.url)
            async with ZDirectClient(config, clock=clock, limiter=MemoryRateLimiter(clock)) as client:
                await client.get("/orders", {"order_number": text, "page[size]": "1"}, rate=RATE)
                (sent,) = server.requests
                assert (sent.path, sent.query) == ("/orders", {"order_number": text, "page[size]": "1"})
                with suppress(ZDirectError):
                    await client.request("POST", "/orders", rate=RATE, json={}, if_match=text)
                with suppress(ZDirectConfigurationError):
                    await client.get(f"/orders/{text}", rate=RATE)
                assert all(re.fullmatch(r"/orders(/[\w~-]+)*", request.path) for request in server.requests)
                usual = {"authorization", "accept", "user-agent", "x-flow-id", "host", "connection", "content-length"}
                others = {"content-type", "if-match", "accept-encoding"}
                assert {name for request in server.requests for name in request.headers} <= usual | others

    asyncio.run(run())


# Files, pages and tables


@pytest.mark.parametrize("text", payloads.ALL, ids=lambda text: ascii(text)[:40])
def test_the_name_of_a_document_is_a_name(text: str) -> None:
    name = ShippingDocument(text, ORDER, text).file_name
    assert set(name) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-.")
    assert name.count(".") == 1
    assert len(name) < 255


@pytest.mark.parametrize("text", [*payloads.FORMULAS, *payloads.CODE, *payloads.MARKUP], ids=ascii)
def test_a_country_report_has_texts_as_they_are_and_its_csv_no_formula(text: str) -> None:
    flow = {
        "source": "DE",
        "destination": "PL",
        "ean": text,
        "merchant_sku": text,
        "product_sku": text,
        "transaction_month": "2026-11",
        "movement_type": text,
        "net_quantity": 1,
        "movements": 1,
    }
    report = country_report(pa.Table.from_pylist([flow]), "PL", Month(2026, 11), MERCHANT, SCHEMA.empty_table())
    (line,) = report.lines.to_pylist()
    assert (line["merchant_sku"], line["ean"]) == (text, text)
    assert report.goods is not None
    for table in (lines_as_csv(report.lines), table_as_csv(report.goods)):
        (row,) = csv.DictReader(io.StringIO(table.decode(), newline=""))
        is_formula = text in payloads.FORMULAS
        assert row["merchant_sku"] == (f"'{text}" if is_formula else text)
        assert not any(str(cell).startswith(tuple("=+@\t\r\n\uff1d\uff0b\uff0d\uff20")) for cell in row.values())


@pytest.mark.parametrize("text", payloads.CODE, ids=ascii)
def test_a_text_in_a_table_or_a_parameter_is_not_run_as_sql(text: str) -> None:
    rows = pa.table({"a": [text, "other"]})
    found = ask("SELECT a FROM rows WHERE a = $wanted", {"wanted": text}, rows=rows)
    assert found.to_pylist() == [{"a": text}]
    assert not Path("/tmp/zdirect-injected").exists()


def test_what_stands_in_a_path_is_a_uuid() -> None:
    assert not [text for text in payloads.ALL if UUID.fullmatch(text)]
