"""Defaults of DAG parameters from the environment, for the runs that nobody triggers by hand.

What is chosen in the trigger dialog is for that run only. The default of a parameter ``name`` is that of the
environment variable ``ZDIRECT_<NAME>``, where it is set.
"""

from __future__ import annotations

import json
import os
from typing import Any

from airflow.providers.common.compat.sdk import Param

from airflow_provider_zdirect.exceptions import ZDirectConfigurationError
from airflow_provider_zdirect.operators.arguments import split_entries

_FLAGS = {"true": True, "1": True, "on": True, "yes": True, "false": False, "0": False, "off": False, "no": False}


def from_environment(params: dict[str, Param]) -> dict[str, Param]:
    """The same parameters, with the defaults that the environment gives.

    :raises ZDirectConfigurationError: if a variable holds what the parameter cannot be; names both.
    """
    for name, param in params.items():
        variable = f"ZDIRECT_{name.upper()}"
        if text := os.environ.get(variable, "").strip():
            param.value = _value(text, param.schema, variable)
    return params


def listed(text: str) -> list[str] | None:
    """The entries of a list in a variable, which the first task of a run checks; None for blank text."""
    # What has separators only stays as it is, and is refused there: it would mean all otherwise.
    return split_entries(text) or ([text] if text.strip() else None)


def _value(text: str, schema: dict[str, Any], variable: str) -> Any:
    kinds = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    value: Any = text
    if "boolean" in kinds:
        value = _FLAGS.get(text.lower())
    elif "array" in kinds:
        value = listed(text)
    elif {"integer", "number"} & set(kinds):
        try:
            value = json.loads(text)
        except ValueError:
            value = None
    try:
        if value is None:
            raise ValueError(text)
        return Param(value, **schema).resolve()
    except Exception as error:
        # Airflow has another class for it in every version.
        allowed = ", ".join(map(str, schema["enum"])) if "enum" in schema else " or ".join(kinds)
        raise ZDirectConfigurationError(
            f"The environment variable {variable}={text[:60]!r} is no default for the parameter.",
            remedy=f"Set it to {allowed}, or unset it.",
        ) from error
