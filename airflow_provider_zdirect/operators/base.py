"""What the operators of this provider have in common: retries, assets, and arguments that are judged at parse."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, ClassVar

from airflow.providers.common.compat.sdk import BaseOperator
from airflow.providers.common.compat.version_compat import AIRFLOW_V_3_0_PLUS

from airflow_provider_zdirect.assets import (
    changed_alias,
    connection_in,
    place_alias,
    place_of,
    with_assets,
    zdirect_asset,
)
from airflow_provider_zdirect.exceptions import ZDirectConfigurationError
from airflow_provider_zdirect.operators import arguments
from airflow_provider_zdirect.operators.defaults import set_retries
from airflow_provider_zdirect.operators.map_index import NamedMapIndex
from airflow_provider_zdirect.operators.retry import RETRIES, RETRY_DELAY, set_retry_policy


class ZDirectOperator(NamedMapIndex, BaseOperator):
    """Base of the operators. A subclass says what is wrong at parse, and which assets it updates.

    :param values: the subclass's arguments by name; what is not known yet is a template.
    """

    asset_names: ClassVar[tuple[str, ...]] = ()
    """Names of the assets that the task updates (:func:`~airflow_provider_zdirect.assets.zdirect_asset`)."""
    only_changes: ClassVar[bool] = False
    """Whether a task updates its assets only if it has changed something."""

    base_path: str
    conn_id: str

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
        # An unmapped task has been given its arguments by another task; execute() judges them. Its outlets are those
        # of partial(), less what the author took out: an asset that was not there at parse does not exist for Airflow.
        if not getattr(self, "_BaseOperator__from_mapped", False):
            with arguments.naming(kwargs.get("task_id")):
                self.check_literals(values)
            outlets = with_assets(outlets, self.own_assets(values))
        set_retry_policy(kwargs)
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
    def updated(cls, values: Mapping[str, Any]) -> Sequence[str]:
        """Names of the assets that the task updates, as far as they are known at parse."""
        return cls.asset_names

    @classmethod
    def own_assets(cls, values: Mapping[str, Any]) -> list[Any]:
        """The outlets of the task: per name the asset of all places, and that of its base path or an alias for it."""
        names = cls.updated(values)
        if cls.only_changes:
            return [changed_alias(name) for name in names]
        base_path = arguments.literal(values.get("base_path"))
        return [
            outlet
            for name in names
            for outlet in (zdirect_asset(name), zdirect_asset(name, base_path) if base_path else place_alias(name))
        ]

    def record_change(self, context: Any, name: str, change: Mapping[str, Any]) -> None:
        """Let the task's events of an asset say what was published, and where.

        Those of the asset of all places and of the asset of this base path, as far as the author left them, or their
        alias, in the task's outlets.

        :param change: small, JSON-able values without personal data, as for XCom.
        """
        place = place_of(self.base_path)
        storage = arguments.given(getattr(self, "storage_conn_id", None)) or connection_in(self.base_path)
        extra = {**change, "base_path": place, "environment": self._environment()}
        if storage:
            extra["storage_conn_id"] = storage
        everywhere, here = zdirect_asset(name), zdirect_asset(name, place)
        for asset in (everywhere, here):
            if asset in self.outlets:
                context["outlet_events"][asset].extra = extra
        for alias, assets in ((place_alias(name), [here]), (changed_alias(name), [everywhere, here])):
            for asset in assets:
                if alias in self.outlets and asset not in self.outlets:
                    context["outlet_events"][alias].add(asset, extra=extra if AIRFLOW_V_3_0_PLUS else _hashable(extra))

    def _environment(self) -> str | None:
        """That of the connection; None if there is none, as for tasks that only read what is published."""
        from airflow_provider_zdirect.hooks.zdirect import ZDirectHook

        try:
            return ZDirectHook(self.conn_id).config().environment
        except ZDirectConfigurationError:
            return None


class _Dict(dict[str, Any]):
    def __hash__(self) -> int:  # type: ignore[override]
        return hash(repr(self))


class _List(list[Any]):
    def __hash__(self) -> int:  # type: ignore[override]
        return hash(repr(self))


def _hashable(value: Any) -> Any:
    """The same value; Airflow 2 hashes what goes through an alias."""
    if isinstance(value, Mapping):
        return _Dict({name: _hashable(item) for name, item in value.items()})
    return _List(map(_hashable, value)) if isinstance(value, list | tuple) else value
