"""The commands that README and issue trackers name exist, and find a Python that works."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

PROJECT = Path(__file__).parent.parent.parent
TARGETS = (
    "demo",
    "test",
    "test-all",
    "certify",
    "test-distributed",
    "up",
    "bench",
    "docs",
    "screenshots",
    "lint",
    "audit",
    "sbom",
    "constraints",
    "clean",
    "fuzz",
    "mutation",
)


def test_every_target_is_known_and_shown_by_help() -> None:
    shown = subprocess.run(["make"], cwd=PROJECT, capture_output=True, text=True, check=True).stdout
    assert [target for target in TARGETS if not re.search(rf"^make {target}\s", shown, re.MULTILINE)] == []
    for target in (*TARGETS, "help"):
        planned = subprocess.run(
            ["make", "--dry-run", target], cwd=PROJECT, capture_output=True, text=True, check=False
        )
        assert planned.returncode == 0, planned.stderr


def test_every_script_that_a_target_runs_exists() -> None:
    text = (PROJECT / "Makefile").read_text(encoding="utf-8")
    scripts = set(re.findall(r"\b(?:scripts|benchmarks|tests/distributed|tests/browser)/\w+\.(?:py|sh)", text))
    assert {script for script in scripts if not (PROJECT / script).is_file()} == set()


def test_ci_runs_lint_and_all_tests() -> None:
    text = (PROJECT / ".ci" / "run").read_text(encoding="utf-8")
    assert text.startswith("#!/usr/bin/env bash\n")
    assert "set -euo pipefail" in text
    assert text.splitlines()[-7:] == [
        "make lint",
        "make docs",
        "make test",
        "make test-all",
        "make certify",
        "make test-browser",
        "make test-distributed",
    ]


def test_a_name_that_only_prints_an_error_is_passed_over(tmp_path: Path) -> None:
    shim = tmp_path / "python3.12"
    shim.write_text("#!/bin/sh\necho 'python3.12: command not found' >&2\nexit 127\n", encoding="utf-8")
    shim.chmod(0o755)
    assert find_python("11", "14", str(shim), sys.executable) == sys.executable


def test_a_python_outside_of_the_range_is_passed_over() -> None:
    minor = sys.version_info.minor
    assert find_python(str(minor + 1), str(minor + 1), sys.executable) is None
    assert find_python(str(minor), str(minor), "no-such-python", sys.executable) == sys.executable


def find_python(oldest: str, newest: str, *interpreters: str) -> str | None:
    command = ["sh", "scripts/find_python.sh", oldest, newest, *interpreters]
    found = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=False)
    assert (found.returncode == 0) == bool(found.stdout.strip())
    return found.stdout.strip() or None
