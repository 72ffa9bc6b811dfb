"""Fetching a present state: all pages of all requests, validated, in memory; nothing is kept of it before the last.

What a page says is of another moment than the one before, so an interrupted fetch is begun anew: pages of two states do
not mix.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import TypeAdapter, ValidationError

from airflow_provider_zdirect.client import Page, ZDirectClient
from airflow_provider_zdirect.clock import Clock
from airflow_provider_zdirect.datasets.arrow import Lineage, arrow_schema
from airflow_provider_zdirect.datasets.dataset import as_parameter
from airflow_provider_zdirect.datasets.record import Instant
from airflow_provider_zdirect.datasets.rejected import NOT_READABLE, Rejected
from airflow_provider_zdirect.datasets.table import Dataset, WindowKind
from airflow_provider_zdirect.exceptions import FilterIgnoredError, ZDirectConfigurationError, ZDirectDataError
from airflow_provider_zdirect.pipeline.progress import ProgressLog
from airflow_provider_zdirect.pipeline.validate import take_valid
from airflow_provider_zdirect.publish.row_changes import digests
from airflow_provider_zdirect.publish.row_selection import row_keys
from airflow_provider_zdirect.storage.layout import moment
from airflow_provider_zdirect.storage.row_files import as_json_value
from airflow_provider_zdirect.windows import subject

DIGITS = {"ean": 13, "zalando_advice_id": 8}
"""Digits of the values that records can be asked for by (zDirect: ``^[0-9]{13}$``, ``^[0-9]{8}$``)."""

NO_MERCHANT = "the record names no merchant, and the app may use several"
CONTRADICTED = "the answer holds another record of the same identity with other content"


@dataclass(frozen=True)
class StateRequest:
    """One request of a state.

    :param values: the records that it asks for have one of these values in the dataset's batched filter; empty: it asks
        for all.
    """

    parameters: Mapping[str, str]
    values: frozenset[str] = frozenset()


@dataclass
class FetchedState:
    """What zDirect answered.

    :param observed_at: when the first answer came.
    :param created: of when the answer is, where it says so.
    :param rows: the valid records, each once.
    :param rejected: the invalid ones.
    :param of_others: records of other merchants, which were left out.
    :param repaired: records with damaged texts that were mended.
    :param etag: names the answer, if it was a single one.
    :param unchanged: zDirect said that the answer is the one that was known; there are no rows then.
    :param requests: HTTP requests, those that were repeated included.
    """

    observed_at: datetime
    created: datetime | None
    rows: pa.Table
    rejected: list[Rejected] = field(default_factory=list)
    of_others: int = 0
    repaired: int = 0
    pages: int = 0
    requests: int = 0
    bytes: int = 0
    etag: str | None = None
    unchanged: bool = False


def plan_state(dataset: Dataset, since: datetime | None, filters: Mapping[str, str]) -> list[StateRequest]:
    """The requests that together answer for a state.

    :param since: only what changed from then on, where the dataset can be asked so.
    :param filters: values by field, separated by commas, semicolons or blanks; repeated ones are asked for once.
    :raises ZDirectConfigurationError: if a value cannot be one, or the dataset cannot be asked so.
    """
    dataset.filter_parameters(filters)
    given = {name: _values(dataset, name, text) for name, text in filters.items() if text.strip()}
    if given:
        assert dataset.batched_filter is not None
        ((name, values),) = given.items()
        size = dataset.batched_filter[1]
        batches = [values[start : start + size] for start in range(0, len(values), size)]
        return [StateRequest({dataset.filters[name]: ",".join(batch)}, frozenset(batch)) for batch in batches]
    if dataset.window is not WindowKind.SINCE:
        return [StateRequest({})]
    if since is None:
        raise ZDirectConfigurationError(
            f"{dataset.name} is neither asked for a time nor for {', '.join(dataset.filters)}.",
            remedy=f"Give a window, whose start is the time, or filters with {', '.join(dataset.filters)}.",
        )
    return [StateRequest({dataset.since_parameter: as_parameter(since)})]


def _values(dataset: Dataset, name: str, text: str) -> list[str]:
    values = list(dict.fromkeys(value for value in re.split(r"[\s,;]+", text) if value))
    if not values:
        raise ZDirectConfigurationError(
            f"filters: {name}={text!r} of {dataset.name} holds no value.",
            remedy=f"Give values, or leave {name} out for all records.",
        )
    digits = DIGITS.get(name)
    wrong = [value for value in values if digits and not re.fullmatch(rf"[0-9]{{{digits}}}", value)]
    if wrong:
        raise ZDirectConfigurationError(
            f"filters: {name} {', '.join(map(repr, wrong[:5]))} of {dataset.name} "
            f"{'has' if len(wrong) == 1 else 'have'} not {digits} digits.",
            remedy="Give them as text, with leading zeros; numbers lose these.",
        )
    return values


@dataclass
class StateFetcher:
    """Fetches one state of one dataset and merchant.

    :param since: goes into the lineage of the rows.
    :param known_as: ETag of a former answer to the same single request.
    """

    dataset: Dataset
    merchant_id: str
    environment: str
    requests: list[StateRequest]
    client: ZDirectClient
    clock: Clock
    since: datetime | None = None
    known_as: str | None = None
    _only_merchant: bool | None = None

    @property
    def _what(self) -> str:
        return f"{self.dataset.name} of merchant {self.merchant_id}"

    async def fetch(self) -> FetchedState:
        """All of it.

        :raises FilterIgnoredError: if records came that were not asked for.
        :raises ZDirectDataError: if a snapshot has records and does not say of when they are.
        :raises ZDirectError: if a page cannot be fetched.
        """
        self._observed_at: datetime | None = None
        sent, received = self.client.stats.requests, self.client.stats.bytes
        tables: list[pa.Table] = []
        state: FetchedState | None = None
        records = 0

        def so_far() -> str:
            return f"{state.pages if state else 0} pages, {records:,} records"

        progress = ProgressLog(subject(self.dataset.name, self.merchant_id), so_far, self.clock)
        what = subject(self.dataset.name, self.merchant_id, full_id=True)
        progress.started(f"{what}: {len(self.requests)} requests planned.")
        self.client.on_piece(progress.received)
        for request in self.requests:
            pages = self.client.pages(
                self.dataset, self.merchant_id, request.parameters, added=self._added, known_as=self.known_as
            )
            async for page in pages:
                state = state or FetchedState(self._answered_at(), self._created(page), self._empty())
                state.pages += 1
                state.etag = page.etag if state.pages == 1 else None
                state.unchanged = page.unchanged
                tables += await self._rows(page, request, state)
                records += len(page.records)
                progress.page()
        assert state is not None
        if state.pages > 1 or len(self.requests) > 1:
            state.etag = None
        state.requests, state.bytes = self.client.stats.requests - sent, self.client.stats.bytes - received
        state.rows = self._distinct(pa.concat_tables([state.rows, *tables]), state)
        return state

    def _answered_at(self) -> datetime:
        # Of the first answer, for all: a state is of one moment.
        if self._observed_at is None:
            self._observed_at = self.clock.now().astimezone(UTC)
        return self._observed_at

    def _added(self) -> dict[str, str]:
        answered_at = self._answered_at()
        return {name: as_parameter(answered_at)} if (name := self.dataset.answered_at_field) else {}

    def _created(self, page: Page) -> datetime | None:
        if self.dataset.snapshot_time_key is None:
            return None
        if page.snapshot_time is None:
            if page.records:
                raise ZDirectDataError(
                    f"{self._what}: the answer has {len(page.records)} records and does not say of when they are "
                    f"({self.dataset.snapshot_time_key} is missing); nothing was published.",
                    remedy="Clear the task to try again; if it stays, report it to Zalando's merchant support.",
                )
            return None
        try:
            return _INSTANT.validate_python(page.snapshot_time).astimezone(UTC)
        except ValidationError:
            raise ZDirectDataError(
                f"{self._what}: {self.dataset.snapshot_time_key}={page.snapshot_time[:60]!r} is no time with an "
                "offset; nothing was published.",
                remedy="Clear the task to try again; if it stays, report it to Zalando's merchant support.",
            ) from None

    async def _rows(self, page: Page, request: StateRequest, state: FetchedState) -> list[pa.Table]:
        records = page.records
        if self.dataset.merchant_field is not None:
            records = [record async for record in self._own(page.records, state)]
        tables: list[pa.Table] = []

        def take(table: pa.Table) -> None:
            self._check_filter(table, request)
            tables.append(table)

        window = moment(state.created or state.observed_at)
        start = self.since or window.start
        lineage = Lineage(self.merchant_id, self.environment, start, window.end, self.clock.now())
        state.rejected += [*take_valid(self.dataset.model, records, lineage, take), *page.rejected]
        state.repaired += page.repaired
        return tables

    async def _own(self, records: list[msgspec.Raw], state: FetchedState) -> Any:
        """Those of the merchant, where an answer holds those of all."""
        for record in records:
            merchant = self._merchant_of(record)
            if merchant is None and not await self._is_only_merchant():
                state.rejected.append(Rejected(bytes(record), NO_MERCHANT))
            elif merchant in (None, self.merchant_id):
                yield record
            else:
                state.of_others += 1

    def _merchant_of(self, record: msgspec.Raw) -> str | None:
        try:
            content = msgspec.json.decode(record)
        except NOT_READABLE:
            return None
        value = content.get(self.dataset.merchant_field) if isinstance(content, dict) else None
        # A damaged one names nobody: it may be this one.
        if value is None or "\ufffd" in str(value):
            return None
        return "".join(str(value).split()).lower() or None

    async def _is_only_merchant(self) -> bool:
        if self._only_merchant is None:
            granted = (await self.client.me()).merchant_ids
            self._only_merchant = [merchant.lower() for merchant in granted] == [self.merchant_id]
        return self._only_merchant

    def _check_filter(self, table: pa.Table, request: StateRequest) -> None:
        """Raise FilterIgnoredError if a row has none of the values that were asked for."""
        if not request.values or self.dataset.batched_filter is None or self.environment != "production":
            return
        name = self.dataset.batched_filter[0]
        asked = pc.is_in(table.column(name), value_set=pa.array(sorted(request.values), pa.string()))
        others = table.filter(pc.invert(asked))
        if others.num_rows:
            raise FilterIgnoredError(
                f"{self._what}: asked for {len(request.values)} values of {name}, and {others.num_rows} of "
                f"{table.num_rows} records have another, for example {others.column(name)[0]}. zDirect did not apply "
                "the filter; nothing was published.",
                remedy="Clear the task to try again; if it stays, report it to Zalando's merchant support.",
            )

    def _distinct(self, rows: pa.Table, state: FetchedState) -> pa.Table:
        """Each record once. Records that contradict each other within one state are invalid, all of them; where pages
        follow one another, the later one is what the record has become."""
        assert self.dataset.identity is not None
        keys = row_keys(rows, self.dataset.identity).to_pylist()
        repeated = {key for key, count in Counter(keys).items() if count > 1}
        if not repeated:
            return rows
        last = {key: number for number, key in enumerate(keys)}
        if self.dataset.paging is None:
            content: dict[str, set[bytes]] = {}
            for key, digest in zip(keys, digests(rows), strict=True):
                if key in repeated:
                    content.setdefault(key, set()).add(digest)
            contradicted = [number for number, key in enumerate(keys) if len(content.get(key, ())) > 1]
            state.rejected += _as_rejected(rows.take(pa.array(contradicted, pa.int64())))
            last = {key: number for key, number in last.items() if len(content.get(key, ())) <= 1}
        return rows.take(pa.array(sorted(last.values()), pa.int64()))

    def _empty(self) -> pa.Table:
        return arrow_schema(self.dataset.model).empty_table()


def _as_rejected(rows: pa.Table) -> Iterator[Rejected]:
    for row in rows.to_pylist():
        content = {name: value for name, value in row.items() if not name.startswith("_")}
        yield Rejected(json.dumps(content, default=as_json_value).encode(), CONTRADICTED)


_INSTANT: TypeAdapter[datetime] = TypeAdapter(Instant)
