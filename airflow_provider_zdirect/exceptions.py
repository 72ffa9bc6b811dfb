# SPDX-License-Identifier: Apache-2.0
"""Every error that this package raises, as one tree.

    ZDirectError
    ├── ZDirectFatalError                retrying cannot help; a person has to change something
    │   ├── ZDirectConfigurationError    the connection, a parameter or the base path is wrong
    │   │   └── WindowError              naive, zero-width, inverted or future window
    │   │       └── RetentionError       the window starts before the data that zDirect keeps
    │   ├── AuthenticationError          client id or secret refused, or the token refused twice (401)
    │   ├── PermissionDeniedError        scope, merchant or app mode not granted (403)
    │   ├── MissingReportsError          a month's report is asked for, and daily reports of it are not published
    │   ├── UnfilledGapsError            windows are missing, and zDirect deletes them soon
    │   ├── NotFoundError                merchant or resource unknown (404)
    │   ├── AnswerTooLargeError          an answer is larger than ``max_answer_size``
    │   ├── ConflictError                a change conflicts with the current state (409, 412, 428)
    │   └── BadRequestError              zDirect refuses the request as it is (other 4xx)
    ├── ZDirectRetriableError            the same request may work later; carries ``retry_after``
    │   ├── RateLimitedError             429
    │   │   └── UpdatesPausedError       so many orders are to be updated that the rate limit is used up
    │   ├── ServerError                  5xx
    │   ├── TransportError               no answer, or one that broke off
    │   │   └── NotConnectedError        no connection: unknown host, refused port, no TLS
    │   ├── MalformedResponseError       a 200 that is not the JSON it should be
    │   ├── StorageUnavailableError      the base path or the local disk cannot be used at the moment
    │   │   └── DiskFullError                the disk of the base path or of the temporary directory is full
    │   ├── DocumentsNotReadyError       zDirect has no shipping documents yet of orders that must have some
    │   └── ConcurrentRunError           another run of the same window took away or kept changing the same files
    └── ZDirectDataError                 the answer is well-formed and wrong; retrying repeats it
        ├── RejectedRecordsError         more invalid records than ``max_rejected``
        ├── RejectedUpdatesError         more updates were refused, in conflict or failed than ``max_failed``
        ├── ShippingDocumentsError       more orders' documents failed or contradict each other than ``max_failed``
        ├── TracesLeftError              files still hold personal data of erased customers
        ├── FilterIgnoredError           rows outside the requested window: the server dropped the filter
        ├── EmptyAnswerError             no record for a day of which some are published
        ├── TooManyRecordsError          zDirect cannot answer a period that holds so many records
        └── CursorLoopError              a cursor came back that was followed before

Each carries what a person needs (status, flow id, path, problem title, what to do) and never a secret. Its text is one
line: it may quote answers and files, which must not forge lines of a log.
"""

from __future__ import annotations

from typing import Self, TypeVar

LONGEST_BEGINNING, LONGEST_END = 3_000, 900
"""Characters of a longer message that are shown."""


def shortened(text: str) -> str:
    """``text`` without the middle of what nobody would read: a message may quote a value of any length."""
    if len(text) <= LONGEST_BEGINNING + LONGEST_END:
        return text
    return f"{text[:LONGEST_BEGINNING]} ... {text[-LONGEST_END:]}"


def one_line(text: str) -> str:
    """``text`` with a blank for each line break and each other character that is not shown."""
    return text if text.isprintable() else "".join(each if each.isprintable() else " " for each in text)


class ZDirectError(Exception):
    """Base of every error of this package.

    :param message: what happened and where, in one sentence.
    :param remedy: what to do about it, in one sentence.
    :param status: HTTP status of the answer, if there was one.
    :param path: path of the request, without host and query.
    :param flow_id: ``X-Flow-Id`` of the answer; Zalando's support asks for it.
    :param title: ``title`` (and ``detail``) of the problem body, if there was one.
    """

    def __init__(
        self,
        message: str,
        *,
        remedy: str | None = None,
        status: int | None = None,
        path: str | None = None,
        flow_id: str | None = None,
        title: str | None = None,
    ) -> None:
        message = one_line(shortened(message))
        super().__init__(message)
        self.message = message
        self.remedy = remedy
        self.status = status
        self.path = path
        self.flow_id = flow_id
        self.title = title

    def __str__(self) -> str:
        facts = [
            f"{name}={value}"
            for name, value in (
                ("status", self.status),
                ("path", self.path),
                ("title", self.title),
                ("flow_id", self.flow_id),
            )
            if value is not None
        ]
        text = self.message
        if facts:
            text += f" [{', '.join(facts)}]"
        if self.remedy:
            text += f"{'' if text.endswith(('.', ']')) else '.'} What to do: {self.remedy}"
        return one_line(text)

    def with_message(self, message: str, **facts: object) -> Self:
        """The same error with another message, and with other facts where given."""
        return _rebuild(type(self), {**self.__dict__, "message": one_line(shortened(message)), **facts})

    def __reduce__(self) -> tuple[object, ...]:
        # Exceptions cross process borders in Airflow; keyword arguments need help to be pickled.
        return _rebuild, (type(self), dict(self.__dict__))


E = TypeVar("E", bound=ZDirectError)


def _rebuild(kind: type[E], state: dict[str, object]) -> E:
    error = kind.__new__(kind)
    Exception.__init__(error, state["message"])
    error.__dict__.update(state)
    return error


class ZDirectFatalError(ZDirectError):
    """Retrying cannot help; a person has to change something."""


class ZDirectConfigurationError(ZDirectFatalError):
    """The connection, a parameter or the base path is wrong."""


class WindowError(ZDirectConfigurationError):
    """The window is naive, zero-width, inverted or in the future."""


class RetentionError(WindowError):
    """The window starts before the data that zDirect keeps."""


class MissingReportsError(ZDirectFatalError):
    """A month's report is asked for, and daily reports of that month are not published."""


class UnfilledGapsError(ZDirectFatalError):
    """Windows are missing, and zDirect deletes them soon; the message names them."""


class AuthenticationError(ZDirectFatalError):
    """The client id or secret was refused, or a fresh token was (401)."""


class PermissionDeniedError(ZDirectFatalError):
    """The scope, the merchant or the app mode is not granted (403)."""


class NotFoundError(ZDirectFatalError):
    """The merchant or the resource is unknown (404)."""


class AnswerTooLargeError(ZDirectFatalError):
    """An answer is larger than ``max_answer_size``; it was refused while it came in."""


class ConflictError(ZDirectFatalError):
    """A change conflicts with the current state (409, 412, 428)."""


class BadRequestError(ZDirectFatalError):
    """zDirect refuses the request as it is (400 and other 4xx)."""


class ZDirectRetriableError(ZDirectError):
    """The same request may work later.

    :param retry_after: seconds to wait before the next try, at least.
    """

    def __init__(self, message: str, *, retry_after: float, **facts: object) -> None:
        super().__init__(message, **facts)  # type: ignore[arg-type]
        self.retry_after = retry_after


class RateLimitedError(ZDirectRetriableError):
    """429: too many requests."""


class UpdatesPausedError(RateLimitedError):
    """The rate limit is used up before all is done; the rest goes on later.

    :param progress: how much was done before that.
    """

    def __init__(self, message: str, *, retry_after: float, progress: int = 0, **facts: object) -> None:
        super().__init__(message, retry_after=retry_after, **facts)
        self.progress = progress


class ServerError(ZDirectRetriableError):
    """5xx: zDirect failed."""


class TransportError(ZDirectRetriableError):
    """No answer came, or one that broke off."""


class NotConnectedError(TransportError):
    """No connection could be made: the host is unknown, the port refused, or TLS does not work."""


class MalformedResponseError(ZDirectRetriableError):
    """A 200 whose body is not the JSON it should be."""


class StorageUnavailableError(ZDirectRetriableError):
    """The base path or the local disk cannot be used at the moment."""


class DiskFullError(StorageUnavailableError):
    """The disk of the base path or of the temporary directory is full."""


class DocumentsNotReadyError(ZDirectRetriableError):
    """zDirect has no shipping documents yet of orders that must have some."""


class ConcurrentRunError(ZDirectRetriableError):
    """Another run of the same window took away or kept changing the same files."""


class ZDirectDataError(ZDirectError):
    """The answer is well-formed and wrong; retrying repeats it."""


class RejectedRecordsError(ZDirectDataError):
    """More invalid records than ``max_rejected`` allows."""


class RejectedUpdatesError(ZDirectDataError):
    """More updates were refused, in conflict or failed than ``max_failed`` allows."""


class ShippingDocumentsError(ZDirectDataError):
    """More orders' shipping documents failed, or contradict each other, than ``max_failed``."""


class TracesLeftError(ZDirectDataError):
    """After an erasure, files still hold personal data of the erased customers; the message names them."""


class FilterIgnoredError(ZDirectDataError):
    """Rows outside the requested window: the server dropped the time filter."""


class EmptyAnswerError(ZDirectDataError):
    """zDirect answered without any record for a day of which some are published."""


class TooManyRecordsError(ZDirectDataError):
    """zDirect cannot answer a period that holds so many records; a shorter one it may."""


class CursorLoopError(ZDirectDataError):
    """A cursor came back that was followed before."""
