# SPDX-License-Identifier: Apache-2.0
"""zDirect's access token for whatever talks HTTP with ``requests``: the HTTP provider's hook, operator and sensor."""

from __future__ import annotations

import asyncio
from typing import Any
from urllib.parse import urlsplit

from requests import PreparedRequest, Response
from requests.auth import AuthBase

from airflow_provider_zdirect.client import ClientConfig
from airflow_provider_zdirect.client.hosts import ZALANDO_HOSTS, is_below, is_local
from airflow_provider_zdirect.exceptions import ZDirectConfigurationError
from airflow_provider_zdirect.hooks.connection import ZDirectConnection, access_token_of, shared_client


class ZDirectAuth(AuthBase):
    """Puts the deployment's shared access token on requests to zDirect, and renews it once after a 401.

    ``HttpOperator(http_conn_id="zdirect_default", auth_type=ZDirectAuth, ...)``; or for ``requests`` itself,
    ``requests.get(url, auth=ZDirectAuth())``. The token never goes to another address than the connection's: a request
    elsewhere is refused, and a redirect elsewhere is followed without it.

    It cannot be used where the HTTP provider works asynchronously (``deferrable=True``), since that takes nothing but a
    name and a password; ``ZDirectHttpOperator`` and ``ZDirectHttpSensor`` do both.

    :param client_id: of the app, if it is not that of ``conn_id``: the HTTP provider gives the login of an ``http``
        connection. The address is then that of the request, which must be zDirect's own or this machine (the emulator).
    :param client_secret: of the same app, from the connection's password.
    :param conn_id: the zDirect connection.
    :raises ZDirectConfigurationError: if it is made on an event loop.
    """

    def __init__(
        self, client_id: str | None = None, client_secret: str | None = None, *, conn_id: str = "zdirect_default"
    ) -> None:
        _refuse_event_loop()
        self._credentials = (client_id, client_secret or "") if client_id else None
        self._connection = ZDirectConnection(conn_id)

    def __call__(self, r: PreparedRequest) -> PreparedRequest:
        config = self._config(r.url or "")
        if not is_below(r.url or "", config.address):
            raise ZDirectConfigurationError(
                f"{_origin(r.url or '')} is not {config.address}, where the zDirect connection "
                f"{self._connection.conn_id!r} points to; the access token is not sent there.",
                remedy="Call an address of zDirect, or give the auth the connection that the address belongs to.",
            )
        r.headers["Authorization"] = f"Bearer {self._token(config)}"
        r.register_hook("response", self._renew_after_401)
        return r

    def _config(self, url: str) -> ClientConfig:
        """Address and app: those of the connection, or of the request and the credentials that were given."""
        if self._credentials is None:
            return self._connection.config()
        address, environment = _origin(url), ZALANDO_HOSTS.get(urlsplit(url).hostname or "")
        if environment is None and not is_local(address):
            raise ZDirectConfigurationError(
                f"{address} is not an address of zDirect; the client secret is not sent there.",
                remedy="Use a connection of type zdirect, whose host may be any address.",
            )
        return ClientConfig(*self._credentials, environment=environment or "production", base_url=address)

    def _token(self, config: ClientConfig, refused: str | None = None) -> str:
        _refuse_event_loop()
        share_access = self._credentials is not None or self._connection.settings.share_access
        return asyncio.run(access_token_of(shared_client(config, share_access=share_access), refused))

    def _renew_after_401(self, response: Response, **kwargs: Any) -> Response:
        """Send the request again with another token, once; as requests' own digest authentication does."""
        request, url = response.request, response.request.url or ""
        scheme, _, refused = str(request.headers.get("Authorization", "")).partition(" ")
        # This is also called for the answer to a redirected request, which may come from anywhere.
        if response.status_code != 401 or scheme != "Bearer":
            return response
        config = self._config(url)
        if not is_below(url, config.address):
            return response
        body = request.body
        if body is not None and not isinstance(body, str | bytes | bytearray):
            # A stream that has been read.
            return response
        response.content  # noqa: B018  so that the connection can be used again
        response.close()
        again = request.copy()
        again.headers["Authorization"] = f"Bearer {self._token(config, refused)}"
        answer: Response = response.connection.send(again, **kwargs)
        answer.history.append(response)
        answer.request = again
        return answer


def _refuse_event_loop() -> None:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return
    raise ZDirectConfigurationError(
        "ZDirectAuth is for requests, which would stop the event loop of a trigger or an async task.",
        remedy="For deferrable=True use ZDirectHttpOperator or ZDirectHttpSensor of this provider instead of the HTTP "
        "provider's; in a coroutine, ZDirectHttpAsyncHook.",
    )


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"
