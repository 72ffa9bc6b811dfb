"""Every block of code in the documents, and every command of Airflow in their sentences."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", ROOT / "SECURITY.md", *sorted((ROOT / "docs").glob("*.md"))]

RUN_ELSEWHERE = {
    "check.md": "tests/dags/test_first_steps.py",
    "compatibility.md": "tests/packaging/test_project_files.py",
    "coverage.md": "tests/coverage/test_coverage_document.py",
    "first-steps.md": "tests/dags/test_first_steps.py",
    "merchant-names.md": "tests/client/test_merchants.py",
}
"""Pages whose blocks (but those for a shell) are run by the tests of their subject."""

_FENCE = re.compile(
    r"^(?P<indent> *)(?P<fence>`{3,})(?P<language>\S*)[^\n]*\n(?P<text>.*?)^ *(?P=fence) *$", re.M | re.S
)
_INLINE = re.compile(r"`(airflow (?:[^`]|\n)+)`")


@dataclass(frozen=True)
class Block:
    """A fenced block.

    :param page: name of the page.
    :param line: where it begins.
    :param language: what stands behind the fence; ``{name}`` is a directive of the site.
    """

    page: str
    line: int
    language: str
    text: str

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


def blocks(language: str | None = None, page: str | None = None) -> list[Block]:
    """All blocks, in order; or those of a language or a page."""
    return [
        block
        for path in PAGES
        if page in (None, path.name)
        for block in _blocks(path)
        if language in (None, block.language)
    ]


def _blocks(path: Path) -> Iterator[Block]:
    text = path.read_text(encoding="utf-8")
    for found in _FENCE.finditer(text):
        indent = len(found["indent"])
        lines = "".join(line[indent:] for line in found["text"].splitlines(keepends=True))
        yield Block(path.name, text.count("\n", 0, found.start()) + 1, found["language"], lines)


def commands(block: Block) -> Iterator[list[str]]:
    """The words of each command of a shell block; assignments before it are left out."""
    # A text in quotes may go over several lines, and a comment may have half a quote.
    for line in re.findall(r"""(?:(?<!\S)#[^\n]*|'[^']*'|"(?:\\.|[^"\\])*"|\\\n|[^\n'"])+""", block.text):
        words = shlex.split(line.replace("\\\n", " "), comments=True)
        while words and re.fullmatch(r"\w+=.*", words[0], re.DOTALL):
            words = words[1:]
        if words:
            yield words


def airflow_commands() -> Iterator[tuple[str, list[str]]]:
    """Where each stands, and its words without ``airflow``: of blocks and of sentences."""
    for block in blocks("sh"):
        for words in commands(block):
            if words[0] == "airflow":
                yield str(block), words[1:]
    for path in PAGES:
        text = path.read_text(encoding="utf-8")
        for found in _INLINE.finditer(_FENCE.sub("", text)):
            yield path.name, shlex.split(" ".join(found[1].split()))[1:]
