# SPDX-License-Identifier: Apache-2.0
"""Every error that this package raises, as one tree::

    ZDirectError
    ├── ZDirectFatalError                retrying cannot help; a person has to change something
    │   ├── ZDirectConfigurationError    the connection, a parameter or the base path is wrong
    │   │   └── WindowError              naive, zero-width, inverted or future window
    │   │       └── RetentionError       the window starts before the data that zDirect keeps
    │   ├── AuthenticationError          client id or secret refused, or the token refused twice (401)
    │   ├── PermissionDeniedError        scope, merchant or app mode not granted (403)
    │   ├── MissingReportsError          daily reports of the requested month are not published
    │   ├── UnfilledGapsError            windows are missing, and zDirect deletes them soon
    │   ├── NotFoundError                merchant or resource unknown (404)
    │   ├── AnswerTooLargeError          an answer is larger than ``max_answer_size``
    │   ├── ConflictError                a change conflicts with the current state (409, 412, 428)
    │   └── BadRequestError              zDirect refuses the request as it is (other 4xx)
    ├── ZDirectRetriableError            the same request may work later; carries ``retry_after``
    │   ├── RateLimitedError             429
    │   │   └── UpdatesPausedError       the rate limit is used up before all updates are sent
    │   ├── ServerError                  5xx
    │   ├── TransportError               no answer, or one that was cut off
    │   │   └── NotConnectedError        no connection: unknown host, refused port, no TLS
    │   ├── MalformedResponseError       a 200 answer that is not the expected JSON
    │   ├── StorageUnavailableError      the base path or the local disk cannot be used at the moment
    │   │   └── DiskFullError                the disk of the base path or of the temporary directory is full
    │   ├── DocumentsNotReadyError       zDirect has no shipping documents yet for orders that must have them
    │   └── ConcurrentRunError           another run of the same window removed or kept changing the same files
    └── ZDirectDataError                 the answer is well-formed but wrong; a retry would get the same
        ├── RejectedRecordsError         more invalid records than ``max_rejected``
        ├── RejectedUpdatesError         more updates were refused, in conflict or failed than ``max_failed``
        ├── ShippingDocumentsError       more orders' documents failed or contradict each other than ``max_failed``
        ├── TracesLeftError              files still hold personal data of erased customers
        ├── FilterIgnoredError           rows outside the requested window: the server dropped the filter
        ├── EmptyAnswerError             no record for a day of which some are published
        ├── TooManyRecordsError          the period has more records than zDirect can return at once
        └── CursorLoopError              zDirect returned a cursor that was followed before

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
    """Retrying cannot help; a person has to change something.

    The task fails at once, without its remaining retries.
    """


class ZDirectConfigurationError(ZDirectFatalError):
    """The connection, a parameter or the base path is wrong.

    What to do: The message names the field or the parameter, its value and what it may be. Correct it and clear the
    task. Values that are known when the DAG is parsed are refused then, as an import error of the DAG file.
    """


class WindowError(ZDirectConfigurationError):
    """The window is naive, zero-width, inverted or in the future.

    What to do: Schedule the DAG with ``CronDataIntervalTimetable``, or pass ``window_from`` and ``window_to`` with
    an offset (``2026-11-22T10:00:00+00:00``). A plain cron string has data intervals of zero width on Airflow 3. A
    run for a time that is not over yet has to wait for its end.
    """


class RetentionError(WindowError):
    """The window starts before the data that zDirect keeps.

    What to do: Start the window later, or set ``clip_to_retention=True`` to fetch what is left of it; the manifest
    then names the missing part. How long zDirect keeps a dataset is in docs/datasets.md.
    """


class MissingReportsError(ZDirectFatalError):
    """Daily reports of the requested month are not published.

    What to do: Backfill the missing days with the DAG of the daily reports (the message names the days), then clear
    the task; or set ``allow_missing_days=True`` for a report that names what is missing.
    """


class UnfilledGapsError(ZDirectFatalError):
    """Windows are missing, and zDirect deletes them soon; the message names them.

    What to do: Fill each gap with the command that the message shows, or with the button of the coverage page.
    """


class AuthenticationError(ZDirectFatalError):
    """zDirect refused the client id, the secret or a fresh token (401).

    What to do: Copy client id and client secret again from the app in the zDirect portal, and check that the
    connection's environment is the mode of that app. The connection's Test button shows whether it works.
    """


class PermissionDeniedError(ZDirectFatalError):
    """The scope, the merchant or the app mode is not granted (403).

    What to do: Check in the zDirect portal that the app has the scope that the message names, that the merchant is
    one of the app's, and that the app is in production mode. If scopes were changed less than two hours ago, delete
    the Variable with the shared token.
    """


class NotFoundError(ZDirectFatalError):
    """The merchant or the resource is unknown (404).

    What to do: Check ``merchant_id``: the connection's Test button lists the merchants of the app. If the
    connection has a base URL, check that, too.
    """


class AnswerTooLargeError(ZDirectFatalError):
    """An answer is larger than ``max_answer_size``, and was refused before it was complete.

    What to do: Request less at once (a shorter window), or raise ``max_answer_size`` in the connection if the
    worker has the memory.
    """


class ConflictError(ZDirectFatalError):
    """A change conflicts with the current state (409, 412, 428).

    What to do: Compare the current state in the zDirect portal with your change; somebody else may have made
    another. Correct the row or the argument, and run the task again.
    """


class BadRequestError(ZDirectFatalError):
    """zDirect refuses the request as it is (400 and other 4xx).

    What to do: The problem title in the message says what zDirect does not accept. Change the argument that it
    comes from. If you gave none, an assumption about the API may be wrong (docs/assumptions.md).
    """


class ZDirectRetriableError(ZDirectError):
    """The same request may work later.

    A deferrable task waits in the triggerer and goes on, up to ten times in a row; with ``deferrable=False`` it fails
    for its retries.

    :param retry_after: seconds to wait before the next try, at least.
    """

    def __init__(self, message: str, *, retry_after: float, **facts: object) -> None:
        super().__init__(message, **facts)  # type: ignore[arg-type]
        self.retry_after = retry_after


class RateLimitedError(ZDirectRetriableError):
    """429: too many requests.

    What to do: No action needed: the task waits and goes on. If it happens often, run fewer tasks at once, or look
    for another program that uses the same app.
    """


class UpdatesPausedError(RateLimitedError):
    """The rate limit is used up before all updates are sent; the rest follows later.

    What to do: No action needed: the task waits for its turn and goes on with the rest.

    :param progress: how much was done before that.
    """

    def __init__(self, message: str, *, retry_after: float, progress: int = 0, **facts: object) -> None:
        super().__init__(message, retry_after=retry_after, **facts)
        self.progress = progress


class ServerError(ZDirectRetriableError):
    """zDirect failed: 5xx, or another unexpected answer.

    What to do: No action needed: the task retries after two minutes or more. If it persists, use shorter windows, or
    give the flow id of the message to Zalando's support.
    """


class TransportError(ZDirectRetriableError):
    """No answer arrived, or it was cut off.

    What to do: No action needed: the task retries. If it persists, check network, proxy and DNS of the worker, and the
    connection's timeout.
    """


class NotConnectedError(TransportError):
    """No connection could be made: the host is unknown, the port refused, or TLS does not work.

    What to do: With zDirect's own address the task retries; check network, proxy and DNS of the worker. With a base
    URL of your own, check that URL; behind a private certificate authority, see docs/connection.md.
    """


class MalformedResponseError(ZDirectRetriableError):
    """A 200 answer whose body is not the expected JSON.

    What to do: No action needed: the task retries, and nothing of the answer is published. If it persists, report it
    to Zalando's support with the flow id; if the API has changed, update the provider.
    """


class StorageUnavailableError(ZDirectRetriableError):
    """The base path or the local disk cannot be used at the moment.

    What to do: No action needed if the retry succeeds. If it persists, check the storage connection, its permissions,
    and the limit of open files on the worker (``ulimit -n``).
    """


class DiskFullError(StorageUnavailableError):
    """The disk of the base path or of the temporary directory is full.

    What to do: Free space in the directory that the message names, or let ``TMPDIR`` or ``base_path`` name another
    one. The task retries, and goes on with the pages that it has saved.
    """


class DocumentsNotReadyError(ZDirectRetriableError):
    """zDirect has no shipping documents yet for orders that must have them.

    What to do: No action needed: the task retries. If it persists, check the orders in the zDirect portal, or set
    ``require_documents=False``.
    """


class ConcurrentRunError(ZDirectRetriableError):
    """Another run of the same window removed or kept changing the same files.

    What to do: No action needed: the task retries, and nothing is lost or doubled. If it happens often, run fewer
    tasks of a dataset and merchant at once.
    """


class ZDirectDataError(ZDirectError):
    """The answer is well-formed but wrong; a retry would get the same.

    The task fails at once. Nothing doubtful is published.
    """


class RejectedRecordsError(ZDirectDataError):
    """More invalid records than ``max_rejected`` allows.

    What to do: Read the file under ``_rejected/`` that the message names: each line has the reason and the record.
    To publish the valid records anyway, trigger the DAG with the same window (``from``, ``to``) and merchant, and a
    higher ``max_rejected``; if it has no such parameter, give the operator a higher one and clear the task.
    """


class RejectedUpdatesError(ZDirectDataError):
    """More updates were refused, in conflict or failed than ``max_failed`` allows.

    What to do: All rows were tried, and the message names the first ones that failed, with the cause. Correct these
    rows and run the task again; what was applied is not sent again.
    """


class ShippingDocumentsError(ZDirectDataError):
    """More orders' shipping documents failed, or contradict each other, than ``max_failed``.

    What to do: The message names the first orders with the cause, and the table ``shipping_document_results`` has
    all of them. Correct them and run the task again; the others are done.
    """


class TracesLeftError(ZDirectDataError):
    """After an erasure, files still hold personal data of the erased customers; the message names them.

    What to do: Another program wrote these files. Delete them, or erase the data in them by hand, then clear the
    task; it writes the certificate once nothing is left.
    """


class FilterIgnoredError(ZDirectDataError):
    """The answer has rows outside the requested window or filter: zDirect ignored it.

    What to do: Nothing was published. Clear the task to try again. If it persists, report it to Zalando's support; the
    message names an assumption (docs/assumptions.md) or argument where another one may help.
    """


class EmptyAnswerError(ZDirectDataError):
    """zDirect returned no records where some are published.

    What to do: Check in the zDirect portal that there are none. If so, set ``replace_with_empty=True`` and clear
    the task. Near the end of what zDirect keeps, the records may have expired there; then leave the published ones
    as they are.
    """


class TooManyRecordsError(ZDirectDataError):
    """The period has more records than zDirect can return at once.

    What to do: Use shorter windows, or the path that pages (leave ``variant`` out).
    """


class CursorLoopError(ZDirectDataError):
    """zDirect returned a cursor that was followed before; the pages would never end.

    What to do: Clear the task: it fetches the window again from its start. If it persists, report it to Zalando's
    support with the flow id.
    """
