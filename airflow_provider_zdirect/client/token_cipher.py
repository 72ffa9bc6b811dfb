"""Tokens sealed under the client secret, so that no store ever holds a readable one."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime
from functools import cached_property

from cryptography.fernet import Fernet, InvalidToken
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from airflow_provider_zdirect.client.tokens import Token


class TokenCipher:
    """Seals and opens tokens with a key derived from the client secret.

    Whoever can read the sealed text needs the secret to open it, and with the secret could request a token anyway.
    After a change of the secret old texts cannot be opened: they count as absent.

    :param client_id: salt of the key.
    :param client_secret: what the key is derived from (scrypt, about 50 ms, once).
    """

    def __init__(self, client_id: str, client_secret: str) -> None:
        self._client_id = client_id
        self._client_secret = client_secret

    def __repr__(self) -> str:
        return f"TokenCipher({self._client_id!r})"

    def seal(self, token: Token) -> str:
        """``token`` as ASCII text that can be stored anywhere."""
        content = {
            "access_token": token.access_token,
            "issued_for": token.issued_for,
            "obtained_at": token.obtained_at.timestamp(),
            "expires_at": token.expires_at.timestamp(),
        }
        return self._fernet.encrypt(json.dumps(content).encode()).decode()

    def open(self, text: str | None) -> Token | None:
        """The token in ``text``, or None if it was not sealed by this cipher."""
        if not text:
            return None
        try:
            content = json.loads(self._fernet.decrypt(text.encode()))
            return Token(
                access_token=str(content["access_token"]),
                issued_for=str(content["issued_for"]),
                obtained_at=datetime.fromtimestamp(content["obtained_at"], UTC),
                expires_at=datetime.fromtimestamp(content["expires_at"], UTC),
            )
        except (InvalidToken, ValueError, KeyError, TypeError, OverflowError):
            return None

    @cached_property
    def _fernet(self) -> Fernet:
        kdf = Scrypt(salt=f"zdirect-token\n{self._client_id}".encode(), length=32, n=2**14, r=8, p=1)
        return Fernet(base64.urlsafe_b64encode(kdf.derive(self._client_secret.encode())))
