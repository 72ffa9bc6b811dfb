"""What about updating orders nobody could confirm: one named option each, its default explained."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from airflow_provider_zdirect.datasets.dataset import ApiOption
from airflow_provider_zdirect.exceptions import ZDirectConfigurationError

NUMBER, TEXT = "number", "text"
LOOK, WAIT = "look", "wait"

OPTIONS: Mapping[str, ApiOption] = MappingProxyType(
    {
        "reason_as": ApiOption(
            "The reason of a return is a number in the specification of the Orders API, and a text in a template of "
            "its docs. The default follows the specification.",
            NUMBER,
            lambda row, _: row,
            (NUMBER, TEXT),
        ),
        "tracking_effect": ApiOption(
            "zDirect wants five seconds between the tracking numbers and the line that is shipped, or they may be "
            "processed out of order; whether it shows the numbers that soon is not documented. `look` waits, and ships "
            "only what is seen to have its numbers, for up to a minute; `wait` ships after the five seconds.",
            LOOK,
            lambda row, _: row,
            (LOOK, WAIT),
        ),
    }
)


@dataclass(frozen=True)
class UpdateOptions:
    """The assumptions that are made.

    :param reason_as: ``number`` or ``text``.
    :param tracking_effect: ``look`` or ``wait``.
    """

    reason_as: str = NUMBER
    tracking_effect: str = LOOK

    @classmethod
    def of(cls, values: Mapping[str, Any] | None = None) -> UpdateOptions:
        """The options with other values than the defaults.

        :raises ZDirectConfigurationError: for an unknown name or an impossible value.
        """
        values = values or {}
        for name in values:
            if name not in OPTIONS:
                raise ZDirectConfigurationError(
                    f"api_options[{name!r}] is not an option of order updates.", remedy=f"Use: {', '.join(OPTIONS)}."
                )
        return cls(**{name: str(OPTIONS[name].checked(name, value)) for name, value in values.items()})
