"""Writes the pages that are generated: from the tables, the models, the errors and the DAGs."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Literal, get_args, get_origin

import pyarrow as pa
from pydantic.fields import FieldInfo

from airflow_provider_zdirect.datasets.arrow import arrow_schema
from airflow_provider_zdirect.datasets.assumptions import Assumptions
from airflow_provider_zdirect.datasets.endpoint import Rate, RateLimits
from airflow_provider_zdirect.datasets.paging import Cursor, TimeWalk
from airflow_provider_zdirect.datasets.publication import Days, History, Snapshots
from airflow_provider_zdirect.datasets.selection import Dates, State, Timestamps
from airflow_provider_zdirect.datasets.table import DATASETS, Dataset

# Beside this file, also where it is run by another.
sys.path.insert(0, str(Path(__file__).parent))
from dag_page import dags
from error_page import errors
from package_picture import packages
from table_ddl import ddl

DOCS = Path(__file__).parent.parent / "docs"

INTRODUCTION = """\
# Datasets

Generated from `airflow_provider_zdirect/datasets/`, the rows and the models, by `make docs`; do not edit.

This page lists every dataset with its endpoint and columns. Each is stored under
`<base_path>/<dataset>/merchant_id=<id>/date=<YYYY-MM-DD>/`, as Parquet (zstd) or as JSON lines (gzip). The date is
the UTC date of the record's own time, or the requested date where zDirect is requested by date.
[Reading the data](reading.md) has examples and statements for every reader.

## How a record becomes a row

* A field of the API is a column of the same name. A nested object is a struct, a list is a list. A field with the
  name of a folder (`merchant_id` of orders, for example) becomes the column `api_merchant_id`, since readers take
  `merchant_id` from the folder's name.
* Identifiers are text. Identifiers of fixed width (EAN 13, advice id 8, return shipment number 16 digits) get lost
  leading zeros back. Times are `timestamp[us, UTC]`, dates are dates, money is `decimal128(38, 18)`.
* Only what identifies a record and places it in time is required, and the quantity of a movement. Everything else may
  be missing or null. An empty string is null. Numbers that arrive as text, and text that arrives as numbers, are
  converted.
* Enumerations are open: an unknown value is kept.
* Unknown fields are kept as JSON in `_unknown_fields`, at any depth.
* Damaged text is repaired: U+FFFD replaces half a surrogate pair (`\\ud83d`) and bytes that are not UTF-8; raw
  control characters are kept. The manifest, the log and XCom count such records as `repaired`. Text that identifies a
  record or what it belongs to is not repaired.
* A record that still cannot be read (invalid JSON such as `NaN`, numbers out of range, a damaged field name, a
  missing key) is [stored with the reason](rejected.md). More than `max_rejected` of them (default 0)
  fail the task, and nothing of the window is published. Up to so many are counted in the manifest, the log and XCom,
  and all others are published. An order is rejected together with any item or line that cannot be decoded. If a
  record has a field twice, the last one counts.
* An answer that breaks off, or in which the end of a record is uncertain (an unescaped quote, a missing bracket), is
  malformed as a whole: it is fetched again, and nothing of it is published.

## Lineage columns

| column | type | meaning |
|---|---|---|
| `_merchant_id` | string | the requested merchant |
| `_environment` | string | `production` or `sandbox` |
| `_window_from`, `_window_to` | timestamp | the window whose run published the row |
| `_extracted_at` | timestamp | when the row's answer arrived |
| `_record_hash` | int64 | hash (64-bit xxh3) of the record's JSON text as it arrived; equal texts are equal records |
| `_unknown_fields` | string | fields that this version does not know, as JSON |
"""


ASSUMPTIONS_INTRODUCTION = """\
# Assumptions about the API

Generated from `airflow_provider_zdirect/datasets/assumptions.py` by `make docs`; do not edit.

Some facts about zDirect's API are not documented, or are documented in two ways. The provider assumes the defaults
below. If zDirect behaves differently for your app, set it once in the zDirect connection, in the extra field
`assumptions`. A [check of the connection](check.md) records which of them zDirect's answers confirm or contradict.

```json
{"environment": "production", "assumptions": {"orders_page_size": 500, "liquidation_last_date": "exclusive"}}
```

A wrong name or value is an error when the connection is read. Paths that zDirect documents in two versions are
arguments of the operators (`variant`, `path`, `create_by`).

| assumption | endpoint | default | why |
|---|---|---|---|
"""


def documents() -> dict[str, str]:
    """The text of each page and file by its name under docs."""
    return {
        "assumptions.md": assumptions(),
        "dags.md": dags(),
        "datasets.md": datasets(),
        "errors.md": errors(),
        "images/packages.svg": packages(),
        **ddl(),
    }


def assumptions() -> str:
    rows = [
        f"| `{name}` | {field.title} | `{field.default}`{_others(field)} | {field.description} |"
        for name, field in Assumptions.model_fields.items()
    ]
    return "\n".join([ASSUMPTIONS_INTRODUCTION.rstrip("\n"), *rows, ""])


def _others(field: FieldInfo) -> str:
    choices = get_args(field.annotation) if get_origin(field.annotation) is Literal else ()
    others = [f"`{choice}`" for choice in choices if choice != field.default]
    return f" (or {', '.join(others)})" if others else ""


def datasets() -> str:
    return "\n".join([INTRODUCTION, *(line for dataset in DATASETS.values() for line in _section(dataset))])


def _section(dataset: Dataset) -> Iterator[str]:
    yield f"## `{dataset.name}`"
    yield ""
    yield f"{dataset.title}. Source: {dataset.source}."
    yield ""
    yield "| what | value |"
    yield "|---|---|"
    for what, value in _facts(dataset):
        yield f"| {what} | {value} |"
    for name, variant in dataset.variants.items():
        yield ""
        yield f'With `variant="{name}"` it is fetched from another path ({variant.source}):'
        yield ""
        yield "| what | value |"
        yield "|---|---|"
        usual = dict(_facts(dataset))
        for what, value in _facts(variant):
            if usual.get(what) != value:
                yield f"| {what} | {value} |"
    if dataset.assumes:
        yield ""
        names = ", ".join(f"[`{name}`](assumptions.md)" for name in dataset.assumes)
        yield f"Not confirmed: {names}."
    yield ""
    yield "| column | type |"
    yield "|---|---|"
    for field in arrow_schema(dataset.model):
        if not field.name.startswith("_"):
            yield f"| `{field.name}` | {_type(field.type)} |"
    yield ""


def _facts(dataset: Dataset) -> Iterator[tuple[str, str]]:
    selection, publish = dataset.selection, dataset.publish
    yield "path", f"`{dataset.endpoint.path}`"
    yield "scope", f"`{dataset.endpoint.scope}`"
    if dataset.part_of:
        yield "comes with", f'`{dataset.part_of}`, in the same requests; fetch it with `dataset="{dataset.part_of}"`'
    yield "window", _window(dataset)
    if isinstance(publish, Snapshots):
        yield "stored", "every state as a whole, by its time"
    if isinstance(publish, History):
        yield (
            "stored",
            "every version of a record, `_valid_from` to `_valid_to` (null: still valid); the latest versions also "
            "under `<base_path>/<dataset>_current/`",
        )
    if publish.time_field:
        sure = not dataset.has_windows or dataset.windows.filter_confirmed
        unsure = "" if sure else " (unconfirmed whether `from` and `to` select by it)"
        yield "time field", f"`{publish.time_field}`{unsure}"
    identity = " + ".join(f"`{name}`" for name in publish.identity) or "none"
    if isinstance(publish, Days):
        identity += "; a fetched day replaces the day as a whole, and the former data moves to `_revisions`"
    yield "identity", identity
    if latest := dataset.of_latest():
        key = " + ".join(f"`{name}`" for name in latest.publish.identity)
        yield "latest versions", f"`{latest.name}`: once per {key}, under the date of `{latest.publish.time_field}`"
    if dataset.answer.left_out:
        yield "never stored", ", ".join(f"`{name}`" for name in dataset.answer.left_out)
    yield "paging", _paging(dataset)
    if dataset.when_too_many:
        yield "a day with too many records", f"is fetched from `{dataset.when_too_many.endpoint.path}`"
    if dataset.has_windows:
        yield "longest request", _length(timedelta(days=1) if isinstance(publish, Days) else selection.request_window)
        yield "overlap (default)", _length(dataset.windows.overlap, none="none")
    if retention := dataset.windows.retention if dataset.has_windows else dataset.states.retention:
        yield "kept by zDirect", str(retention)
    if selection.filters:
        yield "filters", ", ".join(f"`{name}`" for name in selection.filters)
    yield "rate limit", _limits(dataset.endpoint.rate_limits)
    yield "personal data", ", ".join(f"`{name}`" for name in dataset.personal_data) or "none"


def _window(dataset: Dataset) -> str:
    match dataset.selection:
        case Timestamps(names=(first, last), exclusive=exclusive):
            suffix = "; both exclusive, in whole seconds" if exclusive else ""
            return f"times; `{first}` = start - overlap, `{last}` = end{suffix}"
        case Dates():
            return "whole days; one request per day, `from` = `to` = the day"
        case State(since_parameter=str()):
            return "what changed since the window's start, as it is now"
        case _:
            return "none; the present state"


def _limits(limits: RateLimits) -> str:
    production, sandbox = (_rate(rate) for rate in (limits.production, limits.sandbox))
    return production if production == sandbox else f"{production} (sandbox: {sandbox})"


def _rate(rate: Rate) -> str:
    period = {1: "s", 60: "minute", 3600: "hour"}[int(rate.period)]
    return f"{rate.limit:g} requests/{period}"


def _paging(dataset: Dataset) -> str:
    match dataset.paging:
        case TimeWalk(size=size, time_key=key):
            return f"{size:,} records a page, in order of `{key}`, each starting at the last time of the one before"
        case Cursor(limit=None):
            return "cursor; zDirect decides how many records a page holds"
        case Cursor(limit=limit):
            return f"cursor, {limit:,} records a page"
        case _:
            return "none"


def _length(length: timedelta | None, none: str = "any") -> str:
    if not length:
        return none
    if length % timedelta(days=1) == timedelta(0):
        return f"{length.days} day" + ("s" if length.days > 1 else "")
    return f"{length / timedelta(minutes=1):g} minutes"


def _type(kind: pa.DataType) -> str:
    if pa.types.is_struct(kind):
        return "struct: " + ", ".join(f"`{field.name}` {_type(field.type)}" for field in kind)
    if pa.types.is_list(kind):
        return f"list of {_type(kind.value_type)}"
    return str(kind).replace("timestamp[us, tz=UTC]", "timestamp[us, UTC]")


if __name__ == "__main__":
    for name, text in documents().items():
        (DOCS / name).parent.mkdir(exist_ok=True)
        (DOCS / name).write_text(text)
        sys.stdout.write(f"docs/{name} written\n")
