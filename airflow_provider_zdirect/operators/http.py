# SPDX-License-Identifier: Apache-2.0
"""The HTTP provider's operator on a zDirect connection."""

from __future__ import annotations

from typing import Any

from airflow.providers.http.operators.http import HttpOperator

from airflow_provider_zdirect.hooks.http import ZDirectHttpHook, check_auth_type
from airflow_provider_zdirect.operators.retry import fail_fast
from airflow_provider_zdirect.triggers.http import ZDirectHttpTrigger


def http_hook(task: Any) -> ZDirectHttpHook:
    """The hook of an HTTP operator or sensor."""
    keep_alive = ("tcp_keep_alive", "tcp_keep_alive_idle", "tcp_keep_alive_count", "tcp_keep_alive_interval")
    arguments = {name: getattr(task, name) for name in keep_alive}
    return ZDirectHttpHook(method=task.method, http_conn_id=task.http_conn_id, **arguments)


class ZDirectHttpOperator(HttpOperator):
    """Calls an endpoint of zDirect that this provider has no operator for, also with ``deferrable=True``.

    All parameters are those of ``HttpOperator``. The address and the shared access token come from the connection; the
    token is renewed once after a 401, and goes to no other address. ``endpoint`` may also be a whole URL of zDirect, as
    ``links.next`` of an answer is one.

    zDirect's rate limit of the endpoint is not known here: choose the schedule so that it is kept, and let the task's
    retries wait after a 429.

    :param http_conn_id: the zDirect connection.
    """

    ui_color = "#ffe8d6"

    def __init__(self, *, http_conn_id: str = "zdirect_default", auth_type: Any = None, **kwargs: Any) -> None:
        check_auth_type(auth_type)
        super().__init__(http_conn_id=http_conn_id, **kwargs)
        # A deferred task of the HTTP provider loses all pages but the last, or fails: they cannot be stored with it.
        if self.pagination_function:
            self.deferrable = False

    @property
    def hook(self) -> ZDirectHttpHook:
        return http_hook(self)

    def execute_sync(self, context: Any) -> Any:
        with fail_fast():
            return super().execute_sync(context)

    def defer(self, *, trigger: Any, **kwargs: Any) -> Any:
        """As for every operator; the HTTP provider's trigger becomes the one that knows zDirect's token."""
        return super().defer(trigger=ZDirectHttpTrigger(**trigger.serialize()[1]), **kwargs)

    def _resolve_auth_type(self) -> None:
        # HttpOperator would take the connection's login and password.
        return None
