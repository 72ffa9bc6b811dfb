# SPDX-License-Identifier: Apache-2.0
"""Notifiers as an author gives them to an operator, called by its task; and one that sends e-mail."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from airflow_provider_zdirect.airflow_sdk import AirflowNotFoundException, BaseHook
from airflow_provider_zdirect.exceptions import ZDirectConfigurationError

Notify = Callable[[Any], Any]


class Notifiers:
    """One notifier, several or none. They look the same at every parse of a DAG file: else each would be a new version.

    :raises ZDirectConfigurationError: if one of them cannot be called.
    """

    def __init__(self, value: Any) -> None:
        several = isinstance(value, list | tuple | Notifiers)
        self._listed: tuple[Notify, ...] = tuple(value) if several else () if value is None else (value,)
        for notifier in self._listed:
            if not callable(notifier):
                raise ZDirectConfigurationError(
                    f"notifier: {type(notifier).__name__} is not a notifier.",
                    remedy="Give a notifier of Airflow such as SmtpNotifier(...), a function of the context, or some.",
                )

    def __iter__(self) -> Iterator[Notify]:
        return iter(self._listed)

    def __repr__(self) -> str:
        return f"({', '.join(getattr(one, '__qualname__', type(one).__qualname__) for one in self)})"


class TakesNotifiers:
    """An operator with the argument ``notifier``, also if it is mapped."""

    @classmethod
    def partial(cls, **kwargs: Any) -> Any:
        """As for every operator here."""
        if "notifier" in kwargs:
            kwargs["notifier"] = Notifiers(kwargs["notifier"])
        return super().partial(**kwargs)  # type: ignore[misc]


def notify(notifier: Notify, context: Any) -> None:
    """Call a notifier with the context; what it raises is raised.

    A copy of it is called, because it renders its templates in place. Airflow 2 would only log what it raises.
    """
    mine: Any = copy.copy(notifier)
    if not (hasattr(mine, "notify") and hasattr(mine, "render_template_fields")):
        mine(context)
        return
    if hasattr(mine, "_update_context"):
        mine._update_context(context)
    mine.render_template_fields(context)
    mine.notify(context)


def mail(context: Any, to: Sequence[str], subject: str, content: str, smtp_conn_id: str | None = None) -> None:
    """Send an e-mail.

    :param subject: a template, rendered with the context; ``content`` too, which is HTML.
    :param smtp_conn_id: None means the connection that Airflow is configured to use, ``smtp_default``.
    :raises ZDirectConfigurationError: if the SMTP provider is not installed, or its connection cannot be used.
    """
    try:
        from airflow.providers.smtp.notifications.smtp import SmtpNotifier
    except ImportError:
        raise ZDirectConfigurationError(
            "The e-mail cannot be sent: Airflow's SMTP provider is not installed.",
            remedy="pip install apache-airflow-providers-smtp; or empty notify_email: all is in the log.",
        ) from None
    notifier = SmtpNotifier(to=list(to), subject=subject, html_content=content, smtp_conn_id=smtp_conn_id)
    # The notifier's own errors do not say what to do.
    conn_id, wrong = notifier.smtp_conn_id, None
    try:
        if not (BaseHook.get_connection(conn_id).extra_dejson.get("from_email") or notifier.from_email):
            wrong = "has no from_email"
    except AirflowNotFoundException:
        wrong = "does not exist"
    if wrong:
        raise ZDirectConfigurationError(
            f"The e-mail cannot be sent: the connection {conn_id} {wrong}.",
            remedy=f"Create the connection {conn_id} (type SMTP: host, port, login, extra from_email), or empty "
            "notify_email: all is in the log.",
        )
    notify(notifier, context)
