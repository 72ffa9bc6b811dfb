"""What a DAG run imports and builds, for the process that is forked: it must have no thread and no connection."""

from __future__ import annotations

import asyncio
import logging
import threading
from contextlib import suppress
from functools import cache
from importlib import import_module
from pkgutil import walk_packages

import httpx
from airflow import settings
from sqlalchemy.orm import configure_mappers

import airflow_provider_zdirect
from airflow_provider_zdirect.airflow_sdk import (
    AIRFLOW_V_3_0_PLUS,
    AIRFLOW_V_3_1_PLUS,
    AIRFLOW_V_3_2_PLUS,
    AIRFLOW_V_3_3_PLUS,
    Stats,
)

for _module in walk_packages(airflow_provider_zdirect.__path__, "airflow_provider_zdirect."):
    # A run imports neither the emulator nor the pages of the UI, which Airflow 2 does not have.
    if not {"emulator", "plugins"} & set(_module.name.split(".")):
        import_module(_module.name)
# What Airflow and pyarrow import when a run needs it, in one version or the other.
for _name in (
    "pandas",
    "numpy.random",
    "jinja2.ext",
    "jsonschema",
    "httpcore",
    "anyio._backends._asyncio",
    "a2wsgi",
    "airflow.dag_processing.bundles.local",
    "airflow.dag_processing.collection",
    "airflow.jobs.triggerer_job_runner",
    # dag.test() replaces the run of the same date, and on Airflow 2 needs this to delete it: a run's note has a user.
    "airflow.providers.fab.auth_manager.models",
    "airflow.providers.amazon.aws.assets.redshift",
    "airflow.providers.amazon.aws.assets.s3",
    "airflow.providers.amazon.aws.fs.s3",
    "airflow.providers.amazon.aws.hooks.s3",
    "airflow.providers.common.io.assets.file",
    "airflow.providers.standard.operators.empty",
    "airflow.providers.standard.operators.trigger_dagrun",
    "airflow.providers.standard.sensors.external_task",
    "airflow.serialization.definitions.mappedoperator",
):
    with suppress(ImportError):
        import_module(_name)

if AIRFLOW_V_3_0_PLUS and not AIRFLOW_V_3_1_PLUS:
    import structlog

    # Errors of tasks as they are, and not broken into the lines of a frame. Its debug lines contain what it masks.
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        processors=[
            *structlog.get_config()["processors"][:-1],
            structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback),
        ],
    )

if AIRFLOW_V_3_0_PLUS:
    from airflow.sdk.execution_time import supervisor

    # Airflow before 3.3 builds the API anew for every task, which takes seconds.
    supervisor.in_process_api_server = cache(supervisor.in_process_api_server)

    async def _ask() -> None:
        transport = supervisor.in_process_api_server().atransport
        async with httpx.AsyncClient(transport=transport, base_url="http://in-process.invalid") as client:
            assert (await client.get("/nothing")).status_code == 404

    # The API's routes are built with its first request.
    asyncio.run(_ask())

configure_mappers()
assert threading.active_count() == 1, threading.enumerate()


def configure() -> None:
    """Read Airflow's settings again, from the environment as it is now."""
    settings.dispose_orm()
    settings.configure_vars()
    settings.configure_orm()
    _choose_metrics()


def _choose_metrics() -> None:
    """Where metrics go: Airflow chooses it before it runs a task, and older versions when they are imported."""
    if AIRFLOW_V_3_2_PLUS:
        choose = import_module("airflow.sdk.observability.metrics.stats_utils").get_stats_factory
        if AIRFLOW_V_3_3_PLUS:
            stats = import_module("airflow.sdk.observability.stats")
            stats.initialize(factory=choose(), export_legacy_names=True)
        else:
            Stats.initialize(factory=choose(Stats))
    else:
        kind = type(Stats)
        del kind.factory
        Stats.instance = None
        kind.__init__(Stats)
