"""What the operators of this provider have in common: retries, assets, and arguments that are judged at parse."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from airflow.providers.common.compat.sdk import BaseOperator

from airflow_provider_zdirect.assets import with_assets
from airflow_provider_zdirect.operators import arguments
from airflow_provider_zdirect.operators.defaults import set_retries
from airflow_provider_zdirect.operators.map_index import NamedMapIndex
from airflow_provider_zdirect.operators.retry import RETRIES, RETRY_DELAY, set_retry_policy


class ZDirectOperator(NamedMapIndex, BaseOperator):
    """Base of the operators. A subclass says what is wrong at parse, and which asset it updates.

    :param values: the subclass's arguments by name; what is not known yet is a template.
    """

    ui_color = "#ffe8d6"

    def __init__(
        self,
        *,
        values: Mapping[str, Any],
        outlets: Any = None,
        retries: int | None = RETRIES,
        retry_delay: timedelta | float = RETRY_DELAY,
        **kwargs: Any,
    ) -> None:
        # An unmapped task has been given its arguments by another task; execute() judges them.
        if not getattr(self, "_BaseOperator__from_mapped", False):
            with arguments.naming(kwargs.get("task_id")):
                self.check_literals(values)
        set_retry_policy(kwargs)
        outlets = with_assets(outlets, self.own_assets(values))
        super().__init__(retries=retries, retry_delay=retry_delay, outlets=outlets, **kwargs)
        self.merchant_may_be_blank = arguments.may_be_blank(values.get("merchant_id"), self)

    @classmethod
    def partial(cls, **kwargs: Any) -> Any:
        """As for every operator; a mapped task's retries, assets and errors are seen at parse only if done here."""
        arguments.without_none(kwargs)
        values = dict.fromkeys(cls.template_fields, arguments.LATER) | kwargs
        with arguments.naming(kwargs.get("task_id")):
            cls.check_literals(values)
        set_retries(kwargs)
        kwargs["outlets"] = with_assets(kwargs.get("outlets"), cls.own_assets(values))
        return super().partial(**kwargs)

    @classmethod
    def check_literals(cls, values: Mapping[str, Any]) -> None:
        """Raise ZDirectConfigurationError for what is known at parse and wrong."""

    @classmethod
    def own_asset(cls, values: Mapping[str, Any]) -> Any | None:
        """The asset that the task updates, if it is known at parse."""
        return None

    @classmethod
    def own_assets(cls, values: Mapping[str, Any]) -> list[Any]:
        """The assets that the task updates, as far as they are known at parse."""
        asset = cls.own_asset(values)
        return [] if asset is None else [asset]
