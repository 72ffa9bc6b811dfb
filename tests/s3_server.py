"""An S3 server on this machine: SeaweedFS, which has conditional writes, checks credentials, lists what was written."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
import psutil

CREDENTIALS = {"key": "testing", "secret": "testing-secret"}
READER = {"key": "reader", "secret": "reader-secret"}
"""Of somebody who may only read."""

PARTS = ("master", "volume", "filer", "s3")
SECONDS_TO_START = 60


@contextmanager
def s3_server(data: Path) -> Iterator[str]:
    """Its address. The server holds all it has in ``data``, and is gone afterwards."""
    for _ in range(3):
        ports = _free_ports(2 * len(PARTS))
        with _started(data, ports) as process:
            port = ports[PARTS.index("s3")]
            address = f"http://127.0.0.1:{port}"
            if _answers(address, port, process):
                yield address
                return
    raise RuntimeError(f"The S3 server does not start: {(data / 'log').read_text()[-2000:]}")


@contextmanager
def _started(data: Path, ports: list[int]) -> Iterator[subprocess.Popen[bytes]]:
    identities = [
        {"name": "all", "credentials": [_as_seaweedfs(CREDENTIALS)], "actions": ["Admin"]},
        {"name": "reader", "credentials": [_as_seaweedfs(READER)], "actions": ["Read", "List"]},
    ]
    (data / "identities.json").write_text(json.dumps({"identities": identities}))
    http, grpc = ports[: len(PARTS)], ports[len(PARTS) :]
    command = [
        str(Path(sys.executable).with_name("weed")),
        "-logtostderr",
        "server",
        f"-dir={data}",
        "-ip=127.0.0.1",
        "-ip.bind=127.0.0.1",
        "-s3",
        "-s3.iam=false",
        "-s3.autoCreateBucket=false",
        f"-s3.config={data / 'identities.json'}",
        *(f"-{part}.port={port}" for part, port in zip(PARTS, http, strict=True)),
        *(f"-{part}.port.grpc={port}" for part, port in zip(PARTS, grpc, strict=True)),
        "-s3.port.iceberg=0",
        "-s3.port.lance=0",
        "-master.volumeSizeLimitMB=64",
        "-volume.max=0",
    ]
    # A new bucket has one volume at first, not seven: its first object would take seconds.
    environment = {**os.environ, "WEED_MASTER_VOLUME_GROWTH_COPY_1": "1"}
    with (data / "log").open("wb") as log:
        process = subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        # It lays them there, whatever TMPDIR is.
        for path in Path("/tmp").glob("seaweedfs-*.sock"):
            if int(path.stem.rpartition("-")[2]) in ports:
                path.unlink(missing_ok=True)


def _answers(address: str, port: int, process: subprocess.Popen[bytes]) -> bool:
    """Whether it is this process that does: another test process may have taken the port meanwhile."""
    deadline = time.monotonic() + SECONDS_TO_START
    while process.poll() is None and time.monotonic() < deadline:
        try:
            httpx.get(address, trust_env=False)
        except httpx.TransportError:
            time.sleep(0.05)
        else:
            return any(own.laddr.port == port for own in psutil.Process(process.pid).net_connections("tcp"))
    return False


def _as_seaweedfs(credentials: dict[str, str]) -> dict[str, str]:
    return {"accessKey": credentials["key"], "secretKey": credentials["secret"]}


def _free_ports(count: int) -> list[int]:
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]
