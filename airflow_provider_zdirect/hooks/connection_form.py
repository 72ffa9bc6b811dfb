# SPDX-License-Identifier: Apache-2.0
"""The fields of a zDirect connection, declared once and shown by every Airflow version.

Airflow 3.2+ reads them from the provider's metadata (`conn_fields`), older versions ask the hook for widgets.
Nothing is imported here: the metadata is read by every Airflow process at its start.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Literal

CONNECTION_TYPE = "zdirect"
HOOK_NAME = "Zalando zDirect"

PERSONAL_DATA_SECRET = "personal_data_secret"  # noqa: S105
"""Its name has a word in it by which Airflow knows what to mask: in the form, the REST API and logs."""

STORED = "RATHER_LONG_SENSITIVE_FIELD_PLACEHOLDER"
"""What the form of Airflow 2.11 takes for "as it is stored" (``airflow.www.views.SENSITIVE_FIELD_PLACEHOLDER``)."""


@dataclass(frozen=True)
class ExtraField:
    """One entry of the connection's extra.

    :param kind: JSON type, or a secret, which is a text that is not shown; a blank field means ``default``.
    :param choices: the only values allowed, the default first.
    """

    name: str
    label: str
    description: str
    kind: Literal["string", "number", "boolean", "object", "secret"] = "string"
    default: str | bool | None = None
    choices: tuple[str, ...] = ()


EXTRA_FIELDS = (
    ExtraField(
        "environment",
        "Environment",
        "production or sandbox: the mode of the app that the client id belongs to.",
        default="production",
        choices=("production", "sandbox"),
    ),
    ExtraField(
        "merchant_id",
        "Merchant id",
        "The merchant to work for: its BPID (a UUID) or its name. Blank: the DAGs work for every merchant that the app "
        "may use.",
    ),
    ExtraField(
        "merchants",
        "Names of merchants (JSON)",
        'For example {"shop-de": "01234567-89ab-cdef-0123-456789abcdef"}. A name works wherever an id does, and is '
        "shown in the UI and in logs; stored data keep the ids.",
        kind="object",
    ),
    ExtraField(
        "share_access",
        "Share the access token",
        "One token for all tasks, workers and triggers, kept encrypted in an Airflow Variable. "
        "zDirect allows 8 token requests a minute in production and 1 in sandbox.",
        kind="boolean",
        default=True,
    ),
    ExtraField(
        "rate_share",
        "Share of the rate limits (0 to 1)",
        "Blank: all worker hosts share the rate limits. A number, above 0 and at most 1: the part that each host uses.",
        kind="number",
    ),
    ExtraField(
        "max_inline_wait",
        "Longest wait in a request (seconds)",
        "Waits up to this many seconds stay in the running task; longer ones give the worker slot back. Blank: 30.",
        kind="number",
    ),
    ExtraField(
        PERSONAL_DATA_SECRET,
        "Secret key of personal data (at least 16 characters)",
        "Key of the hashes that replace names and addresses with personal_data=hash. "
        "Keep it; a different key gives different hashes.",
        kind="secret",
    ),
    ExtraField(
        "timeout",
        "Timeout (seconds)",
        "How many seconds one answer may take. Blank: 900.",
        kind="number",
    ),
    ExtraField(
        "max_answer_size",
        "Largest answer (MB)",
        "A larger answer, after decompression, is refused while it comes in. Blank: 512.",
        kind="number",
    ),
    ExtraField(
        "assumptions",
        "Assumptions about the API (JSON)",
        'What is not confirmed about the API and differs from the defaults, for example {"orders_page_size": 500}. '
        "All names are listed in docs/assumptions.md.",
        kind="object",
    ),
)

FIELD_BEHAVIOUR: dict[str, Any] = {
    "hidden_fields": ["schema", "extra"],
    "relabeling": {"login": "Client id", "password": "Client secret", "host": "Base URL"},
    "placeholders": {
        "login": "the app's client id",
        "password": "the app's client secret",
        "host": "blank: the environment's own address",
        # Airflow 3.3 answers "Bad Request" to its Test button if the stored connection has no port.
        "port": "443 (without a port, Airflow 3.3 does not test a saved connection)",
    },
}
"""The standard fields."""


def conn_fields() -> dict[str, dict[str, Any]]:
    """The fields as ``conn-fields`` of the provider's metadata (Airflow 3.2+)."""
    return {
        field.name: {
            "label": field.label,
            "description": field.description,
            "schema": {
                "type": ["string" if field.kind == "secret" else field.kind, "null"],
                **({"format": "password"} if field.kind == "secret" else {}),
                **({"default": field.default} if field.default is not None else {}),
                **({"enum": list(field.choices)} if field.choices else {}),
            },
        }
        for field in EXTRA_FIELDS
    }


def ui_field_behaviour() -> dict[str, Any]:
    """The standard fields as ``ui-field-behaviour`` of the provider's metadata (Airflow 3.2+)."""
    return {name.replace("_", "-"): value for name, value in FIELD_BEHAVIOUR.items()}


def widgets() -> dict[str, Any]:
    """The fields as form widgets (Airflow before 3.2)."""
    from flask_appbuilder.fieldwidgets import BS3PasswordFieldWidget, BS3TextFieldWidget
    from flask_babel import lazy_gettext
    from wtforms import BooleanField, PasswordField, StringField
    from wtforms.validators import AnyOf, Optional

    class StoredSecretWidget(BS3PasswordFieldWidget):  # type: ignore[misc]
        """Shows a placeholder for a stored secret: Airflow 2.11 deletes one whose field is sent back empty."""

        def __call__(self, field: Any, **kwargs: Any) -> Any:
            self.hide_value = False
            return super().__call__(field, value=STORED if field.data else "", **kwargs)

    class JsonWidget(BS3TextFieldWidget):  # type: ignore[misc]
        """Shows a stored object as JSON, not as Python."""

        def __call__(self, field: Any, **kwargs: Any) -> Any:
            shown = field.data if isinstance(field.data, str) else json.dumps(field.data) if field.data else ""
            return super().__call__(field, value=shown, **kwargs)

    def widget(field: ExtraField) -> Any:
        label, shown = lazy_gettext(field.label), {"default": field.default, "description": field.description}
        if field.kind == "boolean":
            return BooleanField(label, **shown)
        validators = [Optional(), *([AnyOf(field.choices)] if field.choices else [])]
        if field.kind == "secret":
            return PasswordField(label, validators, widget=StoredSecretWidget(), **shown)
        # Numbers are text here: the form knows whole numbers only.
        own_widget = JsonWidget() if field.kind == "object" else BS3TextFieldWidget()
        return StringField(label, validators, widget=own_widget, **shown)

    return {field.name: widget(field) for field in EXTRA_FIELDS}
