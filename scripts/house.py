"""Counts what docs/architecture.md says about the size of the project.

python scripts/house.py                     this checkout
python scripts/house.py --junit report.xml  with the seconds of a test run (pytest --junit-xml=report.xml)
git worktree add ../before <commit>; python scripts/house.py ../before
"""

from __future__ import annotations

import argparse
import ast
from collections import Counter
from pathlib import Path
from xml.etree import ElementTree

PACKAGE = "airflow_provider_zdirect"


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    arguments.add_argument("root", nargs="?", type=Path, default=Path(__file__).parent.parent)
    arguments.add_argument("--junit", type=Path, help="a report of pytest --junit-xml")
    given = arguments.parse_args()
    package = given.root / PACKAGE
    lines = {path: len(path.read_text().splitlines()) for path in package.rglob("*.py")}
    rooms: Counter[str] = Counter()
    for path, count in lines.items():
        inside = path.relative_to(package).parts
        rooms[inside[0] if len(inside) > 1 else "(root)"] += count
    emulator = rooms.pop("emulator")
    root = [path for path in package.glob("*.py") if path.name != "__init__.py"]
    own = {path: count for path, count in lines.items() if "emulator" not in path.parts}
    tests = sum(len(path.read_text().splitlines()) for path in (given.root / "tests").rglob("*.py"))
    print(f"modules in the package root     {len(root):>7,}")
    print(f"lines without the emulator      {sum(rooms.values()):>7,}")
    for room, count in sorted(rooms.items()):
        print(f"  {room:<30}{count:>7,}")
    print(f"lines of the emulator           {emulator:>7,}")
    print(f"lines of tests                  {tests:>7,}")
    print("longest file                   ", _largest(own, package))
    print("files over 400 lines           ", sum(count > 400 for count in own.values()))
    operators = {path: count for path, count in own.items() if _has_operator(path)}
    print("largest operator               ", _largest(operators, package))
    print("fields of Dataset              ", max(map(_dataset_fields, own)))
    if given.junit:
        cases = list(ElementTree.parse(given.junit).iter("testcase"))
        print(f"tests                           {len(cases):>7,}")
        print(f"seconds of all tests            {sum(float(case.get('time', 0)) for case in cases):>7,.0f}")


def _largest(lines: dict[Path, int], package: Path) -> str:
    path = max(lines, key=lambda path: lines[path])
    return f"{lines[path]:>7,}  {path.relative_to(package)}"


def _has_operator(path: Path) -> bool:
    classes = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.ClassDef)]
    return path.parent.name == "operators" and any(
        node.name.endswith("Operator") and node.name != "ZDirectOperator" for node in classes
    )


def _dataset_fields(path: Path) -> int:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ClassDef) and node.name == "Dataset":
            return sum(isinstance(item, ast.AnnAssign) for item in node.body)
    return 0


if __name__ == "__main__":
    main()
