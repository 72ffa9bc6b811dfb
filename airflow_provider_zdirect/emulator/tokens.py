"""Access tokens that the emulator has given out."""

from __future__ import annotations

import base64
import hashlib
import json
from datetime import datetime
from typing import Any


class TokenBook:
    """Issues opaque tokens in the look of a JWT and remembers until when they are good."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._issued = 0
        self._expires_at: dict[str, int] = {}

    def issue(self, client_id: str, merchant_ids: tuple[str, ...], now: datetime, seconds: int) -> str:
        """A new token; ``seconds`` is its life."""
        self._issued += 1
        issued_at = int(now.timestamp())
        claims = {
            "iss": "zdirect-emulator",
            "jti": f"{self._seed}-{self._issued}",
            "iat": issued_at,
            "exp": issued_at + seconds,
            "client_id": client_id,
            # A plain string here although /auth/me gives a list (zDirect docs: Using the token).
            "bpids": ",".join(merchant_ids),
        }
        unsigned = f"{_part({'alg': 'RS256', 'typ': 'JWT'})}.{_part(claims)}"
        signature = hashlib.sha256(f"{self._seed}:{unsigned}".encode()).digest()
        token = f"{unsigned}.{_base64(signature)}"
        self._expires_at[token] = issued_at + seconds
        return token

    def is_good(self, token: str, now: datetime) -> bool:
        return now.timestamp() < self._expires_at.get(token, 0)

    def revoke_all(self) -> int:
        """Make every token invalid; returns how many there were."""
        count = len(self._expires_at)
        self._expires_at.clear()
        return count


def _part(claims: dict[str, Any]) -> str:
    return _base64(json.dumps(claims, separators=(",", ":")).encode())


def _base64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")
