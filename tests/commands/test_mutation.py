"""Which changes ``make mutation`` tries."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).parent.parent.parent / "scripts"


@pytest.fixture
def mutants(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.syspath_prepend(str(SCRIPTS))
    import mutants

    yield mutants
    del sys.modules["mutants"]


SOURCE = '''"""Doc."""
from typing import TYPE_CHECKING
LIMIT: int = 3
if TYPE_CHECKING:
    import sys
@cache(1)
def f(a: Literal[1], b=2) -> Literal[1]:
    """Doc."""
    log.info("said", 1)
    if a and b < 1:
        return f"{a + 1}"
    ü = max(a, 1)
    self.x = a
    return
'''


def test_the_changes_of_a_source(mutants) -> None:
    found = [(mutant.line, mutant.before, mutant.after) for mutant in mutants.mutants_of("f.py", SOURCE)]
    assert found == [
        (3, "3", "(4)"),
        (3, "3", "(2)"),
        (10, "a and b < 1", "(a or b < 1)"),
        (10, "b < 1", "(b <= 1)"),
        (10, "1", "(2)"),
        (10, "1", "(0)"),
        (11, 'return f"{a + 1}"', "return"),
        (12, "max", "(min)"),
        (12, "1", "(2)"),
        (12, "1", "(0)"),
        (13, "self.x = a", "pass"),
    ]


def test_a_change_is_another_program(mutants) -> None:
    sources = sorted((SCRIPTS.parent / "airflow_provider_zdirect" / "client").glob("*.py"))
    for path in sources:
        source = path.read_bytes()
        same = ast.dump(ast.parse(source))
        for mutant in list(mutants.mutants_of(path.name, source.decode()))[::5]:
            changed = source[: mutant.start] + mutant.after.encode() + source[mutant.end :]
            assert ast.dump(ast.parse(changed)) != same


def test_a_change_is_found_again_where_other_lines_were_added(mutants) -> None:
    (_, second) = mutants.mutants_of("f.py", "not a\nnot a\n")
    assert mutants.place_in(b"not a\nnot a\n", second) == 6
    assert mutants.place_in(b"# more\nnot a\n# and more\nnot a\n", second) == 7
    assert mutants.place_in(b"#\nnot a\nnot a\n", second) == 8
