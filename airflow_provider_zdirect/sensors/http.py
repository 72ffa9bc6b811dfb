# SPDX-License-Identifier: Apache-2.0
"""The HTTP provider's sensor on a zDirect connection."""

from __future__ import annotations

from typing import Any

from airflow.providers.http.sensors.http import HttpSensor

from airflow_provider_zdirect.airflow_sdk import AirflowException
from airflow_provider_zdirect.operators.http import http_hook
from airflow_provider_zdirect.operators.retry import fail_fast
from airflow_provider_zdirect.triggers.http import ZDirectHttpSensorTrigger

try:
    from airflow.sdk.bases.decorator import determine_kwargs
except ImportError:  # Airflow 2.11
    from airflow.utils.operator_helpers import determine_kwargs  # type: ignore[attr-defined]


class ZDirectHttpSensor(HttpSensor):
    """Waits until an endpoint of zDirect answers (with something that ``response_check`` takes), also deferrable.

    All parameters are those of ``HttpSensor``, which has no way to be given a token. Like it, it waits in the worker if
    there is a ``response_check``.

    :param http_conn_id: the zDirect connection.
    """

    ui_color = "#ffe8d6"

    def __init__(self, *, http_conn_id: str = "zdirect_default", **kwargs: Any) -> None:
        super().__init__(http_conn_id=http_conn_id, **kwargs)

    def poke(self, context: Any) -> Any:
        hook = http_hook(self)
        self.log.info("Poking: %s", self.endpoint)
        try:
            with fail_fast():
                response = hook.run(
                    self.endpoint, self.request_params, self.headers, self.extra_options, **self.request_kwargs
                )
        except AirflowException as error:
            if str(error).startswith(tuple(self.response_error_codes_allowlist)):
                return False
            raise
        if self.response_check is None:
            return True
        return self.response_check(response, **determine_kwargs(self.response_check, [response], context))

    def defer(self, *, trigger: Any, **kwargs: Any) -> Any:
        """As for every operator; the HTTP provider's trigger becomes the one that knows zDirect's token."""
        own = ZDirectHttpSensorTrigger(
            **trigger.serialize()[1], not_there_yet=list(self.response_error_codes_allowlist)
        )
        return super().defer(trigger=own, **kwargs)
