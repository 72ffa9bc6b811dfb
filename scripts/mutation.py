"""How much the tests notice: change the source in one place at a time, and see whether a test fails.

For each package a random sample (with a fixed seed) of all possible changes is tried. Every change gets the tests that
execute its line, quick ones first, until one fails. What no test notices survives: a missing test, or a change that
makes no difference; ``docs/reliability.md`` explains those.

    python scripts/mutation.py                   # all packages
    python scripts/mutation.py --survivors       # after new tests: only what survived the last time
"""

from __future__ import annotations

import argparse
import contextlib
import json
import multiprocessing
import os
import random
import shutil
import signal
import sys
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace
from pathlib import Path
from queue import Queue
from typing import Any

from mutants import Mutant, mutants_of, place_in

PROJECT = Path(__file__).resolve().parent.parent
PACKAGE = "airflow_provider_zdirect"
PACKAGES = ("client", "windows.py", "publish", "pipeline")
FOLDERS = "client publish pipeline reports storage hooks orders stocks erasure intrastat test_windows.py"
TESTS = [f"tests/{name}" for name in FOLDERS.split()]
FOLDER = Path("build/mutation")
REPORT = Path("build/mutation.json")
LONGEST = 60.0
"""Seconds that the tests of one change may need together, as measured without it: slower ones are left out."""

FORKED = multiprocessing.get_context("forkserver")
"""Imports what tests import, but nothing of the project, once for all of them."""
FORKED.set_forkserver_preload(
    [
        "anyio",
        "duckdb",
        "fsspec",
        "httpx",
        "hypothesis.strategies",
        "msgspec",
        "numpy",
        "pandas",
        "pyarrow.compute",
        "pyarrow.dataset",
        "pyarrow.parquet",
        "pydantic",
        "pytest",
        "starlette.applications",
        "uvicorn",
    ]
)


def sample(packages: list[str], number: int, seed: int) -> list[Mutant]:
    chosen = []
    for package in packages:
        path = PROJECT / PACKAGE / package
        files = [path] if path.is_file() else sorted(path.rglob("*.py"))
        every = []
        for file in files:
            every += mutants_of(str(file.relative_to(PROJECT)), file.read_text(encoding="utf-8"))
        picked = random.Random(seed).sample(every, min(number, len(every)))
        print(f"{package}: {len(picked)} of {len(every)} possible changes", flush=True)
        for mutant in picked:
            mutant.package = package
        chosen += picked
    # Mixed, so that a run that is ended early has some of each package.
    random.Random(seed).shuffle(chosen)
    return chosen


def _pytest(tree: str, options: list[str], environment: dict[str, str]) -> None:
    os.setsid()
    os.chdir(tree)
    nothing = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, 1)
    os.dup2(nothing, 2)
    # What tests start finds the changed package, too.
    paths = [tree, str(PROJECT / "scripts")]
    os.environ.update(environment, PYTHONPATH=os.pathsep.join(paths), PYTHONDONTWRITEBYTECODE="1")
    sys.dont_write_bytecode = True
    sys.path[:0] = paths
    import pytest

    os._exit(int(pytest.main(options)))


class Tree:
    """A copy of the project, to change and to run tests in."""

    def __init__(self, number: int) -> None:
        self.path = PROJECT / FOLDER / f"tree-{number}"
        left_out = shutil.ignore_patterns(".git", ".venv*", "build", ".*_cache", ".hypothesis", "__pycache__")
        shutil.rmtree(self.path, ignore_errors=True)
        shutil.copytree(PROJECT, self.path, ignore=left_out)

    def pytest(self, *arguments: str, limit: float | None = None) -> int | None:
        """The exit code; None if it took too long."""
        options = ["-q", "-p", "no:cacheprovider", "-m", "not exhaustive", *arguments]
        process = FORKED.Process(target=_pytest, args=(str(self.path), options, dict(os.environ)))
        process.start()
        process.join(limit)
        code = process.exitcode
        # Also what the tests started.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.join()
        return code

    def try_out(self, mutant: Mutant, tests: list[str], seconds: float) -> str:
        file = self.path / mutant.file
        source = file.read_bytes()
        start, before = place_in(source, mutant), mutant.before.encode()
        file.write_bytes(source[:start] + mutant.after.encode() + source[start + len(before) :])
        try:
            code = self.pytest("-x", *tests, limit=60 + 5 * seconds)
        finally:
            file.write_bytes(source)
        if code == 4 and self.pytest("--collect-only", *tests) == 0:
            # The change breaks what pytest imports first.
            return "killed"
        return {None: "timeout", 0: "survived", 1: "killed", 2: "killed"}.get(code, f"error {code}")


def _moved(mutant: Mutant) -> Mutant:
    """The same in the present source."""
    source = (PROJECT / mutant.file).read_bytes()
    start = place_in(source, mutant)
    return replace(mutant, start=start, line=source[:start].count(b"\n") + 1)


def pytest_runtest_logreport(report: Any) -> None:
    """How long each test takes: this file is a plugin of pytest, too."""
    if path := os.environ.get("MUTATION_DURATIONS"):
        with open(path, "a", encoding="utf-8") as file:
            file.write(json.dumps([report.nodeid, report.duration]) + "\n")


class Coverage:
    """Which tests execute a line, and how long they take."""

    def __init__(self, tree: Tree, again: bool) -> None:
        data, durations = (PROJECT / FOLDER / name for name in ("coverage", "durations.jsonl"))
        tests, options = list(TESTS), ["-n", "2", "--dist", "loadfile"]
        if again:
            known = data.stat().st_mtime
            places = [PROJECT / place for place in TESTS]
            files = [file for place in places for file in [place, *place.rglob("test_*.py")] if file.suffix == ".py"]
            tests = [str(file.relative_to(PROJECT)) for file in files if file.stat().st_mtime > known]
            options = ["--cov-append"]
            # Some of their tests may be gone.
            lines = durations.read_text(encoding="utf-8").splitlines(keepends=True)
            kept = [line for line in lines if not json.loads(line)[0].startswith(tuple(f"{file}::" for file in tests))]
            durations.write_text("".join(kept), encoding="utf-8")
        else:
            for file in (data, durations):
                file.unlink(missing_ok=True)
        os.environ["COVERAGE_FILE"], os.environ["MUTATION_DURATIONS"] = str(data), str(durations)
        coverage = [f"--cov={PACKAGE}", "--cov-context=test", "--cov-report="]
        if tests and tree.pytest("-p", "mutation", *options, *coverage, *tests):
            raise SystemExit("The tests fail without any change.")
        del os.environ["MUTATION_DURATIONS"]
        self._seconds: dict[str, float] = defaultdict(float)
        for line in durations.read_text(encoding="utf-8").splitlines():
            test, seconds = json.loads(line)
            self._seconds[test] += seconds
        from coverage import CoverageData

        self._data = CoverageData(str(data))
        self._data.read()
        self._root = tree.path

    def tests(self, mutant: Mutant) -> tuple[list[str], float]:
        """Tests of its line, quick ones first, and how many seconds they take.

        Where only an import executes the line, tests of the file.
        """
        by_line = self._data.contexts_by_lineno(str(self._root / mutant.file))
        contexts = {context.rpartition("|")[0] for context in by_line.get(mutant.line, ())} - {""}
        if not contexts and "" in by_line.get(mutant.line, ()):
            contexts = {context.rpartition("|")[0] for each in by_line.values() for context in each} - {""}
        tests, total = [], 0.0
        for test in sorted(contexts & self._seconds.keys(), key=lambda test: (self._seconds[test], test)):
            total += self._seconds[test] + 0.01
            if tests and total > LONGEST:
                break
            tests.append(test)
        return tests, total


def run(chosen: list[Mutant], earlier: list[Mutant], processes: int, again: bool) -> None:
    trees: Queue[Tree] = Queue()
    for number in range(processes):
        trees.put(Tree(number))
    first = trees.get()
    coverage = Coverage(first, again)
    trees.put(first)

    def judge(mutant: Mutant) -> None:
        tests, seconds = coverage.tests(mutant)
        if not tests:
            mutant.verdict = "uncovered"
        else:
            tree = trees.get()
            try:
                mutant.verdict = tree.try_out(mutant, tests, seconds)
            finally:
                trees.put(tree)
        print(f"{mutant.verdict:9} {mutant}", flush=True)
        judged = [each for each in [*earlier, *chosen] if each.verdict]
        text = json.dumps([asdict(each) for each in judged], indent=1, ensure_ascii=False)
        (PROJECT / REPORT).write_text(text, encoding="utf-8")

    with ThreadPoolExecutor(processes) as pool:
        list(pool.map(judge, chosen))


def table(mutants: list[Mutant]) -> str:
    """Noticed changes, by package and by module."""
    groups: dict[str, list[bool]] = defaultdict(list)
    for mutant in mutants:
        module = mutant.file.removeprefix(f"{PACKAGE}/")
        for name in dict.fromkeys((mutant.package, module)):
            groups[name].append(mutant.verdict in ("killed", "timeout"))
    rows = [
        f"{name:40} {sum(noticed):4} of {len(noticed):4}  {sum(noticed) / len(noticed):6.1%}"
        for name, noticed in sorted(groups.items())
    ]
    return "\n".join(rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("packages", nargs="*", default=list(PACKAGES), help="default: %(default)s")
    parser.add_argument("--mutants", type=int, default=70, help="changes per package (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=14)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--resume", action="store_true", help="go on with a run that was ended")
    parser.add_argument("--survivors", action="store_true", help="only what survived the last time")
    options = parser.parse_args()
    (PROJECT / FOLDER).mkdir(parents=True, exist_ok=True)
    earlier: list[Mutant] = []
    if options.survivors:
        known = [Mutant(**each) for each in json.loads((PROJECT / REPORT).read_text(encoding="utf-8"))]
        earlier = [each for each in known if each.verdict in ("killed", "timeout")]
        chosen = [_moved(each) for each in known if each.verdict not in ("killed", "timeout")]
    else:
        chosen = sample(options.packages, options.mutants, options.seed)
    if options.resume:
        judged = [Mutant(**each) for each in json.loads((PROJECT / REPORT).read_text(encoding="utf-8"))]
        known = {str(each): each for each in judged}
        earlier = list(known.values())
        chosen = [each for each in chosen if str(each) not in known]
    try:
        run(chosen, earlier, options.processes, options.survivors or options.resume)
    finally:
        for number in range(options.processes):
            shutil.rmtree(PROJECT / FOLDER / f"tree-{number}", ignore_errors=True)
    judged = [*earlier, *chosen]
    print("\nSurvivors:", *(each for each in judged if each.verdict not in ("killed", "timeout")), "", sep="\n")
    print(table(judged))


if __name__ == "__main__":
    main()
