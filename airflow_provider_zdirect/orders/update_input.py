"""The rows of a file as the first try of a run read them; its retries go on with these, even if the file is replaced.

Otherwise, rows that the first try read might never be applied, and no result would show it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass

import msgspec

from airflow_provider_zdirect.orders.update_results import DATASET
from airflow_provider_zdirect.orders.update_rows import UpdateRows
from airflow_provider_zdirect.publish.place import Place
from airflow_provider_zdirect.windows import subject

log = logging.getLogger(__name__)


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

    def of_first_try(self, read: Callable[[], UpdateRows]) -> UpdateRows:
        """The rows that the run began with.

        :param read: gives them in the first try.
        """
        content = self.place.store.read_json(self.path)
        if content is not None:
            log.info("Going on with the rows that the first try of this run read.")
            return msgspec.convert(content, UpdateRows)
        rows = read()
        self.place.store.write_json(self.path, msgspec.to_builtins(rows))
        return rows

    def delete(self) -> None:
        self.place.store.delete(self.path)


def log_rows(rows: UpdateRows, merchant_id: str) -> None:
    others = f"; {rows.of_others} rows of other merchants ({', '.join(rows.others[:20])}) are left out"
    log.info(
        "%s: %d updates%s%s.",
        subject("order updates", merchant_id, full_id=True),
        len(rows.updates),
        f"; {len(rows.wrong)} rows are wrong" if rows.wrong else "",
        others if rows.of_others else "",
    )
    if rows.of_others and not (rows.updates or rows.wrong):
        log.warning("All rows are of other merchants; is their merchant_id right?")
