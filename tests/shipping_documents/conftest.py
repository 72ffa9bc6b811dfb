from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from shipping_documents.document_world import DocumentWorld

from airflow_provider_zdirect.emulator.server import EmulatorServer


@pytest.fixture(scope="session")
def document_server() -> Iterator[EmulatorServer]:
    with EmulatorServer(seed=7, now="2026-03-10T08:00:00+00:00", order_days=0, zss_orders=1.0) as server:
        yield server


@pytest.fixture
def world(document_server: EmulatorServer, tmp_path: Path) -> DocumentWorld:
    document_server.reset()
    return DocumentWorld(document_server, tmp_path)
