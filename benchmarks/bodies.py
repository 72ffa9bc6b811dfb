"""The answers of a server with very many records, written to disk in advance by the emulator's own makers of records.

Each function writes the pages of one dataset into a folder.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from random import Random
from typing import Any

import httpx
import msgspec

from airflow_provider_zdirect.datasets.selection import as_parameter, in_whole_seconds
from airflow_provider_zdirect.datasets.table import get_dataset
from airflow_provider_zdirect.emulator import records
from airflow_provider_zdirect.emulator.catalog import (
    articles,
    merchant_id,
    quality_label,
    warehouse_id,
)
from airflow_provider_zdirect.emulator.records import rfc3339
from airflow_provider_zdirect.emulator.server import EmulatorServer
from airflow_provider_zdirect.emulator.warehouse_stock import item as stock_item
from airflow_provider_zdirect.merchant_files.ean import ean13

SEED = 7
MERCHANT = merchant_id(SEED, 0)
LABEL_DATASET = 3
"""No dataset of the emulator uses this number in its labels."""

START = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=3)
"""Of the windows; every dataset still has that day, and its reports are there."""

DAY = timedelta(days=1)
ITEMS_PAGE = 100_000
TEMPLATES = 50
UNIQUE = "5eed5eed"
"""Stands in prepared orders where each order has a number of its own."""

TIME = "@modified_at@"
"""Stands there in place of the time of an order."""

encode = msgspec.json.encode


@dataclass
class Bodies:
    """What the server answers for one dataset, and what has to come of it.

    :param key: the query parameter that says which page is wanted.
    :param rows: that are published, by table.
    :param window: that is asked for; None: the present state.
    :param files: by value of ``key``, in the order in which they are asked for.
    :param otherwise: the answer to any other value.
    """

    dataset: str
    key: str
    rows: dict[str, int]
    window: tuple[datetime, datetime] | None = (START, START + DAY)
    files: dict[str, str] = field(default_factory=dict)
    otherwise: str = ""

    @property
    def path(self) -> str:
        return get_dataset(self.dataset).endpoint.path.format(merchant_id=MERCHANT)

    @property
    def pages(self) -> list[str]:
        """The value of ``key`` for each page, as a plain download asks for it."""
        return list(self.files)

    def add(self, value: str, path: Path, body: bytes) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(body)
        self.files[value] = str(path)
        self.otherwise = self.otherwise or str(path)

    def route(self) -> dict[str, Any]:
        media_type = get_dataset(self.dataset).endpoint.media_type
        return {"key": self.key, "files": self.files, "otherwise": self.otherwise, "media_type": media_type}


def serve(folder: Path, *bodies: Bodies) -> None:
    """Let the server of ``folder`` answer with these."""
    routes = folder / "routes.json"
    known = json.loads(routes.read_text()) if routes.exists() else {}
    routes.write_text(json.dumps(known | {each.path: each.route() for each in bodies}))


def received_items(
    folder: Path, count: int, *, without: int = 0, changed: int = 0, bad: int = 0, added: bool = False
) -> Bodies:
    """Items that are evenly spread over the day, in pages of 100,000; nothing in them needs escaping.

    :param without: leave out the last of so many.
    :param changed: the first of so many came with another advice.
    :param bad: so many have no label.
    :param added: each has a field that is not documented.
    """
    pool, hour, location = articles(SEED, MERCHANT), int(START.timestamp()) // 3600, warehouse_id(SEED, 0)
    extra = ',"batch_number":"B-17"' if added else ""

    def item(number: int) -> str:
        article = pool[number * 7919 % len(pool)]
        label = quality_label(SEED, 0, LABEL_DATASET, hour + (number >> 20), number % 2**20)
        advice = f"{20_000_000 + number // 1000 % 70_000_000 + (changed and not number % changed) * 1_000_000:08d}"
        return (
            f'{{"zalando_advice_id":"{advice}","ean":"{article.ean}","quality_label":"{"" if number < bad else label}",'
            f'"location_id":"{location}","received_timestamp":"{rfc3339(START + number * (DAY / count))}",'
            f'"merchant_article_id":"UPOS-{article.number}","merchant_item_id":"UPOS-{article.number}-{number}"{extra}}}'
        )

    bodies = Bodies("received_items", "cursor", {"received_items": count - bad})
    starts = range(0, count, ITEMS_PAGE)
    for page, start in enumerate(starts):
        numbers = range(start, min(start + ITEMS_PAGE, count))
        items = [item(number) for number in numbers if not without or number % without != without - 1]
        more = f',"next":"page-{page + 1}"' if page + 1 < len(starts) else ""
        text = f'{{"received_items":[{",".join(items)}]{more}}}'
        bodies.add(f"page-{page}" if page else "", folder / f"{page}.json", text.encode())
    if without:
        bodies.rows["received_items"] -= count // without
    return bodies


def returned_items(folder: Path, count: int) -> Bodies:
    """The same number in each hour of the day; nothing in the hour before it."""
    rng, hours = Random(SEED), 24
    bodies = Bodies("returned_items", "from", {"returned_items": count // hours * hours})
    for hour in range(-1, hours):
        start = START + timedelta(hours=hour)
        made = [
            records.returned_body(rng, _place(start + number * (timedelta(hours=1) / (count // hours)), number))
            for number in range(count // hours if hour >= 0 else 0)
        ]
        bodies.add(as_parameter(start), folder / f"{hour}.json", encode({"returned_items": made}))
    return bodies


def liquidated_items(folder: Path, count: int) -> Bodies:
    """One answer for the day."""
    rng, bodies = Random(SEED), Bodies("liquidated_items", "from", {"liquidated_items": count})
    made = [records.liquidated_body(rng, _place(START, number), 1) for number in range(count)]
    bodies.add(START.date().isoformat(), folder / "day.json", encode({"liquidated_items": made}))
    return bodies


def intra_community_movements(folder: Path, count: int, page: int = 1_000) -> Bodies:
    """Pages of the size that the emulator has; movements that are equal occur."""
    made = records.intra_community_bodies(Random(SEED), SEED, MERCHANT, START.date(), count)
    dates = ("report_date", "transaction_date")

    def body(movements: list[dict[str, Any]]) -> dict[str, Any]:
        groups = groupby(movements, key=itemgetter("transaction_date"))
        return {
            "merchant_id": MERCHANT,
            "items": [
                {
                    "transaction_date": day,
                    "movements": [{name: one[name] for name in one if name not in dates} for one in group],
                }
                for day, group in groups
            ],
        }

    bodies = Bodies("intra_community_movements", "cursor", {"intra_community_movements": count})
    return _paged(bodies, folder, made, page, body)


def cross_border_movements(folder: Path, count: int, page: int = 1_000) -> Bodies:
    made = records.cross_border_bodies(Random(SEED), SEED, MERCHANT, START.date(), count)
    bodies = Bodies("cross_border_movements", "cursor", {"cross_border_movements": count})
    return _paged(bodies, folder, made, page, lambda movements: {"merchant_id": MERCHANT, "items": movements})


def item_quantity_snapshots(folder: Path, count: int) -> Bodies:
    """One answer with two locations of each article."""
    bodies = Bodies("item_quantity_snapshots", "", {"item_quantity_snapshots": count}, None)
    content = {"item_quantity_snapshot": {"item_quantities": _stock(count)}, "created": rfc3339(START + DAY)}
    bodies.add("", folder / "snapshot.json", encode(content))
    return bodies


def item_quantities(folder: Path, count: int) -> Bodies:
    """What has changed since a time."""
    now = datetime.now(UTC).replace(microsecond=0)
    window = (now - timedelta(hours=6), now)
    bodies = Bodies("item_quantities", "from", {"item_quantities": count}, window)
    bodies.add(as_parameter(window[0]), folder / "changed.json", encode({"item_quantities": _stock(count)}))
    return bodies


def orders(folder: Path, count: int, page: int = 1_000) -> Bodies:
    """Each order in a second of its own, with items and lines as the emulator makes them."""
    window, step = (START, START + 2 * DAY), 2 * DAY / count
    templates, items, lines = _order_templates(window[0])
    rows = {"orders": count, "order_items": 0, "order_lines": 0}
    for number in range(count):
        rows["order_items"] += items[number % TEMPLATES]
        rows["order_lines"] += lines[number % TEMPLATES]
    bodies = Bodies("orders", "last_updated_after", rows, window)
    after = window[0].replace(microsecond=0) - timedelta(hours=1, seconds=1)
    first = 0
    while True:
        # Pages are separated by whole seconds: the last order of a page comes again with the next one, and at the end
        # alone.
        numbers = range(first, min(first + page, count))
        texts = []
        for number in numbers:
            at = (window[0] + number * step).isoformat(timespec="milliseconds")
            texts.append(
                [part.replace(UNIQUE, f"{number:08x}").replace(TIME, at) for part in templates[number % TEMPLATES]]
            )
        data, included = (",".join(part for part in parts if part) for parts in zip(*texts, strict=True))
        links = '{"next":"more"}' if numbers[-1] + 1 < count else "{}"
        text = f'{{"data":[{data}],"included":[{included}],"links":{links}}}'
        bodies.add(in_whole_seconds(after), folder / f"{first}.json", text.encode())
        if len(numbers) == 1:
            return bodies
        first = numbers[-1]
        after = (window[0] + first * step).replace(microsecond=0) - timedelta(seconds=1)


def _order_templates(at: datetime) -> tuple[list[tuple[str, str]], list[int], list[int]]:
    """Orders as the emulator answers them, without their own numbers and times: the order, and what is included."""
    with EmulatorServer(seed=SEED, order_days=0, rate_limits=False) as emulator:
        emulator.add_orders(MERCHANT, TEMPLATES, start=at)
        answer = httpx.post(
            f"{emulator.url}/auth/token", data={"grant_type": "client_credentials"}, auth=("demo", "demo-secret")
        )
        ask = {"include": "order_items,order_lines,order_lines.order_line_transitions", "page[size]": str(TEMPLATES)}
        page = httpx.get(
            f"{emulator.url}/merchants/{MERCHANT}/orders",
            params=ask,
            headers={"Authorization": f"Bearer {answer.json()['access_token']}"},
        ).json()
    templates, items, lines = [], [], []
    included = {(one["type"], one["id"]): one for one in page["included"]}
    for order in page["data"]:
        own = [included["OrderItem", each["id"]] for each in order["relationships"]["order_items"]["data"]]
        pieces = [
            included["OrderLine", each["id"]] for item in own for each in item["relationships"]["order_lines"]["data"]
        ]
        moves = [
            included["OrderLineTransition", each["id"]]
            for line in pieces
            for each in line["relationships"]["order_line_transitions"]["data"]
        ]
        order["attributes"]["modified_at"] = TIME
        parts = json.dumps(order), ",".join(map(json.dumps, (*own, *pieces, *moves)))
        for identity in {each["id"] for each in (order, *own, *pieces, *moves)}:
            parts = tuple(part.replace(identity, UNIQUE + identity[8:]) for part in parts)
        templates.append(parts)
        items.append(len(own))
        lines.append(len(pieces))
    return templates, items, lines


def _paged(
    bodies: Bodies, folder: Path, made: list[Any], size: int, body: Callable[[list[Any]], Mapping[str, Any]]
) -> Bodies:
    starts = range(0, len(made), size)
    for page, start in enumerate(starts):
        more = {"next": f"page-{page + 1}"} if page + 1 < len(starts) else {}
        text = encode({**body(made[start : start + size]), **more})
        bodies.add(f"page-{page}" if page else "", folder / f"{page}.json", text)
    return bodies


def _place(time: datetime, number: int) -> records.Place:
    hour = int(time.timestamp()) // 3600
    return records.Place(SEED, MERCHANT, time, quality_label(SEED, 0, LABEL_DATASET, hour, number))


def _stock(count: int) -> Iterable[dict[str, Any]]:
    rng, places = Random(SEED), [warehouse_id(SEED, number) for number in range(2)]
    return [
        stock_item(
            ean13(f"40{number:010d}"),
            tuple((place, rng.randint(1, 250), rng.randrange(12)) for place in places),
        )
        for number in range(count // 2)
    ]


DATASETS: Mapping[str, tuple[Callable[[Path, int], Bodies], int]] = {
    "intra_community_movements": (intra_community_movements, 200_000),
    "cross_border_movements": (cross_border_movements, 200_000),
    "orders": (orders, 100_000),
    "item_quantity_snapshots": (item_quantity_snapshots, 500_000),
    "item_quantities": (item_quantities, 200_000),
    "liquidated_items": (liquidated_items, 200_000),
    "returned_items": (returned_items, 200_000),
}
"""Who writes the answers of each dataset, and how many records (of the stock: rows) by default."""
