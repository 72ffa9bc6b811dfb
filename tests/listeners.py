"""What a deployment has that listens to its tasks: a lineage server over HTTP, and a StatsD server over UDP."""

from __future__ import annotations

import json
import socket
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import jsonschema
from referencing import Registry, Resource

SCHEMAS = [json.loads(path.read_text()) for path in (Path(__file__).parent / "openlineage_schema").glob("*.json")]


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
    """Raise ValidationError if an event or one of its facets is not as its published schema says."""
    registry = Registry().with_resources([(schema["$id"], Resource.from_contents(schema)) for schema in SCHEMAS])

    def check(instance: Any, url: str) -> None:
        checker = jsonschema.Draft202012Validator.FORMAT_CHECKER
        jsonschema.Draft202012Validator({"$ref": url}, registry=registry, format_checker=checker).validate(instance)

    check(event, event["schemaURL"])
    kinds = ("facets", "inputFacets", "outputFacets")
    of_datasets = [dataset.get(kind, {}) for dataset in (*event["inputs"], *event["outputs"]) for kind in kinds]
    for facets in (event["run"]["facets"], event["job"]["facets"], *of_datasets):
        for facet in facets.values():
            check(facet, facet["_schemaURL"])


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
