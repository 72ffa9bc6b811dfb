# SPDX-License-Identifier: Apache-2.0
"""How the records of an answer differ from what their model assumes; counts and names of fields only."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec
from pydantic import ValidationError

from airflow_provider_zdirect.datasets.record import Record
from airflow_provider_zdirect.datasets.selection import Expected
from airflow_provider_zdirect.recording.shape import field_name, shape_of


@dataclass(frozen=True)
class Records:
    """The records of one dataset in an answer.

    :param valid: those that the model accepts.
    :param rejected: by field and kind of fault: how many records it makes invalid.
    :param unreadable: records that are not JSON, or a part of which is not.
    """

    valid: list[Record] = field(repr=False)
    rejected: Mapping[str, int]
    unreadable: int = 0

    @classmethod
    def read(cls, model: type[Record], sources: Iterable[msgspec.Raw], unreadable: int = 0) -> Records:
        """The records in ``sources``, each of which is JSON."""
        valid, rejected = [], Counter[str]()
        for source in sources:
            try:
                valid.append(model.model_validate_json(bytes(source)))
            except ValidationError as error:
                rejected.update({_fault(fault) for fault in error.errors()})
        return cls(valid, rejected, unreadable)

    @property
    def unknown(self) -> dict[str, dict[str, int]]:
        """The shape of the fields that the model does not declare, by their path in a record."""
        shape = shape_of([each.unknown_fields() or {} for each in self.valid])
        return {path.removeprefix("$[]."): forms for path, forms in shape.items() if path.startswith("$[].")}

    @property
    def missing(self) -> dict[str, int]:
        """How many records came without a field that the model declares."""
        found = Counter(
            name for each in self.valid for name in type(each).model_fields if name not in each.model_fields_set
        )
        return dict(sorted(found.items()))

    def outside(self, expected: Expected) -> int:
        """How many records lie outside of what was asked for; one without any date contradicts nothing."""
        return sum(_lies_outside(each, expected) for each in self.valid)

    def as_dict(self) -> dict[str, Any]:
        return {
            "valid": len(self.valid),
            "rejected": dict(sorted(self.rejected.items())),
            "unreadable": self.unreadable,
            "unknown_fields": self.unknown,
            "missing_fields": self.missing,
        }


def _fault(fault: Any) -> str:
    # Not the message, which may quote the value.
    where = ".".join("[]" if isinstance(part, int) else field_name(part) for part in fault["loc"])
    return f"{where or 'record'}: {fault['type']}"


def _lies_outside(record: Record, expected: Expected) -> bool:
    given = [value for name in expected.fields if (value := getattr(record, name)) is not None]
    return bool(given) and not any(expected.first <= value <= expected.last for value in given)
