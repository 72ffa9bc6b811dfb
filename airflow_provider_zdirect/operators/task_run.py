# SPDX-License-Identifier: Apache-2.0
"""One try of a task: its checked arguments, and what Airflow, the storage and zDirect give it."""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import date
from functools import partial
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

from airflow_provider_zdirect.airflow_sdk import AirflowSkipException
from airflow_provider_zdirect.exceptions import ZDirectConfigurationError
from airflow_provider_zdirect.merchant_files.cells import UUID
from airflow_provider_zdirect.merchant_files.tables import TableFile
from airflow_provider_zdirect.operators.base_path import BasePath, known_environment, open_base_path, open_path
from airflow_provider_zdirect.operators.run_context import run_window

if TYPE_CHECKING:
    from airflow_provider_zdirect.client import ZDirectClient
    from airflow_provider_zdirect.datasets.table import Dataset
    from airflow_provider_zdirect.hooks.zdirect import ZDirectHook
    from airflow_provider_zdirect.pipeline.extract import ExtractJob
    from airflow_provider_zdirect.publish.place import Place
    from airflow_provider_zdirect.windows import Window

T = TypeVar("T")

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class TaskRun:
    """A try of a task.

    :param values: the task's arguments, as its table converts them.
    :param context: what Airflow hands to the task.
    :param hook: of the task's connection.
    """

    values: Mapping[str, Any]
    context: Mapping[str, Any]
    hook: ZDirectHook

    @property
    def _names(self) -> tuple[str, str, str, str]:
        ti = self.context["ti"]
        return ti.dag_id, ti.run_id, ti.task_id, str(getattr(ti, "map_index", -1))

    @property
    def label(self) -> str:
        """The task instance in words."""
        return "/".join(self._names)

    @property
    def key(self) -> str:
        """What a retry of this task instance has in common with its first try, and no other run."""
        return _key(*self._names)

    @property
    def task_key(self) -> str:
        """What all runs of a task have in common, and no other task."""
        return _key(self._names[0], self._names[2])

    @property
    def merchant_id(self) -> str | None:
        """The id of the merchant that the task is given by id or name; None if it is given none.

        :raises ZDirectConfigurationError: if the connection has no such name.
        """
        given: str | None = self.values["merchant_id"]
        # A task with an id may need no connection.
        return given if given is None or UUID.fullmatch(given) else self.hook.config().merchants.id_of(given)

    def pick(self, *names: str) -> dict[str, Any]:
        """These arguments, for a job whose fields have the same names."""
        return {name: self.values[name] for name in names}

    def ask(self, work: Callable[[ZDirectClient], Awaitable[T]]) -> T:
        """What ``work`` returns, given a client of the task's connection."""

        async def run() -> T:
            async with self.hook.client() as client:
                return await work(client)

        return asyncio.run(run())

    def place(
        self,
        what: str,
        when: Window | date | None = None,
        *,
        needs_connection: bool = True,
        is_tried: bool = True,
    ) -> Place:
        """Where the task's results go; tried before the first request, which may be that for the merchant.

        :param what: what the task works on, in words; with this, window, merchant and base path its log begins.
        :param when: as that of :meth:`.Place.subject`.
        :param needs_connection: False for tasks that ask zDirect for nothing but, where none is given, the merchant.
        :param is_tried: False if what follows tries it before its own first request.
        :raises ZDirectConfigurationError: if one of the arguments is wrong.
        :raises StorageUnavailableError: if the storage does not answer.
        """
        from airflow_provider_zdirect.publish.place import Place

        values = self.values
        environment = self.hook.config().environment if needs_connection else known_environment(self.hook)
        if is_tried or not values["merchant_id"]:
            opened = open_base_path(values["base_path"], values["storage_conn_id"], environment=environment)
        else:
            opened = open_path(values["base_path"], values["storage_conn_id"], name="base_path")
        merchant_id = self.merchant_id or self.hook.merchant_id()
        place = Place(
            opened.fs,
            opened.root,
            opened.uri,
            merchant_id,
            environment or "",
            values.get("format", "parquet"),
            opened.storage,
            self.hook.merchants().name_of(merchant_id),
        )
        log.info("%s: base path %s", place.subject(what, when, full_id=True), place.uri)
        return place

    def file(self, name: str, merchant_id: str = "", default: str = "") -> BasePath:
        """The file that an argument names; ``{merchant_id}`` in it stands for the merchant.

        :param default: the path if the argument is not given.
        """
        text = (self.values[name] or default).replace("{merchant_id}", merchant_id)
        return open_path(text, self.values["storage_conn_id"], name=name)

    def table(
        self, name: str, columns: Mapping[str, tuple[str, ...]], required: tuple[str, ...] = (), merchant_id: str = ""
    ) -> TableFile | None:
        """The table in a file, as :meth:`file`; None if the argument is not given.

        :param columns: as those of :class:`~.TableFile`; ``required`` too.
        """
        if self.values[name] is None:
            return None
        file = self.file(name, merchant_id)
        return TableFile(file.fs, file.root, file.uri, name, columns, required)

    def extract_job(self, dataset: Dataset, **more: Any) -> ExtractJob:
        """The job that fetches the run's window, or a present state.

        For tasks with the arguments ``PLACE``, ``FORMAT`` and ``WINDOW``.

        :param more: other fields of the job.
        :raises WindowError: as :func:`~.run_context.run_window`.
        """
        from airflow_provider_zdirect.pipeline.extract import ExtractJob

        names = ("max_rejected", "clip_to_retention", "timezone", "replace_with_empty", "accept_outside")
        # Of a present state: all there is, or what the filters select; where that can be asked, what changed since.
        asks_window = dataset.has_windows or (dataset.selection.takes_window and not more.get("filters"))
        window = run_window(self.values, self.context) if asks_window else None
        place = self.place(dataset.name, window if dataset.has_windows else None, is_tried=False)
        arguments = {"resume_key": self.key, "note_progress": self.progress_note(), **self.pick(*names), **more}
        return ExtractJob(place, dataset, window, **arguments)

    def progress_note(self) -> Callable[[str], object] | None:
        """Where Airflow's UI shows the progress of a running task: its state store (Airflow 3.3+)."""
        store = self.context.get("task_state_store")
        return store and partial(store.set, "progress")


def end_without_file(what: str, missing: str, remedy: str) -> NoReturn:
    """Skip the task if ``missing`` is ``skip``, else fail it."""
    if missing == "skip":
        raise AirflowSkipException(what)
    raise ZDirectConfigurationError(what, remedy=remedy)


def _key(*names: str) -> str:
    # Marks under base paths and ids of shipping notices are made of it, so it stays as it is.
    return hashlib.sha256("\n".join(names).encode()).hexdigest()[:24]
