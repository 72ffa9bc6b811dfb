"""A DAG of your own that runs whenever new returned items were published."""

from datetime import UTC, datetime

from airflow_provider_zdirect.airflow_sdk import DAG, get_current_context, task
from airflow_provider_zdirect.assets import dataset_asset, triggering_changes

with DAG(
    "load_new_data",
    schedule=[dataset_asset("returned_items", "/data/zdirect")],
    start_date=datetime(2026, 11, 1, tzinfo=UTC),
    catchup=False,
):

    @task
    def load() -> list[str]:
        """The manifests of what is new; each names its files."""
        return [change["manifest"] for change in triggering_changes(get_current_context())]

    load()
