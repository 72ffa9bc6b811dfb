"""The datasets table: one row per dataset, and everything that differs between endpoints is in its row.

Adding an endpoint that fits is one row here and one model. ``docs/datasets.md`` is generated from this table.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from enum import Enum
from types import MappingProxyType

from airflow_provider_zdirect.exceptions import ZDirectConfigurationError
from airflow_provider_zdirect.models.movement_reports import CrossBorderMovement, IntraCommunityMovement
from airflow_provider_zdirect.models.record import Record
from airflow_provider_zdirect.models.stock_movements import LiquidatedItem, ReceivedItem, ReturnedItem

_PATH = re.compile(r"(/([A-Za-z0-9_~-][A-Za-z0-9._~-]*|\{merchant_id\}))+")


class WindowKind(Enum):
    """How an endpoint understands ``from`` and ``to``."""

    TIMESTAMP = "timestamp"
    """Times; a window becomes ``from=start - overlap, to=end``."""

    DATE = "date"
    """Dates, inclusive at both ends; a day becomes ``from = to = day``."""


@dataclass(frozen=True)
class Cursor:
    """Paging by an opaque cursor: the answer names the next one, absent, null or empty at the end.

    :param limit: records per page that are asked for; None leaves it to the server, where no such parameter is known.
    """

    limit: int | None
    parameter: str = "cursor"
    limit_parameter: str = "limit"
    next_key: str = "next"


@dataclass(frozen=True)
class Grouping:
    """Records that come in groups with something in common.

    :param records_key: key of a group's records.
    :param field: field that every record of a group is given.
    :param field_keys: keys of a group that may hold its value, the current one first.
    """

    records_key: str
    field: str
    field_keys: tuple[str, ...]


@dataclass(frozen=True)
class KeptDays:
    """zDirect keeps the last ``days`` days."""

    days: int

    def earliest(self, now: datetime) -> datetime:
        return now - timedelta(days=self.days)

    def __str__(self) -> str:
        return f"{self.days} days"


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
    :param time_field: field that places a record in time.
    :param identity: fields that together identify a record; None if nothing does. Where the endpoint is asked by date,
        a fetched day replaces the day as a whole, and the identity only drops what one answer holds twice.
    :param paging: how the endpoint pages; None if one answer holds everything.
    :param request_window: longest time span that one request may ask for.
    :param overlap: how far before its window a run looks for records that became visible late.
    :param requests_per_second: documented rate limit.
    :param refetch_delay: seconds to wait after a failed answer before the same is asked again.
    :param filter_confirmed: whether it is certain that ``from`` and ``to`` select by ``time_field``.
    :param personal_data: fields that hold personal data.
    :param replaces_known: whether a changed record replaces the published one; not where the path gives fewer fields.
    :param grouping: how records are grouped in the answer; None if they are not.
    :param asked_date_field: field that every record is given, with the date that was asked for.
    :param when_too_many: what to ask instead for a day of which zDirect says that it holds too many records.
    :param variants: the same dataset from another path, by name.
    """

    name: str
    title: str
    path: str
    model: type[Record]
    record_keys: tuple[str, ...]
    window: WindowKind
    time_field: str
    identity: tuple[str, ...] | None
    retention: KeptDays | KeptCalendarYears
    requests_per_second: float
    scope: str
    source: str
    paging: Cursor | None = None
    request_window: timedelta | None = None
    overlap: timedelta = timedelta(0)
    refetch_delay: float = 120.0
    filter_confirmed: bool = True
    personal_data: tuple[str, ...] = ()
    replaces_known: bool = True
    grouping: Grouping | None = None
    asked_date_field: str | None = None
    when_too_many: Dataset | None = None
    variants: Mapping[str, Dataset] = field(default_factory=lambda: MappingProxyType({}))

    @property
    def asset_uri(self) -> str:
        """The Airflow asset that every published window of this dataset updates."""
        return f"zdirect://{self.name}"

    def parameters(self, start: datetime | date, end: datetime | date) -> dict[str, str]:
        """The query that selects ``start`` to ``end``."""
        return {"from": _as_parameter(start), "to": _as_parameter(end)}


_RECEIVED_ITEMS = Dataset(
    name="received_items",
    title="Items received by Zalando warehouses",
    path="/zfs/stock-movements/reports/received-items/{merchant_id}",
    model=ReceivedItem,
    record_keys=("received_items",),
    window=WindowKind.TIMESTAMP,
    time_field="received_timestamp",
    identity=("quality_label", "received_timestamp"),
    paging=Cursor(limit=100_000),
    overlap=timedelta(hours=1),
    retention=KeptCalendarYears(previous=1),
    requests_per_second=20,
    scope="zfs/received-item/read",
    # Unconfirmed: whether from/to select received_timestamp or the time the record was made available.
    filter_confirmed=False,
    source="zDirect docs, Stock Movements (OpenAPI 4.2.0), GET /reports/received-items/{merchant-id}",
)

_INTRA_COMMUNITY_MOVEMENTS = Dataset(
    name="intra_community_movements",
    title="Goods that Zalando moved between warehouses of different countries, by the date of the report",
    # Unconfirmed: newer docs print the path without /zfs, the API overview and an old client with it.
    path="/zfs/intra-community-movements/{merchant_id}",
    model=IntraCommunityMovement,
    record_keys=("items", "reports"),
    grouping=Grouping("movements", "transaction_date", ("transaction_date", "report_date")),
    asked_date_field="report_date",
    window=WindowKind.DATE,
    time_field="report_date",
    identity=None,
    # Unconfirmed: whether the endpoint knows a limit.
    paging=Cursor(limit=None),
    request_window=timedelta(days=1),
    retention=KeptDays(100),
    requests_per_second=10,
    scope="zfs/icm-reports/read",
    source="zDirect docs, Intra-Community Movements, GET /intra-community-movements/{merchant-id}",
)

DATASETS: Mapping[str, Dataset] = MappingProxyType(
    {
        dataset.name: dataset
        for dataset in (
            replace(
                _RECEIVED_ITEMS,
                variants=MappingProxyType(
                    {
                        "legacy": replace(
                            _RECEIVED_ITEMS,
                            path="/zfs/stock-movements/received-items/{merchant_id}",
                            paging=None,
                            request_window=timedelta(minutes=60),
                            retention=KeptDays(100),
                            replaces_known=False,
                            source="zDirect docs, Tracking Stock Movements (older copy), "
                            "GET /received-items/{merchant_ID}",
                        )
                    }
                ),
            ),
            Dataset(
                name="returned_items",
                title="Items returned from Zalando warehouses to the merchant",
                path="/zfs/stock-movements/returned-items/{merchant_id}",
                model=ReturnedItem,
                record_keys=("returned_items",),
                window=WindowKind.TIMESTAMP,
                time_field="consumed_timestamp",
                identity=("quality_label", "consumed_timestamp"),
                request_window=timedelta(minutes=60),
                overlap=timedelta(hours=1),
                retention=KeptDays(100),
                requests_per_second=100,
                scope="zfs/returned-item/read",
                personal_data=("destination",),
                source="zDirect docs, Stock Movements (OpenAPI 4.2.0), GET /returned-items/{merchant-id}",
            ),
            Dataset(
                name="liquidated_items",
                title="Items sold to Zalando's off-price channel",
                path="/zfs/stock-movements/liquidated-items/{merchant_id}",
                model=LiquidatedItem,
                record_keys=("liquidated_items", "received_items"),
                window=WindowKind.DATE,
                time_field="liquidation_date",
                identity=None,
                request_window=timedelta(days=1),
                retention=KeptDays(100),
                requests_per_second=5,
                scope="zfs/liquidated-item/read",
                # Unconfirmed: whether from/to select liquidation_date or reporting_date.
                filter_confirmed=False,
                source="zDirect docs, Stock Movements (OpenAPI 4.2.0), GET /liquidated-items/{merchant-id}",
            ),
            replace(
                _INTRA_COMMUNITY_MOVEMENTS,
                variants=MappingProxyType(
                    {
                        "single_request": replace(
                            _INTRA_COMMUNITY_MOVEMENTS,
                            path="/zfs/stock-movements/intra-community-movements/{merchant_id}",
                            paging=None,
                            when_too_many=_INTRA_COMMUNITY_MOVEMENTS,
                            source="zDirect docs, Intra-Community Movements, single request (deprecated), "
                            "GET /zfs/stock-movements/intra-community-movements/{merchant-id}",
                        )
                    }
                ),
            ),
            Dataset(
                name="cross_border_movements",
                title="Items that moved between Zalando facilities of different countries, by the date of the report",
                path="/zfs/cross-border-movements/{merchant_id}",
                model=CrossBorderMovement,
                record_keys=("items",),
                window=WindowKind.DATE,
                time_field="report_date",
                identity=("movement_id",),
                # The default that the answer's own query shows; a larger page is not documented.
                paging=Cursor(limit=1_000),
                request_window=timedelta(days=1),
                retention=KeptDays(100),
                requests_per_second=10,
                scope="zfs/icm-reports/read",
                source="zDirect docs, Cross-Border Movements (OpenAPI 1.1), GET /cross-border-movements/{merchant_id}",
            ),
        )
    }
)


def get_dataset(name: str, variant: str | None = None, path: str | None = None) -> Dataset:
    """The row of the table with that name.

    :param variant: name of another path for the same dataset, for example ``legacy`` for ``received_items``.
    :param path: a path to use instead of the row's own, with ``{merchant_id}`` in it; for the deprecated
        ``single_request`` it is the one that is asked where a day holds too many records.
    :raises ZDirectConfigurationError: if there is no such dataset or variant, or the path cannot be one.
    """
    dataset = _row(name, variant)
    if path is None:
        return dataset
    if not _PATH.fullmatch(path) or path.count("{merchant_id}") != 1:
        raise ZDirectConfigurationError(
            f"path={path[:100]!r} is not a path of {name}.",
            remedy=f"Give it without host and query, as {dataset.path}, or leave it out.",
        )
    if dataset.when_too_many is not None:
        return replace(dataset, when_too_many=replace(dataset.when_too_many, path=path))
    return replace(dataset, path=path)


def _row(name: str, variant: str | None) -> Dataset:
    dataset = DATASETS.get(name)
    if dataset is None:
        raise ZDirectConfigurationError(
            f"dataset={name!r} is not a dataset of this provider.",
            remedy=f"Use one of: {', '.join(DATASETS)}.",
        )
    if variant is None:
        return dataset
    if variant not in dataset.variants:
        raise ZDirectConfigurationError(
            f"variant={variant!r} is not a variant of {name}.",
            remedy=f"Leave it out, or use one of: {', '.join(dataset.variants) or '(there is none)'}.",
        )
    return dataset.variants[variant]


def _as_parameter(value: datetime | date) -> str:
    if not isinstance(value, datetime):
        return value.isoformat()
    # zDirect docs show RFC 3339 with Z; fractions are sent only where the window has them.
    return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
