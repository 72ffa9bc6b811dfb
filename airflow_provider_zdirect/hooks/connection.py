# SPDX-License-Identifier: Apache-2.0
"""The settings of a zDirect connection: every field is read and checked once, before anything is sent."""

from __future__ import annotations

import asyncio
import base64
import difflib
import json
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from airflow_provider_zdirect.airflow_sdk import AirflowNotFoundException, BaseHook, mask_secret
from airflow_provider_zdirect.client import ClientConfig, FileRateLimiter, ZDirectClient
from airflow_provider_zdirect.client.config import DAY, fault_in
from airflow_provider_zdirect.client.merchants import MerchantNames
from airflow_provider_zdirect.client.shared_paces import SharedPaces
from airflow_provider_zdirect.clock import SystemClock
from airflow_provider_zdirect.datasets.assumptions import Assumptions
from airflow_provider_zdirect.datasets.personal_data import SHORTEST_KEY
from airflow_provider_zdirect.exceptions import ZDirectConfigurationError
from airflow_provider_zdirect.hooks import metrics
from airflow_provider_zdirect.hooks.connection_form import CONNECTION_TYPE, EXTRA_FIELDS, PERSONAL_DATA_SECRET
from airflow_provider_zdirect.hooks.shared_variables import (
    AirflowVariables,
    AirflowVariableTokenStore,
    MaskedTokenStore,
)

DEFAULT_PORTS = {"https": 443, "http": 80}

_WANTED = {"string": "a text", "number": "a number", "boolean": "true or false", "object": "a JSON object"}

_FIELDS = {field.name: field for field in EXTRA_FIELDS}


@dataclass(frozen=True)
class ConnectionSettings:
    """A connection, checked.

    :param config: address, app and patience.
    :param merchant_id: the merchant to work for; None means all that the app may use.
    :param share_access: whether the access token is shared by the whole deployment.
    :param personal_data_secret: key of the hashes that replace personal data.
    """

    config: ClientConfig
    merchant_id: str | None
    share_access: bool
    personal_data_secret: str | None = field(repr=False)


class ZDirectConnection:
    """A connection, read once, and what the whole deployment shares of it.

    :param conn_id: the Airflow connection.
    """

    def __init__(self, conn_id: str) -> None:
        self.conn_id = conn_id

    @cached_property
    def settings(self) -> ConnectionSettings:
        """The checked settings; its secrets are masked in logs.

        :raises ZDirectConfigurationError: if the connection is missing or cannot be used; names connection and field.
        """
        try:
            connection = BaseHook.get_connection(self.conn_id)
        except AirflowNotFoundException as error:
            raise ZDirectConfigurationError(
                f"Connection {self.conn_id!r} does not exist.",
                remedy=f"Add it (type {CONNECTION_TYPE}) in the UI, with `airflow connections add`, "
                f"or as AIRFLOW_CONN_{self.conn_id.upper()}.",
            ) from error
        for secret in secrets_of(connection):
            mask_secret(secret)
        return read_settings(self.conn_id, connection)

    def config(self) -> ClientConfig:
        """Address, app and timeouts of the connection.

        :raises ZDirectConfigurationError: if it is missing or a field cannot be used; names both.
        """
        return self.settings.config

    def known_config(self) -> ClientConfig | None:
        """As :meth:`config`, for tasks that ask zDirect for nothing: None if there is no connection.

        :raises ZDirectConfigurationError: if the connection exists and is wrong.
        """
        try:
            return self.config()
        except ZDirectConfigurationError as error:
            if isinstance(error.__cause__, AirflowNotFoundException):
                return None
            raise

    def merchants(self) -> MerchantNames:
        """The merchants' names in the connection; empty without a connection.

        :raises ZDirectConfigurationError: as :meth:`known_config`.
        """
        config = self.known_config()
        return config.merchants if config else MerchantNames()

    def client(self) -> ZDirectClient:
        """A client for this connection: an async context manager, for one event loop.

        :raises ZDirectConfigurationError: as :meth:`config`.
        """
        return shared_client(self.config(), share_access=self.settings.share_access)

    async def access_token(self, *, refused: str | None = None) -> str:
        """The shared access token, masked in logs, for requests that the client does not send.

        :param refused: a token that zDirect has answered with 401; it is another one then.
        """
        return await access_token_of(await asyncio.to_thread(self.client), refused)


def shared_client(config: ClientConfig, *, share_access: bool = True, **parts: Any) -> ZDirectClient:
    """A client that shares its access token with the whole deployment, and the rate limits, unless it has a share.

    :param parts: other arguments of the client.
    """
    if not share_access:
        return ZDirectClient(config, tokens=MaskedTokenStore(), listener=metrics.count, **parts)
    everybody = None
    if config.rate_share is None:
        everybody = SharedPaces(AirflowVariables("When zDirect may be asked next. Safe to delete."), SystemClock())
    limiter = FileRateLimiter(everybody=everybody)
    tokens = AirflowVariableTokenStore(config)
    return ZDirectClient(config, tokens=tokens, limiter=limiter, listener=metrics.count, **parts)


async def access_token_of(client: ZDirectClient, refused: str | None) -> str:
    """The client's access token, masked in logs; the client is closed."""
    async with client:
        return await client.access_token(refused=refused)


def read_settings(conn_id: str, connection: Any) -> ConnectionSettings:
    """The settings of an Airflow connection.

    :raises ZDirectConfigurationError: if a field cannot be used, or the extra has an unknown key; names
        connection and field, and never shows a secret.
    """
    try:
        return _settings(conn_id, connection)
    except ZDirectConfigurationError as error:
        error.message = f"Connection {conn_id!r}: {error.message}"
        raise


def secrets_of(connection: Any) -> list[str]:
    """What must not appear in logs, whether or not it can be used.

    Also the client id and secret as a request for a token has them: the HTTP library's debug log shows the headers of
    answers, and a gateway may repeat those of the request.
    """
    extra = _decoded(connection.extra or "{}")
    key = extra.get(PERSONAL_DATA_SECRET) if isinstance(extra, dict) else None
    secrets = [text for text in (connection.password, key) if text and isinstance(text, str)]
    if connection.password:
        secrets.append(base64.b64encode(f"{connection.login}:{connection.password}".encode(errors="replace")).decode())
    return secrets


def _decoded(value: Any) -> Any:
    """The content of a text that holds JSON, None for one that does not; anything else as it is."""
    if not isinstance(value, str):
        return value
    with suppress(ValueError, RecursionError):
        return json.loads(value)
    return None


def _settings(conn_id: str, connection: Any) -> ConnectionSettings:
    if connection.conn_type not in (CONNECTION_TYPE, "", None):
        raise ZDirectConfigurationError(
            f"its type is {connection.conn_type!r}.", remedy=f"Use a connection of type {CONNECTION_TYPE}."
        )
    extra = _extra(connection)
    names = ("rate_share", "max_inline_wait", "max_answer_size")
    limits: dict[str, float] = {name: extra[name] for name in names if name in extra}
    if (timeout := extra.get("timeout")) is not None:
        if not 0 < timeout <= DAY:
            raise _wrong("timeout", timeout, "a number of seconds above 0, one day at most")
        limits |= {
            "total_timeout": timeout,
            "read_timeout": min(timeout, ClientConfig.read_timeout),
            "connect_timeout": min(timeout, ClientConfig.connect_timeout),
        }
    merchants = MerchantNames.of_table(extra.get("merchants", {}), conn_id)
    config = ClientConfig(
        client_id=connection.login,
        client_secret=connection.password,
        environment=extra.get("environment", "production"),
        base_url=base_url(connection),
        assumptions=Assumptions(extra.get("assumptions", {})),
        merchants=merchants,
        conn_id=conn_id,
        **limits,
    )
    return ConnectionSettings(
        config=config,
        merchant_id=merchants.id_of(extra["merchant_id"]) if "merchant_id" in extra else None,
        share_access=extra.get("share_access", True),
        personal_data_secret=extra.get(PERSONAL_DATA_SECRET),
    )


def base_url(connection: Any) -> str | None:
    """Host with the scheme and port that URI connections keep apart; None means the environment's own address."""
    host = (connection.host or "").strip()
    # Not the slashes of a scheme behind which nothing comes.
    host = host if host.endswith("://") else host.rstrip("/")
    port = connection.port or None
    if not host:
        if port not in (None, 443):
            raise ZDirectConfigurationError(
                f"port={port}, but host is empty.",
                remedy="Give host as well, for example http://localhost; zDirect itself is at port 443.",
            )
        return None
    if "://" not in host and connection.schema:
        host = f"{connection.schema.partition(':')[0]}://{host}"
    scheme, mark, rest = host.rpartition("://")
    name, slash, path = rest.partition("/")
    if port and port != DEFAULT_PORTS.get(scheme.lower()) and ":" not in name.rpartition("]")[2]:
        name = f"{name}:{port}"
    return f"{scheme}{mark}{name}{slash}{path}"


def _extra(connection: Any) -> dict[str, Any]:
    """The extra's fields that are filled in, each of its type."""
    extra = _decoded(connection.extra or "{}")
    if not isinstance(extra, dict):
        raise ZDirectConfigurationError(
            "extra is not a valid JSON object.", remedy='Give an object, for example {"environment": "sandbox"}.'
        )
    if unknown := [name for name in extra if name not in _FIELDS]:
        raise ZDirectConfigurationError(
            f"extra has the unknown {'key' if len(unknown) == 1 else 'keys'} "
            f"{'; '.join(_with_nearest(name) for name in unknown[:5])}.",
            remedy=f"Correct or remove it. The keys are {', '.join(_FIELDS)}.",
        )
    # Airflow's older forms and `connections add` may leave blanks for what was not filled in.
    return {name: _value(name, value) for name, value in extra.items() if value is not None and str(value).strip()}


def _with_nearest(name: str) -> str:
    if name in Assumptions.model_fields:
        return f"{name!r} (an assumption: put it into the object 'assumptions')"
    # Airflow's first forms put the connection type before the name.
    meant = name.strip().lower().removeprefix(f"extra__{CONNECTION_TYPE}__").replace("-", "_")
    nearest = difflib.get_close_matches(meant, _FIELDS, n=1, cutoff=0.4)
    return f"{name[:60]!r}" + (f" (did you mean {nearest[0]!r}?)" if nearest else "")


def _value(name: str, value: Any) -> Any:
    kind = _FIELDS[name].kind
    if kind == "secret":
        fault = fault_in(value) if isinstance(value, str) else "is not a text"
        if not fault and len(value) < SHORTEST_KEY:
            fault = f"is shorter than {SHORTEST_KEY} characters"
        if fault:
            raise ZDirectConfigurationError(
                f"extra {name} {fault}.", remedy=f"Put the right text into {name}, or leave it out."
            )
        return value
    with suppress(TypeError, ValueError, OverflowError):
        match kind:
            case "number" if not isinstance(value, bool):
                return float(value)
            case "boolean" if (text := str(value).strip().lower()) in ("true", "false"):
                return text == "true"
            case "object" if isinstance(content := _decoded(value), dict):
                return content
            case "string" if isinstance(value, str):
                return value.strip()
    raise _wrong(name, value, _WANTED[kind])


def _wrong(name: str, value: Any, wanted: str) -> ZDirectConfigurationError:
    return ZDirectConfigurationError(
        f"extra {name}={value!r:.60} is not {wanted}.", remedy=f"Leave {name} out, or give {wanted}."
    )
