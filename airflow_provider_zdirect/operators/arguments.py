"""An operator's arguments as values: checked when the DAG is parsed, or after rendering if they are templates."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import contextmanager, suppress
from datetime import date, time, timedelta
from typing import Any, NoReturn, TypeVar
from zoneinfo import ZoneInfo

from pydantic import TypeAdapter, ValidationError

from airflow_provider_zdirect.exceptions import WindowError, ZDirectConfigurationError
from airflow_provider_zdirect.merchant_files.ean import is_ean13
from airflow_provider_zdirect.storage.layout import FORMATS
from airflow_provider_zdirect.windows import Window, parse_instant

T = TypeVar("T")
LATER = "{{ known later }}"
"""Stands for an argument of a mapped task that ``partial()`` was not given; it may come by ``expand()``, or not."""

_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_SEPARATORS = re.compile(r"[\s,;]+")
# Years and months have no length of their own: pydantic would take 365 and 30 days.
_ISO_DURATION = re.compile(r"P(?=[\dT])[\d.,WD]*(T[\d.,HMS]+)?", re.ASCII)
_TIMEDELTA = TypeAdapter(timedelta)
LONGEST_DURATION = timedelta(days=3650)
"""Far beyond what zDirect keeps, and near enough to be added to any date."""
WINDOW_REMEDY = (
    "Give from and to as DAG params, on the command line with --conf "
    '\'{"from": "2026-11-12T00:00:00Z", "to": "2026-11-13T00:00:00Z"}\' (window_from and window_to of the operator)'
)
NO_INTERVAL_REMEDY = (
    f"{WINDOW_REMEDY}, or trigger the run in the UI with a logical date: its data interval is then the last complete "
    "one before. A schedule needs CronDataIntervalTimetable."
)


def is_literal(value: Any) -> bool:
    """Whether ``value`` is known at parse: no Jinja template and no result of another task."""
    if isinstance(value, str):
        return "{{" not in value and "{%" not in value
    if isinstance(value, list | tuple):
        return all(is_literal(item) for item in value)
    if isinstance(value, Mapping):
        return all(is_literal(item) for item in value.values())
    return value is None or isinstance(value, bool | int | float | date | time | timedelta)


def given(value: Any) -> Any:
    """``value``, or None for what a template renders when nothing was given: blank text and ``None``."""
    return None if isinstance(value, str) and value.strip() in ("", "None") else value


def given_text(value: Any) -> str | None:
    """As :func:`given`, as text."""
    value = given(value)
    return None if value is None else str(value)


@contextmanager
def naming(task_id: Any) -> Iterator[None]:
    """Let errors name the task: at parse, nothing else says which of a file's tasks is meant."""
    try:
        yield
    except ZDirectConfigurationError as error:
        error.message = f"Task {task_id}: {error.message}"
        raise


def check_not_empty(value: Any, *, name: str) -> None:
    """Raise if ``value`` is known and blank."""
    if is_literal(value) and given(value) is None:
        raise ZDirectConfigurationError(f"{name} is empty.", remedy=f"Give {name}.")


def literal(value: Any) -> Any:
    """``value``, if it is known at parse and given, else None."""
    return given(value) if is_literal(value) else None


def check(value: Any, parse: Callable[[Any], object]) -> None:
    """Let ``parse`` raise if ``value`` is known, given and wrong."""
    if is_literal(value) and given(value) is not None:
        parse(value)


def check_merchant_id(value: Any) -> None:
    """Raise if ``value`` is no UUID as zDirect writes it, in either case.

    The client's ``checked_merchant_id`` takes the same ones; importing the client would slow the parsing.
    """
    if not _UUID.fullmatch(str(value).strip().lower()):
        raise ZDirectConfigurationError(
            f"merchant_id={value!r} is not a UUID.",
            remedy="Give the merchant's BPID as zDirect shows it, for example "
            "01924c48-49bb-40c2-9c32-ab582e6db6f4, or leave it out for the connection's merchant.",
        )


def may_be_blank(value: Any, task: Any) -> bool:
    """Whether an argument may turn out to be blank and mean "not given": if it is none, a template, or blank at parse.

    A blank value of what a task is mapped over, or of another task's result, was to be a value.

    :param value: before rendering.
    :param task: whose argument it is; a mapped task has got its values when it is made.
    """
    return value is None or (isinstance(value, str) and not (_is_mapped(task) and is_literal(value)))


def _is_mapped(task: Any) -> bool:
    return bool(getattr(task, "_BaseOperator__from_mapped", False))


def without_none(kwargs: dict[str, Any]) -> None:
    """Leave ``merchant_id=None`` out of the arguments of ``partial()``: it says the same."""
    if kwargs.get("merchant_id", "") is None:
        del kwargs["merchant_id"]


def own_merchant_id(task: Any) -> str | None:
    """The merchant that a task was given, in lower case; None, if it was given none.

    :param task: with its ``merchant_id``, and ``merchant_may_be_blank`` from before rendering.
    :raises ZDirectConfigurationError: if it is not a UUID, or blank where a value was to come.
    """
    merchant_id = given_text(task.merchant_id)
    # None of a mapped task comes from what it is mapped over, for partial() leaves it out.
    is_mapped_none = _is_mapped(task) and getattr(task, "_BaseOperator__init_kwargs", {}).get("merchant_id", "") is None
    if merchant_id is None and (is_mapped_none or not task.merchant_may_be_blank):
        raise ZDirectConfigurationError(
            f"merchant_id={task.merchant_id!r} is blank. It is not taken for the connection's merchant, because "
            "the task is mapped, or takes it from another task.",
            remedy="Remove the blank entry from what the task is mapped over, or leave merchant_id out for the "
            "connection's merchant.",
        )
    if merchant_id is None:
        return None
    check_merchant_id(merchant_id)
    return merchant_id.strip().lower()


def split_entries(text: str) -> list[str]:
    """The parts of a text between commas, semicolons, blanks and line breaks."""
    return [part for part in _SEPARATORS.split(text) if part]


def entries(value: Any, *, name: str, parse: Callable[[str], str]) -> list[str]:
    """The entries of a list, each once and in order: what all lists of ids have in common.

    Blank entries are dropped, and one that holds several, separated by commas, semicolons, blanks or line breaks, is
    taken for these. None, blank text and an empty list are not given: nothing is returned. A list in which everything
    is blank is refused, because nobody knows whether it was to be empty.

    :param value: a list, or text: as a template makes one of a list, or separated as above.
    :param parse: an entry as it is meant; raises ValueError that says what it is not.
    :raises ZDirectConfigurationError: for any other type, and for an entry that ``parse`` refuses; names it.
    """
    value = given(value)
    if isinstance(value, str):
        text = value.strip()
        value = from_text(text) if text.startswith(("[", "(")) else [text]
        value = [value] if isinstance(value, str) else value
    if value is None:
        return []
    if isinstance(value, AbstractSet):
        value = sorted(value, key=str)
    if not isinstance(value, Sequence) or isinstance(value, bytes | str):
        raise ZDirectConfigurationError(
            f"{name}={value!r} is not a list.", remedy=f"Give {name} as a list of texts, or as text with commas."
        )
    found: dict[str, None] = {}
    for number, item in enumerate(value, start=1):
        if not isinstance(item, str):
            raise ZDirectConfigurationError(
                f"{name}: entry {number} is {item!r}, which is not text.",
                remedy="Give every entry as text, in quotes; numbers lose leading zeros.",
            )
        for part in split_entries(item):
            try:
                found[parse(part)] = None
            except ValueError as error:
                raise ZDirectConfigurationError(
                    f"{name}: {part[:60]!r} is not {error} (entry {number}).",
                    remedy=f"Correct the entry, or remove it from {name}.",
                ) from None
    if value and not found:
        raise ZDirectConfigurationError(
            f"{name} has only blank entries.", remedy=f"Give values, or leave {name} empty, without blank entries."
        )
    return list(found)


def uuid(text: str) -> str:
    """In lower case.

    :raises ValueError: if it is not a UUID.
    """
    if not _UUID.fullmatch(text.lower()):
        raise ValueError("a UUID")
    return text.lower()


def ean(text: str) -> str:
    """As it is.

    :raises ValueError: if it is not an EAN-13.
    """
    if not is_ean13(text):
        raise ValueError("a valid EAN: 13 digits, of which the last is the check digit")
    return text


def file_format(value: Any) -> str:
    if value not in FORMATS:
        raise ZDirectConfigurationError(f"format={value!r} is unknown.", remedy=f"Use one of: {', '.join(FORMATS)}.")
    return str(value)


def duration(value: Any, *, name: str) -> timedelta:
    """A timedelta, or an ISO 8601 duration as text: ``PT48H``, ``P2D``, ``PT1H30M``.

    :raises ZDirectConfigurationError: for anything else, a number above all: it does not say of which unit.
    """
    if isinstance(value, str) and _ISO_DURATION.fullmatch(text := value.strip().upper()):
        with suppress(ValidationError):
            value = _TIMEDELTA.validate_python(text)
    if not isinstance(value, timedelta):
        raise ZDirectConfigurationError(
            f"{name}={value!r} is not a duration.",
            remedy=f"Give {name} as a timedelta, such as timedelta(hours=48), or as ISO 8601 text such as 'PT48H' or "
            "'P2D' (weeks, days, hours, minutes, seconds). A bare number has no unit.",
        )
    if value < timedelta(0):
        raise ZDirectConfigurationError(f"{name}={value} is negative.", remedy=f"Give {name} as 0 or more.")
    if value > LONGEST_DURATION:
        raise ZDirectConfigurationError(
            f"{name}={value} is too long.", remedy=f"Give {name} as {LONGEST_DURATION.days} days at most."
        )
    return value


def count(value: Any, *, name: str) -> int:
    try:
        number = int(value)
    except (TypeError, ValueError, OverflowError):
        number = -1
    if isinstance(value, bool) or number < 0 or (isinstance(value, float) and value != number):
        raise ZDirectConfigurationError(
            f"{name}={value!r} is not a count.", remedy=f"Give {name} as a whole number, 0 or more."
        )
    return number


def flag(value: Any, *, name: str) -> bool:
    if isinstance(value, bool):
        return value
    text = str(value).strip().lower()
    if text not in ("true", "false"):
        raise ZDirectConfigurationError(f"{name}={value!r} is neither true nor false.", remedy="Give one of the two.")
    return text == "true"


def check_flag(value: Any, *, name: str) -> None:
    """As :func:`flag`, for what is known at parse."""
    check(value, lambda known: flag(known, name=name))


def from_text(value: Any) -> Any:
    """What a template made a text of, as JSON or as Python writes it; anything else as it is."""
    if not isinstance(value, str):
        return value
    with suppress(ValueError, RecursionError):
        return json.loads(value)
    with suppress(ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return ast.literal_eval(value.strip())
    return value


def mapping(value: Any, *, name: str) -> dict[str, str]:
    """Texts by name, from a mapping or what :func:`from_text` takes for one; blank values are left out.

    :raises ZDirectConfigurationError: if it is anything else.
    """
    value = from_text(given(value))
    if value is None:
        return {}
    if not isinstance(value, Mapping) or any(isinstance(item, Mapping) for item in value.values()):
        raise ZDirectConfigurationError(
            f"{name}={value!r} is no mapping.", remedy=f'Give {name} as {{"name": "value"}}, or leave it out.'
        )
    for key, item in value.items():
        if isinstance(item, list | tuple) and not item:
            # Not taken for "not given", which would mean all: whoever gives a list wants what is in it.
            raise ZDirectConfigurationError(
                f"{name}[{key!r}] is an empty list.", remedy="Give values, or leave it out (or blank) for all."
            )
    return {
        str(key): ",".join(map(str, item)) if isinstance(item, list | tuple) else str(item)
        for key, item in value.items()
        if given(item) is not None
    }


def literal_mapping(value: Any, *, name: str) -> dict[str, str]:
    """As :func:`mapping`, of the values that are known at parse."""
    if isinstance(value, Mapping):
        value = {key: item for key, item in value.items() if is_literal(item)}
    return mapping(value, name=name) if is_literal(value) else {}


def time_zone(value: Any) -> str:
    try:
        ZoneInfo(str(value))
    except (KeyError, ValueError, OSError):
        raise ZDirectConfigurationError(
            f"timezone={value!r} is not a time zone.", remedy="Give an IANA name such as Europe/Berlin, or UTC."
        ) from None
    return str(value)


def window(window_from: Any, window_to: Any) -> Window | None:
    """The window from ``window_from`` to ``window_to``; None if neither is given.

    :raises WindowError: if one is missing, naive or no time, or the window is zero-width or inverted.
    """
    window_from, window_to = given(window_from), given(window_to)
    if window_from is None and window_to is None:
        return None
    for name, value, other in (
        ("window_from", window_from, "window_to"),
        ("window_to", window_to, "window_from"),
    ):
        if value is None:
            raise ZDirectConfigurationError(
                f"{other} is given and {name} is not.",
                remedy="Give both, or neither for the run's data interval.",
            )
    return Window(parse_instant(window_from, name="window_from"), parse_instant(window_to, name="window_to"))


def run_type(context: Mapping[str, Any]) -> str:
    """``scheduled``, ``manual``, ``backfill``, ...; blank outside of a run."""
    kind = getattr(context.get("dag_run"), "run_type", "")
    return str(getattr(kind, "value", kind))


def run_interval(context: Mapping[str, Any]) -> Window:
    """The run's data interval.

    :raises WindowError: if it has none, or one that is not its logical date's.
    """
    start, end = context.get("data_interval_start"), context.get("data_interval_end")
    if start is None or end is None:
        raise WindowError(
            "This run has no data interval, and from and to (window_from, window_to) are not given.",
            remedy=NO_INTERVAL_REMEDY,
        )
    logical_date = context.get("logical_date")
    if logical_date is not None and logical_date < start:
        # Airflow 3's command line: the interval is the last one before the present, whatever the logical date is.
        raise WindowError(
            f"The run's logical date is {logical_date.isoformat()}, and its data interval begins after it, at "
            f"{start.isoformat()}: `airflow dags trigger --logical-date` does not choose the interval.",
            remedy=f"{WINDOW_REMEDY}.",
        )
    return Window(start, end)


def fixed_window(params: Mapping[str, Any]) -> dict[str, Any]:
    """Those of the DAG parameters ``from`` and ``to`` that are given."""
    return {name: params[name] for name in ("from", "to") if name in params and given(params[name]) is not None}


def refuse_in_backfill(fixed: Mapping[str, Any], of_run: object) -> NoReturn:
    """Say that parameters fix what each run of a backfill fetches, which is not what the run is for.

    Airflow shows the parameters in the dialog of a backfill too, and gives them to every run of it.

    :param fixed: the parameters, by name.
    :param of_run: what the run itself is for.
    """
    names, values = (" and ".join(texts) for texts in (fixed, [f"{name}={value}" for name, value in fixed.items()]))
    raise WindowError(
        f"This run of a backfill is for {of_run}, and its parameters say {values}. Every run of the backfill has the "
        "same parameters, so all of them would fetch the same, and nothing of what they are for. Nothing was fetched.",
        remedy=f"Start the backfill again with {names} empty: the backfill's own dates choose what is fetched. Let it "
        "reprocess the failed runs, which Airflow leaves out otherwise, with an empty configuration: `airflow backfill "
        "create ... --reprocess-behavior failed --dag-run-conf '{}'` (Airflow 2: `airflow dags backfill "
        "--reset-dagruns`). "
        f"For {values}, trigger the DAG by hand.",
    )


def check_backfill_window(context: Mapping[str, Any], window: Window) -> None:
    """Raise for a run of a backfill if the window is that of the parameters ``from`` and ``to``, and not the run's.

    An author's own window in a task is left alone.
    """
    fixed = fixed_window(context.get("params") or {})
    if len(fixed) < 2 or run_type(context) != "backfill":
        return
    try:
        of_params = Window(*(parse_instant(fixed[name], name=name) for name in ("from", "to")))
    except (WindowError, TypeError, AttributeError):
        # Parameters of the author's own, which mean something else.
        return
    if window == of_params and window != (of_run := run_interval(context)):
        refuse_in_backfill(fixed, of_run)


def check_window(window_from: Any, window_to: Any) -> None:
    """As :func:`window`, for what is known at parse: a template may still turn out to be blank or right."""
    if is_literal(window_from) and is_literal(window_to):
        window(window_from, window_to)
        return
    check(window_from, lambda value: parse_instant(value, name="window_from"))
    check(window_to, lambda value: parse_instant(value, name="window_to"))
