from __future__ import annotations

import airflow_home
import pytest


@pytest.fixture(scope="session", autouse=True)
def database() -> None:
    airflow_home.migrate()
