# SPDX-License-Identifier: Apache-2.0
"""The operators. A name is imported when it is first used, so that a DAG file pays only for what it needs."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from airflow_provider_zdirect.operators.compact import ZDirectCompactOperator
    from airflow_provider_zdirect.operators.coverage import ZDirectCoverageOperator
    from airflow_provider_zdirect.operators.extract import ZDirectExtractOperator
    from airflow_provider_zdirect.operators.http import ZDirectHttpOperator
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

__all__ = [
    "ZDirectCompactOperator",
    "ZDirectCoverageOperator",
    "ZDirectExtractOperator",
    "ZDirectHttpOperator",
    "ZDirectInboundReconciliationOperator",
    "ZDirectIntrastatReportOperator",
    "ZDirectItemSetsOperator",
    "ZDirectLiquidationRefetchOperator",
    "ZDirectMissingTrackingOperator",
    "ZDirectOrderErasureOperator",
    "ZDirectOrderUpdateOperator",
    "ZDirectShippingDocumentsOperator",
    "ZDirectShippingNoticeOperator",
    "ZDirectStockUpdateOperator",
]

_MODULE_OF = {
    "ZDirectCompactOperator": "compact",
    "ZDirectCoverageOperator": "coverage",
    "ZDirectExtractOperator": "extract",
    "ZDirectHttpOperator": "http",
    "ZDirectInboundReconciliationOperator": "inbound",
    "ZDirectIntrastatReportOperator": "intrastat",
    "ZDirectItemSetsOperator": "item_sets",
    "ZDirectLiquidationRefetchOperator": "liquidation",
    "ZDirectMissingTrackingOperator": "order_tracking",
    "ZDirectOrderErasureOperator": "order_erasure",
    "ZDirectOrderUpdateOperator": "orders",
    "ZDirectShippingDocumentsOperator": "shipping_documents",
    "ZDirectShippingNoticeOperator": "shipping_notices",
    "ZDirectStockUpdateOperator": "stocks",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULE_OF[name]}"), name)
