# SPDX-License-Identifier: Apache-2.0
"""Bytes out, bytes in. The only module that knows the HTTP library; none of its types leave this file."""

from __future__ import annotations

import asyncio
import functools
import logging
import os
import socket
import ssl
import time
import zlib
from collections.abc import AsyncIterator, Callable, Container, Iterator, Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import httpx

from airflow_provider_zdirect.client.hosts import is_loopback
from airflow_provider_zdirect.exceptions import (
    AnswerTooLargeError,
    NotConnectedError,
    TransportError,
    ZDirectConfigurationError,
)

# The library's debug log shows the headers of answers. Among them may be cookies, and credentials that a gateway
# repeats; Airflow 3.3 does not mask what the LocalExecutor copies to the scheduler's output.
logging.getLogger("httpcore.http11").addFilter(lambda record: "response_headers" not in record.getMessage())

RETRY_AFTER = 120.0
"""Seconds that a :class:`TransportError` asks to wait: the two minutes of zDirect's own advice for a failed fetch."""

MB = 1_000_000
LARGEST_ANSWER = 512 * MB

LARGEST_ERROR = 1 << 20
"""Bytes that are read of the body of an error; it says what is wrong at its beginning."""

PIECE = 1 << 16
"""Bytes that are unpacked at once: a few compressed ones may be a thousand times as many."""

GZIP = 16 + zlib.MAX_WBITS


@dataclass(frozen=True)
class Timeouts:
    """How long to wait, in seconds.

    :param connect: for a connection.
    :param read: for the next byte; zDirect computes large answers before it sends the first one.
    :param total: for the whole answer, so that one which trickles in does not hold a worker for ever.
    :param still_waiting: between two calls of ``on_piece`` while an answer is under way.
    """

    connect: float = 10.0
    read: float = 300.0
    total: float = 900.0
    still_waiting: float = 10.0


@dataclass(frozen=True)
class Answer:
    """What came back, whatever its status.

    :param headers: by name in lower case; of repeated ones the first. Values may be cookies or tokens.
    :param body: the decoded body; of an error, at most its beginning. A bytearray, because it grew piece by piece: a
        page of 33 MB is held once.
    :param elapsed: seconds from sending to the last byte.
    """

    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytearray = field(repr=False)
    elapsed: float


class Transport:
    """Sends requests to one server. Keeps connections open between them; belongs to one event loop.

    Proxies and certificate authorities are taken from the environment (``HTTPS_PROXY``, ``NO_PROXY``,
    ``SSL_CERT_FILE``), but what goes to this machine itself never goes through a proxy.

    :param largest: bytes of an answer that is accepted, at most, after decompression.
    """

    def __init__(self, timeouts: Timeouts | None = None, largest: int = LARGEST_ANSWER) -> None:
        self._timeouts = timeouts or Timeouts()
        self._largest = largest
        self._client: httpx.AsyncClient | None = None
        self.on_piece: Callable[[int], None] = lambda size: None
        """Called with the size of each piece of a body that has come, and with 0 now and then while none comes."""

    async def send(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        params: Mapping[str, str] | None = None,
        body: bytes | None = None,
        timeouts: Timeouts | None = None,
        expected: Container[int] = range(200, 300),
    ) -> Answer:
        """Send one request and read the whole answer. A redirect is an answer like any other, never followed.

        :param expected: statuses that are not errors; of an error only the beginning is read.
        :raises AnswerTooLargeError: if the answer is larger than ``largest``.
        :raises TransportError: if no complete answer came; NotConnectedError if the address could not be reached.
        """
        address = urlsplit(url)
        limits = timeouts or self._timeouts
        kind: type[TransportError] = TransportError
        signs_of_life = asyncio.create_task(self._signs_of_life())
        try:
            client = self._client = self._client or _new_client(address.hostname or "")
            request = client.build_request(
                method,
                url,
                headers=dict(headers or {}),
                params=dict(params) if params else None,
                content=body,
                timeout=httpx.Timeout(limits.read, connect=limits.connect),
            )
            async with asyncio.timeout(limits.total):
                return await self._exchange(client, request, expected)
        except TimeoutError:
            failure = f"the answer was not complete after {limits.total:g} s"
        except httpx.ConnectError as error:
            failure, kind = _in_words(error, limits), NotConnectedError if _refusal(error) else TransportError
        except zlib.error:
            failure = "the body could not be decompressed"
        except (httpx.HTTPError, httpx.StreamError, httpx.InvalidURL) as error:
            failure = _in_words(error, limits)
        except (OSError, UnicodeError, ValueError) as error:
            failure = f"the exchange failed ({type(error).__name__})"
        except _BrokenOffError as error:
            failure = str(error)
        finally:
            signs_of_life.cancel()
            await asyncio.wait([signs_of_life])
        # Raised out here so that the library's exception, which may quote a header, is not even the context.
        raise kind(
            f"No answer from {address.scheme}://{address.netloc}: {failure}.",
            remedy="If it happens again, check the network, the proxy settings (HTTPS_PROXY, NO_PROXY) and "
            "SSL_CERT_FILE of the machine that ran the task.",
            path=address.path,
            retry_after=RETRY_AFTER,
        )

    async def _exchange(self, client: httpx.AsyncClient, request: httpx.Request, expected: Container[int]) -> Answer:
        started = time.monotonic()
        response = await client.send(request, stream=True)
        try:
            body = await self._body(response, is_error=response.status_code not in expected)
        finally:
            await response.aclose()
        headers = {name.lower(): value for name, value in reversed(response.headers.multi_items())}
        return Answer(response.status_code, headers, body, time.monotonic() - started)

    async def _body(self, response: httpx.Response, *, is_error: bool) -> bytearray:
        length = response.headers.get("content-length", "")
        announced = int(length) if length.isdecimal() else None
        if announced is not None and announced > self._largest and not is_error:
            raise self._too_large(response, f"announces {announced / MB:,.1f} MB")
        body = bytearray()
        async for piece in _unpacked(response):
            if is_error and len(body) + len(piece) > LARGEST_ERROR:
                return body + piece[: LARGEST_ERROR - len(body)]
            if not is_error and len(body) + len(piece) > self._largest:
                raise self._too_large(response, f"did not end after {self._largest / MB:,.1f} MB")
            body += piece
            self.on_piece(len(piece))
        if announced not in (None, received := response.num_bytes_downloaded):
            raise _BrokenOffError(f"the body broke off at byte {received} of {announced}")
        return body

    def _too_large(self, response: httpx.Response, how_large: str) -> AnswerTooLargeError:
        return AnswerTooLargeError(
            f"The answer {how_large}, more than max_answer_size={self._largest / MB:g} (MB); it was not read further, "
            "and nothing of it is kept.",
            remedy="Ask for less at once (a shorter window), or raise max_answer_size in the connection's extra if "
            "the worker has the memory.",
            status=response.status_code,
        )

    async def _signs_of_life(self) -> None:
        while True:
            await asyncio.sleep(self._timeouts.still_waiting)
            self.on_piece(0)

    async def aclose(self) -> None:
        """Close the connections."""
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()


class _BrokenOffError(Exception):
    """Fewer bytes came than were announced."""


async def _unpacked(response: httpx.Response) -> AsyncIterator[bytes]:
    """The body in pieces, decompressed. The HTTP library would unpack all that has come at once, whatever its size."""
    if "gzip" not in response.headers.get("content-encoding", "").lower():
        async for raw in response.aiter_raw():
            yield raw
        return
    gzip, is_empty = zlib.decompressobj(GZIP), True
    async for raw in response.aiter_raw():
        is_empty = False
        while raw:
            if gzip.eof:
                # A gzip file may have several members.
                gzip = zlib.decompressobj(GZIP)
            yield gzip.decompress(raw, PIECE)
            raw = gzip.unused_data if gzip.eof else gzip.unconsumed_tail
    if not (is_empty or gzip.eof):
        raise _BrokenOffError("the compressed body broke off")


def _new_client(host: str) -> httpx.AsyncClient:
    try:
        return httpx.AsyncClient(
            follow_redirects=False,
            trust_env=not is_loopback(host),
            verify=_certificates(os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR")),
            headers={"Accept-Encoding": "gzip"},
        )
    except (OSError, ValueError, ImportError, httpx.InvalidURL) as error:
        kind = type(error).__name__
    raise ZDirectConfigurationError(
        f"The HTTP client could not be set up from the environment ({kind}).",
        remedy="Check HTTPS_PROXY, ALL_PROXY, SSL_CERT_FILE and SSL_CERT_DIR.",
    )


@functools.cache
def _certificates(file: str | None, directory: str | None) -> ssl.SSLContext:
    # Read once: that takes longer than anything else about a client. What the environment names is part of the key.
    return httpx.create_ssl_context()


def _in_words(error: Exception, limits: Timeouts) -> str:
    match error:
        case httpx.ConnectTimeout():
            return f"no connection within {limits.connect:g} s"
        case httpx.ReadTimeout():
            return f"nothing was received for {limits.read:g} s"
        case httpx.TimeoutException():
            return f"timed out ({type(error).__name__})"
        case httpx.ConnectError() | httpx.ProxyError():
            return f"no connection ({_refusal(error) or str(error)[:160]})"
        case httpx.RemoteProtocolError() | httpx.ReadError():
            # Behind a colon stands what was received, which may repeat the request's token.
            return f"the connection broke off ({str(error).partition(':')[0][:160] or type(error).__name__})"
        case _:
            # Texts of the others may quote a request header.
            return f"the exchange failed ({type(error).__name__})"


def _refusal(error: BaseException) -> str | None:
    """Why no connection could be made, if the address may be wrong."""
    for cause in _causes(error):
        match cause:
            case socket.gaierror():
                return f"the host name cannot be resolved: {cause.strerror}"
            case ConnectionRefusedError():
                return "refused: nothing listens on that port"
            case ssl.SSLCertVerificationError():
                return f"its certificate is not accepted: {cause.verify_message}"
            case ssl.SSLError(reason="WRONG_VERSION_NUMBER" | "HTTP_REQUEST" | "RECORD_LAYER_FAILURE"):
                return "it does not speak TLS: should the address start with http://?"
    return None


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The error and those behind it. One of a host with several addresses is a group."""
    yield error
    for cause in (error.__cause__ or error.__context__, *getattr(error, "exceptions", ())):
        if cause is not None:
            yield from _causes(cause)
