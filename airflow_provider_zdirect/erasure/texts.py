"""What must not be found any more once customers are erased: their numbers, contacts and addresses. In memory only."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from airflow_provider_zdirect.datasets.table import Dataset

SHORTEST = 6
"""Characters; anything shorter would be found by chance."""

AT_ONCE = 200
"""Texts in one pattern."""

_EDGE = "[^0-9A-Za-z]"


@dataclass
class SoughtTexts:
    """Texts of erased customers.

    :param single: texts of which each is enough: customer numbers (or the hashes that stand for them), e-mail
        addresses, telephone numbers.
    :param together: family name and street, of which only both together are.
    """

    single: set[str] = field(default_factory=set)
    together: set[tuple[str, str]] = field(default_factory=set)

    def add(self, text: Any) -> None:
        """Look for a text, if it is long enough to mean somebody."""
        if isinstance(text, str) and len(text.strip()) >= SHORTEST:
            self.single.add(text.strip())

    def add_address(self, address: Any) -> None:
        """Look for who lives there."""
        if isinstance(address, Mapping):
            name, street = (str(address.get(key) or "").strip() for key in ("last_name", "address_line_1"))
            if name and len(street) >= SHORTEST:
                self.together.add((name, street))

    def add_rows(self, dataset: Dataset, rows: pa.Table) -> None:
        """Look for what these rows say of persons."""
        if dataset.personal_data:
            for row in rows.select(list(dataset.personal_data)).to_pylist():
                self.add_order(row)

    def add_order(self, row: Mapping[str, Any]) -> None:
        """Look for what a row of ``orders`` says of a person."""
        self.add(row.get("customer_number"))
        self.add(row.get("customer_email"))
        self.add((row.get("customer_phone") or {}).get("number"))
        for name in ("shipping_address", "billing_address"):
            self.add_address(row.get(name))

    def patterns(self) -> Iterator[str]:
        """Regular expressions that find the single texts, but not within longer words or numbers."""
        return _patterns(self.single)

    def street_patterns(self) -> Iterator[str]:
        """Regular expressions that find the streets, which mean nobody without the name."""
        return _patterns({street for _, street in self.together})

    def compiled(self) -> list[re.Pattern[str]]:
        return [re.compile(pattern) for pattern in self.patterns()]

    def are_in(self, text: str, patterns: list[re.Pattern[str]]) -> bool:
        """Whether a text is about one of these people.

        :param patterns: :meth:`compiled`.
        """
        if any(pattern.search(text) for pattern in patterns):
            return True
        return any(name in text and street in text for name, street in self.together)


def _patterns(texts: set[str]) -> Iterator[str]:
    in_order = sorted(texts)
    for start in range(0, len(in_order), AT_ONCE):
        some = in_order[start : start + AT_ONCE]
        yield f"(?:^|{_EDGE})(?:{'|'.join(map(re.escape, some))})(?:$|{_EDGE})"


def texts_in(value: Any, *, numbers: bool = True) -> Iterable[str]:
    """All texts in what JSON says, keys included.

    :param numbers: take them as texts.
    """
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            yield str(key)
            yield from texts_in(inner, numbers=numbers)
    elif isinstance(value, list):
        for inner in value:
            yield from texts_in(inner, numbers=numbers)
    elif numbers and value is not None and not isinstance(value, bool):
        yield str(value)
