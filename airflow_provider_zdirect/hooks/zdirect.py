# SPDX-License-Identifier: Apache-2.0
"""From an Airflow connection to a configured client."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from copy import deepcopy
from dataclasses import replace
from typing import Any

from airflow_provider_zdirect.airflow_sdk import BaseHook
from airflow_provider_zdirect.client import ClientConfig, Identity, ZDirectClient, checked_merchant_id
from airflow_provider_zdirect.exceptions import ZDirectConfigurationError, ZDirectError
from airflow_provider_zdirect.hooks import connection_form
from airflow_provider_zdirect.hooks.connection import ZDirectConnection, shared_client

TEST_PATIENCE: dict[str, Any] = {
    "connect_timeout": 5.0,
    "read_timeout": 15.0,
    "total_timeout": 20.0,
    "max_inline_wait": 2.0,
}
"""Seconds, for the connection form's test button, at which a person waits."""

_KEEP_ALIVE = ("tcp_keep_alive", "tcp_keep_alive_idle", "tcp_keep_alive_count", "tcp_keep_alive_interval")
HTTP_ARGUMENTS = frozenset({"method", "auth_type", *_KEEP_ALIVE})
"""What ``HttpOperator`` gives to the hook of its connection's type."""


class ZDirectHook(ZDirectConnection, BaseHook):
    """Gives a client of zDirect's API for an Airflow connection of type ``zdirect``.

    The connection's login is the client id, its password the client secret, its host (optional) another address
    than the environment's own. Its extra holds the fields of :mod:`~airflow_provider_zdirect.hooks.connection_form`.

    :param conn_id: the connection.
    :param http: :data:`HTTP_ARGUMENTS`, for :meth:`run`.
    """

    conn_name_attr = "conn_id"
    default_conn_name = "zdirect_default"
    conn_type = connection_form.CONNECTION_TYPE
    hook_name = connection_form.HOOK_NAME

    def __init__(self, conn_id: str = default_conn_name, **http: Any) -> None:
        BaseHook.__init__(self)
        ZDirectConnection.__init__(self, conn_id)
        if unknown := http.keys() - HTTP_ARGUMENTS:
            raise TypeError(f"ZDirectHook has no arguments {', '.join(sorted(unknown))}")
        self._http = http

    @classmethod
    def get_connection_form_widgets(cls) -> dict[str, Any]:
        """Form fields for Airflow before 3.2; later versions read the provider's metadata."""
        return connection_form.widgets()

    @classmethod
    def get_ui_field_behaviour(cls) -> dict[str, Any]:
        """Standard fields for Airflow before 3.2."""
        return deepcopy(connection_form.FIELD_BEHAVIOUR)

    def get_conn(self) -> ZDirectClient:
        return self.client()

    def personal_data_key(self) -> str | None:
        """The key of the hashes that replace personal data; masked in logs. None if the connection has none."""
        return self.settings.personal_data_secret

    def run(self, *args: Any, **kwargs: Any) -> Any:
        """One request of ``HttpOperator``, which works with the hook of its connection's type.

        :returns: the ``requests.Response``; see :class:`~airflow_provider_zdirect.hooks.http.ZDirectHttpHook`.
        """
        return self._http_hook().run(*args, **kwargs)

    def run_with_advanced_retry(self, *args: Any, **kwargs: Any) -> Any:
        """As :meth:`run`, with the operator's ``retry_args``."""
        return self._http_hook().run_with_advanced_retry(*args, **kwargs)

    def _http_hook(self) -> Any:
        from airflow_provider_zdirect.hooks.http import ZDirectHttpHook

        return ZDirectHttpHook(http_conn_id=self.conn_id, **self._http)

    def merchant_ids(self) -> list[str]:
        """The connection's merchant, or else all merchants that ``/auth/me`` lists.

        :raises ZDirectConfigurationError: if there is none.
        """
        own = self.own_merchant_id()
        return [own] if own else self._granted(asyncio.run(self._me(self.config())))

    def named_merchants(self, given: Iterable[str] = ()) -> dict[str, str | None]:
        """By id: the name, if it has one, of each merchant.

        :param given: ids or names; none: those of :meth:`merchant_ids`.
        :raises ZDirectConfigurationError: if the connection has no such name; as :meth:`merchant_ids`.
        """
        names = self.merchants()
        return {each: names.name_of(each) for each in [names.id_of(text) for text in given] or self.merchant_ids()}

    def merchant_id(self) -> str:
        """The connection's merchant, or else the only one that the app may use.

        :raises ZDirectConfigurationError: if there are several; lists them.
        """
        return self._only(self.merchant_ids())

    def own_merchant_id(self) -> str | None:
        """The connection's merchant, if it names one; without a request."""
        return self.settings.merchant_id

    async def find_merchant_id(self, client: ZDirectClient) -> str:
        """As :meth:`merchant_id`, for coroutines, with a client of this hook."""
        return self.own_merchant_id() or self._only(self._granted(await client.me()))

    def _granted(self, identity: Identity) -> list[str]:
        if not identity.merchant_ids:
            raise ZDirectConfigurationError(
                f"Connection {self.conn_id!r} has no merchant_id, and zDirect lists no merchant for its app.",
                remedy="Grant a merchant to the app in the zDirect portal.",
            )
        return list(dict.fromkeys(map(checked_merchant_id, identity.merchant_ids)))

    def _only(self, merchant_ids: list[str]) -> str:
        if len(merchant_ids) > 1:
            raise ZDirectConfigurationError(
                f"merchant_id is not given, and the app of connection {self.conn_id!r} may use "
                f"{len(merchant_ids)} merchants: {', '.join(map(self.merchants().in_words, merchant_ids))}.",
                remedy="Give merchant_id, set it in the connection, or map the task over all of them.",
            )
        return merchant_ids[0]

    def test_connection(self) -> tuple[bool, str]:
        """Ask zDirect for the identity of the app; whether the connection works, and a message for the user."""
        try:
            settings = self.settings
            config, merchant_id = settings.config, settings.merchant_id
            identity = asyncio.run(self._me(replace(config, **TEST_PATIENCE)))
        except ZDirectError as error:
            return False, str(error)
        granted = ", ".join(map(config.merchants.in_words, identity.merchant_ids))
        if merchant_id and merchant_id not in identity.merchant_ids:
            return False, (
                f"The app works, but merchant_id={merchant_id} of this connection is not granted to it. "
                f"It may use: {granted or '(no merchant)'}."
            )
        return True, (
            f"Connected to zDirect {config.environment} ({config.address}) as app {identity.client_id}. "
            f"Merchants: {granted or '(none)'}. "
            f"Scopes: {', '.join(identity.scopes) or '(none)'}."
        )

    async def _me(self, config: ClientConfig) -> Identity:
        async with shared_client(config, share_access=self.settings.share_access) as client:
            return await client.me()
