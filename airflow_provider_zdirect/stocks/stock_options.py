"""What about stock updates nobody could confirm: one named option each, its default explained."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from airflow_provider_zdirect.datasets.dataset import ApiOption
from airflow_provider_zdirect.exceptions import ZDirectConfigurationError

LIVE, NOT_LIVE = "live", "not_live"

OPTIONS: Mapping[str, ApiOption] = MappingProxyType(
    {
        "unknown_live": ApiOption(
            "Whether a sales channel of which zDirect does not say if it is `live` gets stock levels; no field of a "
            "sales channel is declared required. It does by default: an update too many is refused and told, a "
            "channel left out would sell what is gone.",
            LIVE,
            lambda row, _: row,
            (LIVE, NOT_LIVE),
        ),
    }
)


@dataclass(frozen=True)
class StockOptions:
    """The assumptions that are made."""

    unknown_live: str = LIVE

    @classmethod
    def of(cls, values: Mapping[str, Any] | None = None) -> StockOptions:
        """The options with other values than the defaults.

        :raises ZDirectConfigurationError: for an unknown name or an impossible value.
        """
        for name in values or {}:
            if name not in OPTIONS:
                raise ZDirectConfigurationError(
                    f"api_options[{name!r}] is not an option of stock updates.", remedy=f"Use: {', '.join(OPTIONS)}."
                )
        return cls(**{name: str(OPTIONS[name].checked(name, value)) for name, value in (values or {}).items()})

    def is_live(self, live: bool | None) -> bool:
        """Whether a sales channel gets stock levels."""
        return self.unknown_live == LIVE if live is None else live
