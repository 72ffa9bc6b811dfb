"""A day of received items, page by page, from a zDirect server to validated Parquet in one Airflow task.

The server (the emulator, with prepared bytes) and the task are processes of their own. Beside the task, in the same
run, the same bytes are downloaded and thrown away, and downloaded to a file: no extract can be faster.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import httpx
import psutil

HERE = Path(__file__).parent
LIMIT_MB = 450.0
GROWTH_LIMIT = 1.10
"""How much more memory many pages may take than few, as a ratio: allocators are never quite even."""


@dataclass(frozen=True)
class Server:
    url: str
    merchant_id: str
    day: date


@dataclass(frozen=True)
class Figures:
    """What one size came to. Memory in MB (10^6 bytes), times in seconds.

    :param peak_mb: largest resident memory of the task's process, Airflow included.
    :param tree_peak_mb: the same with all processes that it started, as sampled.
    :param ratio: seconds of the task's own work beside a plain download to disk.
    """

    items: int
    pages: int
    body_mb: float
    file_mb: float
    peak_mb: float
    tree_peak_mb: float
    before_the_run_mb: float
    before_the_first_page_mb: float
    before_publishing_mb: float
    task_seconds: float
    cpu_seconds: float
    download_seconds: float
    download_to_disk_seconds: float
    ratio: float
    rows: int
    distinct: int
    phases: dict[str, float]
    failures: list[str]

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def measure(items: int, page_size: int) -> Figures:
    """Extract ``items`` received items once and say what it took."""
    with tempfile.TemporaryDirectory(prefix="zdirect-bench-") as folder, _emulator(items, page_size) as server:
        size, thrown_away = _download(server, None)
        _, to_disk = _download(server, Path(folder) / "bodies.json")
        (Path(folder) / "bodies.json").unlink()
        task, tree_peak = _run_task(server, Path(folder))
        files = list((Path(folder) / "data" / "received_items").rglob("*.parquet"))
        rows, distinct = _count(files)
        failures = [] if task["state"] == "success" else [f"The DAG run ended as {task['state']}."]
        if (rows, distinct) != (items, items):
            failures.append(f"{rows:,} rows with {distinct:,} different records; they should be {items:,}.")
        if max(task["peak_mb"], tree_peak) > LIMIT_MB:
            failures.append(f"The task took {max(task['peak_mb'], tree_peak):.0f} MB; {LIMIT_MB:.0f} MB are allowed.")
        phases = task["phases"]
        work = sum(phases.get(name, 0.0) for name in ("download", "validate", "stage", "publish"))
        return Figures(
            items=items,
            pages=-(-items // page_size),
            body_mb=round(size / 1e6, 1),
            file_mb=round(sum(file.stat().st_size for file in files) / 1e6, 1),
            peak_mb=task["peak_mb"],
            tree_peak_mb=round(tree_peak, 1),
            before_the_run_mb=task["before_the_run_mb"],
            before_the_first_page_mb=task["before_the_first_page_mb"],
            before_publishing_mb=task["before_publishing_mb"],
            task_seconds=round(work, 2),
            cpu_seconds=task["cpu_seconds"],
            download_seconds=round(thrown_away, 2),
            download_to_disk_seconds=round(to_disk, 2),
            ratio=round(work / to_disk, 1),
            rows=rows,
            distinct=distinct,
            phases=phases,
            failures=failures,
        )


@contextmanager
def _emulator(items: int, page_size: int) -> Iterator[Server]:
    day = datetime.now(UTC).date() - timedelta(days=1)
    command = [sys.executable, str(HERE / "bulk_emulator.py"), str(items), str(page_size), day.isoformat()]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        ready = process.stdout.readline()
        if "ready at " not in ready:
            raise RuntimeError(f"The emulator did not start: {ready}")
        url, _, merchants = ready.partition("ready at ")[2].partition(", merchants ")
        yield Server(url, merchants.split(",")[0].strip(), day)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)


def _download(server: Server, to: Path | None) -> tuple[int, float]:
    """Follow the cursor to the end; bytes and seconds."""
    size, cursor = 0, None
    path = f"/zfs/stock-movements/reports/received-items/{server.merchant_id}"
    with httpx.Client(base_url=server.url, trust_env=False, timeout=300) as http, open(to or os.devnull, "wb") as sink:
        answer = http.post("/auth/token", data={"grant_type": "client_credentials"}, auth=("demo", "demo-secret"))
        http.headers["Authorization"] = f"Bearer {answer.raise_for_status().json()['access_token']}"
        window = {"from": f"{server.day}T00:00:00Z", "to": f"{server.day + timedelta(days=1)}T00:00:00Z"}
        started = time.monotonic()
        while True:
            tail = b""
            with http.stream("GET", path, params=window | ({"cursor": cursor} if cursor else {})) as page:
                page.raise_for_status()
                for piece in page.iter_bytes():
                    size += sink.write(piece)
                    tail = (tail + piece)[-200:]
            _, found, after = tail.rpartition(b'"next":"')
            if not found:
                return size, time.monotonic() - started
            cursor = after.partition(b'"')[0].decode()


def _run_task(server: Server, folder: Path) -> tuple[dict[str, Any], float]:
    """The figures that the task's process prints, and the peak of it and all its children in MB."""
    connection = {"conn_type": "zdirect", "login": "demo", "password": "demo-secret", "host": server.url}
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW", "ZDIRECT", "BENCH"))}
    environment = kept | {
        "AIRFLOW_HOME": str(folder / "airflow"),
        "AIRFLOW__CORE__DAGS_FOLDER": str(HERE / "dags"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW_CONN_ZDIRECT_DEFAULT": json.dumps(connection),
        "BENCH_DAY": server.day.isoformat(),
        "BENCH_MERCHANT_ID": server.merchant_id,
        "BENCH_BASE_PATH": (folder / "data").as_uri(),
    }
    migrate = [sys.executable, "-m", "airflow", "db", "migrate"]
    subprocess.run(migrate, env=environment, check=True, capture_output=True)
    with (folder / "task.log").open("w+") as log:
        command = [sys.executable, str(HERE / "task_process.py")]
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
        peak = _Peak(process.pid)
        peak.start()
        process.wait()
        peak.join()
        log.seek(0)
        text = log.read()
    for line in reversed(text.splitlines()):
        if line.startswith("FIGURES "):
            return json.loads(line.removeprefix("FIGURES ")), peak.megabytes
    raise RuntimeError(f"The task's process ended with {process.returncode}:\n{text[-4000:]}")


class _Peak(threading.Thread):
    """Samples a process and its descendants until it ends. What a child shares with its parent counts once."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self._process = psutil.Process(pid)
        self.megabytes = 0.0

    def run(self) -> None:
        try:
            while self._process.is_running() and self._process.status() != psutil.STATUS_ZOMBIE:
                size = self._process.memory_info().rss
                for child in self._process.children(recursive=True):
                    try:
                        size += child.memory_full_info().uss
                    except psutil.Error:
                        continue
                self.megabytes = max(self.megabytes, size / 1e6)
                time.sleep(0.05)
        except psutil.NoSuchProcess:
            return


def _count(files: list[Path]) -> tuple[int, int]:
    """Rows and different records, as DuckDB sees them."""
    if not files:
        return 0, 0
    counts: list[tuple[int, int]] = duckdb.sql(
        "SELECT count(*), count(DISTINCT (quality_label, received_timestamp)) "
        f"FROM read_parquet({[str(file) for file in files]})"
    ).fetchall()
    return counts[0]
