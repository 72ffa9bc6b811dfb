# SPDX-License-Identifier: Apache-2.0
"""Apache Airflow provider for Zalando's zDirect merchant API.

Importing the package imports nothing else: a name is imported when it is first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from airflow_provider_zdirect.assets import dataset_asset, triggering_changes
    from airflow_provider_zdirect.client.client import ZDirectClient
    from airflow_provider_zdirect.client.config import ClientConfig
    from airflow_provider_zdirect.hooks.zdirect import ZDirectHook
    from airflow_provider_zdirect.operators.compact import ZDirectCompactOperator
    from airflow_provider_zdirect.operators.coverage import ZDirectCoverageOperator
    from airflow_provider_zdirect.operators.extract import ZDirectExtractOperator
    from airflow_provider_zdirect.operators.inbound import ZDirectInboundReconciliationOperator
    from airflow_provider_zdirect.operators.intrastat import ZDirectIntrastatReportOperator
    from airflow_provider_zdirect.operators.item_sets import ZDirectItemSetsOperator
    from airflow_provider_zdirect.operators.liquidation import ZDirectLiquidationRefetchOperator
    from airflow_provider_zdirect.operators.order_erasure import ZDirectOrderErasureOperator
    from airflow_provider_zdirect.operators.order_tracking import ZDirectMissingTrackingOperator
    from airflow_provider_zdirect.operators.orders import ZDirectOrderUpdateOperator
    from airflow_provider_zdirect.operators.shipping_documents import ZDirectShippingDocumentsOperator
    from airflow_provider_zdirect.operators.shipping_notices import ZDirectShippingNoticeOperator
    from airflow_provider_zdirect.operators.stocks import ZDirectStockUpdateOperator
    from airflow_provider_zdirect.sensors.report import ZDirectReportReadySensor

__version__ = "0.1.0"

__all__ = [
    "ClientConfig",
    "ZDirectClient",
    "ZDirectCompactOperator",
    "ZDirectCoverageOperator",
    "ZDirectExtractOperator",
    "ZDirectHook",
    "ZDirectInboundReconciliationOperator",
    "ZDirectIntrastatReportOperator",
    "ZDirectItemSetsOperator",
    "ZDirectLiquidationRefetchOperator",
    "ZDirectMissingTrackingOperator",
    "ZDirectOrderErasureOperator",
    "ZDirectOrderUpdateOperator",
    "ZDirectReportReadySensor",
    "ZDirectShippingDocumentsOperator",
    "ZDirectShippingNoticeOperator",
    "ZDirectStockUpdateOperator",
    "__version__",
    "dataset_asset",
    "triggering_changes",
]

_MODULE_OF = {
    "ClientConfig": "client.config",
    "ZDirectClient": "client.client",
    "ZDirectCompactOperator": "operators.compact",
    "ZDirectCoverageOperator": "operators.coverage",
    "ZDirectExtractOperator": "operators.extract",
    "ZDirectHook": "hooks.zdirect",
    "ZDirectInboundReconciliationOperator": "operators.inbound",
    "ZDirectIntrastatReportOperator": "operators.intrastat",
    "ZDirectItemSetsOperator": "operators.item_sets",
    "ZDirectLiquidationRefetchOperator": "operators.liquidation",
    "ZDirectMissingTrackingOperator": "operators.order_tracking",
    "ZDirectOrderErasureOperator": "operators.order_erasure",
    "ZDirectOrderUpdateOperator": "operators.orders",
    "ZDirectReportReadySensor": "sensors.report",
    "ZDirectShippingDocumentsOperator": "operators.shipping_documents",
    "ZDirectShippingNoticeOperator": "operators.shipping_notices",
    "ZDirectStockUpdateOperator": "operators.stocks",
    "dataset_asset": "assets",
    "triggering_changes": "assets",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULE_OF[name]}"), name)
