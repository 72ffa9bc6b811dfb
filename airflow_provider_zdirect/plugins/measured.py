# SPDX-License-Identifier: Apache-2.0
"""The coverage of the deployment's base path, measured when a user opens the page, and kept for a minute."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

from airflow_provider_zdirect.clock import Clock, SystemClock
from airflow_provider_zdirect.coverage.report import measure_coverage
from airflow_provider_zdirect.coverage.rows import Scope
from airflow_provider_zdirect.datasets.table import WITH_WINDOWS
from airflow_provider_zdirect.exceptions import ZDirectError
from airflow_provider_zdirect.hooks.zdirect import ZDirectHook
from airflow_provider_zdirect.operators.arguments import merchants as named
from airflow_provider_zdirect.operators.base_path import known_environment, open_base_path
from airflow_provider_zdirect.storage.layout import windows_folder
from airflow_provider_zdirect.storage.object_store import ObjectStore
from airflow_provider_zdirect.windows import MAX_CLOCK_SKEW

log = logging.getLogger(__name__)

KEPT = timedelta(minutes=1)
PATIENCE = 15.0
"""How long a user waits for zDirect's list of merchants, in seconds."""

Answer = tuple[Mapping[str, Any] | None, str]
"""A report as ``CoverageReport.as_json`` returns it, or None; and a notice for the user, or an empty text."""


class MeasuredCoverage:
    """Measures the deployment's base path, one measurement at a time.

    The deployment decides what is measured, by the parameters of its DAGs (``ZDIRECT_BASE_PATH`` and the like); a
    request cannot choose another path.

    :param params: returns these parameters; None: :func:`deployment_params`.
    """

    def __init__(self, params: Callable[[], Mapping[str, Any]] | None = None, clock: Clock | None = None) -> None:
        self._params = params or deployment_params
        self._clock = clock or SystemClock()
        self._lock = asyncio.Lock()
        self._answer: Answer = (None, "")
        self._at: datetime | None = None

    async def latest(self, after: datetime | None = None) -> Answer:
        """A report that is at most a minute old.

        :param after: and made after this moment, unless it lies in the future by more than clocks differ.
        """
        async with self._lock:
            now = self._clock.now()
            is_too_old = after is not None and self._at is not None and self._at <= after <= now + MAX_CLOCK_SKEW
            if self._at is None or now - self._at > KEPT or is_too_old:
                self._answer, self._at = await asyncio.to_thread(self._measure, now), now
            return self._answer

    def _measure(self, now: datetime) -> Answer:
        """Never raises: the page has to show the user what to do."""
        try:
            params = self._params()
        except ZDirectError as error:
            return None, str(error)
        uri = str(params["base_path"])
        try:
            return measure(params, now)
        except ZDirectError as error:
            return None, f"{error} {_instead(uri)}"
        except Exception as error:
            # The texts of a storage's own errors may hold more than a page should show.
            log.exception("The coverage of %s could not be measured", uri)
            why = f"The API server could not read {uri} ({type(error).__name__}; its log says more)."
            return None, f"{why} {_instead(uri)}"


def deployment_params() -> dict[str, Any]:
    """The parameters of the DAG ``zdirect_coverage``, with their defaults in this process."""
    from airflow_provider_zdirect.dag_support.params import coverage_params, place_params

    return {name: param.value for name, param in {**place_params(), **coverage_params()}.items()}


def measure(params: Mapping[str, Any], now: datetime) -> Answer:
    """The coverage of a base path, as far as this process can reach it.

    :raises ZDirectError: if it cannot be read; says what to do.
    """
    hook = ZDirectHook(params["conn_id"])
    environment = known_environment(hook)
    base = open_base_path(str(params["base_path"]), environment=environment, writes=False)
    store = ObjectStore(base.fs, base.root)
    merchants, notice = _merchants(hook, params["merchant_ids"], store)
    scope = Scope(
        now,
        days=params["days"],
        warn=timedelta(days=params["warn_days"]),
        grace=timedelta(hours=params["grace_hours"]),
    )

    def report(keeps_index: bool) -> dict[str, Any]:
        return measure_coverage(
            store,
            base.uri,
            merchants,
            scope,
            environment=environment,
            conn_id=hook.conn_id,
            name_of=hook.merchants().name_of,
            keeps_index=keeps_index,
        ).as_json()

    try:
        found = report(keeps_index=True)
    except Exception:
        # The API server may have read access only, and each storage refuses a write with an error of its own. If it
        # cannot read either, this raises.
        found = report(keeps_index=False)
    if not found["rows"] and not found["others"] and not notice:
        notice = (
            f"Nothing has landed under {base.uri} yet. If your data is somewhere else: the API server needs the same "
            "ZDIRECT_BASE_PATH and ZDIRECT_CONN_ID as the DAG processor."
        )
    return found, notice


def _merchants(hook: ZDirectHook, given: Any, store: ObjectStore) -> tuple[dict[str, str | None], str]:
    """The merchants of the deployment, and a notice for the user, or an empty text."""
    names = hook.merchants()
    try:
        ids = [names.id_of(each) for each in named(given, "merchant_ids")] or asyncio.run(_granted(hook))
    except (ZDirectError, TimeoutError) as error:
        why = "it did not answer in time" if isinstance(error, TimeoutError) else str(error)
        ids = _merchants_below(store)
        notice = f"The list of merchants could not be read from zDirect ({why}). Shown are those with data."
    else:
        notice = ""
    return {each: names.name_of(each) for each in ids}, notice


async def _granted(hook: ZDirectHook) -> list[str]:
    """The connection's merchant, or else all that zDirect lists."""
    if own := hook.own_merchant_id():
        return [own]
    async with asyncio.timeout(PATIENCE), hook.client() as client:
        return list((await client.me()).merchant_ids)


def _merchants_below(store: ObjectStore) -> list[str]:
    """The merchants for whom a window has landed."""
    paths = (path for dataset in WITH_WINDOWS for path in store.files_below(windows_folder("manifests", dataset)))
    parts = (part for path in paths for part in path.split("/") if part.startswith("merchant_id="))
    return sorted({part.partition("=")[2] for part in parts})


def _instead(uri: str) -> str:
    return (
        "Until then, run the DAG zdirect_coverage, which writes the same page as a file: "
        f"{uri.rstrip('/')}/_reports/coverage/coverage.html."
    )
