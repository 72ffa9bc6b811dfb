# SPDX-License-Identifier: Apache-2.0
"""A task's data as OpenLineage names them (docs/lineage.md). Imported only where Airflow's OpenLineage provider asks.

The provider does so when a task starts and ends, in a process that is forked from the task's.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib import import_module
from typing import Any
from urllib.parse import urlsplit

import pyarrow as pa
from airflow.providers.openlineage.extractors import OperatorLineage
from openlineage.client.event_v2 import InputDataset, OutputDataset
from openlineage.client.facet_v2 import (
    datasource_dataset,
    documentation_dataset,
    input_statistics_input_dataset,
    output_statistics_output_dataset,
    schema_dataset,
)

from airflow_provider_zdirect.assets import place_of
from airflow_provider_zdirect.datasets.arrow import arrow_schema
from airflow_provider_zdirect.datasets.publication import History
from airflow_provider_zdirect.datasets.table import DATASETS
from airflow_provider_zdirect.exceptions import ZDirectConfigurationError
from airflow_provider_zdirect.operators.outcome import Flow, Outcome, Published
from airflow_provider_zdirect.operators.task_run import TaskRun
from airflow_provider_zdirect.publish.history import history_schema

_SCHEMAS = {
    "inbound_reconciliation": ("inbound.reconciliation", "SCHEMA"),
    "intrastat": ("intrastat.country_report", "IN_FILES"),
    "order_tracking_missing": ("orders.missing_tracking", "SCHEMA"),
    "order_updates": ("orders.update_job", "SCHEMA"),
    "shipping_document_results": ("shipping_documents.results", "SCHEMA"),
    "shipping_notice_items": ("inbound.item_set_sync", "SCHEMA"),
    "stock_updates": ("stocks.results", "SCHEMA"),
    "stock_updates_current": ("stocks.results", "CURRENT_SCHEMA"),
}
"""Where the columns of the tables are that are not of datasets."""


def lineage_of(run: TaskRun, flow: Flow, outcome: Outcome | None) -> OperatorLineage[Any, Any]:
    """Inputs and outputs of a task.

    :param outcome: None before the task has succeeded: there are no columns and no counts then.
    """
    found = _Datasets(run, outcome)
    return OperatorLineage(
        inputs=[
            *(InputDataset(**each, inputFacets=found.fetched(name)) for name, each in found.of_api(flow.fetched)),
            *(InputDataset(**found.table(name)) for name in flow.read),
            *(InputDataset(**each) for each in found.given(flow.files)),
        ],
        outputs=[
            *(OutputDataset(**found.table(name), outputFacets=found.published(name)) for name in flow.published),
            *(OutputDataset(**each) for _, each in found.of_api(flow.sent)),
        ],
    )


def columns_of(table: str) -> pa.Schema | None:
    """The columns of a published table; None for a folder of documents."""
    if table in _SCHEMAS:
        module, name = _SCHEMAS[table]
        schema: pa.Schema = getattr(import_module(f"airflow_provider_zdirect.{module}"), name)
        return schema
    dataset = DATASETS.get(table.removesuffix("_current"))
    if dataset is None:
        return None
    return history_schema(dataset) if isinstance(dataset.publish, History) else arrow_schema(dataset.model)


@dataclass(frozen=True)
class _Datasets:
    """Names datasets and describes them, as the arguments of OpenLineage's classes."""

    run: TaskRun
    outcome: Outcome | None

    def _merchant_id(self) -> str | None:
        """None if the task has to ask zDirect for it, and has not done so yet; or if the connection cannot be used."""
        found: str | None = self.outcome.summary.get("merchant_id") if self.outcome else None
        if found:
            return found
        # Without a usable connection, a task that needs one reports that itself.
        with suppress(ZDirectConfigurationError):
            return self.run.merchant_id or self.run.hook.own_merchant_id()
        return None

    def _address(self) -> str | None:
        """Of zDirect; None if the connection cannot be used."""
        with suppress(ZDirectConfigurationError):
            return self.run.hook.config().address
        return None

    def of_api(self, names: Sequence[str]) -> Iterator[tuple[str, dict[str, Any]]]:
        """What zDirect has; nothing while merchant or address are not known."""
        if not names or (merchant_id := self._merchant_id()) is None or (address := self._address()) is None:
            return
        host = urlsplit(address).netloc
        source = datasource_dataset.DatasourceDatasetFacet(name=host, uri=address)
        for name in names:
            facets = {"dataSource": source, **_documentation(name)}
            yield name, {"namespace": f"zdirect://{host}", "name": f"{merchant_id}/{name}", "facets": facets}

    def table(self, name: str) -> dict[str, Any]:
        """A table or folder under the base path, of all merchants."""
        arguments = _stored(f"{self.run.values['base_path'].rstrip('/')}/{name}")
        arguments["facets"] |= _documentation(name.removesuffix("_current"))
        if self.outcome and (columns := columns_of(name)):
            arguments["facets"]["schema"] = schema_dataset.SchemaDatasetFacet(fields=list(map(_field, columns)))
        return arguments

    def given(self, paths: Sequence[str | None]) -> Iterator[dict[str, Any]]:
        """Files of the merchant; none whose name depends on the merchant while that is not known."""
        for path in filter(None, paths):
            merchant_id = self._merchant_id() if "{merchant_id}" in path else ""
            if merchant_id is not None:
                yield _stored(path.replace("{merchant_id}", merchant_id))

    def fetched(self, name: str) -> dict[str, Any]:
        if (counted := self._counted(name)) is None:
            return {}
        facet = input_statistics_input_dataset.InputStatisticsInputDatasetFacet(
            rowCount=counted.records + counted.rejected
        )
        return {"inputStatistics": facet}

    def published(self, name: str) -> dict[str, Any]:
        if (counted := self._counted(name)) is None:
            return {}
        facet = output_statistics_output_dataset.OutputStatisticsOutputDatasetFacet(
            rowCount=counted.records, size=counted.bytes, fileCount=counted.files
        )
        return {"outputStatistics": facet}

    def _counted(self, name: str) -> Published | None:
        return self.outcome.published.get(name) if self.outcome else None


def _stored(path: str) -> dict[str, Any]:
    """A file or folder of the storage."""
    scheme, _, rest = place_of(path).partition("://")
    authority, _, key = rest.partition("/")
    namespace, name = ("file", rest) if scheme == "file" else (f"{scheme}://{authority}", key)
    source = datasource_dataset.DatasourceDatasetFacet(name=namespace, uri=f"{scheme}://{authority}")
    return {"namespace": namespace, "name": name, "facets": {"dataSource": source}}


def _documentation(name: str) -> dict[str, Any]:
    dataset = DATASETS.get(name)
    if dataset is None:
        return {}
    return {"documentation": documentation_dataset.DocumentationDatasetFacet(description=dataset.title)}


def _field(column: pa.Field) -> schema_dataset.SchemaDatasetFacetFields:
    kind, inner = column.type, []
    if pa.types.is_struct(kind):
        inner = list(kind)
    elif pa.types.is_list(kind):
        inner = [kind.value_field]
    return schema_dataset.SchemaDatasetFacetFields(
        name=column.name, type=str(kind).partition("<")[0] if inner else str(kind), fields=list(map(_field, inner))
    )
