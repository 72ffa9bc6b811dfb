"""Programs in the background that end together with the one that started them."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import psutil

PATIENCE = 10.0
"""Seconds between the request to end and the end."""


class StartError(RuntimeError):
    """A program ended, or did not do in time what it was started for."""


class Sessions:
    """Programs, each in a session of its own, with a log file each.

    A session holds whatever a program starts, also what moves to another process group or loses its parent.
    """

    def __init__(self, logs: Path) -> None:
        self.logs = logs
        self._programs: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, name: str, command: list[str], environment: Mapping[str, str]) -> None:
        self.logs.mkdir(parents=True, exist_ok=True)
        with self.log(name).open("ab") as log:
            self._programs[name] = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment, start_new_session=True
            )

    def log(self, name: str) -> Path:
        return self.logs / f"{name}.log"

    def check(self) -> None:
        """Raise StartError, with the end of its log, if a program has ended."""
        for name in self.ended():
            raise StartError(f"{name} ended with {self._programs[name].returncode}:\n{tail(self.log(name))}")

    def ended(self) -> list[str]:
        """Programs that have ended without being asked to."""
        return [name for name, program in self._programs.items() if program.poll() is not None]

    def run(self, name: str, command: list[str], environment: Mapping[str, str]) -> None:
        """Run a program to its end; raise StartError if it fails."""
        self.start(name, command, environment)
        program = self._programs[name]
        if program.wait() != 0:
            raise StartError(f"{name} ended with {program.returncode}:\n{tail(self.log(name))}")
        del self._programs[name]

    def kill(self, name: str) -> None:
        """End one program with all that it started at once, as if its machine went down."""
        program = self._programs[name]
        # Until nothing is left: what is being started while the others are killed comes late.
        while members := self._alive({program.pid}):
            for member in members:
                with contextlib.suppress(psutil.NoSuchProcess):
                    member.kill()
            time.sleep(0.05)
        program.wait()
        del self._programs[name]

    def stop(self) -> None:
        """End all programs with all that they started."""
        sessions = {program.pid for program in self._programs.values()}
        for program in self._programs.values():
            with contextlib.suppress(ProcessLookupError):
                program.terminate()
        deadline = time.monotonic() + PATIENCE
        while self._alive(sessions) and time.monotonic() < deadline:
            time.sleep(0.1)
        for member in self._alive(sessions):
            with contextlib.suppress(psutil.NoSuchProcess):
                member.kill()
        for program in self._programs.values():
            program.wait()
        self._programs.clear()

    def _alive(self, sessions: set[int]) -> list[psutil.Process]:
        for program in self._programs.values():
            program.poll()
        return [process for process in psutil.process_iter() if _session(process) in sessions]


def _session(process: psutil.Process) -> int | None:
    try:
        return None if process.status() == psutil.STATUS_ZOMBIE else os.getsid(process.pid)
    except (psutil.Error, ProcessLookupError, PermissionError):
        return None


def tail(path: Path, lines: int = 25) -> str:
    """The end of a log file."""
    with contextlib.suppress(OSError):
        return "\n".join(path.read_text(encoding="utf-8", errors="replace").splitlines()[-lines:])
    return f"(no {path})"


@contextlib.contextmanager
def stopped_by_signals() -> Iterator[None]:
    """Turn the signals that end a program into KeyboardInterrupt, so that ``finally`` runs; once."""

    def interrupt(number: int, _frame: object) -> None:
        for other in numbers:
            signal.signal(other, signal.SIG_IGN)
        raise KeyboardInterrupt(signal.Signals(number).name)

    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.signal(number, interrupt) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
