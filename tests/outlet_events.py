"""What Airflow hands to a task as ``outlet_events``, without Airflow's database."""

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
    """The events by URI of the asset, or name of the alias: Airflow 3.0 and 3.1 cannot hash either."""

    def __getitem__(self, outlet: Any) -> OutletEvent:
        return self.setdefault(getattr(outlet, "uri", None) or outlet.name, OutletEvent())
