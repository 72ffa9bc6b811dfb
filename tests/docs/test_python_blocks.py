"""Every Python block of the documents runs: as a program beside published tables, or as a DAG."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from code_blocks import PAGES, ROOT, RUN_ELSEWHERE, blocks
from emulated_time import replace_system_clock
from own_emulator import connection_to, own_emulator

from airflow_provider_zdirect.emulator.server import EmulatorServer

TASKS = {
    "README.md": {"returned_items"},
    "assets.md": {"load"},
    "exactly-once.md": {"compact"},
    "orders.md": {"orders"},
    "order-updates.md": {"missing"},  # of the last of its DAGs
    "movement-reports.md": {"intrastat", "ready"},
    "liquidation.md": {"refetch"},
    "inbound.md": {"dispatch"},  # of the last of its DAGs
    "personal-data.md": {"erase_customers"},
    "stocks.md": {"stock"},
    "other-endpoints.md": {"granted", "centers", "channels"},
    "shipping-documents.md": {"shipping_documents"},
}
"""Pages whose blocks are DAGs or tasks, with the tasks."""


def programs(page: str) -> list[str]:
    return [block.text for block in blocks("python", page)]


def run_all(page: str, names: dict[str, Any] | None = None) -> dict[str, Any]:
    """Run the blocks of a page one after the other, as a reader would who puts them into one file."""
    names = {} if names is None else names
    for program in programs(page):
        exec(compile(program, page, "exec"), names)
    return names


def reading(everything: Path) -> None:
    names = run_all("reading.md")
    rows = rows_of(everything / "zdirect" / "returned_items")
    assert sum(count for _, count in names["by_day"]) == rows
    assert names["by_category"]["len"].sum() == names["per_ean"].sum() == rows
    assert names["table"].num_rows == rows_of(everything / "zdirect" / "received_items")
    day = rows_of(everything / "zdirect" / "returned_items", "date=2026-11-20")
    # A day that is copied again is there once.
    names["copy_to_delta"]("2026-11-20")
    names["copy_to_iceberg"]("2026-11-20")
    from deltalake import DeltaTable

    assert DeltaTable("lake/returned_items").count() == day
    assert names["catalog"].load_table("zdirect.returned_items").scan().to_arrow().num_rows == day


def own_scripts(everything: Path) -> None:
    (everything / "old").mkdir()
    (everything / "old" / "returns.csv").write_text(
        "quality_label,consumed_timestamp,ean\nL1,2026-10-31T23:59:59Z,1\nL2,2026-11-01T00:00:00Z,1\n"
    )
    with own_emulator() as emulator, pytest.MonkeyPatch.context() as patched:
        patched.setenv(
            "AIRFLOW_CONN_ZDIRECT_DEFAULT", json.dumps(connection_to(emulator, extra={"share_access": False}))
        )
        names = run_all("own-scripts.md")
        assert names["identity"]["client_id"] == emulator.state.settings.client_id
    assert len(names["both"]) == 1 + rows_of(everything / "zdirect" / "returned_items")


def architecture(everything: Path) -> None:
    (program,) = programs("architecture.md")
    with EmulatorServer(now="2026-11-22T10:00:00+00:00") as emulator, pytest.MonkeyPatch.context() as patched:
        replace_system_clock(patched, emulator)
        here = f'ClientConfig("demo", "demo-secret", base_url="{emulator.url}")'
        for said, meant in (
            ('ClientConfig("client-id", "client-secret")', here),
            ("/data/zdirect", str(everything / "by-script")),
            ("print(", "printed.append("),
        ):
            assert said in program
            program = program.replace(said, meant)
        printed: list[Any] = []
        exec(compile(program, "architecture.md", "exec"), {"printed": printed})
        truth = emulator.truth(
            "received_items", emulator.merchant_ids[0], "2026-11-20T10:00:00+00:00", "2026-11-20T11:00:00+00:00"
        )
    assert printed[0]["records"] == len(truth)


PROGRAMS: dict[str, Callable[[Path], None]] = {
    "architecture.md": architecture,
    "own-scripts.md": own_scripts,
    "reading.md": reading,
}
"""Pages whose blocks do something."""


def test_every_page_with_python_has_a_runner() -> None:
    pages = {block.page for block in blocks("python")}
    assert pages - RUN_ELSEWHERE.keys() == TASKS.keys() | PROGRAMS.keys()


@pytest.mark.parametrize("page", sorted({path.name for path in PAGES} & RUN_ELSEWHERE.keys()))
def test_the_tests_of_a_subject_read_its_page(page: str) -> None:
    assert page in (ROOT / RUN_ELSEWHERE[page]).read_text(encoding="utf-8")


@pytest.mark.parametrize("page", PROGRAMS)
def test_the_programs_of_a_page_do_what_they_say(page: str, beside_the_tables: Path) -> None:
    PROGRAMS[page](beside_the_tables)


@pytest.mark.parametrize("page", TASKS)
def test_the_dags_of_a_page_are_dags(page: str) -> None:
    from airflow_provider_zdirect.airflow_sdk import DAG

    names: dict[str, Any] = {}
    with DAG("documented", schedule=None) as dag:
        for program in programs(page):
            named = re.sub(r"^((?:with DAG\(.*|\))):$", r"\1 as own:", program, flags=re.MULTILINE)
            exec(compile(named, page, "exec"), names)
    assert {*dag.task_ids, *(names["own"].task_ids if "own" in names else [])} == TASKS[page]


def rows_of(folder: Path, part: str = "") -> int:
    return sum(pq.read_metadata(path).num_rows for path in folder.rglob("*.parquet") if part in str(path))
