"""What the documents say is generated or checked, so that it cannot rot."""

from __future__ import annotations

import re
import runpy
from collections import Counter
from datetime import date
from pathlib import Path

import duckdb
import pytest
from extraction import Extraction
from state_extraction import StateExtraction

from airflow_provider_zdirect.emulator.server import EmulatorServer
from airflow_provider_zdirect.inbound.reconciliation import reconcile_merchant
from airflow_provider_zdirect.windows import Window

ROOT = Path(__file__).parent.parent
DOCUMENTS = [
    *(ROOT / f"{name}.md" for name in ("README", "CHANGELOG", "SECURITY")),
    *sorted((ROOT / "docs").glob("*.md")),
]


def test_generated_documents_are_up_to_date() -> None:
    generator = runpy.run_path(str(ROOT / "scripts" / "generate_docs.py"))
    for name, text in generator["documents"]().items():
        assert (ROOT / "docs" / name).read_text() == text, "run make docs"


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_between_documents_lead_somewhere(document: Path) -> None:
    for target in re.findall(r"\]\((?!https?://)([^)#]+)", document.read_text()):
        assert (document.parent / target).exists(), target


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_to_headings_lead_somewhere(document: Path) -> None:
    for target, anchor in re.findall(r"\]\((?!https?://)([^)#]*)#([^)]+)\)", document.read_text()):
        text = (document.parent / target).read_text() if target else document.read_text()
        headings = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
        assert anchor in {re.sub(r"[^\w\- ]", "", heading).lower().replace(" ", "-") for heading in headings}, anchor


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_paths_and_modules_that_documents_name_exist(document: Path) -> None:
    for path in re.findall(
        r"`((?:airflow_provider_zdirect|tests|dags|docs|benchmarks|scripts)/[\w./-]*)`", document.read_text()
    ):
        assert (ROOT / path).exists(), path


def test_the_tests_behind_exactly_once_exist() -> None:
    named = set(re.findall(r"`(?:tests/[\w/]+\.py::)?(test_\w+)`", (ROOT / "docs" / "exactly-once.md").read_text()))
    tests = "".join(path.read_text() for path in (ROOT / "tests").rglob("test_*.py"))
    assert len(named) > 40
    assert {name for name in named if f"def {name}(" not in tests} == set()


def test_the_tests_behind_the_claims_of_security_md_exist() -> None:
    named = set(re.findall(r"`([a-z]+/test_\w+)`", (ROOT / "SECURITY.md").read_text()))
    assert len(named) > 8
    assert {name for name in named if not (ROOT / "tests" / f"{name}.py").exists()} == set()


def test_every_make_target_that_the_readme_names_exists() -> None:
    makefile = (ROOT / "Makefile").read_text()
    for target in set(re.findall(r"\bmake ([a-z]+)", (ROOT / "README.md").read_text())):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target


def test_rooms_and_modules_that_the_architecture_names_exist() -> None:
    package = ROOT / "airflow_provider_zdirect"
    named = re.findall(r"`([a-z_]+/(?:[a-z_]+)?)(?:\.py)?`", (ROOT / "docs" / "architecture.md").read_text())
    assert len(named) > 20
    for path in named:
        name = path.rstrip("/")
        assert any((root / f"{name}{end}").exists() for root in (package, ROOT) for end in ("", ".py")), path


def test_modules_that_the_paragraph_of_a_room_names_are_in_it() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text()
    paragraphs = re.findall(r"^\* \*\*`(\w+)/`\*\*: (.*?)(?=^\* |^#)", text, re.MULTILINE | re.DOTALL)
    named = {(room, name) for room, words in paragraphs for name in re.findall(r"`([a-z_]+)`", words)} - {
        ("client", "httpx")
    }
    assert len(named) > 15
    assert {one for one in named if not (ROOT / "airflow_provider_zdirect" / one[0] / f"{one[1]}.py").exists()} == set()


def test_the_query_of_the_orders_reads_what_was_sold(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (query,) = re.findall(r'duckdb -c "(.*)"', (ROOT / "docs" / "orders.md").read_text())
    day = Window.of_day(date(2026, 11, 19))
    with EmulatorServer(now="2026-11-20T10:00:00+00:00", order_days=0) as emulator:
        merchant = emulator.merchant_ids[0]
        emulator.add_orders(merchant, 9, start=day.start)
        Extraction(emulator, tmp_path / "zdirect").run("orders", day)
        pieces: Counter[tuple[str, str]] = Counter()
        for order in emulator.orders(merchant):
            country = order["shipping_address"]["country_code"]
            pieces.update({(item["external_id"], country): len(item["lines"]) for item in order["items"]})
    monkeypatch.chdir(tmp_path)
    assert {row[:2]: row[3] for row in duckdb.sql(query).fetchall()} == pieces


def test_the_tests_that_the_comparison_names_are_there() -> None:
    rows = [line for line in (ROOT / "docs" / "koongo.md").read_text().splitlines() if line.startswith("| ")][1:]
    assert len(rows) > 15
    for row in rows:
        proof = row.rstrip(" |").rpartition("|")[2]
        named = re.findall(r"`(tests/[^`]+)`", proof)
        assert named or "Airflow's own" in proof, row
        for path, _, test in (name.partition("::") for name in named):
            assert f"def {test}" in (ROOT / path).read_text(), test


def test_the_queries_of_the_documents_read_what_was_published(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with EmulatorServer(now="2026-11-20T10:00:00+00:00", notice_days=1) as emulator:
        runs = StateExtraction(emulator, tmp_path / "zdirect")
        runs.run("received_items", Window.of_day(date(2026, 11, 19)))
        for dataset in ("item_quantity_snapshots", "stock_locations", "shipping_notices", "tours"):
            runs.observe(dataset)
        reconcile_merchant(runs.place(runs.merchant_id, "parquet"))
        offerable: Counter[str] = Counter()
        for (ean, _), (pieces, _) in emulator.quantities(runs.merchant_id, "2026-11-19T22:00:00+00:00").items():
            offerable[ean] += pieces
        locations = {place["id"] for place in emulator.reference("stock_locations", runs.merchant_id)}
    monkeypatch.chdir(tmp_path)
    (stock, known_at), (differing,) = (
        re.findall(r'duckdb -c "(.*)"', (ROOT / "docs" / name).read_text()) for name in ("inventory.md", "inbound.md")
    )
    assert dict(duckdb.sql(stock).fetchall()) == offerable
    assert {row[0] for row in duckdb.sql(known_at).fetchall()} == locations
    # Nothing is known to be expected, as the item sets were not fetched.
    assert duckdb.sql(differing).fetchall() == []
