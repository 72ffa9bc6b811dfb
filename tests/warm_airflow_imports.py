"""What a DAG run imports and builds, for the process that is forked: it must have no thread and no connection."""

from __future__ import annotations

import asyncio
import threading

import httpx
from airflow import settings
from airflow.providers.common.compat.version_compat import AIRFLOW_V_3_0_PLUS
from sqlalchemy.orm import configure_mappers

import airflow_provider_zdirect.dag_support.tasks
import airflow_provider_zdirect.hooks.zdirect
import airflow_provider_zdirect.pipeline.extract  # noqa: F401

if AIRFLOW_V_3_0_PLUS:
    from airflow.sdk.execution_time.supervisor import in_process_api_server

    async def _ask() -> None:
        transport = in_process_api_server().atransport
        async with httpx.AsyncClient(transport=transport, base_url="http://in-process.invalid") as client:
            assert (await client.get("/nothing")).status_code == 404

    # The API's routes are built with its first request.
    asyncio.run(_ask())
else:
    pass

configure_mappers()
assert threading.active_count() == 1, threading.enumerate()


def configure() -> None:
    """Read Airflow's settings again, from the environment as it is now."""
    settings.dispose_orm()
    settings.configure_vars()
    settings.configure_orm()
