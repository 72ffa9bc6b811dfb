"""What may not become slow: measured as CPU time beside other work of the same process, never as a time.

The answers are those of the benchmarks, from a server that is a process of its own. Bounds are about twice what is
measured on a quiet machine: a step that handles records one by one costs ten times as much.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

ROOT = Path(__file__).parent.parent.parent
sys.path.insert(0, str(ROOT / "benchmarks"))

from bodies import Bodies, received_items, serve  # noqa: E402
from contestants import pipeline  # noqa: E402
from rounds import Server, serving  # noqa: E402

from airflow_provider_zdirect.pipeline import validate  # noqa: E402

ITEMS = 50_000
ROUNDS = 3


class Item(msgspec.Struct):
    zalando_advice_id: str
    ean: str
    quality_label: str
    location_id: str
    received_timestamp: str
    merchant_article_id: str
    merchant_item_id: str


class Answer(msgspec.Struct):
    received_items: list[Item]


@pytest.fixture(scope="module")
def served() -> Iterator[tuple[Server, dict[str, Bodies]]]:
    odd: dict[str, dict[str, Any]] = {"plain": {}, "bad": {"bad": 1}, "added": {"added": True}}
    with serving(*(partial(received_items, count=ITEMS, **options) for options in odd.values())) as (server, bodies):
        yield server, dict(zip(odd, bodies, strict=True))


@pytest.fixture(scope="module")
def first(served: tuple[Server, dict[str, Bodies]], tmp_path_factory: pytest.TempPathFactory) -> float:
    """CPU seconds of a window that is run for the first time."""
    return least(lambda: extract(served, "plain", tmp_path_factory.mktemp("first")))


def least(work: Callable[[], object]) -> float:
    """The fewest CPU seconds of several rounds, after one that counts for nothing: it imports what is not there yet."""
    work()
    seconds = []
    for _ in range(ROUNDS):
        began = time.process_time()
        work()
        seconds.append(time.process_time() - began)
    return min(seconds)


def extract(served: tuple[Server, dict[str, Bodies]], kind: str, folder: Path) -> dict[str, Any]:
    server, bodies = served
    serve(server.folder, bodies[kind])
    return asyncio.run(pipeline.run(server.task(bodies[kind], folder, max_rejected=1)))


def test_a_window_costs_a_few_times_what_decoding_and_writing_it_costs(
    served: tuple[Server, dict[str, Bodies]], first: float, tmp_path: Path
) -> None:
    server, bodies = served
    serve(server.folder, bodies["plain"])
    headers = {"Authorization": f"Bearer {server.token}"}

    def decode_and_write() -> None:
        """The same bytes, neither checked nor resumable: what every way has to do."""
        with httpx.Client(base_url=server.url, trust_env=False, headers=headers) as http:
            answer = msgspec.json.decode(http.get(bodies["plain"].path).content, type=Answer)
        columns = {name: [getattr(item, name) for item in answer.received_items] for name in Item.__struct_fields__}
        pq.write_table(pa.table(columns), tmp_path / "items.parquet", compression="zstd")

    assert first / least(decode_and_write) < 5


def test_a_window_that_is_run_again_costs_no_more_than_the_first_time(
    served: tuple[Server, dict[str, Bodies]], first: float, tmp_path: Path
) -> None:
    assert least(lambda: extract(served, "plain", tmp_path)) / first < 2


@pytest.mark.parametrize("kind", ["bad", "added"])
def test_a_bad_record_or_an_undocumented_field_does_not_slow_down_all_others(
    served: tuple[Server, dict[str, Bodies]],
    first: float,
    tmp_path_factory: pytest.TempPathFactory,
    kind: str,
) -> None:
    found: list[dict[str, Any]] = []
    seconds = least(lambda: found.append(extract(served, kind, tmp_path_factory.mktemp(kind))))
    assert [result["rejected"] for result in found] == [int(kind == "bad")] * len(found)
    assert seconds / first < 2


@pytest.mark.parametrize(("kind", "others"), [("plain", 0), ("bad", 1), ("added", 0)])
def test_the_model_looks_only_at_records_that_a_check_of_columns_has_flagged(
    served: tuple[Server, dict[str, Bodies]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    kind: str,
    others: int,
) -> None:
    plain_rows, left = validate.plain_rows, []

    def counted(model: Any, batch: Any) -> Any:
        plain = plain_rows(model, batch)
        left.append(len(batch) - (len(plain.numbers) if plain else 0))
        return plain

    monkeypatch.setattr(validate, "plain_rows", counted)
    assert extract(served, kind, tmp_path)["records"] == ITEMS - others
    assert sum(left) == others
