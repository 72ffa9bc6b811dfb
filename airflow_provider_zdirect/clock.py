# SPDX-License-Identifier: Apache-2.0
"""Time as a value that is passed in, so that tests never wait and never patch."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """What the package needs of time."""

    def now(self) -> datetime:
        """The present moment, aware, in UTC."""

    async def sleep(self, seconds: float) -> None:
        """Wait for that many seconds."""


class SystemClock:
    """The machine's own clock."""

    def now(self) -> datetime:
        return datetime.now(UTC)  # noqa: TID251 - here it is read for all

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
