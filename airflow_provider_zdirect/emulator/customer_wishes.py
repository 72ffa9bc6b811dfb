# SPDX-License-Identifier: Apache-2.0
"""What customers want: that their data be deleted, and to send back what they bought."""

from __future__ import annotations

from datetime import datetime
from typing import Any, NamedTuple


class Wish(NamedTuple):
    """One record as it is shown.

    :param at: when it was made known; :param id: of the order or the return.
    """

    at: datetime
    id: str
    merchant_id: str
    body: dict[str, Any]


class CustomerWishes:
    """Written by tests only. Lists only grow, so that routes can read them in other threads."""

    def __init__(self) -> None:
        self._deletions: list[Wish] = []
        self._returns: list[Wish] = []
        self.want_deletion, self.announce_return = self._deletions.append, self._returns.append

    def deletions(self, merchant_id: str) -> list[Wish]:
        """Oldest first, as are the returns."""
        return _of(self._deletions, merchant_id)

    def returns(self, merchant_id: str) -> list[Wish]:
        return _of(self._returns, merchant_id)


def _of(wishes: list[Wish], merchant_id: str) -> list[Wish]:
    return sorted((wish for wish in wishes if wish.merchant_id == merchant_id), key=lambda wish: wish[:2])
