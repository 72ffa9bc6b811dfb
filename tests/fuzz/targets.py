"""What comes from outside, as bytes: each target gives it to what reads it.

A target takes any bytes. It fails if an error is not one of the package's, shows a secret, is not one line, or is
longer than a few kB. ``test_fuzz.py`` runs the targets on seeds and changed seeds, ``run.py`` lets a fuzzer look for
new paths through the code.
"""

from __future__ import annotations

import asyncio
import json
import math
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import date, timedelta
from functools import cache
from itertools import chain
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import fsspec
import pyarrow as pa
from clocks import NOON, FakeClock

from airflow_provider_zdirect.client import ClientConfig, MemoryRateLimiter, RetryPolicy, ZDirectClient
from airflow_provider_zdirect.client.answer_errors import error_of
from airflow_provider_zdirect.client.pace import Pace
from airflow_provider_zdirect.client.rates import decoded
from airflow_provider_zdirect.client.retry import LONGEST_RETRY_AFTER, parse_retry_after
from airflow_provider_zdirect.client.sending import Call
from airflow_provider_zdirect.client.shared_paces import SharedPaces
from airflow_provider_zdirect.client.token_stores import TokenCipher
from airflow_provider_zdirect.client.transport import Answer, Timeouts, Transport
from airflow_provider_zdirect.coverage.facts import read_facts
from airflow_provider_zdirect.datasets.arrow import Lineage
from airflow_provider_zdirect.datasets.assumptions import Assumptions
from airflow_provider_zdirect.datasets.dataset import Dataset
from airflow_provider_zdirect.datasets.endpoint import Rate
from airflow_provider_zdirect.datasets.paging import TimeWalk
from airflow_provider_zdirect.datasets.table import DATASETS, get_dataset
from airflow_provider_zdirect.erasure.erase import last_erasure
from airflow_provider_zdirect.erasure.ledger import ErasureLedger
from airflow_provider_zdirect.exceptions import ZDirectError
from airflow_provider_zdirect.intrastat.days import landed_days
from airflow_provider_zdirect.intrastat.master_data import ALIASES, read_master_data
from airflow_provider_zdirect.intrastat.publish import MonthWriter
from airflow_provider_zdirect.intrastat.selection import Month
from airflow_provider_zdirect.merchant_files.tables import TableFile
from airflow_provider_zdirect.orders import order_updates
from airflow_provider_zdirect.orders.missing_tracking import Overdue, OverdueOrder, TrackingCheck, _is_due, known_until
from airflow_provider_zdirect.orders.update_job import OrderUpdateJob
from airflow_provider_zdirect.orders.update_journal import UpdateJournal, rows_of_run, run_folder
from airflow_provider_zdirect.orders.update_rows import COLUMNS, REQUIRED, UpdateRows, read_updates
from airflow_provider_zdirect.pipeline.cover import with_earlier
from airflow_provider_zdirect.pipeline.job import ExtractJob
from airflow_provider_zdirect.pipeline.liquidation_passes import fetched_window
from airflow_provider_zdirect.pipeline.plan import Reach
from airflow_provider_zdirect.pipeline.validate import take_valid
from airflow_provider_zdirect.publish.announced import ANNOUNCED, announced_windows
from airflow_provider_zdirect.publish.day_changes import published_changes
from airflow_provider_zdirect.publish.environment import RECORD, claim_environment
from airflow_provider_zdirect.publish.place import Place
from airflow_provider_zdirect.shipping_documents import job as shipping_documents
from airflow_provider_zdirect.shipping_documents import results
from airflow_provider_zdirect.shipping_documents.documents import INDEX
from airflow_provider_zdirect.shipping_documents.job import DocumentsJob
from airflow_provider_zdirect.stocks.feed import MAPPING_COLUMNS, FeedFiles, SkuMapping
from airflow_provider_zdirect.stocks.open_orders import PARTNER, _windows
from airflow_provider_zdirect.stocks.sent_log import Batch
from airflow_provider_zdirect.storage.checkpoint import Checkpoint
from airflow_provider_zdirect.storage.damaged import naming_damaged
from airflow_provider_zdirect.storage.layout import PublishedName, dated, documents_folder
from airflow_provider_zdirect.windows import Window

SECRET, TOKEN, KEY = "s3cr3t-of-the-app", "t0ken-of-the-app", "k3y-of-personal-data-0123456789abcdef"
LONGEST_ERROR = 8_000
"""Characters."""

MERCHANT = "01234567-89ab-cdef-0123-456789abcdef"
ORDER = "aaaaaaaa-0000-4000-8000-000000000000"
DAY = Window.of_day(date(2026, 11, 21))
MONTH = Month(2026, 11)


@contextmanager
def errors_for_people() -> Iterator[None]:
    """Any error of the package may come, if people can read it and may see it."""
    try:
        yield
    except ZDirectError as error:
        text = str(error)
        assert text.isprintable(), f"not one line: {text!r}"
        assert len(text) <= LONGEST_ERROR, f"{len(text)} characters: {text[:300]!r}"
        chained: BaseException | None = error
        while chained is not None:
            shown = f"{chained!s} {chained!r}"
            assert not [secret for secret in (SECRET, TOKEN, KEY) if secret in shown], "a secret is shown"
            chained = chained.__cause__ or (None if chained.__suppress_context__ else chained.__context__)


def split(data: bytes, choices: Sequence[Any]) -> tuple[Any, bytes]:
    """The choice that the first byte makes, and what follows it."""
    return choices[data[0] % len(choices) if data else 0], data[1:]


def with_secrets(data: bytes) -> bytes:
    """What a server or gateway sends that repeats the request."""
    return data.replace(b"{secret}", SECRET.encode()).replace(b"{token}", TOKEN.encode())


# Answers of zDirect


@cache
def readers() -> list[Dataset]:
    rows = [row for row in DATASETS.values() if row.part_of is None]
    return list(chain.from_iterable((row, *row.variants.values()) for row in rows))


def answers(data: bytes) -> None:
    """A page of a dataset, its records validated as those of a run."""
    dataset, body = split(data, readers())
    asked = {"from": "2026-11-21", "to": "2026-11-22"}
    if isinstance(dataset.paging, TimeWalk):
        asked[dataset.paging.after_parameter] = NOON.isoformat()
    with errors_for_people():
        page = dataset.read(bytearray(body), asked, None, NOON)
        lineage = Lineage(MERCHANT, "production", DAY.start, DAY.end, NOON)
        for name, records in {dataset.name: page.records, **page.parts}.items():
            tables: list[pa.Table] = []
            rejected = take_valid(get_dataset(name).model, records, lineage, tables.append)
            assert sum(table.num_rows for table in tables) + len(rejected) == len(records), "a record is lost"
            for table in tables:
                table.validate(full=True)
            for bad in rejected + page.rejected:
                line = bad.as_line()
                assert line.count(b"\n") == 1, "not one line"
                assert json.loads(line)["reason"].isprintable()


CALL = Call(
    what="returned_items of merchant 01234567-89ab-cdef-0123-456789abcdef",
    path="/merchants/01234567-89ab-cdef-0123-456789abcdef/returned-items",
    endpoint="returned_items",
    rate=Rate(1000, 1),
)


def error_bodies(data: bytes) -> None:
    """The body of an error."""
    status, body = split(data, (400, 401, 403, 404, 409, 418, 429, 500, 503, 302, 206))
    answer = Answer(status, {"retry-after": "7"}, bytearray(with_secrets(body)), 0.1)
    with errors_for_people():
        policy = RetryPolicy(jitter=lambda: 0.0)
        raise error_of(answer, CALL, flow_id="flow", now=NOON, policy=policy, secrets=(SECRET, TOKEN))


def retry_after(data: bytes) -> None:
    """The header ``Retry-After``, as the HTTP library decodes it."""
    seconds = parse_retry_after(data.decode("latin-1"), NOON)
    assert seconds is None or (math.isfinite(seconds) and 0 <= seconds <= LONGEST_RETRY_AFTER)


class RawServer:
    """Answers requests for tokens as it should, and all others with the bytes of the example."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.answer = b""
        server = self.loop.run_until_complete(asyncio.start_server(self._serve, "127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            if b"/auth/token" in head:
                body = json.dumps({"access_token": TOKEN, "expires_in": 7200}).encode()
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n" % len(body) + body)
            else:
                writer.write(self.answer)
            await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def get(self) -> None:
        config = ClientConfig("app", SECRET, base_url=self.url, max_answer_size=0.1)
        clock = FakeClock(NOON)
        async with ZDirectClient(
            config,
            clock=clock,
            limiter=MemoryRateLimiter(clock),
            transport=Transport(Timeouts(5, 5, 10), largest=100_000),
            policy=RetryPolicy(max_attempts=2, jitter=lambda: 0.0),
        ) as client:
            parameters = {"from": "2026-11-21T00:00:00Z", "to": "2026-11-22T00:00:00Z"}
            pages = client.pages(get_dataset("returned_items"), MERCHANT, parameters, known_as='"known"')
            number = 0
            async for page in pages:
                number += 1
                assert page.size <= 100_000
                # The same answer again and again names the same cursor.
                assert number <= 2, "endless pages"


@cache
def raw_server() -> RawServer:
    return RawServer()


def raw_answers(data: bytes) -> None:
    """A whole answer, headers included, over HTTP."""
    server = raw_server()
    server.answer = with_secrets(data)
    with errors_for_people():
        server.loop.run_until_complete(server.get())


# Configuration


def connection(data: bytes) -> None:
    """An Airflow connection: its fields and its extra, one a line."""
    from airflow_provider_zdirect.hooks.connection import read_settings, secrets_of

    login, host, schema, port, extra = (*data.decode(errors="surrogateescape").split("\n", 4), "", "", "", "")[:5]
    # Where it belongs; anywhere else nobody could know that it is one.
    extra = re.sub(r'("personal_data_secret": *"[^"]*)\{key\}', rf"\g<1>{KEY}", extra)
    fields = {"login": login, "password": SECRET, "host": host, "schema": schema, "extra": extra}
    number = int(port) if port.isascii() and port.isdigit() and len(port) < 7 else None
    with errors_for_people():
        found = SimpleNamespace(conn_type="zdirect", port=number, **fields)
        secrets_of(found)
        settings = read_settings("shop", found)
        assert SECRET not in repr(settings)
        assert KEY not in repr(settings)


def _json_or_text(data: bytes) -> Any:
    try:
        return json.loads(data)
    except (ValueError, RecursionError):
        return data.decode(errors="replace")


def assumptions(data: bytes) -> None:
    """The assumptions in a connection's extra, which is known to be an object."""
    values = _json_or_text(data)
    if isinstance(values, dict):
        with errors_for_people():
            Assumptions(values)


@cache
def conversions() -> list[tuple[str, Any]]:
    """Every argument of every operator."""
    from airflow_provider_zdirect import operators
    from airflow_provider_zdirect.operators.base import ZDirectOperator

    for module in sorted(Path(operators.__path__[0]).glob("*.py")):
        __import__(f"{operators.__name__}.{module.stem}")
    found: dict[tuple[str, Any], Any] = {}
    for operator in sorted(ZDirectOperator.__subclasses__(), key=lambda kind: kind.__name__):
        for name, argument in operator.arguments.items():
            found.setdefault((name, argument.convert), argument)
    return [(name, argument) for (name, _), argument in found.items()]


def arguments(data: bytes) -> None:
    """An argument of an operator, as a template renders it or as JSON: a text, or what a DAG's parameter is."""
    (name, argument), rest = split(data, conversions())
    with errors_for_people():
        argument.value(_json_or_text(rest), name)
    with errors_for_people():
        argument.value(rest.decode(errors="replace"), name)


def dag_params(data: bytes) -> None:
    """The parameters of a run."""
    from airflow_provider_zdirect.dag_support.run_params import check_params, stock_feeds, window_of

    given = _json_or_text(data)
    params = {"from": None, "to": None, "month": None, "stock_path": None, "base_path": "/data", "merchant_ids": None}
    params |= given if isinstance(given, dict) else {"merchant_ids": given}
    run = {"data_interval_start": DAY.start, "data_interval_end": DAY.end}
    conf = SimpleNamespace(conf=params, run_type="manual", **run)
    context = {"params": params, "dag_run": conf, **run}
    with errors_for_people():
        check_params(context)
        window_of(params, context)
        if params["stock_path"] is None or isinstance(params["stock_path"], str):
            stock_feeds(params, [MERCHANT])


# Files of merchants

KINDS = ("csv", "tsv", "jsonl", "parquet", "csv.gz", "jsonl.gz", "tsv.gz")


def _feed(file: TableFile) -> None:
    feed = FeedFiles(file.fs, file.path, file.uri, NOON)
    mapping = SkuMapping({"SKU-1": "0191476239145"})
    feed.read(feed.find(), mapping, NOON)


def _mapping(file: TableFile) -> None:
    SkuMapping.read(_as(file, MAPPING_COLUMNS, ("merchant_sku", "ean")))


def _tracking(file: TableFile) -> None:
    rows = _as(file, COLUMNS, REQUIRED).rows(lambda where, why, content: None)
    read_updates(rows, merchant_id=MERCHANT)


def _master_data(file: TableFile) -> None:
    read_master_data(_as(file, ALIASES, ("ean",)))


def _as(file: TableFile, columns: Any, required: tuple[str, ...]) -> TableFile:
    return TableFile(file.fs, file.path, file.uri, file.name, columns, required)


def merchant_files(data: bytes) -> None:
    """A stock feed, a mapping of SKUs, tracking numbers or master data, in any kind of file."""
    read, rest = split(data, (_feed, _mapping, _tracking, _master_data))
    kind, content = split(rest, KINDS)
    place = empty_place()
    path = f"{place.root}/table.{kind}"
    place.fs.pipe_file(path, content)
    with errors_for_people():
        read(TableFile(place.fs, path, f"memory:/{path}", "file", {}, ()))


# What was stored


def empty_place() -> Place:
    fs = fsspec.filesystem("memory", skip_instance_cache=True)
    fs.store.clear()
    fs.pseudo_dirs[:] = [""]
    return Place(fs, "/base", "memory://base", MERCHANT, "production")


def _job(place: Place, dataset: str) -> ExtractJob:
    return ExtractJob(place, get_dataset(dataset), DAY)


def _checkpoint(place: Place, content: bytes) -> None:
    """Of the head, or of a request beside one that is sound."""
    head = {"fingerprint": {}, "started_at": NOON.isoformat(), "plan": Reach(DAY.start, timedelta(0)).as_json()}
    of_request = content[:1] == b"r"
    place.store.write("staging/checkpoint.json", json.dumps(head).encode() if of_request else content)
    place.store.write("staging/request-1.json", content[1:] if of_request else b"{}")
    checkpoint = Checkpoint(place.store, "staging", {}, Path("unused"))
    progress = checkpoint.load(checkpoint.head(), NOON)
    if progress is not None:
        with naming_damaged("staging"):
            Reach.from_json(progress.plan)
        for request in progress.requests.values():
            request.all_staged()
            assert request.is_empty in (True, False)
        assert progress.total("records") >= 0


def _ledger(place: Place, content: bytes) -> None:
    ledger = ErasureLedger(place.store, MERCHANT)
    place.store.write(f"{ledger.folder}/ledger/entry.json", content)
    ledger.people()


def _last_erasure(place: Place, content: bytes) -> None:
    place.store.write(f"{ErasureLedger(place.store, MERCHANT).folder}/last.json", content)
    last_erasure(place.fs, place.root, MERCHANT)


def _environment(place: Place, content: bytes) -> None:
    place.store.write(RECORD, content)
    claim_environment(place.store, "production", place.uri)


def _manifest(dataset: str, read: Callable[[Place], object]) -> Callable[[Place, bytes], None]:
    def target(place: Place, content: bytes) -> None:
        place.store.write(place.layout(dataset).manifest(DAY), content)
        read(place)

    return target


def _covered(place: Place) -> None:
    """What a window covers is known to whoever asks, or nothing is."""
    path = place.layout("orders").manifest(DAY)
    cover = with_earlier(None, place.store, path, place.environment)
    facts = read_facts(place.store, "orders", [place.merchant_id], DAY)
    known = [window for window in facts[place.merchant_id].windows if window.environment == place.environment]
    assert len(cover.covered_by) == sum(len(window.fetches) for window in known)


def _update_rows(place: Place, content: bytes) -> None:
    place.store.write(f"{run_folder(place, 'run')}/rows.json", content)
    rows_of_run(place, "run", lambda: UpdateRows(()))


def _update_notes(place: Place, content: bytes) -> None:
    job = OrderUpdateJob(place, [], "run")
    place.store.write(f"{run_folder(place, 'run')}/{job.digest[:16]}/note.json", content)
    UpdateJournal(job)


def _notified(place: Place, content: bytes) -> None:
    check = TrackingCheck(place)
    place.store.write(check.notified_path, content)
    order = OverdueOrder(ORDER, "1", None, None, None, NOON, None, ("export",))
    _is_due(order, check.notified().get(ORDER), check, NOON)
    Overdue(check, (order,), (), NOON, NOON).record_notified()


def _update_mark(place: Place, content: bytes) -> None:
    job = OrderUpdateJob(place, [], "run", skip_applied=True)
    update = order_updates._Run(job, ANY_CLIENT, FakeClock(NOON))
    place.store.write(update._mark, content.replace(b"{digest}", job.digest.encode()))
    if result := update._applied_before():
        json.dumps(result.as_dict())


def _documents_index(place: Place, content: bytes) -> None:
    """Of an order whose documents this run, or an earlier one, fetched."""
    run = shipping_documents._Run(DocumentsJob(place, [ORDER], "run"), ANY_CLIENT, FakeClock(NOON))
    place.store.write(f"{documents_folder(MERCHANT, ORDER)}/{INDEX}", content)
    found = asyncio.run(run._fetch(ORDER))
    pa.Table.from_pylist(found.rows(), schema=results.SCHEMA)


def _intrastat_manifest(place: Place, content: bytes) -> None:
    """Of a month with a country that the new report does not have."""
    writer = MonthWriter(place, MONTH)
    place.store.write(writer.of("DE")["csv"], b"")
    place.store.write(writer.manifest, content)
    writer.finish({"countries": ["FR"]}, [], NOON)


def _change_names(place: Place, content: bytes) -> None:
    """Below the folder of all changes, one a line."""
    layout = place.layout("liquidated_items")
    for name in filter(None, content.decode(errors="ignore").split("\n")[:20]):
        place.store.write(f"{layout.changes_of_all}/{name}", b"")
    published_changes(place.store, layout, {DAY.start.date()})


class _AnyClient:
    """Answers with one document, whatever is asked for."""

    assumptions = Assumptions({})
    config = ClientConfig("app", SECRET)
    merchants = config.merchants

    async def get(self, *_: Any, **__: Any) -> Any:
        return {"documents": [{"id": "document", "order_id": ORDER, "type": "OUTBOUND_LABEL"}]}

    async def get_bytes(self, *_: Any, **__: Any) -> bytes:
        return b"%PDF-1.4 %%EOF"


ANY_CLIENT: Any = _AnyClient()


def _sent_levels(place: Place, content: bytes) -> None:
    with naming_damaged("batch"):
        Batch.of_bytes("batch", content)


def _names(place: Place, content: bytes) -> None:
    """Names of files, one a line, as others may have put them there."""
    layout = place.layout("returned_items")
    names = [name for name in content.decode(errors="ignore").replace("/", "").split("\n") if name.strip(".")][:20]
    for name in names:
        place.store.write(f"{layout.published(DAY.start.date())}/{name}", b"")
        place.store.write(f"{layout.announced(DAY.start.date())}/{name}{ANNOUNCED}", b"")
        place.store.write(f"{layout.manifest(DAY).rpartition('/')[0]}/{name}.json", b"{}")
        PublishedName.parse(name)
    dated(names)
    announced_windows(place.store, layout, DAY)


def _paces(place: Place, content: bytes) -> None:
    """What processes and hosts share of their pace and token. Garbage counts as nothing."""

    async def look(pace: Pace) -> tuple[Pace, None]:
        return pace, None

    decoded(content, Pace)
    text = content.decode(errors="replace")
    asyncio.run(SharedPaces(_Texts(text), FakeClock(NOON)).change("orders", look))
    cipher = _cipher()
    sealed = cipher._fernet.encrypt(content).decode()
    cipher.open(sealed)
    cipher.open(text)


@cache
def _cipher() -> TokenCipher:
    return TokenCipher("app", SECRET)


class _Texts:
    def __init__(self, text: str) -> None:
        self._text = text

    async def read(self, name: str) -> str:
        return self._text

    async def write(self, name: str, text: str) -> None:
        self._text = text


STORED: tuple[Callable[[Place, bytes], None], ...] = (
    _checkpoint,
    _ledger,
    _last_erasure,
    _environment,
    _manifest("intra_community_movements", lambda place: landed_days(place, MONTH)),
    _manifest("orders", lambda place: known_until(place, NOON, timedelta(days=2))),
    _manifest("orders", lambda place: _windows(place, PARTNER, NOON)),
    _manifest("liquidated_items", lambda place: fetched_window(_job(place, "liquidated_items"))),
    _update_rows,
    _update_notes,
    _notified,
    _sent_levels,
    _names,
    _paces,
    _update_mark,
    _documents_index,
    _intrastat_manifest,
    _change_names,
    _manifest("orders", _covered),
)


def stored(data: bytes) -> None:
    """A file under the base path: checkpoint, journal, manifest, marker."""
    read, content = split(data, STORED)
    with errors_for_people():
        read(empty_place(), content)


TARGETS: dict[str, Callable[[bytes], None]] = {
    target.__name__: target
    for target in (
        answers,
        error_bodies,
        retry_after,
        raw_answers,
        connection,
        assumptions,
        arguments,
        dag_params,
        merchant_files,
        stored,
    )
}
