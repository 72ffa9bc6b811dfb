"""A declarative source of the Airbyte CDK, whose records go to a file of JSON lines."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from airbyte_cdk.entrypoint import AirbyteEntrypoint
from airbyte_cdk.models import ConfiguredAirbyteCatalogSerializer
from airbyte_cdk.sources.declarative.concurrent_declarative_source import ConcurrentDeclarativeSource
from measured import measured

FIELDS = (
    "zalando_advice_id",
    "ean",
    "quality_label",
    "location_id",
    "received_timestamp",
    "merchant_article_id",
    "merchant_item_id",
)
SCHEMA = {"type": "object", "properties": {name: {"type": "string"} for name in FIELDS}}
STREAM = {
    "name": "received_items",
    "json_schema": SCHEMA,
    "supported_sync_modes": ["full_refresh"],
}


def extract(task: Mapping[str, Any]) -> None:
    manifest = {
        "version": "7.0.0",
        "type": "DeclarativeSource",
        "check": {"type": "CheckStream", "stream_names": ["received_items"]},
        "streams": [
            {
                "type": "DeclarativeStream",
                "name": "received_items",
                "schema_loader": {"type": "InlineSchemaLoader", "schema": SCHEMA},
                "retriever": {
                    "type": "SimpleRetriever",
                    "requester": {
                        "type": "HttpRequester",
                        "url_base": task["url"],
                        "path": task["path"],
                        "http_method": "GET",
                        "authenticator": {"type": "BearerAuthenticator", "api_token": "{{ config['token'] }}"},
                        "request_parameters": {"from": task["from"], "to": task["to"]},
                    },
                    "record_selector": {
                        "type": "RecordSelector",
                        "extractor": {"type": "DpathExtractor", "field_path": ["received_items"]},
                    },
                    "paginator": {
                        "type": "DefaultPaginator",
                        "page_token_option": {
                            "type": "RequestOption",
                            "inject_into": "request_parameter",
                            "field_name": "cursor",
                        },
                        "pagination_strategy": {
                            "type": "CursorPagination",
                            "cursor_value": "{{ response.get('next', '') }}",
                            "stop_condition": "{{ not response.get('next') }}",
                        },
                    },
                },
            }
        ],
        "spec": {"type": "Spec", "connection_specification": {"type": "object", "properties": {}}},
    }
    catalog = {"streams": [{"stream": STREAM, "sync_mode": "full_refresh", "destination_sync_mode": "append"}]}
    folder, config = Path(task["folder"]), {"token": task["token"]}
    paths = {"config": folder / "config.json", "catalog": folder / "catalog.json"}
    paths["config"].write_text(json.dumps(config))
    paths["catalog"].write_text(json.dumps(catalog))
    source = ConcurrentDeclarativeSource(
        catalog=ConfiguredAirbyteCatalogSerializer.load(catalog), config=config, state=None, source_config=manifest
    )
    arguments = ["read", *(part for name, path in paths.items() for part in (f"--{name}", str(path)))]
    with open(folder / "records.jsonl", "w") as records:
        for message in AirbyteEntrypoint(source).run(AirbyteEntrypoint.parse_args(arguments)):
            records.write(f"{message}\n")


if __name__ == "__main__":
    measured(extract, "airbyte-cdk")
