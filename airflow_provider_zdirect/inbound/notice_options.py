"""What about writing shipping notices nobody could confirm: one named option each, its default explained."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from airflow_provider_zdirect.datasets.dataset import ApiOption, Dataset
from airflow_provider_zdirect.datasets.table import get_dataset
from airflow_provider_zdirect.exceptions import ZDirectConfigurationError

PUT, POST = "put", "post"
CREATE_BY = (PUT, POST)
"""``put``: the older docs create with ``PUT`` to an id that the client chooses. ``post``: a newer copy of them creates
with ``POST``, and is cut off where it would say whose the id is. The default is ``put``, because it is documented in
full, and a repeated ``PUT`` of the same id cannot make a second notice."""

LAST, FIRST = "last", "first"

OWN_OPTIONS: Mapping[str, ApiOption] = MappingProxyType(
    {
        "current_item_set": ApiOption(
            "What the collection of item sets answers is not documented: one set, or a list of all. Of a list, the "
            "last one is taken for the set that counts, because each set that is posted replaces the one before.",
            LAST,
            lambda row, _: row,
            (LAST, FIRST),
        ),
        "confirmation_body": ApiOption(
            "The body of a confirmation is not documented. An empty object is what one public client sends, and "
            "zDirect wants a JSON content type with every POST; `none` sends no body.",
            "object",
            lambda row, _: row,
            ("object", "none"),
        ),
    }
)


@dataclass(frozen=True)
class NoticeOptions:
    """The assumptions that are made.

    :param create_by: one of :data:`CREATE_BY`.
    :param listed: the row of the datasets table, by which notices are listed.
    :param current_item_set: which of a list of item sets counts.
    :param confirmation_body: ``object`` or ``none``.
    """

    create_by: str
    listed: Dataset
    current_item_set: str = LAST
    confirmation_body: str = "object"

    @classmethod
    def of(cls, create_by: str = PUT, values: Mapping[str, Any] | None = None) -> NoticeOptions:
        """The options with other values than the defaults.

        :param values: by name: those of :data:`OWN_OPTIONS`, and those of the dataset ``shipping_notices``
            (``cursor_parameter``).
        :raises ZDirectConfigurationError: for an unknown name or an impossible value.
        """
        if create_by not in CREATE_BY:
            raise ZDirectConfigurationError(
                f"create_by={create_by!r} is unknown.", remedy=f"Use one of: {', '.join(CREATE_BY)}."
            )
        values = dict(values or {})
        own = {name: OWN_OPTIONS[name].checked(name, values.pop(name)) for name in OWN_OPTIONS if name in values}
        row = get_dataset("shipping_notices")
        for name in values:
            if name not in row.options:
                raise ZDirectConfigurationError(
                    f"api_options[{name!r}] is not an option of shipping notices.",
                    remedy=f"Use: {', '.join((*OWN_OPTIONS, *row.options))}.",
                )
        return cls(create_by, row.with_options(values), **own)  # type: ignore[arg-type]
