"""The month's flows between countries as a matrix: from a row's country to a column's. Geometry only, no markup.

A matrix, since it shows any number of flows with their quantities, negative ones too, where bands would lie over one
another from four countries on.
"""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa

from airflow_provider_zdirect.intrastat import sums

MOST_COUNTRIES = 12
OTHER = "other"
CELL_WIDTH, CELL_HEIGHT, LEFT, TOP = 76, 36, 84, 56
_WAYS = """
SELECT source, destination, sum(net_quantity)::BIGINT AS net_quantity, sum(movements)::BIGINT AS movements
FROM flows WHERE source <> destination GROUP BY ALL ORDER BY source, destination
"""
_LEAST_OPACITY, _MOST_OPACITY = 0.12, 0.45


@dataclass(frozen=True)
class Cell:
    """One flow. :param kind: ``arrival`` or ``dispatch`` of the report's country, or ``elsewhere``."""

    x: int
    y: int
    label: str
    words: str
    kind: str
    opacity: str


@dataclass(frozen=True)
class Chart:
    """:param text: all flows in words, for who cannot see the chart."""

    country: str
    countries: list[str]
    cells: list[Cell]
    text: str

    @property
    def width(self) -> int:
        return LEFT + CELL_WIDTH * len(self.countries) + 8

    @property
    def height(self) -> int:
        return TOP + CELL_HEIGHT * len(self.countries) + 8


def flow_chart(flows: pa.Table, country: str) -> Chart:
    """The chart of all flows of the month, with those of one country emphasised.

    :param flows: columns ``source``, ``destination``, ``net_quantity``, ``movements``.
    """
    rows = sums.rows(_WAYS, flows=flows)
    shown = _countries(rows, country)
    found: dict[tuple[str, str], tuple[int, int]] = {}
    for row in rows:
        way = tuple(code if code in shown else OTHER for code in (row["source"], row["destination"]))
        quantity, movements = found.get(way, (0, 0))  # type: ignore[arg-type]
        found[way] = quantity + row["net_quantity"], movements + row["movements"]  # type: ignore[index]
    most = max((abs(quantity) for quantity, _ in found.values()), default=0) or 1
    cells = [
        Cell(
            x=LEFT + CELL_WIDTH * shown.index(destination),
            y=TOP + CELL_HEIGHT * shown.index(source),
            label=_short(quantity),
            words=_in_words(source, destination, quantity, movements),
            kind="arrival" if destination == country else "dispatch" if source == country else "elsewhere",
            opacity=f"{_LEAST_OPACITY + (_MOST_OPACITY - _LEAST_OPACITY) * abs(quantity) / most:.2f}",
        )
        for (source, destination), (quantity, movements) in sorted(found.items())
    ]
    text = (
        "; ".join(_in_words(*way, *counts) for way, counts in sorted(found.items())) or "No movement crossed a border."
    )
    return Chart(country, shown, cells, text)


def _countries(rows: list[dict[str, object]], country: str) -> list[str]:
    """The countries to show, in order; the smallest together as one if they are too many."""
    weights: dict[str, int] = {country: 0}
    for row in rows:
        for side in ("source", "destination"):
            code = str(row[side])
            weights[code] = weights.get(code, 0) + int(str(row["movements"]))
    if len(weights) <= MOST_COUNTRIES:
        return sorted(weights)
    others = sorted(weights.keys() - {country}, key=lambda code: (-weights[code], code))
    return [*sorted([country, *others[: MOST_COUNTRIES - 2]]), OTHER]


def _in_words(source: str, destination: str, quantity: int, movements: int) -> str:
    return f"{source} to {destination}: net quantity {quantity:,} in {movements:,} movements"


def _short(quantity: int) -> str:
    if abs(quantity) < 1_000_000:
        return f"{quantity:,}"
    return f"{quantity / 1_000_000:,.1f} M"
