"""What is committed works on any machine: it names no package index and no path of the author's."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

PROJECT = Path(__file__).parent.parent.parent
# In pieces, so that this file does not name them either.
PACKAGE_INDEX = (
    "index" + r"[-_]url=?\s*\S*://",
    "--find" + "-links[ =]",
    r"://\S*/sim" + r"ple\b",
    "py" + r"pi\.org",
    "python" + "hosted",
)
MACHINE_PATH = (r"(?<![\w.])/wo" + "rk/", r"(?<![\w.:/])/ro" + "ot/", r"(?<![\w.])/Us" + "ers/", r"\.\./sha" + "red")


def test_no_committed_file_names_a_package_index_or_a_path_of_one_machine() -> None:
    pattern = re.compile("|".join((*PACKAGE_INDEX, *MACHINE_PATH)))
    found = [
        f"{path.relative_to(PROJECT)}:{number}: {line.strip()[:100]}"
        for path in _committed()
        for number, line in enumerate(path.read_text(encoding="utf-8", errors="ignore").splitlines(), start=1)
        if pattern.search(line)
    ]
    assert found == []


def test_the_licence_is_apache_2() -> None:
    text = (PROJECT / "LICENSE").read_text(encoding="utf-8")
    assert "Apache License" in text[:200]
    assert "END OF TERMS AND CONDITIONS" in text


def _committed() -> list[Path]:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=PROJECT, capture_output=True, text=True, check=False)
    if listed.returncode != 0:
        pytest.skip("not a git checkout")
    return [PROJECT / name for name in listed.stdout.split("\0") if name and (PROJECT / name).is_file()]
