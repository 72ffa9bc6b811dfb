"""Emulators whose app no other one has.

Tokens and used limits are shared by address and app: by the tasks of an Airflow in a Variable, by the processes of a
machine in files. Addresses repeat by chance, since a port is free again when an emulator has ended; whoever asked
the next one there as the same app would come with the token of another, or wait for requests of another.
"""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from airflow_provider_zdirect.client import ClientConfig
from airflow_provider_zdirect.emulator.server import EmulatorServer


def own_emulator(**options: Any) -> EmulatorServer:
    """One that knows an app of its own only."""
    return EmulatorServer(client_id=f"app-{uuid4()}", **options)


def connection_to(emulator: EmulatorServer, **fields: Any) -> dict[str, Any]:
    """The fields of a connection to it; others are added, or replace them."""
    app = emulator.state.settings
    own = {"conn_type": "zdirect", "login": app.client_id, "password": app.client_secret, "host": emulator.url}
    return {**own, **fields}


def config_of(emulator: EmulatorServer, **settings: Any) -> ClientConfig:
    """Of a client of its app."""
    app = emulator.state.settings
    return ClientConfig(app.client_id, app.client_secret, base_url=emulator.url, **settings)
