# SPDX-License-Identifier: Apache-2.0
"""The outcome of a check, and its line."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from airflow_provider_zdirect.client.access_token import TOKEN_PATH
from airflow_provider_zdirect.exceptions import (
    BadRequestError,
    MalformedResponseError,
    RateLimitedError,
    ServerError,
    ZDirectError,
    one_line,
)


class Status(StrEnum):
    """How a check ended."""

    OK = "OK"
    SKIP = "SKIP"
    WARN = "WARN"
    FAIL = "FAIL"


SEND_FILE = "Open an issue and attach the file that is named below: zDirect's answer differs from what is assumed."

EXIT_CODES = {Status.OK: 0, Status.SKIP: 0, Status.WARN: 1, Status.FAIL: 2}


@dataclass(frozen=True)
class Outcome:
    """A check.

    :param check: its name, such as ``token`` or ``read returned_items``.
    :param text: what was found, in one sentence.
    :param error: name of the class of the error, if there was one.
    """

    status: Status
    check: str
    text: str
    error: str | None = None

    @classmethod
    def of_error(cls, check: str, error: ZDirectError, status: Status = Status.FAIL) -> Outcome:
        """A check that ended with an error; the error's own remedy is the advice."""
        # What some advise is about tasks, which retry.
        match error:
            case RateLimitedError() | ServerError():
                wait = f"Run the check again in {error.retry_after:.0f} s"
                error = error.with_message(error.message, remedy=f"{wait}; if it persists, ask Zalando's support.")
            case MalformedResponseError() | BadRequestError() if error.path != TOKEN_PATH:
                error = error.with_message(error.message, remedy=SEND_FILE)
        return cls(status, check, str(error), type(error).__name__)

    def line(self) -> str:
        return one_line(f"{self.status:<4}  {self.check:<30}  {self.text}")

    def as_dict(self) -> dict[str, str | None]:
        """Without the text, which may quote what zDirect said."""
        return {"check": self.check, "status": self.status, "error": self.error}


def exit_code(outcomes: Iterable[Outcome]) -> int:
    """0: all is well, 1: there are warnings, 2: something failed."""
    return max((EXIT_CODES[each.status] for each in outcomes), default=0)
