# SPDX-License-Identifier: Apache-2.0
"""How personal data is treated before it is stored: kept, left out, or replaced by keyed hashes.

It is applied to the JSON text of a record as it came, so that no hash, rejected record or unknown field is made of what
must not be stored. The country of an address stays in any case: it is what taxes are about.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from airflow_provider_zdirect.datasets.dataset import Dataset
from airflow_provider_zdirect.datasets.page import NOT_READABLE
from airflow_provider_zdirect.exceptions import ZDirectConfigurationError

MODES = ("keep", "drop", "hash")
SHORTEST_KEY = 16
KEPT = frozenset({"country_code"})
"""Parts of personal fields that say nothing of a person."""

_NOT_SHOWN = msgspec.Raw(b'"(not a readable object; left out, because it may hold personal data)"')


@dataclass(frozen=True)
class PersonalData:
    """How personal data is treated.

    :param mode: ``keep``; ``drop``: null; or ``hash``: each text becomes its HMAC-SHA256, the same for the same text,
        so that rows can still be joined and counted by person.
    :param key: of the hashes.
    :raises ZDirectConfigurationError: if the mode is unknown, or needs a key.
    """

    mode: str = "keep"
    key: str | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        if self.mode not in MODES:
            raise ZDirectConfigurationError(
                f"personal_data={self.mode!r} is not a mode.", remedy=f"Use one of: {', '.join(MODES)}."
            )
        if self.mode == "hash" and len(self.key or "") < SHORTEST_KEY:
            raise ZDirectConfigurationError(
                f"personal_data='hash' needs a key of at least {SHORTEST_KEY} characters.",
                remedy="Put one into personal_data_secret of the connection's extra, and keep it: another one makes "
                "other hashes.",
            )

    def label(self, dataset: Dataset) -> str:
        """For the manifest: the mode, with a sign of the key."""
        if not dataset.personal_data:
            return "none"
        return f"hash:{self.digest('key')[:8]}" if self.mode == "hash" else self.mode

    def digest(self, text: str) -> str:
        """The keyed hash of a text, regardless of case and of blanks around it."""
        assert self.key is not None
        return hmac.new(self.key.encode(), text.strip().lower().encode(), hashlib.sha256).hexdigest()[:32]

    def keeps(self, dataset: Dataset) -> bool:
        """Whether all records of the dataset may be stored as they came."""
        return self.mode == "keep" or not dataset.personal_data

    def treat(self, dataset: Dataset, record: msgspec.Raw) -> msgspec.Raw:
        """The record as it may be stored."""
        if self.keeps(dataset):
            return record
        treated: dict[str, Any] = {}
        try:
            content = msgspec.json.decode(record, type=dict[str, msgspec.Raw])
            for name, value in content.items():
                if name in dataset.personal_data:
                    treated[name] = self._treated(msgspec.json.decode(value))
                elif name in dataset.model.model_fields or name.startswith("_"):
                    treated[name] = value
                # A field that is not declared may be personal.
        except NOT_READABLE:
            return _NOT_SHOWN
        return msgspec.Raw(msgspec.json.encode(treated))

    def _treated(self, value: Any) -> Any:
        if isinstance(value, Mapping):
            inner = {
                name: nested if name in KEPT else self._treated(nested)
                for name, nested in value.items()
                if name in KEPT or self.mode == "hash"
            }
            return inner or None
        if isinstance(value, list):
            return [self._treated(nested) for nested in value] if self.mode == "hash" else None
        if value in (None, "") or self.mode == "drop":
            return None
        return self.digest(value if isinstance(value, str) else msgspec.json.encode(value).decode())
