"""An emulator whose first merchant has very many received items, written in advance: serving them costs nothing."""

from __future__ import annotations

import argparse
import signal
import sys
import tempfile
import threading
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from airflow_provider_zdirect.emulator.catalog import articles, quality_label, warehouse_id
from airflow_provider_zdirect.emulator.records import rfc3339
from airflow_provider_zdirect.emulator.requests import check_bearer
from airflow_provider_zdirect.emulator.server import EmulatorServer

SEED = 7
# No other dataset uses this number in its labels.
LABEL_DATASET = 3


@dataclass(frozen=True)
class BulkPages:
    """So many items, evenly spread over a day, in pages of a fixed size.

    The parameters ``limit`` and ``zalando_advice_ids`` are ignored, and so are ``from`` and ``to``.
    """

    items: int
    page_size: int
    day: date
    merchant_id: str
    folder: Path

    def write(self) -> None:
        pages = -(-self.items // self.page_size)
        for page in range(pages):
            first = page * self.page_size
            items = ",".join(map(self._json, range(first, min(first + self.page_size, self.items))))
            following = f',"next":"bulk-{page + 1}"' if page + 1 < pages else ""
            self.path(f"bulk-{page}").write_text(f'{{"received_items":[{items}]{following}}}', encoding="utf-8")

    def path(self, cursor: str) -> Path:
        return self.folder / f"{cursor}.json"

    def _json(self, number: int) -> str:
        # No value needs escaping, and json.dumps would take most of the time.
        return "{" + ",".join(f'"{name}":"{value}"' for name, value in self._item(number).items()) + "}"

    def _item(self, number: int) -> dict[str, Any]:
        pool, start = articles(SEED, self.merchant_id), datetime(*self.day.timetuple()[:3], tzinfo=UTC)
        article, hour = pool[number * 7919 % len(pool)], int(start.timestamp()) // 3600
        return {
            "zalando_advice_id": f"{20_000_000 + number // 1000 % 70_000_000:08d}",
            "ean": article.ean,
            "quality_label": quality_label(SEED, 0, LABEL_DATASET, hour + (number >> 20), number % 2**20),
            "location_id": warehouse_id(SEED, 0),
            "received_timestamp": rfc3339(start + number * (timedelta(days=1) / self.items)),
            "merchant_article_id": f"UPOS-{article.number}",
            "merchant_item_id": f"UPOS-{article.number}-{number}",
        }


def main() -> None:
    cli = argparse.ArgumentParser()
    cli.add_argument("items", type=int)
    cli.add_argument("page_size", type=int)
    cli.add_argument("day", type=date.fromisoformat)
    args = cli.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    # A plain download is faster than the limits allow; the task keeps them all the same.
    server = EmulatorServer(seed=SEED, rate_limits=False)
    with tempfile.TemporaryDirectory(prefix="zdirect-bulk-") as folder:
        pages = BulkPages(args.items, args.page_size, args.day, server.merchant_ids[0], Path(folder))
        pages.write()

        def page(request: Request) -> Response:
            check_bearer(server.state, request)
            cursor = request.query_params.get("cursor") or "bulk-0"
            return Response(pages.path(cursor).read_bytes(), media_type="application/json")

        path = f"/zfs/stock-movements/reports/received-items/{pages.merchant_id}"
        server.app.router.routes.insert(0, Route(path, page))
        with server:
            print(f"ready at {server.url}, merchants {', '.join(server.merchant_ids)}", flush=True)
            threading.Event().wait()


if __name__ == "__main__":
    main()
