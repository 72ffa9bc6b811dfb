"""What can be switched while the emulator runs, mostly facts about the API that nobody could confirm."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields, replace
from typing import Any

CHOICES = {
    "last_page_next": ("absent", "empty", "null"),
    "liquidated_by": ("liquidation_date", "reporting_date"),
    "liquidated_shape": ("spec", "seed"),
    "purchase_order_parameter": ("purchase-order-number", "purchase_order_number"),
}
SHARES = ("late_share", "bad_records", "drift")


@dataclass(frozen=True)
class Options:
    """Switches of the emulator.

    :param volume: multiplier of records per hour and day.
    :param late_share: share 0..1 of records that become visible 1..45 minutes (liquidation: hours) late.
    :param bad_records: share 0..1 of records that break the schema; the truth marks them with ``_bad``.
    :param drift: share 0..1 of records in another shape than documented (numbers as strings, unknown fields, ...).
    :param null_defect_levels: flawless returned items have ``null`` defect levels, as the docs say, instead of
        empty texts. Off, because the specification puts ``nullable`` where strict validators do not see it.
    :param to_inclusive: whether ``to`` of the timestamp endpoints belongs to the range.
    :param last_page_next: ``next`` of the last page: ``absent``, ``empty`` or ``null``.
    :param liquidated_by: the date that ``from`` and ``to`` of liquidated items select.
    :param liquidated_shape: ``spec``, or ``seed``: list key ``received_items`` and quantity as a string.
    :param purchase_order_parameter: the spelling that the liquidation filter honours; the other is ignored.
    :param rate_limits: whether the documented limits are enforced, token requests included.
    :param token_seconds: life of an access token, in seconds.
    :param tokens_per_minute: token requests a minute; ``None`` follows the environment (8 or 1).
    """

    volume: float = 1.0
    late_share: float = 0.05
    bad_records: float = 0.0
    drift: float = 0.0
    null_defect_levels: bool = False
    to_inclusive: bool = False
    last_page_next: str = "absent"
    liquidated_by: str = "liquidation_date"
    liquidated_shape: str = "spec"
    purchase_order_parameter: str = "purchase-order-number"
    rate_limits: bool = True
    token_seconds: int = 7200
    tokens_per_minute: int | None = None

    def __post_init__(self) -> None:
        for name, allowed in CHOICES.items():
            if getattr(self, name) not in allowed:
                raise ValueError(f"{name} must be one of {', '.join(allowed)}")
        for name in SHARES:
            share = getattr(self, name)
            if not isinstance(share, (int, float)) or not 0 <= share <= 1:
                raise ValueError(f"{name} must be a share from 0 to 1")
        for name in ("null_defect_levels", "to_inclusive", "rate_limits"):
            if not isinstance(getattr(self, name), bool):
                raise ValueError(f"{name} must be true or false")
        if not isinstance(self.volume, (int, float)) or self.volume < 0:
            raise ValueError("volume must be a number, 0 or more")
        if not isinstance(self.token_seconds, int) or self.token_seconds < 0:
            raise ValueError("token_seconds must be a whole number, 0 or more")
        if self.tokens_per_minute is not None and not isinstance(self.tokens_per_minute, int):
            raise ValueError("tokens_per_minute must be a whole number or null")

    def changed(self, changes: dict[str, Any]) -> Options:
        """The same options with some changed; ``ValueError`` for an unknown name or value."""
        unknown = set(changes) - {field.name for field in fields(self)}
        if unknown:
            raise ValueError(f"unknown option {', '.join(sorted(unknown))}")
        return replace(self, **changes)

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)
