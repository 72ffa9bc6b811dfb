"""An endpoint for which this provider has no operator."""

from datetime import UTC, datetime

from airflow_provider_zdirect.airflow_sdk import DAG
from airflow_provider_zdirect.operators.http import ZDirectHttpOperator
from airflow_provider_zdirect.sensors.http import ZDirectHttpSensor

ENDPOINT = "/merchants/01234567-89ab-cdef-0123-456789abcdef/logistic-centers"

with DAG("other_endpoint", schedule=None, start_date=datetime(2026, 11, 1, tzinfo=UTC)):
    granted = ZDirectHttpSensor(task_id="granted", endpoint=ENDPOINT, poke_interval=60)
    centers = ZDirectHttpOperator(
        task_id="centers",
        method="GET",
        endpoint=ENDPOINT,
        response_filter=lambda response: [center["name"] for center in response.json()["items"]],
    )
    granted >> centers
