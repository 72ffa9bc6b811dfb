"""Where a dataset is asked for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from airflow_provider_zdirect.datasets.rate import RateLimits

REFETCH_DELAY = 120.0
"""Seconds to wait before a failed fetch is repeated (zDirect docs, Stock Movements: at least two minutes)."""


@dataclass(frozen=True)
class Endpoint:
    """A path of the API.

    :param path: ``{merchant_id}`` is filled in.
    :param scope: permission that the app needs.
    :param rate_limits: the documented ones.
    :param media_type: of the answer.
    :param merchant_parameter: parameter of the merchant id, where it is not part of the path.
    :param fixed_parameters: sent with every request.
    :param refetch_delay: seconds to wait after a failed answer before the same is requested again.
    """

    path: str
    scope: str
    rate_limits: RateLimits
    media_type: str = "application/json"
    merchant_parameter: str | None = None
    fixed_parameters: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    refetch_delay: float = REFETCH_DELAY

    def path_of(self, merchant_id: str) -> str:
        return self.path.format(merchant_id=merchant_id)

    def parameters(self, merchant_id: str) -> dict[str, str]:
        """What is sent with every request."""
        merchant = {self.merchant_parameter: merchant_id} if self.merchant_parameter else {}
        return {**self.fixed_parameters, **merchant}
