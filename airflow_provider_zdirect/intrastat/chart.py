# SPDX-License-Identifier: Apache-2.0
"""The month's flows between countries as a matrix: from a row's country to a column's. Geometry only, no markup.

A matrix shows any number of flows with their quantities, negative ones too, where bands would overlap from four
countries on.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import pyarrow as pa

from airflow_provider_zdirect.intrastat.country_report import ask
from airflow_provider_zdirect.words import counted

MOST_COUNTRIES = 12
OTHER = "other"
CELL_WIDTH, CELL_HEIGHT, LEFT, TOP = 76, 36, 84, 56
_WAYS = """
SELECT source, destination, sum(net_quantity)::BIGINT AS net_quantity, sum(movements)::BIGINT AS movements
FROM flows WHERE source <> destination GROUP BY ALL ORDER BY source, destination
"""
_LEAST_OPACITY, _MOST_OPACITY = 0.12, 0.45


def flow_chart(flows: pa.Table, country: str) -> dict[str, Any]:
    """The chart of all flows of the month, with those of one country emphasised.

    :param flows: columns ``source``, ``destination``, ``net_quantity``, ``movements``.
    :returns: ``country``, ``countries``, ``width``, ``height``, ``geometry`` (left, top, width and height of a cell),
        ``cells``, and ``text``: all flows in words, for readers who cannot see the chart.
    """
    rows = ask(_WAYS, flows=flows).to_pylist()
    shown = _countries(rows, country)
    quantities: Counter[tuple[str, str]] = Counter()
    movements: Counter[tuple[str, str]] = Counter()
    for row in rows:
        source, destination = (code if code in shown else OTHER for code in (row["source"], row["destination"]))
        quantities[source, destination] += row["net_quantity"]
        movements[source, destination] += row["movements"]
    most = max(map(abs, quantities.values()), default=0) or 1
    cells = [
        {
            "x": LEFT + CELL_WIDTH * shown.index(destination),
            "y": TOP + CELL_HEIGHT * shown.index(source),
            "label": f"{quantity:,}" if abs(quantity) < 1_000_000 else f"{quantity / 1_000_000:,.1f} M",
            "words": f"{source} to {destination}: net quantity {quantity:,} in "
            f"{counted(movements[source, destination], 'movement')}",
            "kind": "arrival" if destination == country else "dispatch" if source == country else "elsewhere",
            "opacity": f"{_LEAST_OPACITY + (_MOST_OPACITY - _LEAST_OPACITY) * abs(quantity) / most:.2f}",
        }
        for (source, destination), quantity in sorted(quantities.items())
    ]
    return {
        "country": country,
        "countries": shown,
        "width": LEFT + CELL_WIDTH * len(shown) + 8,
        "height": TOP + CELL_HEIGHT * len(shown) + 8,
        "geometry": (LEFT, TOP, CELL_WIDTH, CELL_HEIGHT),
        "cells": cells,
        "text": "; ".join(str(cell["words"]) for cell in cells) or "No movement crossed a border.",
    }


def _countries(rows: list[dict[str, Any]], country: str) -> list[str]:
    """The countries to show, in order; the smallest together as one if they are too many."""
    weights = Counter({country: 0})
    for row in rows:
        for side in ("source", "destination"):
            weights[row[side]] += row["movements"]
    if len(weights) <= MOST_COUNTRIES:
        return sorted(weights)
    others = sorted(weights.keys() - {country}, key=lambda code: (-weights[code], code))
    return [*sorted([country, *others[: MOST_COUNTRIES - 2]]), OTHER]
