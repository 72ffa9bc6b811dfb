"""The rows of a file, as the first try of a run found them: its retries go on with the same, whatever is there now.

Else a file that is replaced between two tries would leave rows of the first undone, and nobody would be told.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

from airflow_provider_zdirect.orders.update_results import DATASET
from airflow_provider_zdirect.orders.update_rows import OrderUpdate, UpdateRows, WrongRow
from airflow_provider_zdirect.storage.object_store import ObjectStore


@dataclass(frozen=True)
class KeptRows:
    """Rows that are kept until their run is over.

    :param run: the same with every try of it, and of no other run.
    """

    store: ObjectStore
    merchant_id: str
    run: str

    @property
    def path(self) -> str:
        return f"_staging/{DATASET}/merchant_id={self.merchant_id}/{self.run}/rows.json"

    def read(self) -> UpdateRows | None:
        """None, if this is the first try."""
        told = self.store.read_json(self.path)
        if told is None:
            return None
        return UpdateRows(
            updates=tuple(OrderUpdate(**row) for row in told["updates"]),
            wrong=tuple(WrongRow(**row) for row in told["wrong"]),
            of_others=told["of_others"],
            others=tuple(told["others"]),
        )

    def write(self, rows: UpdateRows) -> None:
        self.store.write_json(self.path, asdict(rows))

    def delete(self) -> None:
        self.store.delete(self.path)
