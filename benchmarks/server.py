"""The emulator with answers that were prepared: serving them costs next to nothing.

python benchmarks/server.py FOLDER

``FOLDER/routes.json`` has, by path, the query parameter that says which page is wanted (``key``), the file for each of
its values (``files``), and the one for any other value (``otherwise``). It is read at every request, so answers can be
exchanged.
"""

from __future__ import annotations

import json
import signal
import sys
import threading
from pathlib import Path

from bodies import SEED
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from airflow_provider_zdirect.emulator.requests import check_bearer
from airflow_provider_zdirect.emulator.server import EmulatorServer


def main() -> None:
    routes = Path(sys.argv[1]) / "routes.json"
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    # A plain download is faster than the limits allow.
    server = EmulatorServer(seed=SEED, rate_limits=False)

    def page(request: Request) -> Response:
        check_bearer(server.state, request)
        route = json.loads(routes.read_text())[request.url.path]
        file = route["files"].get(request.query_params.get(route["key"]), route["otherwise"])
        return Response(Path(file).read_bytes(), media_type=route["media_type"])

    for path in json.loads(routes.read_text()):
        server.app.router.routes.insert(0, Route(path, page))
    with server:
        print(f"ready at {server.url}", flush=True)
        threading.Event().wait()


if __name__ == "__main__":
    main()
