# SPDX-License-Identifier: Apache-2.0
"""The stock levels that partners report, by sales channel and EAN, and the result of each update."""

from __future__ import annotations

import threading
from datetime import datetime
from random import Random
from typing import Any, NamedTuple

from airflow_provider_zdirect.emulator.options import Options
from airflow_provider_zdirect.merchant_files.ean import DIGITS

ACCEPTED, REJECTED, FAILED = "ACCEPTED", "REJECTED", "FAILED"
OK, INVALID, INTERNAL, PENDING = 0, 101, 102, 104
LARGEST = 2**31 - 1
Pair = tuple[str, str]


class Result(NamedTuple):
    """What an update is answered."""

    status: str
    code: int
    description: str = ""


class ChannelStock:
    """The levels of all merchants. Changed by routes in several threads."""

    def __init__(self, seed: int) -> None:
        self._lock = threading.RLock()
        self._seed = seed
        self._levels: dict[str, dict[Pair, int]] = {}
        self._held: dict[str, dict[Pair, int]] = {}
        self._updates: dict[str, list[dict[str, Any]]] = {}
        self._attempts: dict[tuple[str, Pair], int] = {}
        self._onboarded: set[str] = set()

    def update(
        self, merchant_id: str, item: dict[str, Any], channels: set[str], options: Options, now: datetime
    ) -> Result:
        """One item of a request; its result is recorded.

        :param channels: sales channels of the merchant.
        """
        pair = (str(item["sales_channel_id"]).lower(), str(item["ean"]))
        quantity = item["quantity"]
        with self._lock:
            result = self._result(merchant_id, pair, item, channels, options)
            if result.code == OK:
                self._levels.setdefault(merchant_id, {})[pair] = quantity
            elif result.code == PENDING:
                self._held.setdefault(merchant_id, {})[pair] = quantity
            item = {"sales_channel_id": pair[0], "ean": pair[1], "quantity": quantity}
            update = {"time": now, **item, "status": result.status, "code": result.code}
            self._updates.setdefault(merchant_id, []).append(update)
        return result

    def onboard(self, ean: str) -> None:
        """From now on the EAN is known; what was held for it becomes the level."""
        with self._lock:
            self._onboarded.add(ean)
            for merchant_id, held in self._held.items():
                for pair in [pair for pair in held if pair[1] == ean]:
                    self._levels.setdefault(merchant_id, {})[pair] = held.pop(pair)

    def levels(self, merchant_id: str) -> dict[Pair, int]:
        with self._lock:
            return dict(self._levels.get(merchant_id, {}))

    def updates(self, merchant_id: str) -> list[dict[str, Any]]:
        with self._lock:
            return [dict(update) for update in self._updates.get(merchant_id, [])]

    def _result(
        self, merchant_id: str, pair: Pair, item: dict[str, Any], channels: set[str], options: Options
    ) -> Result:
        wrong = _fault(pair[0], item["ean"], item["quantity"], channels)
        if wrong:
            return Result(REJECTED, INVALID, wrong)
        attempt = self._attempts[merchant_id, pair] = self._attempts.get((merchant_id, pair), 0) + 1
        if self._chance(merchant_id, *pair, attempt) < options.stocks_failed:
            return Result(FAILED, INTERNAL, "Submission failed due to internal errors.")
        if pair[1] not in self._onboarded and self._chance("onboarded", pair[1]) < options.stocks_pending:
            text = "Update pending - waiting for the article to be onboarded."
            return Result(options.stocks_pending_status, PENDING, text)
        return Result(ACCEPTED, OK)

    def _chance(self, *label: object) -> float:
        return Random(f"{self._seed}/stocks/{label}").random()  # noqa: S311 - reproducible, not secret


def _fault(channel: str, ean: Any, quantity: Any, channels: set[str]) -> str:
    """What is wrong with an update; empty if nothing is."""
    if channel not in channels:
        return f"Sales channel is unknown: {channel[:60]}."
    if not isinstance(ean, str) or len(ean) != DIGITS or not (ean.isascii() and ean.isdigit()):
        return f"EAN is not valid: {str(ean)[:60]}."
    if isinstance(quantity, (int, float)) and not isinstance(quantity, bool) and quantity < 0:
        return f"Quantity is negative: {quantity}."
    if not is_whole(quantity, least=0) or quantity > LARGEST:
        return f"Quantity is not a whole number: {str(quantity)[:60]}."
    return ""


def is_whole(number: Any, least: int) -> bool:
    return isinstance(number, int) and not isinstance(number, bool) and number >= least
