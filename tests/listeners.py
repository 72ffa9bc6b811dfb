"""What a deployment has that listens to its tasks: a lineage server over HTTP, and a StatsD server over UDP."""

from __future__ import annotations

import json
import os
import socket
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from http.server import BaseHTTPRequestHandler, HTTPServer
from importlib import import_module
from itertools import chain
from pathlib import Path
from pkgutil import iter_modules
from threading import Thread
from typing import Any

import jsonschema
import msgspec
from openlineage.client import generated
from referencing import Registry, Resource

SPEC = os.environ.get("OPENLINEAGE_SPEC", "")


@contextmanager
def lineage_server() -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """Its address, and the events that arrive there."""
    events: list[dict[str, Any]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            events.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(201)
            self.end_headers()

        def log_message(self, *args: Any) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", events
    finally:
        server.shutdown()
        server.server_close()


def check_event(event: dict[str, Any]) -> None:
    """Raise an error if an event or one of its facets is not as OpenLineage publishes it.

    As the classes say that its client generates from the published schemas; as these themselves say, too, if
    ``OPENLINEAGE_SPEC`` names a folder that has them (``spec`` of its repository).
    """
    kinds = ("facets", "inputFacets", "outputFacets")
    of_datasets = [dataset.get(kind, {}) for dataset in (*event["inputs"], *event["outputs"]) for kind in kinds]
    facets = [each.values() for each in (event["run"]["facets"], event["job"]["facets"], *of_datasets)]
    for instance, url in ((event, event["schemaURL"]), *((facet, facet["_schemaURL"]) for facet in chain(*facets))):
        msgspec.convert(instance, _classes()[url])
        if SPEC:
            _check_schema(instance, url)


@cache
def _classes() -> dict[str, type]:
    """The classes of OpenLineage's client, by the addresses of their schemas."""
    modules = [import_module(f"{generated.__name__}.{each.name}") for each in iter_modules(generated.__path__)]
    return {
        each._get_schema(): each for module in modules for each in vars(module).values() if hasattr(each, "_get_schema")
    }


def _check_schema(instance: Any, url: str) -> None:
    schemas = [json.loads(path.read_text()) for path in Path(SPEC).rglob("*.json")]
    registry = Registry().with_resources(
        [(schema["$id"], Resource.from_contents(schema)) for schema in schemas if "$id" in schema]
    )
    checker = jsonschema.Draft202012Validator.FORMAT_CHECKER
    jsonschema.Draft202012Validator({"$ref": url}, registry=registry, format_checker=checker).validate(instance)


class StatsdServer:
    """Receives counters, with tags as InfluxDB writes them."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 24)
        self._socket.bind(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]

    def __enter__(self) -> StatsdServer:
        return self

    def __exit__(self, *error: object) -> None:
        self._socket.close()

    def settings(self) -> dict[str, str]:
        """Airflow's settings by which it sends here."""
        settings = {"STATSD_ON": "True", "STATSD_PORT": str(self.port), "STATSD_INFLUXDB_ENABLED": "True"}
        return {f"METRICS__{name}": value for name, value in settings.items()}

    def counters(self) -> Counter[str]:
        """The sums of the counters that have arrived, by name and tags as they came."""
        self._socket.setblocking(False)
        sums: Counter[str] = Counter()
        while True:
            try:
                packet = self._socket.recv(1 << 16)
            except BlockingIOError:
                return sums
            for line in packet.decode().splitlines():
                name, _, value = line.partition(":")
                number, _, kind = value.partition("|")
                if kind == "c":
                    sums[name.removeprefix("airflow.")] += float(number)
