# SPDX-License-Identifier: Apache-2.0
"""The names that a connection may give to merchants, for people; stored data have the ids (docs/merchant-names.md)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from airflow_provider_zdirect.exceptions import ZDirectConfigurationError
from airflow_provider_zdirect.merchant_files.cells import UUID
from airflow_provider_zdirect.words import merchant_in_words

_NAME = re.compile(r"[A-Za-z]([A-Za-z0-9._-]{0,62}[A-Za-z0-9])?")
# A UUID, or what is left of one that somebody has copied.
_LIKE_A_UUID = re.compile(r"[0-9A-Fa-f-]{20,}")
# What a template renders for a value that is not there.
_NO_NAMES = ("none", "null")


def id_or_name(text: str) -> str:
    """``text`` if it can be a merchant's id (in lower case then) or name; which names there are says the connection.

    :raises ValueError: if it can be neither.
    """
    text = text.strip()
    if UUID.fullmatch(text.lower()):
        return text.lower()
    if not can_be_name(text):
        raise ValueError("a UUID, nor can it be a merchant's name")
    return text


def can_be_name(text: str) -> bool:
    """Whether a merchant may be called so: a name in lists, in file names and in the UI, and nothing else."""
    return bool(_NAME.fullmatch(text)) and not _LIKE_A_UUID.fullmatch(text) and text.lower() not in _NO_NAMES


@dataclass(frozen=True)
class MerchantNames:
    """The table of a connection.

    :param ids: id by name.
    :param conn_id: the connection, for errors.
    """

    ids: Mapping[str, str] = field(default_factory=dict)
    conn_id: str | None = None

    @classmethod
    def of_table(cls, table: Mapping[str, Any], conn_id: str | None = None) -> MerchantNames:
        """The names of a table as people write it: ``{"shop-de": "<uuid>"}``.

        :raises ZDirectConfigurationError: if a name or an id cannot be one, or is there twice.
        """
        ids: dict[str, str] = {}
        for given, merchant_id in table.items():
            name = given.strip()
            if not can_be_name(name):
                raise _wrong(
                    f"the name {given[:60]!r} cannot be used",
                    "Use up to 64 letters (A-Z), digits, dots, underscores and hyphens; a letter first, a letter or "
                    "digit last; nothing like a UUID, and not none or null.",
                )
            if not isinstance(merchant_id, str) or not UUID.fullmatch(merchant_id.strip().lower()):
                raise _wrong(f"{name!r} is {merchant_id!r:.60}, which is not a UUID", "Give the merchant's BPID.")
            if name.lower() in map(str.lower, ids):
                raise _wrong(f"{name!r} is there twice", "Upper and lower case are the same here; rename one.")
            ids[name] = merchant_id.strip().lower()
            if len(ids) > len(set(ids.values())):
                raise _wrong(f"{ids[name]} has two names", "Give each merchant one name.")
        return cls(ids, conn_id)

    def name_of(self, merchant_id: str | None) -> str | None:
        """The merchant's name, if it has one."""
        return next((name for name, each in self.ids.items() if each == merchant_id), None)

    def find(self, text: str) -> str | None:
        """The id of the merchant that ``text``, an id or a name in any case, means; None if there is none."""
        text = text.strip().lower()
        if UUID.fullmatch(text):
            return text
        return next((each for name, each in self.ids.items() if name.lower() == text), None)

    def id_of(self, text: str) -> str:
        """As :meth:`find`.

        :raises ZDirectConfigurationError: if there is no such name; lists those that there are.
        """
        found = self.find(text)
        if found is None:
            connection = f"connection {self.conn_id!r}" if self.conn_id else "connection"
            known = f"It names {', '.join(self.ids)}" if self.ids else "It names no merchants"
            raise ZDirectConfigurationError(
                f"merchant {text[:64]!r} is not a UUID, and the {connection} has no merchant of that name. {known}.",
                remedy="Give one of its names or the merchant's id, or add the name to merchants in the connection's "
                "extra.",
            )
        return found

    def beside_ids(self, summary: Mapping[str, Any]) -> dict[str, Any]:
        """What a task reports, with the name of its ``merchant_id``, if it has one, as ``merchant``."""
        name = self.name_of(summary.get("merchant_id"))
        return {**summary, "merchant": name} if name else dict(summary)

    def in_words(self, merchant_id: str) -> str:
        """A merchant for messages: its name, if it has one, and its id."""
        return merchant_in_words(merchant_id, self.name_of(merchant_id))


def _wrong(what: str, remedy: str) -> ZDirectConfigurationError:
    return ZDirectConfigurationError(f"extra merchants: {what}.", remedy=remedy)
