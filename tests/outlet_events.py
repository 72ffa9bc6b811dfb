"""Stands in for ``outlet_events`` of a task's context."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass
class OutletEvent:
    """The event of one asset or alias.

    :param extra: what the task set, of an asset.
    :param added: assets and their extras, of an alias.
    """

    extra: dict[str, Any] = field(default_factory=dict)
    added: list[tuple[Any, dict[str, Any]]] = field(default_factory=list)

    def add(self, asset: Any, extra: dict[str, Any]) -> None:
        self.added.append((asset, extra))


class OutletEvents(dict[str, OutletEvent]):
    """Events by URI of the asset, or name of the alias: assets are not hashable on Airflow 3.0 and 3.1."""

    def __getitem__(self, outlet: Any) -> OutletEvent:
        return self.setdefault(getattr(outlet, "uri", None) or outlet.name, OutletEvent())
