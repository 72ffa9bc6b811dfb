# SPDX-License-Identifier: Apache-2.0
"""One page of an answer: its records, and those that cannot be published."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec
from pydantic import ValidationError

from airflow_provider_zdirect.datasets.endpoint import REFETCH_DELAY
from airflow_provider_zdirect.exceptions import MalformedResponseError

NOT_READABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What msgspec raises for bytes that it cannot decode."""


@dataclass(frozen=True)
class Rejected:
    """A record that is not valid, as it came, and why."""

    record: bytes
    reason: str

    def as_line(self) -> bytes:
        """The line of a file of JSON lines: ``reason`` and ``record``.

        ``record`` is the record to the last digit. What other readers of JSON could not read is a text in its place
        (bytes that are not UTF-8 are shown as U+FFFD, and ``base64`` has the exact ones then).
        """
        try:
            msgspec.json.decode(self.record)
            record = msgspec.json.format(self.record, indent=-1)
        except NOT_READABLE:
            shown = self.record.decode(errors="replace")
            exact = {} if shown.encode() == self.record else {"base64": base64.b64encode(self.record).decode()}
            return msgspec.json.encode({"reason": self.reason, "record": shown, **exact}) + b"\n"
        return b'{"reason":%s,"record":%s}\n' % (msgspec.json.encode(self.reason), record)


def reason_of(error: ValidationError) -> str:
    """Why a record is not valid."""
    # include_input=False: a reason goes to logs, and a record may hold personal data.
    return "; ".join(
        f"{'.'.join(map(str, item['loc'])) or 'record'}: {item['msg']}"
        for item in error.errors(include_url=False, include_input=False, include_context=False)
    )


@dataclass(frozen=True)
class Page:
    """Records of one answer, in the server's order.

    :param records: each as JSON, not yet decoded: a slice of the answer's own bytes, so that 100,000 records cost
        100,000 small views and no dicts (they keep the answer's body alive); a copy where something was added or
        mended. Each is valid JSON in UTF-8.
    :param next_cursor: where the next page is, or None at the end.
    :param size: bytes of the body.
    :param query: the query as the answer repeats it (``from``, ``to``, ...), if it does.
    :param snapshot_time: the time of the records as the answer gives it, where the dataset has such a key.
    :param etag: the answer's ETag.
    :param unchanged: the answer is the one that was known, and its records were not sent again.
    :param parts: records that came with them, by their dataset.
    :param rejected: what could be cut out as a record, or a part of one, and not be decoded.
    :param repaired: records, and parts, with damaged texts that were mended (U+FFFD stands for what was damaged).
    """

    records: list[msgspec.Raw] = field(repr=False)
    next_cursor: str | None
    size: int
    query: Mapping[str, Any] = field(default_factory=dict)
    snapshot_time: str | None = None
    etag: str | None = None
    unchanged: bool = False
    parts: Mapping[str, list[msgspec.Raw]] = field(default_factory=dict, repr=False)
    rejected: list[Rejected] = field(default_factory=list, repr=False)
    repaired: int = 0


def malformed(what: str) -> MalformedResponseError:
    """The error for an answer that cannot be understood."""
    return MalformedResponseError(
        f"{what}.",
        remedy="No action needed if the retry succeeds; otherwise the API has changed: update the provider or report "
        "it.",
        retry_after=REFETCH_DELAY,
    )


def decoded(content: Mapping[str, msgspec.Raw], key: str) -> Any:
    """A member of an answer; None if it is absent.

    :raises MalformedResponseError: if it cannot be decoded.
    """
    try:
        return msgspec.json.decode(content.get(key, b"null"))
    except NOT_READABLE as error:
        raise malformed(f"{key} cannot be read ({error})") from None
