# SPDX-License-Identifier: Apache-2.0
"""The HTTP provider's hooks on a zDirect connection: its address, its shared token, and none of its secrets.

The HTTP provider's own hooks cannot read such a connection: they take a blank host for no address, send each entry of
the extra as a header, and the login and password with every request.
"""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any

import aiohttp
from airflow.providers.http.hooks.http import HttpAsyncHook, HttpHook

from airflow_provider_zdirect.airflow_sdk import AirflowException, Connection
from airflow_provider_zdirect.client.config import USER_AGENT
from airflow_provider_zdirect.client.hosts import is_local, path_below
from airflow_provider_zdirect.exceptions import ZDirectConfigurationError
from airflow_provider_zdirect.hooks.connection import ZDirectConnection
from airflow_provider_zdirect.hooks.http_auth import ZDirectAuth

ZDIRECT_DEFAULT = "zdirect_default"


class _OnZDirect:
    """What both hooks have in common."""

    default_conn_name = ZDIRECT_DEFAULT

    def __init__(
        self, method: str = "POST", http_conn_id: str = ZDIRECT_DEFAULT, auth_type: Any = None, **kwargs: Any
    ) -> None:
        check_auth_type(auth_type)
        super().__init__(method=method, http_conn_id=http_conn_id, **kwargs)  # type: ignore[call-arg]
        self._zdirect = ZDirectConnection(http_conn_id)

    def get_connection(self, conn_id: str) -> Connection:
        """The connection as the HTTP provider should see it."""
        return Connection(conn_id=conn_id, conn_type="http", host=self._zdirect.config().address)


class ZDirectHttpHook(_OnZDirect, HttpHook):
    """Sends requests to any endpoint of zDirect; used as the HTTP provider's ``HttpHook``.

    An endpoint is a path, or a whole URL of the connection's address. An answer may take as long as the connection's
    timeout says, unless ``extra_options`` have a ``timeout``.

    :param method: the HTTP method.
    :param http_conn_id: the zDirect connection.
    :param auth_type: ``ZDirectAuth`` or None, which is the same.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.auth_type = lambda: ZDirectAuth(conn_id=self.http_conn_id)

    def get_conn(self, *args: Any, **kwargs: Any) -> Any:
        """A session of ``requests``."""
        session = super().get_conn(*args, **kwargs)
        if session.headers["User-Agent"].startswith("python-requests"):
            session.headers["User-Agent"] = USER_AGENT
        if is_local(self._zdirect.config().address):
            session.trust_env = False
        return session

    def run(
        self,
        endpoint: str | None = None,
        data: Any = None,
        headers: dict[str, Any] | None = None,
        extra_options: dict[str, Any] | None = None,
        **request_kwargs: Any,
    ) -> Any:
        """Send one request; parameters as for ``HttpHook``.

        :raises ZDirectConfigurationError: if the endpoint is elsewhere.
        """
        config = self._zdirect.config()
        options = {"timeout": config.read_timeout, **(extra_options or {})}
        return super().run(path_below(endpoint, config.address), data, headers, options, **request_kwargs)


class ZDirectHttpAsyncHook(_OnZDirect, HttpAsyncHook):
    """As :class:`ZDirectHttpHook`, for triggers and coroutines.

    A request is sent once: ``HttpAsyncHook`` would repeat it two times after a failure, a write as well.
    ``retry_limit=3`` does so here.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{"retry_limit": 1, **kwargs})
        # Some versions of HttpAsyncHook read the connection itself, past the hook; without one they take base_url.
        self.http_conn_id = ""

    async def run(
        self,
        session: Any = None,
        endpoint: str | None = None,
        data: Any = None,
        json: Any = None,
        headers: dict[str, Any] | None = None,
        extra_options: dict[str, Any] | None = None,
    ) -> Any:
        """Send one request; parameters as for ``HttpAsyncHook``.

        :param session: of aiohttp; without one, the answer's body has been read when it is returned.
        :raises ZDirectConfigurationError: if the endpoint is elsewhere.
        """
        if session is None:
            async with aiohttp.ClientSession() as own_session:
                answer = await self.run(own_session, endpoint, data, json, headers, extra_options)
                await answer.read()
                return answer
        config = await asyncio.to_thread(self._zdirect.config)
        self.base_url = config.address
        own = {name: value for name, value in (headers or {}).items() if name.lower() != "authorization"}
        send = partial(
            super().run,
            session,
            endpoint=path_below(endpoint, config.address),
            data=data,
            json=json,
            extra_options={"timeout": config.total_timeout, **(extra_options or {})},
        )

        def with_token(token: str) -> dict[str, Any]:
            return {"User-Agent": USER_AGENT, **own, "Authorization": f"Bearer {token}"}

        token = await self._zdirect.access_token()
        try:
            response = await send(headers=with_token(token))
            if response.status != 401:
                return response
            response.release()
        except AirflowException as error:
            if not str(error).startswith("401"):
                raise
        return await send(headers=with_token(await self._zdirect.access_token(refused=token)))


def check_auth_type(auth_type: Any) -> None:
    """Raise ZDirectConfigurationError unless it is left out or ZDirectAuth."""
    if auth_type is not None and not (isinstance(auth_type, type) and issubclass(auth_type, ZDirectAuth)):
        raise ZDirectConfigurationError(
            f"auth_type={getattr(auth_type, '__name__', auth_type)!r} would send the client secret instead of an "
            "access token.",
            remedy="Leave auth_type out, or give ZDirectAuth.",
        )
