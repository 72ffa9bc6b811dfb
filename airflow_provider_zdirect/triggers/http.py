# SPDX-License-Identifier: Apache-2.0
"""The HTTP provider's triggers on a zDirect connection."""

from __future__ import annotations

import asyncio
import base64
import pickle  # nosec B403
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import requests
from airflow.providers.http.triggers.http import HttpSensorTrigger, HttpTrigger
from airflow.triggers.base import TriggerEvent

from airflow_provider_zdirect.airflow_sdk import AirflowException
from airflow_provider_zdirect.hooks.http import ZDirectHttpAsyncHook

NOT_THERE_YET = ("404",)


class ZDirectHttpTrigger(HttpTrigger):
    """Sends one request of :class:`~airflow_provider_zdirect.operators.http.ZDirectHttpOperator`.

    Parameters as for ``HttpTrigger``; ``http_conn_id`` is a zDirect connection, and ``auth_type`` is not needed.
    """

    def __init__(self, http_conn_id: str = "zdirect_default", auth_type: str | None = None, **kwargs: Any) -> None:
        super().__init__(http_conn_id=http_conn_id, **kwargs)

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Class and arguments; the connection is read in the triggerer, so that no secret is stored with them."""
        return "airflow_provider_zdirect.triggers.http.ZDirectHttpTrigger", super().serialize()[1]

    def _get_async_hook(self) -> ZDirectHttpAsyncHook:
        return ZDirectHttpAsyncHook(method=self.method, http_conn_id=self.http_conn_id)

    if not hasattr(HttpTrigger, "_get_async_hook"):  # the HTTP provider before 5.4, which Airflow 3.0 pins

        async def run(self) -> AsyncIterator[TriggerEvent]:
            """As ``HttpTrigger``, with the hook of this provider."""
            try:
                async with aiohttp.ClientSession() as session:
                    answer = await self._get_async_hook().run(
                        session=session,
                        endpoint=self.endpoint,
                        data=self.data,
                        headers=self.headers,
                        extra_options=self.extra_options,
                    )
                    response = await self._convert_response(answer)
            except Exception as error:
                yield TriggerEvent({"status": "error", "message": str(error)})
            else:
                pickled = base64.standard_b64encode(pickle.dumps(response)).decode("ascii")
                yield TriggerEvent({"status": "success", "response": pickled})

    @staticmethod
    async def _convert_response(client_response: aiohttp.ClientResponse) -> requests.Response:
        # aiohttp has thrown away the bodies of redirects; HttpTrigger would read them, and fail.
        response = _converted(client_response, await client_response.read())
        response.encoding = client_response.get_encoding()
        response.history = [_converted(redirect, b"") for redirect in client_response.history]
        return response


class ZDirectHttpSensorTrigger(HttpSensorTrigger):
    """Asks until the answer is none of ``not_there_yet``.

    Unlike ``HttpSensorTrigger``, which asks again without a pause after any other failure, it then ends with the error.
    Parameters as there, and:

    :param not_there_yet: how texts of failures begin that mean: ask again.
    """

    def __init__(
        self,
        endpoint: str | None = None,
        http_conn_id: str = "zdirect_default",
        not_there_yet: list[str] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(endpoint=endpoint, http_conn_id=http_conn_id, **kwargs)
        self.not_there_yet = list(NOT_THERE_YET) if not_there_yet is None else not_there_yet

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """As :meth:`ZDirectHttpTrigger.serialize`."""
        return (
            "airflow_provider_zdirect.triggers.http.ZDirectHttpSensorTrigger",
            {**super().serialize()[1], "not_there_yet": self.not_there_yet},
        )

    async def run(self) -> AsyncIterator[TriggerEvent]:
        hook = ZDirectHttpAsyncHook(method=self.method, http_conn_id=self.http_conn_id)
        while True:
            await asyncio.sleep(self.poke_interval)
            try:
                async with aiohttp.ClientSession() as session:
                    await hook.run(
                        session=session,
                        endpoint=self.endpoint,
                        data=self.data,
                        headers=self.headers,
                        extra_options=self.extra_options,
                    )
            except AirflowException as error:
                if not str(error).startswith(tuple(self.not_there_yet)):
                    raise
            else:
                yield TriggerEvent(True)
                return


def _converted(answer: aiohttp.ClientResponse, body: bytes) -> requests.Response:
    response = requests.Response()
    response._content = body
    response.status_code = answer.status
    response.reason = str(answer.reason)
    response.url = str(answer.url)
    response.headers.update(answer.headers)
    for name, cookie in answer.cookies.items():
        response.cookies.set(name, cookie.value)
    return response
