"""Rules of the house that a change could break without any other test noticing."""

from __future__ import annotations

import ast
import pickle
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import airflow_provider_zdirect
from airflow_provider_zdirect import exceptions
from airflow_provider_zdirect.datasets import DATASETS, Keeping, WindowKind

PACKAGE = Path(airflow_provider_zdirect.__file__).parent
MODULES = sorted(PACKAGE.rglob("*.py"))

# What each part may import of the package: itself, and what stands below it (docs/architecture.md).
VALUES = {"exceptions", "clock", "windows", "rate", "models", "dataset_row", "order_datasets", "datasets"}
STORAGE = VALUES | {"storage", "personal_data"}
CLIENT = VALUES | {"client"}
PIPELINE = (
    STORAGE
    | CLIENT
    | {"request_plan", "progress", "manifest", "validation", "personal_data", "fetch_window", "extract_job", "extract"}
)
ALLOWED = {
    "exceptions": set(),
    "clock": set(),
    "windows": {"exceptions"},
    "models": {"models"},
    "rate": set(),
    "merchant_files": {"exceptions", "merchant_files"},
    "dataset_row": {"exceptions", "models", "rate"},
    "order_datasets": {"models", "rate", "dataset_row"},
    "datasets": {"exceptions", "models", "rate", "dataset_row", "order_datasets"},
    "storage": STORAGE,
    "client": CLIENT,
    "report_calendar": VALUES,
    "report_wait": CLIENT | {"report_calendar"},
    "request_plan": VALUES,
    "progress": VALUES,
    "manifest": STORAGE,
    "validation": VALUES,
    "fetch_window": PIPELINE,
    "extract_job": PIPELINE,
    "extract": PIPELINE | {"report_calendar", "report_wait"},
    "fetch_state": STORAGE | {"client", "validation", "progress"},
    "state_job": STORAGE | {"client", "fetch_state"},
    "extract_state": STORAGE | {"client", "fetch_state", "state_job", "manifest"},
    "intrastat": STORAGE | {"client", "report_calendar", "merchant_files", "intrastat"},
    "inbound": PIPELINE | {"merchant_files", "inbound"},
    "personal_data": VALUES,
    "orders": PIPELINE | {"merchant_files", "orders"},
    "stocks": PIPELINE | {"merchant_files", "stocks"},
    "emulator": VALUES | {"merchant_files", "emulator"},
}


def imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def part_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


@pytest.mark.parametrize("part", ALLOWED)
def test_imports_point_downwards(part: str) -> None:
    found = {
        name.split(".")[1]
        for path in MODULES
        if part_of(path) == part
        for name in imports(path)
        if name.startswith("airflow_provider_zdirect.") and not name.endswith("__version__")
    }
    assert found <= ALLOWED[part]


def test_the_core_does_not_know_airflow() -> None:
    for path in MODULES:
        if part_of(path) in ALLOWED:
            assert not [name for name in imports(path) if name == "airflow" or name.startswith("airflow.")], path


def test_one_module_imports_httpx() -> None:
    users = [path for path in MODULES if any(name.split(".")[0] == "httpx" for name in imports(path))]
    assert [str(path.relative_to(PACKAGE)) for path in users] == ["client/transport.py"]


def test_nothing_imports_the_emulator() -> None:
    for path in MODULES:
        if part_of(path) != "emulator":
            assert not [name for name in imports(path) if "emulator" in name], path


def test_importing_the_package_imports_nothing_else() -> None:
    program = "import sys, airflow_provider_zdirect; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.split()
    assert not {"pyarrow", "httpx", "pydantic", "airflow"} & set(loaded)


def test_the_drawn_error_tree_is_the_real_one() -> None:
    drawn = exceptions.__doc__ or ""
    for name, error in vars(exceptions).items():
        if isinstance(error, type) and issubclass(error, exceptions.ZDirectError):
            assert f" {name} " in drawn.replace("\n", " \n "), name


def test_every_error_can_cross_a_process_border() -> None:
    for error in vars(exceptions).values():
        if not (isinstance(error, type) and issubclass(error, exceptions.ZDirectError)):
            continue
        facts = {"remedy": "do", "status": 500, "path": "/p", "flow_id": "f", "title": "t"}
        if issubclass(error, exceptions.ZDirectRetriableError):
            facts["retry_after"] = 120.0
        raised = error("what", **facts)
        copied = pickle.loads(pickle.dumps(raised))
        assert type(copied) is error
        assert copied.__dict__ == raised.__dict__
        assert str(copied) == str(raised)
        assert "do" in str(raised)


def test_every_dataset_has_what_its_kind_needs() -> None:
    for name, dataset in DATASETS.items():
        assert dataset.name == name
        assert dataset.record_keys
        assert (dataset.keeping is None) == (dataset.window in (WindowKind.TIMESTAMP, WindowKind.DATE))
        assert dataset.retention or dataset.window is WindowKind.NONE
        assert dataset.time_field or dataset.keeping is Keeping.HISTORY
        assert dataset.identity or dataset.alike
        for option in dataset.options.values():
            assert option.apply(dataset, option.default) == dataset, "the default is what the row says"
        assert dataset.source
        for variant in dataset.variants.values():
            assert (variant.name, variant.model, variant.identity) == (name, dataset.model, dataset.identity)
