"""Runs contestants in turn, each in a process of its own and against the same server, and tabulates the figures."""

from __future__ import annotations

import json
import os
import platform
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any

import httpx
import psutil
import pyarrow.parquet as pq
from bodies import MERCHANT, Bodies, serve
from measured import MARK

HERE = Path(__file__).parent
PROJECT = HERE.parent
FIGURES = PROJECT / ".bench"
ENVIRONMENTS = FIGURES / "envs"
PACKAGES = ("airflow-provider-zdirect", "apache-airflow", "pyarrow", "pydantic", "msgspec", "httpx", "duckdb")

Figures = dict[str, Any]
"""What a process printed of itself, and ``tree_mb``: its peak with its children, as sampled."""


class NotInstalled(Exception):
    """The environment of a peer could not be made."""


@dataclass
class Server:
    """The server of prepared answers; a process of its own. ``folder`` is where they are."""

    folder: Path
    url: str = ""
    token: str = ""

    @contextmanager
    def running(self) -> Iterator[Server]:
        command = [sys.executable, str(HERE / "server.py"), str(self.folder)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        try:
            assert process.stdout is not None
            self.url = process.stdout.readline().partition("ready at ")[2].strip()
            answer = httpx.post(
                f"{self.url}/auth/token", data={"grant_type": "client_credentials"}, auth=("demo", "demo-secret")
            )
            self.token = answer.raise_for_status().json()["access_token"]
            yield self
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(30)

    def task(self, bodies: Bodies, folder: Path, **more: Any) -> dict[str, Any]:
        """What a contestant has to do; it writes below ``folder``."""
        start, end = (at.isoformat().replace("+00:00", "Z") for at in bodies.window) if bodies.window else ("", "")
        return {
            "url": self.url,
            "token": self.token,
            "path": bodies.path,
            "merchant_id": MERCHANT,
            "dataset": bodies.dataset,
            "key": bodies.key,
            "pages": bodies.pages,
            "from": start,
            "to": end,
            "folder": str(folder),
            **more,
        }


@contextmanager
def serving(*bodies: Callable[[Path], Bodies]) -> Iterator[tuple[Server, list[Bodies]]]:
    """A server with these answers, which are written first."""
    with tempfile.TemporaryDirectory(prefix="zdirect-bench-") as scratch:
        folder = Path(scratch)
        written = [write(folder / str(number)) for number, write in enumerate(bodies)]
        serve(folder, *written)
        with Server(folder).running() as server:
            yield server, written


def run(script: str, task: Mapping[str, Any], python: str = sys.executable, **environment: str) -> Figures:
    """Run a contestant to its end.

    :raises RuntimeError: if it fails, with the end of what it printed.
    """
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW", "ZDIRECT"))}
    path = os.pathsep.join(filter(None, (str(HERE), kept.get("PYTHONPATH"))))
    with tempfile.TemporaryFile("w+") as log:
        process = subprocess.Popen(
            [python, str(HERE / script), json.dumps(task)],
            env={**kept, "PYTHONPATH": path, **environment},
            stdout=log,
            stderr=log,
        )
        peak = _Peak(process.pid)
        peak.start()
        process.wait()
        peak.join()
        log.seek(0)
        text = log.read()
    lines = [line for line in text.splitlines() if line.startswith(MARK)]
    if process.returncode or not lines:
        raise RuntimeError(f"{script} ended with {process.returncode}:\n{text[-4000:]}")
    return {**json.loads(lines[-1].removeprefix(MARK)), "tree_mb": round(peak.megabytes, 1)}


def peer_python(name: str) -> str:
    """The interpreter of a peer's environment, which is made if it is not there.

    :raises NotInstalled: if its packages cannot be installed.
    """
    folder, wanted = ENVIRONMENTS / name, (HERE / "peers" / f"{name}.txt").read_text()
    python, done = folder / "bin" / "python", folder / "installed.txt"
    if done.exists() and done.read_text() == wanted:
        return str(python)
    uv, pins = str(Path(sys.executable).with_name("uv")), str(HERE / "peers" / f"{name}.txt")
    print(f"Installing {name} into {folder.relative_to(PROJECT)}", flush=True)
    try:
        subprocess.run(
            [uv, "venv", "--quiet", "--clear", "--seed", "--python", sys.executable, str(folder)], check=True
        )
        quiet = ["install", "--quiet", "--requirement", pins]
        # uv does not read pip's configuration; where only pip knows the way to the packages, pip does it.
        if subprocess.run([uv, "pip", *quiet, "--python", str(python)], check=False).returncode:
            subprocess.run([str(python), "-m", "pip", *quiet], check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        raise NotInstalled(f"{name} is left out: {error}") from error
    done.write_text(wanted)
    return str(python)


def airflow_environment(folder: Path, task: Mapping[str, Any], python: str = sys.executable) -> dict[str, str]:
    """The variables of an Airflow of its own below ``folder``, whose database is made."""
    connection = {"conn_type": "zdirect", "login": "demo", "password": "demo-secret", "host": task["url"]}
    variables = {
        "AIRFLOW_HOME": str(folder / "airflow"),
        "AIRFLOW__CORE__DAGS_FOLDER": str(HERE / "contestants"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW_CONN_ZDIRECT_DEFAULT": json.dumps(connection),
    }
    migrate = [python, "-m", "airflow", "db", "migrate"]
    subprocess.run(migrate, env={**os.environ, **variables}, check=True, capture_output=True)
    return variables


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


@dataclass
class Table:
    """The figures of a benchmark: by contestant, those of each round."""

    name: str
    rounds: dict[str, list[Figures]] = field(default_factory=dict)
    ratios: dict[str, float] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)

    def add(self, contestant: str, figures: Figures) -> Figures:
        self.rounds.setdefault(contestant, []).append(figures)
        print(
            f"  {contestant:44}{figures['seconds']:>9.2f} s{figures['cpu']:>9.2f} s CPU{peak(figures):>8.0f} MB",
            flush=True,
        )
        return figures

    def median(self, contestant: str, name: str) -> float:
        return median(figures[name] for figures in self.rounds[contestant])

    def ratio(self, contestant: str, other: str, name: str = "seconds") -> float | None:
        """The median of the ratios within each round; None if one of them was left out."""
        one, two = self.rounds.get(contestant), self.rounds.get(other)
        if not one or not two:
            return None
        return median(first[name] / max(second[name], 0.001) for first, second in zip(one, two, strict=True))

    def expect(self, what: str, value: float | None, *, most: float | None = None, least: float | None = None) -> None:
        """Note a figure with a promise about it."""
        if value is None:
            return
        self.ratios[what] = round(value, 3)
        if (most is not None and value > most) or (least is not None and value < least):
            self.failures.append(f"{what}: {value:.2f}; promised: {f'at most {most}' if most else f'at least {least}'}")

    def print(self, beside: str) -> None:
        """:param beside: the contestant that all are compared with."""
        print(f"\n{self.name:46}{'seconds':>10}{'ratio':>9}{'CPU':>10}{'ratio':>9}{'peak MB':>10}")
        for contestant, rounds in self.rounds.items():
            print(f"{contestant:46}", end="")
            for name in ("seconds", "cpu"):
                ratio = self.ratio(contestant, beside, name) if len(rounds) == len(self.rounds[beside]) else None
                print(f"{self.median(contestant, name):>10.2f}{'' if ratio is None else f'{ratio:.2f}':>9}", end="")
            print(f"{median(map(peak, rounds)):>10.0f}")
        for what, value in self.ratios.items():
            print(f"{what:74}{value:>10.2f}")
        for line in self.skipped:
            print(f"LEFT OUT: {line}")
        for line in self.failures:
            print(f"FAILED: {line}")

    def as_json(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in ("name", "rounds", "ratios", "failures", "skipped")}


def save(name: str, content: Mapping[str, Any]) -> None:
    """Keep figures as ``.bench/NAME.json``, with what they were taken on."""
    FIGURES.mkdir(exist_ok=True)
    report = {"at": datetime.now(UTC).isoformat(timespec="seconds"), "machine": machine(), **content}
    (FIGURES / f"{name}.json").write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")


def peak(figures: Figures) -> float:
    return float(max(figures["peak_mb"], figures["tree_mb"]))


def check_rows(table: Table, folder: Path, expected: Mapping[str, int]) -> None:
    """A benchmark that loses rows measures nothing."""
    for name, rows in expected.items():
        found = sum(pq.ParquetFile(path).metadata.num_rows for path in (folder / "data" / name).rglob("*.parquet"))
        if found != rows:
            table.failures.append(f"{name} has {found:,} rows instead of {rows:,}")


def contestants(names: Sequence[str], number: int) -> list[str]:
    """In another order each round: none is always behind the same other one."""
    start = number % len(names)
    return [*names[start:], *names[:start]]


def machine() -> dict[str, Any]:
    """What the figures were taken on; no host name."""
    return {
        "system": f"{platform.system()} {platform.machine()}",
        "cpu": _cpu(),
        "cpus": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "memory_gb": round(psutil.virtual_memory().total / 1e9),
        "python": platform.python_version(),
        "versions": {name: version(name) for name in PACKAGES},
    }


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or "unknown CPU"
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown CPU")
