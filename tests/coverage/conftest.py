from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from extraction import Extraction
from histories import EMULATED_NOW, Base

from airflow_provider_zdirect.emulator.server import EmulatorServer


@pytest.fixture
def base(tmp_path: Path) -> Base:
    return Base(tmp_path)


@pytest.fixture(scope="session")
def coverage_server() -> Iterator[EmulatorServer]:
    with EmulatorServer(rate_limits=False, seed=7, now=EMULATED_NOW, empty_reports=0.0) as running:
        yield running


@pytest.fixture
def runs(coverage_server: EmulatorServer, base: Base) -> Extraction:
    """Real runs into the base path."""
    coverage_server.reset()
    return Extraction(coverage_server, base.root)
