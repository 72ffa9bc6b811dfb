"""docs/images/packages.svg: the floors of tests/test_architecture.py, drawn."""

from __future__ import annotations

import runpy
from pathlib import Path

ROOT = Path(__file__).parent.parent
WIDTH, ROW, GAP, BOX, LETTER = 760, 34, 6, 26, 7.6
AIRFLOW, PLAIN = "#d6e9f8", "#e9ecef"
HEAD = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img" aria-label="{label}" '
    'font-family="system-ui, sans-serif" font-size="13">\n'
    '<rect width="{width}" height="{height}" rx="8" fill="#ffffff"/>\n'
)


def packages() -> str:
    """The package's parts from the top floor down; a part may import itself and what stands below."""
    architecture = runpy.run_path(str(ROOT / "tests" / "test_architecture.py"))
    floors: list[set[str]] = [{"dags"}, *architecture["FLOORS"]]
    with_airflow = architecture["WITH_AIRFLOW"] | {"dags"}
    height = len(floors) * ROW + 44
    label = f"From top to bottom: {'; '.join(', '.join(sorted(floor)) for floor in floors)}"
    lines = [HEAD.format(width=WIDTH, height=height, label=label)]
    for number, floor in enumerate(floors):
        top, names = 12 + number * ROW, sorted(floor)
        widths = [len(name) * LETTER + 24 for name in names]
        left = (WIDTH - 150 - sum(widths) - GAP * (len(names) - 1)) / 2
        for name, width in zip(names, widths, strict=True):
            fill = AIRFLOW if name in with_airflow else PLAIN
            middle = left + width / 2
            lines.append(
                f'<rect x="{left:.0f}" y="{top}" width="{width:.0f}" height="{BOX}" rx="4" fill="{fill}" '
                f'stroke="#5c6770"/><text x="{middle:.0f}" y="{top + 18}" text-anchor="middle">{name}</text>\n'
            )
            left += width + GAP
    end = 12 + len(floors) * ROW
    lines.append(
        f'<path d="M{WIDTH - 110} 16V{end - 16}" stroke="#0b63a5" stroke-width="2"/>'
        f'<path d="M{WIDTH - 115} {end - 22}l5 10 5 -10z" fill="#0b63a5"/>'
        f'<text x="{WIDTH - 98}" y="30" fill="#0b63a5">may import</text>\n'
        f'<rect x="20" y="{end + 2}" width="14" height="14" fill="{AIRFLOW}" stroke="#5c6770"/>'
        f'<text x="40" y="{end + 14}">imports Airflow</text>\n'
        f'<rect x="170" y="{end + 2}" width="14" height="14" fill="{PLAIN}" stroke="#5c6770"/>'
        f'<text x="190" y="{end + 14}">a plain library</text>\n</svg>\n'
    )
    return "".join(lines)
