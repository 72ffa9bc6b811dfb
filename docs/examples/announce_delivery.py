"""Announce a delivery to Zalando's warehouse."""

from datetime import UTC, datetime

from airflow_provider_zdirect.airflow_sdk import DAG
from airflow_provider_zdirect.operators.shipping_notices import ZDirectShippingNoticeOperator

with DAG("announce", schedule=None, start_date=datetime(2026, 11, 1, tzinfo=UTC), params={"order": "PO-4711"}):
    ZDirectShippingNoticeOperator(
        task_id="announce",
        operations=["create", "announce", "confirm_announcement"],
        merchant_id="01234567-89ab-cdef-0123-456789abcdef",
        notice={
            "carrier_name": "DHL",
            "pallets_count": 2,
            "earliest_delivery_date": "2026-11-30",
            "merchant_b2b_reference": "{{ params.order }}",
        },
        items=[{"ean": "4006381333931", "quantity": 12}],
    )
