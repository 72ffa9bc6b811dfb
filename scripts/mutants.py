"""The changes of a source that ``mutation.py`` tries, each in one place."""

from __future__ import annotations

import ast
import copy
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

COMPARISONS: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
}
OPERATORS: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.Mult,
    ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
}
HAVE_THEIR_OWN = (ast.Compare, ast.BoolOp, ast.UnaryOp)
NAMES = {"min": "max", "max": "min", "any": "all", "all": "any"}


@dataclass
class Mutant:
    """One change. ``verdict``: killed, timeout (noticed as well), survived, uncovered."""

    file: str
    line: int
    start: int
    end: int
    before: str
    after: str
    package: str = ""
    verdict: str = ""

    def __str__(self) -> str:
        before, after = (" ".join(text.split())[:70] for text in (self.before, self.after))
        return f"{self.file}:{self.line}  {before}  ->  {after}"


def changes(node: Any) -> Iterator[tuple[Any, ast.AST]]:
    """What is replaced, of ``node``, and by what."""
    match node:
        case ast.Compare(ops=[op]):
            yield node, _with(node, ops=[COMPARISONS[type(op)]()])
        case ast.BoolOp(op=op):
            yield node, _with(node, op=ast.Or() if isinstance(op, ast.And) else ast.And())
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            yield node, operand
        case ast.BinOp(op=op) if type(op) in OPERATORS:
            yield node, _with(node, op=OPERATORS[type(op)]())
        case ast.Constant(value=bool(value)):
            yield node, ast.Constant(not value)
        case ast.Constant(value=int(value) | float(value)):
            yield node, ast.Constant(value + 1)
            yield node, ast.Constant(value - 1)
        case ast.Name(id=name, ctx=ast.Load()) if name in NAMES:
            yield node, ast.Name(NAMES[name])
        case ast.Return(value=value) if value is not None and not _is_none(value):
            yield node, ast.Return(None)
        case ast.If(test=test) | ast.While(test=test) | ast.IfExp(test=test) if not isinstance(test, HAVE_THEIR_OWN):
            yield test, ast.UnaryOp(ast.Not(), test)
        # A name that is never assigned would always be noticed.
        case ast.Assign(targets=[ast.Attribute() | ast.Subscript()]) | ast.AugAssign() | ast.Raise():
            yield node, ast.Pass()
        case ast.Expr(value=ast.Call() | ast.Await()):
            yield node, ast.Pass()
        case ast.Continue():
            yield node, ast.Break()
        case ast.Break():
            yield node, ast.Continue()


def _with(node: Any, **fields: Any) -> Any:
    changed = copy.copy(node)
    changed.__dict__.update(fields)
    return changed


def _is_none(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and node.value is None


def _is_left_out(node: ast.AST, parent: ast.AST) -> bool:
    """Log lines, types and their checks, docs, and what stands in a text (its place is unknown before Python 3.12)."""
    match node:
        case ast.JoinedStr() | ast.arguments() | ast.Import() | ast.ImportFrom():
            return True
        case ast.If(test=ast.Name(id="TYPE_CHECKING")):
            return True
        case ast.Expr(value=ast.Call(func=ast.Attribute(value=ast.Name(id="log" | "_log")))):
            return True
        case ast.Expr(value=ast.Constant()) | ast.Assign(targets=[ast.Name(id="__all__")]):
            return True
    is_type = node is getattr(parent, "annotation", None) or node is getattr(parent, "returns", None)
    return is_type or node in getattr(parent, "decorator_list", ())


def mutants_of(file: str, source: str) -> list[Mutant]:
    """All changes of a file, in order."""
    encoded = source.encode()
    lines = [0]
    for line in encoded.splitlines(keepends=True):
        lines.append(lines[-1] + len(line))
    found = []

    def visit(node: ast.AST) -> None:
        for child in ast.iter_child_nodes(node):
            if _is_left_out(child, node):
                continue
            for old, new in changes(child):
                start = lines[old.lineno - 1] + old.col_offset
                end = lines[old.end_lineno - 1] + old.end_col_offset
                text = ast.unparse(ast.fix_missing_locations(new))
                after = f"({text})" if isinstance(new, ast.expr) else text
                found.append(Mutant(file, old.lineno, start, end, encoded[start:end].decode(), after))
            visit(child)

    visit(ast.parse(source))
    return found


def place_in(source: bytes, mutant: Mutant) -> int:
    """Where the text that changes is: of several, the one that is nearest to where it was when the mutant was made."""
    before = mutant.before.encode()
    if source.startswith(before, mutant.start):
        return mutant.start
    found = [at for at in range(len(source)) if source.startswith(before, at)]
    return min(found, key=lambda at: abs(at - mutant.start))
