"""A process that has imported what a DAG run needs, and which is forked for each run.

A run has a process of its own, as if it were a program: Airflow has run nothing in it yet and opened no database. What
it does not do again is import Airflow and build its API, which takes several times as long as the run.
"""

from __future__ import annotations

import multiprocessing
import os
import runpy
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from multiprocessing import forkserver
from pathlib import Path

import psutil

_FORKSERVER = multiprocessing.get_context("forkserver")


@dataclass(frozen=True)
class Done:
    """What a process came to.

    :param returncode: 0, 1 for an exception, or the negative number of the signal that ended it.
    """

    returncode: int | None
    stdout: str
    stderr: str


def run_forked(
    target: Callable[..., None], *arguments: str, environment: Mapping[str, str], seconds: float = 300
) -> Done:
    """Call a function, which is at the top of a module, in a process of its own.

    :param environment: all of it, as for a program; Airflow's configuration is read from it.
    :param seconds: after these the process is killed.
    """
    _start_server()
    with tempfile.TemporaryDirectory() as folder:
        files = (Path(folder) / "stdout", Path(folder) / "stderr")
        for file in files:
            file.touch()
        process = _FORKSERVER.Process(target=_run, args=(files, dict(environment), target, arguments))
        process.start()
        process.join(seconds)
        process.kill()
        process.join()
        return Done(process.exitcode, *(file.read_text() for file in files))


def run_file(path: str, *arguments: str) -> None:
    """For ``run_forked``: a file as a program."""
    sys.argv = [path, *arguments]
    runpy.run_path(path, run_name="__main__")


def run_module(name: str, *arguments: str) -> None:
    """For ``run_forked``: ``python -m <name> <arguments>``."""
    sys.argv = [name, *arguments]
    runpy.run_module(name, run_name="__main__", alter_sys=True)


def _start_server() -> None:
    """Once; it ends with this process."""
    forkserver.set_forkserver_preload(["warm_airflow_imports"])
    path = os.environ.get("PYTHONPATH")
    # The server of Python 3.11 does not get this process's sys.path before it imports.
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(Path(__file__).parent), path]))
    try:
        forkserver.ensure_running()
    finally:
        os.environ.pop("PYTHONPATH") if path is None else os.environ.update(PYTHONPATH=path)


def _run(
    files: tuple[Path, Path], environment: dict[str, str], target: Callable[..., None], arguments: tuple[str, ...]
) -> None:
    for number, file in enumerate(files, start=1):
        descriptor = os.open(file, os.O_WRONLY)
        os.dup2(descriptor, number)
        os.close(descriptor)
    import warm_airflow_imports

    os.environ.clear()
    os.environ.update(environment)
    warm_airflow_imports.configure()
    target(*arguments)
    sys.stdout.flush()
    sys.stderr.flush()
    # Old versions of the OpenLineage provider leave a pool of processes, for which this one would wait forever; and so
    # would, on Python 3.12, the process of the tests.
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for said in (1, 2):
        os.dup2(nowhere, said)
    for left in psutil.Process().children(recursive=True):
        left.kill()
    os._exit(0)
