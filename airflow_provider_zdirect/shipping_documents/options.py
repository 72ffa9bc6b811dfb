"""What about shipping documents nobody could confirm: one named option each, its default explained."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from airflow_provider_zdirect.datasets.dataset import ApiOption
from airflow_provider_zdirect.datasets.rate import Rate
from airflow_provider_zdirect.exceptions import ZDirectConfigurationError

LIST_PATH = "/zss/shipping-documents"
HOLE = "{document_id}"
EMPTY, NOT_FOUND = "empty", "not_found"
REFUSE, TRUST = "refuse", "trust"

_PATH = re.compile(r"(/[A-Za-z0-9._~-]+)+")
_PER_MINUTE = MappingProxyType({"production": 400, "sandbox": 40})

OPTIONS: Mapping[str, ApiOption] = MappingProxyType(
    {
        "order_parameter": ApiOption(
            "How the documents of one order are asked for. The docs show `order_id`, in a copy that breaks off. An "
            "answer about another order fails the task, so a parameter that zDirect ignores cannot mix up labels.",
            "order_id",
            lambda row, _: row,
        ),
        "document_path": ApiOption(
            "The path of one PDF is not documented. The default is the one that follows from that of the list.",
            f"{LIST_PATH}/{HOLE}",
            lambda row, _: row,
        ),
        "no_documents": ApiOption(
            "What zDirect answers of an order that has no documents yet is not documented. `empty`: an empty list, and "
            "a 404 means that it does not know the order, which counts as failed; `not_found`: a 404 means that, too.",
            EMPTY,
            lambda row, _: row,
            (EMPTY, NOT_FOUND),
        ),
        "unnamed_order": ApiOption(
            "Whether every document names its order is not confirmed; in the docs it does. `refuse`: an order counts "
            "as failed if one of its documents does not, because nothing else shows that zDirect heeded the "
            "parameter, and a label on the wrong parcel is worse than none; `trust`: it is of the order that was "
            "asked for. Documents of another order end the task either way.",
            REFUSE,
            lambda row, _: row,
            (REFUSE, TRUST),
        ),
        "requests_per_minute": ApiOption(
            "The rate limit is not documented. `default` is that of the same documents for returns (ZRS): 400 in "
            "production, 40 in sandbox.",
            "default",
            lambda row, _: row,
        ),
    }
)


@dataclass(frozen=True)
class DocumentOptions:
    """The assumptions that are made, see :data:`OPTIONS`."""

    order_parameter: str = "order_id"
    document_path: str = f"{LIST_PATH}/{HOLE}"
    no_documents: str = EMPTY
    unnamed_order: str = REFUSE
    requests_per_minute: str = "default"

    @classmethod
    def of(cls, values: Mapping[str, Any] | None = None) -> DocumentOptions:
        """The options with other values than the defaults.

        :raises ZDirectConfigurationError: for an unknown name or an impossible value.
        """
        told: dict[str, str] = {}
        for name, value in (values or {}).items():
            if name not in OPTIONS:
                raise ZDirectConfigurationError(
                    f"api_options[{name!r}] is not an option of shipping documents.",
                    remedy=f"Use: {', '.join(OPTIONS)}.",
                )
            told[name] = str(OPTIONS[name].checked(name, value))
        options = cls(**told)
        path = options.document_path
        if path.count(HOLE) != 1 or not _PATH.fullmatch(path.replace(HOLE, "x")):
            raise ZDirectConfigurationError(
                f"api_options['document_path']={path!r} is no path with {HOLE} in it.",
                remedy=f"Default: {LIST_PATH}/{HOLE}.",
            )
        per_minute = options.requests_per_minute
        if per_minute != "default" and not (per_minute.isascii() and per_minute.isdigit() and int(per_minute) >= 1):
            raise ZDirectConfigurationError(
                f"api_options['requests_per_minute']={per_minute!r} is not a number of 1 or more.",
                remedy="Leave it out, or give a number.",
            )
        return options

    def rate(self, environment: str) -> Rate:
        """The rate limit that is kept."""
        own = self.requests_per_minute
        limit = int(own) if own != "default" else _PER_MINUTE.get(environment, _PER_MINUTE["sandbox"])
        return Rate(limit, 60, burst=max(1, min(20, limit // 4)))
