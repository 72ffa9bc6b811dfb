"""docs/errors.md: every error, what it means and what to do, from the docstrings of ``exceptions.py``."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Iterator
from pathlib import Path

from airflow_provider_zdirect import exceptions
from airflow_provider_zdirect.exceptions import ZDirectError

PACKAGE = Path(exceptions.__file__).parent
TO_DO = "What to do: "

INTRODUCTION = """\
# Errors

Generated from `airflow_provider_zdirect/exceptions.py` by `make docs`; do not edit.

Every error says what happened, where (dataset, window, merchant), and what to do. Its text is one line in the task's
log, and never contains a secret or personal data. Errors of zDirect's answers also have the HTTP status, the path, and
the flow id that Zalando's support asks for.

The type of an error decides what happens to the task:

| type | what happens |
|---|---|
"""
TITLES = {
    "ZDirectFatalError": "Fatal errors",
    "ZDirectRetriableError": "Retriable errors",
    "ZDirectDataError": "Data errors",
}


def errors() -> str:
    rows = [f"| [{title}](#{_anchor(title)}) | {_words(_error(name))[1]} |" for name, title in TITLES.items()]
    raised = _raised_in()
    sections = (line for name, title in TITLES.items() for line in _section(_error(name), title, raised))
    return "\n".join([INTRODUCTION.rstrip("\n"), *rows, "", *sections])


def _section(kind: type[ZDirectError], title: str, raised: dict[str, set[str]]) -> Iterator[str]:
    yield from (f"## {title}", "", *_words(kind), "")
    for error in _below(kind):
        meaning, to_do = _words(error)
        yield from (f"### `{error.__name__}`", "", meaning, "", f"**What to do.** {to_do}", "")
        rooms = ", ".join(f"`{room}`" for room in sorted(raised[error.__name__]))
        parent = error.__base__
        belongs = f" A kind of `{parent.__name__}`." if parent is not None and parent is not kind else ""
        yield from (f"Raised in {rooms}.{belongs}", "")


def _below(kind: type[ZDirectError]) -> Iterator[type[ZDirectError]]:
    for error in kind.__subclasses__():
        yield error
        yield from _below(error)


def _error(name: str) -> type[ZDirectError]:
    return getattr(exceptions, name)


def _words(error: type[ZDirectError]) -> tuple[str, str]:
    """What an error means, and what to do about it."""
    paragraphs = [" ".join(text.split()) for text in inspect.cleandoc(error.__doc__ or "").split("\n\n")]
    meaning, to_do = paragraphs[:2]
    return _markdown(meaning), _markdown(to_do.removeprefix(TO_DO))


def _markdown(text: str) -> str:
    return re.sub(r"docs/(\w+)\.md", r"[\1](\1.md)", text.replace("``", "`"))


def _raised_in() -> dict[str, set[str]]:
    """The packages that make each error; where it is only caught or compared is not meant."""
    found: dict[str, set[str]] = {error.__name__: set() for error in _below(ZDirectError)}
    for path in PACKAGE.rglob("*.py"):
        room = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            match node:
                case ast.Call(func=made):
                    makers: list[ast.expr] = [made]
                case ast.Assign(value=ast.Tuple(elts=makers)):
                    pass
                case ast.IfExp(body=one, orelse=other):
                    makers = [one, other]
                case _:
                    continue
            for maker in makers:
                if isinstance(maker, ast.Name) and maker.id in found:
                    found[maker.id].add(room)
    return found


def _anchor(title: str) -> str:
    return title.lower().replace(" ", "-")
