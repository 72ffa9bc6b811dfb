"""Access tokens that the emulator has given out."""

from __future__ import annotations

import hashlib
from datetime import datetime


class TokenBook:
    """Issues opaque tokens as long as real ones, and remembers until when they are good."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._issued = 0
        self._expires_at: dict[str, int] = {}

    def issue(self, now: datetime, seconds: int) -> str:
        """A new token; ``seconds`` is its life."""
        self._issued += 1
        parts = [hashlib.sha256(f"{self._seed}/{self._issued}/{now}/{part}".encode()).hexdigest() for part in range(9)]
        token = f"{parts[0]}.{''.join(parts[1:8])}.{parts[8]}"
        self._expires_at[token] = int(now.timestamp()) + seconds
        return token

    def is_good(self, token: str, now: datetime) -> bool:
        return now.timestamp() < self._expires_at.get(token, 0)

    def revoke_all(self) -> int:
        """Make every token invalid; returns how many there were."""
        count = len(self._expires_at)
        self._expires_at.clear()
        return count
