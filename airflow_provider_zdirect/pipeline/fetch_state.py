"""Fetching a present state: all pages of all requests, validated, in memory; nothing is kept of it before the last.

Each page is of another moment than the one before, so an interrupted fetch is begun anew: pages of two states do not
mix.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime

import msgspec
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import TypeAdapter, ValidationError

from airflow_provider_zdirect.client import Page, ZDirectClient
from airflow_provider_zdirect.clock import Clock
from airflow_provider_zdirect.datasets.arrow import Lineage, arrow_schema
from airflow_provider_zdirect.datasets.page import NOT_READABLE, Rejected
from airflow_provider_zdirect.datasets.record import Instant
from airflow_provider_zdirect.datasets.selection import StateRequest
from airflow_provider_zdirect.datasets.table import Dataset
from airflow_provider_zdirect.exceptions import FilterIgnoredError, ZDirectDataError
from airflow_provider_zdirect.pipeline.progress import ProgressLog
from airflow_provider_zdirect.pipeline.state_job import StateJob
from airflow_provider_zdirect.pipeline.validate import take_valid
from airflow_provider_zdirect.publish.same_row import row_hashes, row_keys
from airflow_provider_zdirect.storage.layout import moment
from airflow_provider_zdirect.storage.row_files import as_json_value
from airflow_provider_zdirect.windows import subject

NO_MERCHANT = "the record names no merchant, and the app may use several"
CONTRADICTED = "the answer holds another record of the same identity with other content"

_INSTANT: TypeAdapter[datetime] = TypeAdapter(Instant)
_TRY_AGAIN = "Clear the task to try again; if it stays, report it to Zalando's merchant support."


@dataclass
class FetchedState:
    """What zDirect answered.

    :param observed_at: when the first answer came.
    :param snapshot_time: of when the answer is, where it says so.
    :param rows: the valid records, each once.
    :param rejected: the invalid ones.
    :param of_others: records of other merchants, which were left out.
    :param repaired: records with damaged texts that were mended.
    :param etag: names the answer, if it was a single one.
    :param unchanged: zDirect said that the answer is the one that was known; there are no rows then.
    :param requests: HTTP requests, those that were repeated included.
    """

    observed_at: datetime
    snapshot_time: datetime | None
    rows: pa.Table
    rejected: list[Rejected] = field(default_factory=list)
    of_others: int = 0
    repaired: int = 0
    pages: int = 0
    requests: int = 0
    bytes: int = 0
    etag: str | None = None
    unchanged: bool = False


@dataclass
class StateFetcher:
    """Fetches one state of one dataset and merchant.

    :param known_as: ETag of a former answer to the same single request.
    """

    job: StateJob
    client: ZDirectClient
    clock: Clock
    known_as: str | None = None
    _observed_at: datetime | None = None
    _only_merchant: bool | None = None

    @property
    def dataset(self) -> Dataset:
        return self.job.dataset

    async def fetch(self) -> FetchedState:
        """All of it.

        :raises FilterIgnoredError: if records came that were not asked for.
        :raises ZDirectDataError: if a snapshot has records and no time.
        :raises ZDirectError: if a page cannot be fetched.
        """
        sent, received = self.client.stats.requests, self.client.stats.bytes
        merchant_id, requests = self.job.place.merchant_id, self.job.requests
        tables = [arrow_schema(self.dataset.model).empty_table()]
        state: FetchedState | None = None
        records = 0

        def so_far() -> str:
            return f"{state.pages if state else 0} pages, {records:,} records"

        progress = ProgressLog(self.job.what, so_far, self.clock)
        what = subject(self.dataset.name, merchant_id, full_id=True)
        progress.started(f"{what}: {len(requests)} requests planned.")
        self.client.on_piece(progress.received)
        for request in requests:
            pages = self.client.pages(
                self.dataset, merchant_id, request.parameters, answered_at=self._answered_at, known_as=self.known_as
            )
            async for page in pages:
                state = state or FetchedState(self._answered_at(), self._snapshot_time(page), tables[0])
                state.pages += 1
                state.etag, state.unchanged = page.etag, page.unchanged
                tables += await self._rows(page, request, state)
                records += len(page.records)
                progress.page()
        assert state is not None
        if state.pages > 1:
            state.etag = None
        state.requests, state.bytes = self.client.stats.requests - sent, self.client.stats.bytes - received
        state.rows = self._distinct(pa.concat_tables(tables), state)
        return state

    def _answered_at(self) -> datetime:
        # Of the first answer, for all: a state is of one moment.
        if self._observed_at is None:
            self._observed_at = self.clock.now().astimezone(UTC)
        return self._observed_at

    def _snapshot_time(self, page: Page) -> datetime | None:
        key, time = self.dataset.answer.snapshot_time_key, page.snapshot_time
        if key is None or (time is None and not page.records):
            return None
        try:
            return _INSTANT.validate_python(time).astimezone(UTC)
        except ValidationError:
            missing = f"the answer has {len(page.records)} records and no time ({key} is missing)"
            wrong = missing if time is None else f"{key}={time[:60]!r} is not a time with an offset"
            raise ZDirectDataError(f"{self.job.what}: {wrong}; nothing was published.", remedy=_TRY_AGAIN) from None

    async def _rows(self, page: Page, request: StateRequest, state: FetchedState) -> list[pa.Table]:
        records = page.records if self.dataset.answer.merchant_field is None else await self._own(page.records, state)
        tables: list[pa.Table] = []
        place, window = self.job.place, moment(state.snapshot_time or state.observed_at)
        start = self.job.since or window.start
        lineage = Lineage(place.merchant_id, place.environment, start, window.end, self.clock.now())
        state.rejected += [*take_valid(self.dataset.model, records, lineage, tables.append), *page.rejected]
        state.repaired += page.repaired
        for table in tables:
            self._check_filter(table, request)
        return tables

    async def _own(self, records: list[msgspec.Raw], state: FetchedState) -> list[msgspec.Raw]:
        """Those of the merchant, where an answer holds those of all."""
        own = []
        for record in records:
            merchant = self._merchant_of(record)
            if merchant is None and not await self._is_only_merchant():
                state.rejected.append(Rejected(bytes(record), NO_MERCHANT))
            elif merchant in (None, self.job.place.merchant_id):
                own.append(record)
            else:
                state.of_others += 1
        return own

    def _merchant_of(self, record: msgspec.Raw) -> str | None:
        try:
            content = msgspec.json.decode(record)
        except NOT_READABLE:
            return None
        value = content.get(self.dataset.answer.merchant_field) if isinstance(content, dict) else None
        # A damaged id may be that of this merchant.
        if value is None or "\ufffd" in str(value):
            return None
        return "".join(str(value).split()).lower() or None

    async def _is_only_merchant(self) -> bool:
        if self._only_merchant is None:
            granted = (await self.client.me()).merchant_ids
            self._only_merchant = [merchant.lower() for merchant in granted] == [self.job.place.merchant_id]
        return self._only_merchant

    def _check_filter(self, table: pa.Table, request: StateRequest) -> None:
        """Raise FilterIgnoredError if a row has none of the values that were asked for."""
        if self.job.place.environment != "production":
            return
        for name, values in request.values.items():
            asked = pc.is_in(table.column(name), value_set=pa.array(sorted(values), pa.string()))
            others = table.filter(pc.invert(asked))
            if others.num_rows:
                raise FilterIgnoredError(
                    f"{self.job.what}: asked for {len(values)} values of {name}, and {others.num_rows} of "
                    f"{table.num_rows} records have another, for example {others.column(name)[0]}. zDirect did not "
                    "apply the filter; nothing was published.",
                    remedy=_TRY_AGAIN,
                )

    def _distinct(self, rows: pa.Table, state: FetchedState) -> pa.Table:
        """Each record once. Records that contradict each other within one state are invalid, all of them; where pages
        follow one another, the later one is what the record has become."""
        keys = row_keys(rows, self.dataset.publish.identity).to_pylist()
        last = {key: number for number, key in enumerate(keys)}
        if len(last) == len(keys):
            return rows
        if self.dataset.paging.is_single:
            contents = set(zip(keys, row_hashes(rows), strict=True))
            contradicted = {key for key, count in Counter(key for key, _ in contents).items() if count > 1}
            state.rejected += _as_rejected(rows.filter(pa.array([key in contradicted for key in keys], pa.bool_())))
            last = {key: number for key, number in last.items() if key not in contradicted}
        return rows.take(pa.array(sorted(last.values()), pa.int64()))


def _as_rejected(rows: pa.Table) -> Iterator[Rejected]:
    for row in rows.to_pylist():
        content = {name: value for name, value in row.items() if not name.startswith("_")}
        yield Rejected(json.dumps(content, default=as_json_value).encode(), CONTRADICTED)
