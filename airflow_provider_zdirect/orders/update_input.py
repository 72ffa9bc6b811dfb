"""The rows of a file as the first try of a run read them; its retries go on with these, even if the file is replaced.

Otherwise, rows that the first try read might never be applied, and no result would show it.
"""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from airflow_provider_zdirect.orders.update_results import DATASET
from airflow_provider_zdirect.orders.update_rows import UpdateRows
from airflow_provider_zdirect.publish.place import Place


@dataclass(frozen=True)
class KeptRows:
    """Rows that are kept until their run is over.

    :param run: the same for every try of it, and for no other run.
    """

    place: Place
    run: str

    @property
    def path(self) -> str:
        return f"{self.place.layout(DATASET).staged}/{self.run}/rows.json"

    def read(self) -> UpdateRows | None:
        """None, if this is the first try."""
        content = self.place.store.read_json(self.path)
        return None if content is None else msgspec.convert(content, UpdateRows)

    def write(self, rows: UpdateRows) -> None:
        self.place.store.write_json(self.path, msgspec.to_builtins(rows))

    def delete(self) -> None:
        self.place.store.delete(self.path)
