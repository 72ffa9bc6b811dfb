"""A record that cannot be published, and how it is kept beside the data."""

from __future__ import annotations

import base64
from dataclasses import dataclass

import msgspec
from pydantic import ValidationError

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
            return msgspec.json.encode({"reason": self.reason, **_as_text(self.record)}) + b"\n"
        return b'{"reason":%s,"record":%s}\n' % (msgspec.json.encode(self.reason), record)


def _as_text(record: bytes) -> dict[str, str]:
    try:
        return {"record": record.decode()}
    except UnicodeDecodeError:
        return {"record": record.decode(errors="replace"), "base64": base64.b64encode(record).decode()}


def reason_of(error: ValidationError) -> str:
    """Why a record is not valid."""
    # include_input=False: a reason goes to logs, and a record may hold personal data.
    return "; ".join(
        f"{'.'.join(map(str, item['loc'])) or 'record'}: {item['msg']}"
        for item in error.errors(include_url=False, include_input=False, include_context=False)
    )
