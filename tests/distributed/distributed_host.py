"""What each simulated host is called."""

from __future__ import annotations

import os


def name() -> str:
    """For ``[core] hostname_callable``."""
    return os.environ["ZDIRECT_TEST_HOST"]
