"""Bytes out, bytes in. The only module that knows the HTTP library; none of its types leave this file."""

from __future__ import annotations

import asyncio
import functools
import os
import socket
import ssl
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

import httpx

from airflow_provider_zdirect.client.hosts import is_loopback, split_address
from airflow_provider_zdirect.exceptions import NotConnectedError, TransportError, ZDirectConfigurationError

RETRY_AFTER = 120.0
"""Seconds that a :class:`TransportError` asks to wait: the two minutes of zDirect's own advice for a failed fetch."""


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
    :param body: the decoded body. A bytearray, because it grew piece by piece: a page of 33 MB is held once.
    :param elapsed: seconds from sending to the last byte.
    """

    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytearray = field(repr=False)
    elapsed: float


class Transport:
    """Sends requests. Keeps connections open between them; belongs to one event loop.

    Proxies and certificate authorities are taken from the environment (``HTTPS_PROXY``, ``NO_PROXY``,
    ``SSL_CERT_FILE``), but what goes to this machine itself never goes through a proxy.
    """

    def __init__(self, timeouts: Timeouts | None = None) -> None:
        self._timeouts = timeouts or Timeouts()
        self._clients: dict[bool, httpx.AsyncClient] = {}
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
    ) -> Answer:
        """Send one request and read the whole answer. A redirect is an answer like any other, never followed.

        :raises TransportError: if no complete answer came; NotConnectedError if the address could not be reached.
        :raises ZDirectConfigurationError: if ``url`` is plain HTTP to another machine.
        """
        address = split_address(url)
        limits = timeouts or self._timeouts
        started = time.monotonic()
        kind: type[TransportError] = TransportError
        try:
            async with asyncio.timeout(limits.total):
                with self._signs_of_life():
                    answer = await self._exchange(
                        is_loopback(address.hostname or ""),
                        httpx.Timeout(limits.read, connect=limits.connect),
                        started,
                        method=method,
                        url=url,
                        headers=dict(headers or {}),
                        params=dict(params) if params else None,
                        content=body,
                    )
        except TimeoutError:
            failure = f"the answer was not complete after {limits.total:g} s"
        except httpx.ConnectError as error:
            failure, kind = _in_words(error, limits), NotConnectedError if _refusal(error) else TransportError
        except (httpx.HTTPError, httpx.StreamError, httpx.InvalidURL) as error:
            failure = _in_words(error, limits)
        except (OSError, UnicodeError, ValueError) as error:
            failure = f"the exchange failed ({type(error).__name__})"
        else:
            if isinstance(answer, Answer):
                return answer
            failure = answer
        # Raised out here so that the library's exception, which may quote a header, is not even the context.
        raise kind(
            f"No answer from {address.scheme}://{address.netloc}: {failure}.",
            remedy="If it happens again, check the network, the proxy settings (HTTPS_PROXY, NO_PROXY) and "
            "SSL_CERT_FILE of the machine that ran the task.",
            path=address.path,
            retry_after=RETRY_AFTER,
        )

    async def _exchange(self, loopback: bool, limits: httpx.Timeout, started: float, **request: object) -> Answer | str:
        client = self._client(loopback)
        message = client.build_request(timeout=limits, **request)  # type: ignore[arg-type]
        response = await client.send(message, stream=True)
        body = bytearray()
        try:
            async for piece in response.aiter_bytes():
                body += piece
                self.on_piece(len(piece))
        finally:
            await response.aclose()
        expected = response.headers.get("content-length", "")
        if expected.isdecimal() and int(expected) != response.num_bytes_downloaded:
            return f"the body broke off at byte {response.num_bytes_downloaded} of {expected}"
        headers = {name.lower(): value for name, value in reversed(response.headers.multi_items())}
        return Answer(response.status_code, headers, body, time.monotonic() - started)

    @contextmanager
    def _signs_of_life(self) -> Iterator[None]:
        timer: asyncio.TimerHandle

        def wait_on() -> None:
            nonlocal timer
            timer = asyncio.get_running_loop().call_later(self._timeouts.still_waiting, still_waiting)

        def still_waiting() -> None:
            self.on_piece(0)
            wait_on()

        wait_on()
        try:
            yield
        finally:
            timer.cancel()

    def _client(self, loopback: bool) -> httpx.AsyncClient:
        client = self._clients.get(loopback)
        if client is None:
            try:
                client = httpx.AsyncClient(
                    follow_redirects=False,
                    trust_env=not loopback,
                    verify=_certificates(not loopback, os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR")),
                    headers={"Accept-Encoding": "gzip"},
                )
            except (OSError, ValueError, ImportError, httpx.InvalidURL) as error:
                kind = type(error).__name__
            else:
                self._clients[loopback] = client
                return client
            raise ZDirectConfigurationError(
                f"The HTTP client could not be set up from the environment ({kind}).",
                remedy="Check HTTPS_PROXY, ALL_PROXY, SSL_CERT_FILE and SSL_CERT_DIR.",
            )
        return client

    async def aclose(self) -> None:
        """Close the connections."""
        clients = list(self._clients.values())
        self._clients.clear()
        for client in clients:
            await client.aclose()


@functools.cache
def _certificates(trust_env: bool, file: str | None, directory: str | None) -> ssl.SSLContext:
    # Read once: that takes longer than anything else about a client. What the environment names is part of the key.
    return httpx.create_ssl_context(trust_env=trust_env)


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
            return f"the connection broke off ({str(error)[:160] or type(error).__name__})"
        case httpx.DecodingError():
            return "the body could not be decompressed"
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
