"""What a row of the datasets table says of a dataset: windows, paging, grouping, retention, options."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from enum import Enum
from types import MappingProxyType
from typing import Any

from airflow_provider_zdirect.datasets.assumptions import Assumption, Assumptions
from airflow_provider_zdirect.datasets.rate import RateLimits
from airflow_provider_zdirect.datasets.record import Record
from airflow_provider_zdirect.exceptions import ZDirectConfigurationError


class WindowKind(Enum):
    """How an endpoint understands the window that is asked for."""

    TIMESTAMP = "timestamp"
    """Times; a window becomes ``from=start - overlap, to=end``."""

    DATE = "date"
    """Dates, inclusive at both ends; a day becomes ``from = to = day``."""

    SINCE = "since"
    """A time; the answer is the present state of all that changed between the window's start and now."""

    NONE = "none"
    """Nothing; the answer is the present state of everything."""


class Keeping(Enum):
    """How present states are kept, one fetch after the other."""

    SNAPSHOTS = "snapshots"
    """Each state as a whole, by the time it is of."""

    HISTORY = "history"
    """Each version of a record once, with from when until when it was seen; the latest in ``<dataset>_current``."""


@dataclass(frozen=True)
class Cursor:
    """Paging by an opaque cursor: the answer names the next one, absent, null or empty at the end.

    :param limit: records per page that are asked for; None leaves it to the server, where no such parameter is known.
    :param next_within: key of the object that names the next page, where it is not at the top.
    :param next_is_link: the next page is named by its address, which has the cursor as a parameter.
    """

    limit: int | None
    parameter: str = "cursor"
    limit_parameter: str = "limit"
    next_key: str = "next"
    next_within: str | None = None
    next_is_link: bool = False


@dataclass(frozen=True)
class TimeWalk:
    """Paging by the records' own time, where the server pages by number: each request asks for what comes after the
    last record of the one before. Pages by number shift when a record leaves them; a time does not.

    The records come in ascending order of ``time_key``; the time in ``after_parameter`` is exclusive and has whole
    seconds.

    :param size: records per page that are asked for; the server may give fewer.
    :param smallest: no server gives fewer on a page that is not the last one.
    """

    time_key: str
    after_parameter: str
    size: int
    smallest: int
    size_parameter: str = "page[size]"
    number_parameter: str = "page[number]"


@dataclass(frozen=True)
class Part:
    """Records that come with those of another dataset, in the same answer, and become a dataset of their own.

    :param resource: their ``type`` (JSON:API).
    :param key: field that is given their ``id``.
    :param owner: dataset of what they belong to, which names them in ``relationship``.
    :param owner_field: field with what they belong to.
    :param details: by field: a relationship whose resources become a list in it.
    """

    dataset: str
    resource: str
    key: str
    owner: str
    owner_field: str
    relationship: str
    details: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True)
class Resources:
    """An answer of JSON:API resources, whose attributes are the fields of the records.

    :param inherited: by field of every part: the field of the main record that it is taken from.
    :param counted: a part, and the field of the main record that says how many of it belong to it.
    """

    parts: tuple[Part, ...]
    inherited: Mapping[str, str]
    counted: tuple[str, str]


@dataclass(frozen=True)
class Latest:
    """Records that change, of which the latest version is published besides, under ``<dataset>_current``.

    :param identity: fields that together identify a record, whatever its version.
    :param time_field: field that places it in time, and never changes.
    :param version_field: time of the version; of equal ones the one that was fetched last counts.
    """

    identity: tuple[str, ...]
    time_field: str
    version_field: str


@dataclass(frozen=True)
class Grouping:
    """Records that come in groups with something in common.

    :param records_key: key of a group's records.
    :param fields: fields that every record of a group is given; for each, the keys of a group that may hold its value,
        the current one first.
    :param keeps_empty: a group without records becomes one record, of what a group has in common.
    """

    records_key: str
    fields: Mapping[str, tuple[str, ...]]
    keeps_empty: bool = False


@dataclass(frozen=True)
class KeptDays:
    """zDirect keeps the last ``days`` days."""

    days: int

    def earliest(self, now: datetime) -> datetime:
        return now - timedelta(days=self.days)

    def __str__(self) -> str:
        return f"{self.days} days" if self.days > 1 else "24 hours"


@dataclass(frozen=True)
class KeptCalendarYears:
    """zDirect keeps the current calendar year and ``previous`` before it."""

    previous: int

    def earliest(self, now: datetime) -> datetime:
        return datetime(now.year - self.previous, 1, 1, tzinfo=UTC)

    def __str__(self) -> str:
        return "current and previous calendar year" if self.previous == 1 else f"{self.previous + 1} calendar years"


@dataclass(frozen=True)
class Dataset:
    """What the package knows of one dataset.

    :param path: path of the request; ``{merchant_id}`` is filled in.
    :param record_keys: keys of the answer that may hold the records, the current one first.
    :param window: how the endpoint understands windows; those of ``SINCE`` and ``NONE`` tell a present state.
    :param keeping: how present states are kept; None for datasets of windows.
    :param identity: fields that together identify a record; None if nothing does. Where the endpoint is asked by date,
        a fetched day replaces the day as a whole, and the identity only drops what one answer holds twice.
    :param time_field: field that places a record in time; blank for present states.
    :param retention: how far back windows may go; None for present states.
    :param rate_limits: the documented ones.
    :param scope: permission that the app needs.
    :param paging: how the endpoint pages; None if one answer holds everything.
    :param request_window: longest time span that one request may ask for.
    :param overlap: how far before its window a run looks for records that became visible late.
    :param refetch_delay: seconds to wait after a failed answer before the same is asked again.
    :param filter_confirmed: whether it is certain that ``from`` and ``to`` select by ``time_field``.
    :param dated_by: fields of which at least one lies on the date that was asked for, where the endpoint asks for
        dates; empty: cannot be said. Without ``filter_confirmed``, a day before or after is no contradiction.
    :param not_after: field that is never later than the date that was asked for (a day of grace).
    :param personal_data: fields that hold personal data.
    :param replaces_known: whether a changed record replaces the published one; not where the path gives fewer fields.
    :param grouping: how records are grouped in the answer; None if they are not.
    :param asked_date_field: field that every record is given, with the date that was asked for.
    :param answered_at_field: field that every record is given, with the time of the answer.
    :param alike: fields by which a changed record is taken for the one that it was, where nothing identifies it.
    :param when_too_many: what to ask instead for a day of which zDirect says that it holds too many records.
    :param variants: the same dataset from another path, by name.
    :param assumes: what is assumed of the endpoint, and the row with another value.
    :param filters: by field: the parameter that selects the records with one value of it.
    :param batched_filter: a filter of which one request takes so many values, comma separated.
    :param to_inclusive: whether the date in ``to`` is part of what is asked for.
    :param since_parameter: parameter of the window's start, for windows of kind ``SINCE``.
    :param merchant_parameter: parameter of the merchant id, where it is not part of the path.
    :param merchant_field: field with the merchant, where an answer holds those of all merchants.
    :param records_within: key of an object that holds the list of records, where it is not at the top.
    :param may_become_empty: whether an answer without records may end all that are known; where it is no sign of an
        error.
    :param snapshot_time_key: key of the time that the answer is of; every record is given it.
    :param empty_snapshot: what a snapshot without records says: that there is no stock (``zero``), or nothing
        (``refuse``).
    :param may_be_bare_list: whether the answer may be a list, without an object around it.
    :param span_parameters: the parameters of the window's start and end.
    :param span_exclusive: the start is exclusive too, and both have whole seconds.
    :param fixed_parameters: sent with every request.
    :param media_type: of the answer.
    :param left_out: fields that are never stored, nor is any unknown one; for what names people only that they be
        forgotten.
    :param resources: how JSON:API resources become records; None if the answer has records as they are.
    :param part_of: the dataset with which this one comes; it cannot be asked for alone.
    :param window_field: field with the time that tells to which window a record belongs, where it is not the time
        field.
    :param latest: what the latest version of a record is, where all versions are kept.
    :param version_field: as in ``latest``, in the row of the latest versions.
    """

    name: str
    title: str
    path: str
    model: type[Record]
    record_keys: tuple[str, ...]
    window: WindowKind
    identity: tuple[str, ...] | None
    rate_limits: RateLimits
    scope: str
    source: str
    time_field: str = ""
    retention: KeptDays | KeptCalendarYears | None = None
    keeping: Keeping | None = None
    paging: Cursor | TimeWalk | None = None
    request_window: timedelta | None = None
    overlap: timedelta = timedelta(0)
    refetch_delay: float = 120.0
    filter_confirmed: bool = True
    dated_by: tuple[str, ...] = ()
    not_after: str | None = None
    personal_data: tuple[str, ...] = ()
    replaces_known: bool = True
    grouping: Grouping | None = None
    asked_date_field: str | None = None
    answered_at_field: str | None = None
    alike: tuple[str, ...] = ()
    when_too_many: Dataset | None = None
    variants: Mapping[str, Dataset] = field(default_factory=lambda: MappingProxyType({}))
    assumes: Mapping[Assumption[Any], Callable[[Dataset, Any], Dataset]] = field(
        default_factory=lambda: MappingProxyType({})
    )
    filters: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    batched_filter: tuple[str, int] | None = None
    to_inclusive: bool = True
    since_parameter: str = "from"
    merchant_parameter: str | None = None
    merchant_field: str | None = None
    records_within: str | None = None
    snapshot_time_key: str | None = None
    empty_snapshot: str = "zero"
    may_be_bare_list: bool = False
    span_parameters: tuple[str, str] = ("from", "to")
    span_exclusive: bool = False
    fixed_parameters: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    media_type: str = "application/json"
    left_out: tuple[str, ...] = ()
    may_become_empty: bool = False
    resources: Resources | None = None
    part_of: str | None = None
    window_field: str | None = None
    latest: Latest | None = None
    version_field: str | None = None

    @property
    def cursor(self) -> Cursor | None:
        """The paging, if it is by cursor."""
        return self.paging if isinstance(self.paging, Cursor) else None

    @property
    def placed_by(self) -> str:
        """The field with the time that tells to which window a record belongs."""
        return self.window_field or self.time_field

    def of_latest(self) -> Dataset | None:
        """The row of the latest versions, ``<dataset>_current``."""
        if self.latest is None:
            return None
        return replace(
            self,
            name=f"{self.name}_current",
            identity=self.latest.identity,
            time_field=self.latest.time_field,
            window_field=self.placed_by,
            version_field=self.latest.version_field,
            latest=None,
        )

    def parameters(self, start: datetime | date, end: datetime | date) -> dict[str, str]:
        """The query that selects ``start`` to ``end``."""
        first, last = self.span_parameters
        if self.span_exclusive:
            assert isinstance(start, datetime)
            assert isinstance(end, datetime)
            after = start.replace(microsecond=0) - timedelta(seconds=1)
            before = end.replace(microsecond=0) + timedelta(seconds=bool(end.microsecond))
            return {first: in_whole_seconds(after), last: in_whole_seconds(before)}
        if not isinstance(end, datetime) and not self.to_inclusive:
            end += timedelta(days=1)
        return {first: as_parameter(start), last: as_parameter(end)}

    @property
    def slack(self) -> timedelta:
        """How far before what is asked for the answer may begin."""
        return timedelta(seconds=1) if self.span_exclusive else timedelta(0)

    def filter_parameters(self, filters: Mapping[str, str]) -> dict[str, str]:
        """The query that selects the records with these values.

        :param filters: value by field.
        :raises ZDirectConfigurationError: if the dataset cannot be filtered by such a field.
        """
        unknown = sorted(filters.keys() - self.filters.keys())
        if unknown:
            raise ZDirectConfigurationError(
                f"filters: {self.name} cannot be filtered by {', '.join(unknown)}.",
                remedy=f"Use: {', '.join(self.filters) or '(it has no filters)'}.",
            )
        return {self.filters[name]: value for name, value in filters.items()}

    def assuming(self, assumptions: Assumptions) -> Dataset:
        """The row with what a deployment assumes instead of the defaults."""
        row = self
        for assumption, apply in self.assumes.items():
            if assumption.name in assumptions.values:
                row = apply(row, assumptions[assumption])
        return row


def in_whole_seconds(at: datetime) -> str:
    """A time as the Orders API honours it (a public client's experience): with fractions or a Z it drops the filter."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S+00:00")


def as_parameter(value: datetime | date) -> str:
    """A time or date as zDirect's docs show it in a query."""
    if not isinstance(value, datetime):
        return value.isoformat()
    # zDirect docs show RFC 3339 with Z; fractions are sent only where the window has them.
    return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
