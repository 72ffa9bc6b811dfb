# SPDX-License-Identifier: Apache-2.0
"""What Airflow reads about this provider at its start; it imports nothing but the list of form fields."""

from __future__ import annotations

from typing import Any

from airflow_provider_zdirect import __version__
from airflow_provider_zdirect.hooks.connection_form import (
    CONNECTION_TYPE,
    HOOK_NAME,
    conn_fields,
    ui_field_behaviour,
)

INTEGRATION = "Zalando zDirect"


def get_provider_info() -> dict[str, Any]:
    return {
        "package-name": "airflow-provider-zdirect",
        "name": "Zalando zDirect",
        "description": "Zalando's zDirect merchant API: ZFS stock movements to object storage, once and complete.",
        "versions": [__version__],
        "integrations": [
            {
                "integration-name": INTEGRATION,
                "external-doc-url": "https://developers.merchants.zalando.com/",
                "tags": ["service"],
            }
        ],
        "connection-types": [
            {
                "connection-type": CONNECTION_TYPE,
                "hook-class-name": "airflow_provider_zdirect.hooks.zdirect.ZDirectHook",
                "hook-name": HOOK_NAME,
                "conn-fields": conn_fields(),
                "ui-field-behaviour": ui_field_behaviour(),
            }
        ],
        # Read by the versions of Airflow that let providers add commands.
        "cli": ["airflow_provider_zdirect.check.options.airflow_commands"],
        "extra-links": [
            "airflow_provider_zdirect.operators.links.PublishedFilesLink",
            "airflow_provider_zdirect.operators.links.ManifestLink",
            "airflow_provider_zdirect.operators.links.RejectedRecordsLink",
            "airflow_provider_zdirect.operators.links.PortalLink",
        ],
        "hooks": [
            {
                "integration-name": INTEGRATION,
                "python-modules": [
                    "airflow_provider_zdirect.hooks.http",
                    "airflow_provider_zdirect.hooks.http_auth",
                    "airflow_provider_zdirect.hooks.zdirect",
                ],
            }
        ],
        "operators": [
            {
                "integration-name": INTEGRATION,
                "python-modules": [
                    "airflow_provider_zdirect.operators.compact",
                    "airflow_provider_zdirect.operators.coverage",
                    "airflow_provider_zdirect.operators.extract",
                    "airflow_provider_zdirect.operators.http",
                    "airflow_provider_zdirect.operators.inbound",
                    "airflow_provider_zdirect.operators.intrastat",
                    "airflow_provider_zdirect.operators.item_sets",
                    "airflow_provider_zdirect.operators.liquidation",
                    "airflow_provider_zdirect.operators.order_tracking",
                    "airflow_provider_zdirect.operators.orders",
                    "airflow_provider_zdirect.operators.order_erasure",
                    "airflow_provider_zdirect.operators.shipping_documents",
                    "airflow_provider_zdirect.operators.shipping_notices",
                    "airflow_provider_zdirect.operators.stocks",
                ],
            }
        ],
        "sensors": [
            {
                "integration-name": INTEGRATION,
                "python-modules": [
                    "airflow_provider_zdirect.sensors.http",
                    "airflow_provider_zdirect.sensors.report",
                ],
            }
        ],
        "triggers": [
            {
                "integration-name": INTEGRATION,
                "python-modules": [
                    "airflow_provider_zdirect.triggers.http",
                    "airflow_provider_zdirect.triggers.report",
                ],
            }
        ],
    }
