"""The access token for requests that are not sent by the client of this package."""

from __future__ import annotations

from airflow_provider_zdirect.client.auth import TokenEndpoint, TokenProvider
from airflow_provider_zdirect.client.config import ClientConfig
from airflow_provider_zdirect.client.hosts import is_loopback, split_address
from airflow_provider_zdirect.client.rates import FileRateLimiter, RateLimiter
from airflow_provider_zdirect.client.retry import RetryPolicy
from airflow_provider_zdirect.client.token_stores import MemoryTokenStore
from airflow_provider_zdirect.client.tokens import TokenStore
from airflow_provider_zdirect.client.transport import Timeouts, Transport
from airflow_provider_zdirect.clock import Clock, SystemClock
from airflow_provider_zdirect.exceptions import ZDirectConfigurationError


async def access_token(
    config: ClientConfig,
    tokens: TokenStore | None = None,
    *,
    refused: str | None = None,
    clock: Clock | None = None,
    limiter: RateLimiter | None = None,
) -> str:
    """The app's access token: the shared one, or a new one that is shared then.

    :param tokens: where it is shared; None asks for a token of one's own.
    :param refused: a token that zDirect has answered with 401; it is another one then.
    :raises AuthenticationError: if the client id or the secret is refused.
    :raises ZDirectRetriableError: if no token can be had at the moment.
    """
    clock = clock or SystemClock()
    policy = RetryPolicy(max_inline_wait=config.max_inline_wait, max_attempts=config.max_attempts)
    transport = Transport(Timeouts(config.connect_timeout, config.read_timeout, config.total_timeout))
    try:
        provider = TokenProvider(
            config,
            TokenEndpoint(config, transport, clock, policy),
            tokens or MemoryTokenStore(),
            limiter or FileRateLimiter(clock=clock),
            clock,
        )
        token = await provider.get()
        if token.access_token == refused:
            token = await provider.refresh_after_401(token)
        return token.access_token
    finally:
        await transport.aclose()


def is_below(url: str, address: str) -> bool:
    """Whether ``url`` is of the API at ``address``, and so may be sent the token."""
    return url == address or url.startswith((f"{address}/", f"{address}?"))


def path_below(endpoint: str | None, address: str) -> str:
    """The endpoint as a path below ``address``, with a slash in front.

    :param endpoint: such a path, with or without the slash, or a whole URL, as ``links.next`` of an answer is one.
    :raises ZDirectConfigurationError: if it is a URL of another server.
    """
    endpoint = (endpoint or "").strip()
    if "://" not in endpoint.partition("?")[0]:
        return endpoint if endpoint.startswith(("/", "?")) else f"/{endpoint}"
    if not is_below(endpoint, address):
        raise ZDirectConfigurationError(
            f"endpoint={endpoint.partition('?')[0][:200]!r} is not below {address}, where the connection points to; "
            "the access token is not sent there.",
            remedy="Give the endpoint as a path, such as /auth/me.",
        )
    return endpoint[len(address) :]


def is_local(address: str) -> bool:
    """Whether ``address`` is this machine, which no proxy stands before."""
    return is_loopback(split_address(address).hostname or "")
