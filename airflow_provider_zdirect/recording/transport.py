# SPDX-License-Identifier: Apache-2.0
"""Keeps the answers that a client gets, until their shape has been recorded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from airflow_provider_zdirect.client import Timeouts, Transport
from airflow_provider_zdirect.client.transport import Answer


@dataclass(frozen=True)
class Exchange:
    """A request and its answer.

    :param path: below the base URL.
    :param parameters: names of the query's parameters.
    """

    method: str
    path: str
    parameters: tuple[str, ...]
    answer: Answer


class RecordingTransport(Transport):
    """Sends as its base does, and keeps what came back until :meth:`take`.

    :param timeouts: how long to wait.
    """

    def __init__(self, timeouts: Timeouts) -> None:
        super().__init__(timeouts)
        self._kept: list[Exchange] = []

    async def send(self, method: str, url: str, *, params: Mapping[str, str] | None = None, **others: Any) -> Answer:
        answer = await super().send(method, url, params=params, **others)
        self._kept.append(Exchange(method, urlsplit(url).path, tuple(params or ()), answer))
        return answer

    def take(self) -> list[Exchange]:
        """What was answered since the last call."""
        kept, self._kept = self._kept, []
        return kept
