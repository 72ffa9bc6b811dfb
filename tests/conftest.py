"""Makes the modules beside this file importable from every test folder; keeps away from the machine's own Airflow."""

from __future__ import annotations

import sys
from pathlib import Path

from hypothesis import settings

sys.path.insert(0, str(Path(__file__).parent))

# Before anything imports Airflow: it reads its home and configuration once.
import airflow_home  # noqa: F401

# How long an example takes says something about the machine only.
settings.register_profile("patient", deadline=None)
settings.load_profile("patient")
