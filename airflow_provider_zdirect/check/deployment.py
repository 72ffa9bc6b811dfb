# SPDX-License-Identifier: Apache-2.0
"""The checks of the deployment: connection, base path, triggerer, versions."""

from __future__ import annotations

import platform
from importlib.metadata import version
from uuid import uuid4

import airflow

from airflow_provider_zdirect import __version__
from airflow_provider_zdirect.check.outcome import Outcome, Status
from airflow_provider_zdirect.exceptions import ZDirectError
from airflow_provider_zdirect.hooks.connection import ConnectionSettings
from airflow_provider_zdirect.operators.base_path import LOCAL, BasePath, open_path
from airflow_provider_zdirect.publish.environment import claim_environment
from airflow_provider_zdirect.storage.object_store import ObjectStore, naming_base_path

LIBRARIES = ("httpx", "pydantic", "pyarrow", "duckdb", "fsspec")
PROBE = b"written by airflow_provider_zdirect check"


def versions() -> dict[str, str]:
    """Of this package, Airflow, Python and the libraries that most depends on."""
    return {
        "airflow-provider-zdirect": __version__,
        "apache-airflow": airflow.__version__,
        "python": platform.python_version(),
        **{name: version(name) for name in LIBRARIES},
    }


def connection_outcome(conn_id: str, settings: ConnectionSettings) -> Outcome:
    """A connection whose fields can be used."""
    config = settings.config
    merchant = "no merchant, which means all of the app"
    if settings.merchant_id:
        merchant = f"merchant {config.merchants.in_words(settings.merchant_id)}"
    return Outcome(Status.OK, "connection", f"{conn_id}: {config.environment} at {config.address}, {merchant}.")


def base_path_outcomes(base_path: str, environment: str | None) -> list[Outcome]:
    """Whether objects can be written, listed, read and deleted there, and whose the base path is.

    :param environment: of the zDirect connection; None if it is not known.
    """
    try:
        opened = open_path(base_path, name="base_path")
        try_out(opened)
    except ZDirectError as error:
        return [Outcome.of_error("base path", error)]
    scheme, has_scheme, _ = base_path.partition("://")
    is_local = not has_scheme or scheme in LOCAL
    shared = " It is a local folder: all workers must see the same one." if is_local else ""
    return [
        Outcome(Status.OK, "base path", f"{base_path}: an object was written, listed, read and deleted.{shared}"),
        _environment_outcome(opened, environment),
    ]


def try_out(opened: BasePath) -> None:
    """Raise ZDirectError if the storage does not keep an object."""
    store, folder = ObjectStore(opened.fs, opened.root), f"_staging/_tmp/{uuid4().hex}"
    probe = f"{folder}/probe"
    with naming_base_path(opened.uri, opened.storage):
        store.write(probe, PROBE)
        try:
            if store.files(folder) != [probe]:
                raise OSError("an object that was just written is not listed")
            if store.read(probe) != PROBE:
                raise OSError("an object that was just written is read otherwise")
        finally:
            store.delete_all([probe])
        if store.read(probe) is not None:
            raise OSError("an object that was just deleted is still there")


def _environment_outcome(opened: BasePath, environment: str | None) -> Outcome:
    check = "environment of the base path"
    if environment is None:
        return Outcome(Status.SKIP, check, "Not checked, because the connection's environment is not known.")
    store = ObjectStore(opened.fs, opened.root)
    try:
        with naming_base_path(opened.uri, opened.storage):
            is_recorded = claim_environment(store, environment, opened.uri, writes=False)
    except ZDirectError as error:
        return Outcome.of_error(check, error)
    if not is_recorded:
        return Outcome(Status.OK, check, f"None yet; the first task makes it {environment}.")
    return Outcome(Status.OK, check, f"It belongs to {environment}, as the connection does.")


def triggerer_outcome() -> Outcome:
    """Whether a triggerer runs, by the heartbeats in Airflow's database."""
    from airflow.api.common.airflow_health import get_airflow_health

    health = get_airflow_health()
    triggerer = health["triggerer"]
    if health["metadatabase"]["status"] != "healthy":
        return Outcome(
            Status.SKIP,
            "triggerer",
            "It cannot be known here, because this process does not reach Airflow's database. Run the check where the "
            "scheduler runs.",
        )
    if triggerer["status"] == "healthy":
        return Outcome(Status.OK, "triggerer", "It runs.")
    seen = triggerer["latest_triggerer_heartbeat"]
    return Outcome(
        Status.FAIL,
        "triggerer",
        f"None runs{f'; the last sign of one is of {seen}' if seen else ' and none ever did'}, so deferred tasks would "
        "wait for ever. What to do: Start it (airflow triggerer), or run the tasks with deferrable=False.",
    )
