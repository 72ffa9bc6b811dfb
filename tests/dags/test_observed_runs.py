"""What a run of a DAG sends to a lineage server and a StatsD server, where the deployment has them."""

from __future__ import annotations

import json
from collections import Counter
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from listeners import StatsdServer, check_event, lineage_server

HOUR = timedelta(hours=1)


def test_a_run_tells_openlineage_and_statsd_what_it_has_done(run_dag, hour, emulator, tmp_path, monkeypatch):
    merchant = emulator.merchant_ids[0]
    emulator.faults.add({"match": {"path": "received-items"}, "action": {"status": 403}})
    with StatsdServer() as statsd, lineage_server() as (url, events):
        policy = [{"scope": {}, "controls": {"emit_dag_events": False}}]
        transport = {"type": "http", "url": url}
        settings = {"OPENLINEAGE__TRANSPORT": transport, "OPENLINEAGE__EMISSION_POLICY": policy}
        texts = {name: json.dumps(value) for name, value in settings.items()}
        for name, value in (texts | statsd.settings()).items():
            monkeypatch.setenv(f"AIRFLOW__{name}", value)
        run = run_dag("zdirect_stock_movements", hour + HOUR, merchant_ids=[merchant])
        counted = statsd.counters()
    assert [task[2] for task in run.tasks] == ["success", "failed", "success"], run.log[-5000:]
    (manifest,) = (json.loads(path.read_text()) for path in (tmp_path / "_manifests").rglob("*.json"))

    found = {(event["eventType"], event["job"]["name"].rpartition(".")[2]): event for event in events}
    wanted = {(kind, task) for task in ("merchants", "returned_items") for kind in ("START", "COMPLETE")}
    assert found.keys() == wanted | {("START", "received_items"), ("FAIL", "received_items")}
    for event in found.values():
        check_event(event)
    with pytest.raises(msgspec.ValidationError, match="`name`"):
        check_event({**event, "job": {"namespace": "default", "facets": {}}})
    for (_, task), event in found.items():
        if task != "merchants":
            assert names(event["inputs"]) == [(f"zdirect://{emulator.url.partition('://')[2]}", f"{merchant}/{task}")]
            assert names(event["outputs"]) == [("file", str(tmp_path / task))]
    check_completed(found["COMPLETE", "returned_items"], manifest)
    check_failed(found["FAIL", "received_items"], emulator.state.settings.client_secret)
    check_counted(counted, manifest, emulator.requests)


def names(datasets: list[dict[str, Any]]) -> list[tuple[str, str]]:
    return [(dataset["namespace"], dataset["name"]) for dataset in datasets]


def check_completed(event: dict[str, Any], manifest: dict[str, Any]) -> None:
    (fetched,), (published,) = event["inputs"], event["outputs"]
    assert manifest["records"] > 0
    assert fetched["inputFacets"]["inputStatistics"]["rowCount"] == manifest["records"]
    counts = published["outputFacets"]["outputStatistics"]
    files = manifest["files"]
    assert (counts["rowCount"], counts["fileCount"]) == (manifest["records"], len(files))
    folder = Path(published["name"]).parent
    assert counts["size"] == sum((folder / file["path"]).stat().st_size for file in files)
    assert {"quality_label", "_window_from"} <= {field["name"] for field in published["facets"]["schema"]["fields"]}


def check_failed(event: dict[str, Any], secret: str) -> None:
    error = event["run"]["facets"]["errorMessage"]["message"]
    assert "received_items" in error
    assert "403" in error
    assert secret not in json.dumps(event)


def check_counted(counted: Counter[str], manifest: dict[str, Any], requests: list[Any]) -> None:
    """Compare the counters with what the server has seen and the manifest says."""
    seen: Counter[str] = Counter()
    for request in requests:
        if request.path == "/auth/token":
            seen[f"zdirect.tokens,outcome={request.status}"] += 1
        else:
            endpoint = "returned_items" if "returned" in request.path else "received_items"
            seen[f"zdirect.requests,endpoint={endpoint},outcome={request.status}"] += 1
    assert {name for name in counted if name.startswith(("zdirect.requests", "zdirect.tokens"))} == seen.keys()
    assert {name: counted[name] for name in seen} == seen
    assert counted["zdirect.bytes,endpoint=returned_items"] == manifest["bytes"]
    tags = f"dataset=returned_items,merchant_id={manifest['merchant_id']}"
    assert counted[f"zdirect.records,{tags}"] == manifest["records"]
    assert counted[f"zdirect.rejected,{tags}"] == manifest["rejected"] == 0
