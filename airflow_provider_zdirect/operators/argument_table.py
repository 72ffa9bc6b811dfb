# SPDX-License-Identifier: Apache-2.0
"""Tables of arguments. A task's table gives its template fields, what is refused at parse, and its values when it runs.

An argument that is a template, or that a mapped task is given later, is :data:`UNKNOWN` at parse.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Final

from airflow_provider_zdirect.client.merchants import MerchantNames
from airflow_provider_zdirect.exceptions import ZDirectConfigurationError
from airflow_provider_zdirect.merchant_files.cells import UUID
from airflow_provider_zdirect.merchant_files.tables import table_kind
from airflow_provider_zdirect.operators import arguments
from airflow_provider_zdirect.operators.arguments import refusal
from airflow_provider_zdirect.operators.base_path import check_path
from airflow_provider_zdirect.operators.map_index import NamedMapIndex
from airflow_provider_zdirect.operators.retry import inherited_default_args, set_retries
from airflow_provider_zdirect.storage.layout import FORMATS
from airflow_provider_zdirect.windows import Window

log = logging.getLogger(__name__)

UNKNOWN: Final = object()
"""Stands for a value that is not known before the task runs."""


@dataclass(frozen=True)
class Argument:
    """One argument of a task.

    :param convert: value and name of the argument -> what it means.
    :param blank: what None, and a template that renders nothing, mean; without it they are refused.
    """

    convert: Callable[[Any, str], Any]
    blank: Any = UNKNOWN

    def value(self, rendered: Any, name: str) -> Any:
        """What a rendered value means.

        :raises ZDirectConfigurationError: if it means nothing; names the argument.
        """
        if arguments.given(rendered) is None:
            if self.blank is UNKNOWN:
                raise refusal(f"{name} is empty", f"Give {name}.")
            return self.blank
        return self.convert(rendered, name)

    def at_parse(self, argument: Any, name: str) -> Any:
        """As :meth:`value`, as far as it is known when the DAG is parsed; of a mapping, value by value."""
        if isinstance(argument, Mapping):
            known = {key: value for key, value in argument.items() if arguments.is_literal(value)}
            unknown = dict.fromkeys(argument.keys() - known.keys(), UNKNOWN)
            return unknown | self.value(known, name) if unknown else self.value(known, name)
        return self.value(argument, name) if arguments.is_literal(argument) else UNKNOWN


def is_known(*values: Any) -> bool:
    return all(value is not UNKNOWN for value in values)


def if_known(value: Any) -> Any:
    """``value``; None if it is not known yet."""
    return None if value is UNKNOWN else value


def path(value: Any, name: str) -> str:
    """A path of the storage, as it was given."""
    check_path(value, name=name)
    return str(value)


def table_file(value: Any, name: str) -> str:
    """The path of a CSV, TSV, Parquet or JSON-lines file."""
    table_kind(path(value, name), name=name)
    return str(value)


def from_template(convert: Callable[[Any, str], Any]) -> Callable[[Any, str], Any]:
    """The conversion of a list or mapping that may be text, as a template renders it; blank values are left out."""

    def of_text(value: Any, name: str) -> Any:
        value = arguments.from_text(value)
        if isinstance(value, Mapping):
            value = {key: each for key, each in value.items() if arguments.given(each) is not None}
        return convert(value, name)

    return of_text


def optional(convert: Callable[[Any, str], Any]) -> Argument:
    return Argument(convert, blank=None)


TEXT = Argument(arguments.text)
OPTIONAL_TEXT = optional(arguments.text)
FLAG = Argument(arguments.flag)
COUNT = Argument(arguments.count)
DURATION = Argument(arguments.duration)
OPTIONAL_DURATION = optional(arguments.duration)
TABLE_FILE = optional(table_file)
UUIDS = Argument(arguments.uuids, blank=())
MERCHANTS = Argument(arguments.merchants, blank=())
FAIL_OR_SKIP = Argument(arguments.choice("fail", "skip"))

MERCHANT = {"merchant_id": optional(arguments.merchant)}
CONNECTION = {"conn_id": TEXT}
STORAGE = {"storage_conn_id": OPTIONAL_TEXT}
FORMAT = {"format": Argument(arguments.choice(*FORMATS))}
PLACE = {"base_path": Argument(path)} | MERCHANT | STORAGE | CONNECTION
"""Where a merchant's results go."""
WINDOW = {
    "window_from": optional(arguments.instant),
    "window_to": optional(arguments.instant),
    "max_rejected": COUNT,
    "clip_to_retention": FLAG,
    "timezone": Argument(arguments.time_zone),
    "replace_with_empty": FLAG,
    "accept_outside": FLAG,
}
"""Which window is fetched, and what of its records is published."""


def check_window(values: Mapping[str, Any]) -> None:
    """Refuse a window with one end, or one that is not a window.

    :raises WindowError: if it is zero-width or inverted.
    """
    start, end = values["window_from"], values["window_to"]
    if not is_known(start, end) or (start is None and end is None):
        return
    if start is None or end is None:
        there, missing = ("window_from", "window_to") if end is None else ("window_to", "window_from")
        raise refusal(f"{there} is given and {missing} is not", "Give both, or neither for the run's data interval.")
    Window(start, end)


def check_one_source(values: Mapping[str, Any], listed: str, file: str, *, is_needed: bool = False) -> None:
    """Refuse a list and a file of the same thing.

    :param is_needed: refuse neither of the two as well.
    """
    if not is_known(values[listed], values[file]):
        return
    found = [name for name in (listed, file) if values[name] is not None]
    if len(found) == 2:
        raise refusal(f"{listed} and {file} are both given", "Give one of them; the other one may be left out.")
    if is_needed and not found:
        raise refusal(f"Neither {listed} nor {file} is given", f"Give {listed}, or a file with them as {file}.")


class TaskArguments(NamedMapIndex):
    """A task whose arguments are those of a table, and templates. Goes before Airflow's base class.

    :param values: the arguments by name; others are left out.
    """

    arguments: ClassVar[Mapping[str, Argument]] = {}
    template_fields: Collection[str] = ()
    deferrable: bool = False

    def __init__(self, *, values: Mapping[str, Any], **kwargs: Any) -> None:
        # A mapped task has been given its arguments by another task; execute() judges them.
        if not is_mapped(self):
            self.check_arguments(kwargs.get("task_id"), values)
        set_retries(kwargs, kwargs.get("default_args") or {})
        super().__init__(**kwargs)
        for name in self.arguments:
            setattr(self, name, values[name])
        self.deferrable = values.get("deferrable", self.deferrable)
        merchant_id = values.get("merchant_id")
        # Before rendering: a blank value of what a task is mapped over, or of another task, was to be a value.
        self._merchant_may_be_blank = merchant_id is None or (
            isinstance(merchant_id, str) and not (is_mapped(self) and arguments.is_literal(merchant_id))
        )

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        # An author's subclass may have template fields of its own.
        if "arguments" in vars(cls) and "template_fields" not in vars(cls):
            cls.template_fields = tuple(cls.arguments)

    @classmethod
    def partial(cls, **kwargs: Any) -> Any:
        """As for every operator; a mapped task's retries and wrong arguments are seen at parse only if done here."""
        if kwargs.get("merchant_id", "") is None:
            # The same as leaving it out; a None that a task is mapped over is not.
            del kwargs["merchant_id"]
        cls.check_arguments(kwargs.get("task_id"), kwargs)
        set_retries(kwargs, inherited_default_args(*map(kwargs.get, ("dag", "task_group", "default_args"))))
        return super().partial(**kwargs)  # type: ignore[misc]

    @classmethod
    def check(cls, values: Mapping[str, Any]) -> None:
        """Raise ZDirectConfigurationError for values that do not go together.

        :param values: as the table converts them; some may be :data:`UNKNOWN`.
        """

    @classmethod
    def check_at_parse(cls, values: Mapping[str, Any]) -> None:
        """As :meth:`check`, and for what is only wrong if it stands in the DAG file."""
        cls.check(values)

    @classmethod
    def check_arguments(cls, task_id: Any, given: Mapping[str, Any]) -> None:
        """Raise ZDirectConfigurationError for what is known at parse and wrong; names the task.

        :param given: by name; ``expand()`` may give those that are not there, or not.
        """
        try:
            known = {name: each.at_parse(given[name], name) for name, each in cls.arguments.items() if name in given}
            cls.check_at_parse(dict.fromkeys(cls.arguments, UNKNOWN) | known)
        except ZDirectConfigurationError as error:
            error.message = f"Task {task_id}: {error.message}"
            raise

    def values(self) -> dict[str, Any]:
        """The rendered arguments as values.

        :raises ZDirectConfigurationError: if one is wrong, or they do not go together.
        """
        values = {name: each.value(getattr(self, name), name) for name, each in self.arguments.items()}
        if values.get("merchant_id", "") is None:
            self._check_blank_merchant()
        self.check(values)
        return values

    @property
    def merchant(self) -> str:
        """The merchant for people, for ``map_index_template``: its name in the connection, else its id without the end.

        Only for a task that runs: it reads the connection.
        """
        from airflow_provider_zdirect.hooks.zdirect import ZDirectHook

        text = str(self.merchant_id or "").strip()  # type: ignore[attr-defined]
        try:
            names = ZDirectHook(self.conn_id).merchants()  # type: ignore[attr-defined]
        except Exception:
            # No task fails for a label; what is wrong with the connection, the task says itself.
            log.debug("The merchant's name cannot be read", exc_info=True)
            names = MerchantNames()
        short = text[:8] if UUID.fullmatch(text.lower()) else text
        return names.name_of(names.find(text)) or short

    def _check_blank_merchant(self) -> None:
        blank: Any = self.merchant_id  # type: ignore[attr-defined]
        # None of a mapped task comes from what it is mapped over, for partial() leaves it out.
        is_mapped_none = (
            is_mapped(self) and getattr(self, "_BaseOperator__init_kwargs", {}).get("merchant_id", "") is None
        )
        if is_mapped_none or not self._merchant_may_be_blank:
            raise refusal(
                f"merchant_id={blank!r} is blank. It is not taken for the connection's merchant, because the task is "
                "mapped, or takes it from another task",
                "Remove the blank entry from what the task is mapped over, or leave merchant_id out for the "
                "connection's merchant.",
            )


def is_mapped(task: Any) -> bool:
    """Whether the task is one of a mapped one: its arguments are known only now, and it may not fail at parse."""
    return bool(getattr(task, "_BaseOperator__from_mapped", False))
