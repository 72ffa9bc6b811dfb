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
from airflow_provider_zdirect.datasets.publication import Days, History, Once
from airflow_provider_zdirect.datasets.selection import Dates
from airflow_provider_zdirect.datasets.table import DATASETS

PACKAGE = Path(airflow_provider_zdirect.__file__).parent
MODULES = sorted(PACKAGE.rglob("*.py"))

# From the top floor down: a part may import itself and what stands on a lower floor (docs/architecture.md).
FLOORS: list[set[str]] = [
    {"__main__"},
    {"check"},
    {"plugins"},
    {"dag_support"},
    {"sensors"},
    {"operators"},
    {"triggers", "get_provider_info"},
    {"hooks"},
    {"assets"},
    {"airflow_sdk"},
    {"recording"},
    {"coverage"},
    {"pipeline"},
    {"shipping_documents"},
    {"orders", "stocks", "inbound", "intrastat"},
    {"erasure"},
    {"publish"},
    {"reports"},
    {"client"},
    {"storage"},
    {"datasets"},
    {"emulator"},
    {"merchant_files"},
    {"words"},
    {"windows"},
    {"exceptions", "clock"},
]
WITH_AIRFLOW = set().union(*FLOORS[:10])


def imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def part_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def test_every_part_has_its_floor() -> None:
    parts = {part_of(path) for path in MODULES} - {"__init__"}
    assert parts == set().union(*FLOORS)
    assert sum(map(len, FLOORS)) == len(parts)


@pytest.mark.parametrize("floor", range(len(FLOORS)))
def test_imports_point_downwards(floor: int) -> None:
    below = set().union(*FLOORS[floor + 1 :])
    for part in FLOORS[floor]:
        found = {
            name.split(".")[1]
            for path in MODULES
            if part_of(path) == part
            for name in imports(path)
            if name.startswith("airflow_provider_zdirect.") and not name.endswith("__version__")
        }
        assert found <= below | {part}


def test_the_core_does_not_know_airflow() -> None:
    for path in MODULES:
        if part_of(path) not in WITH_AIRFLOW:
            assert not [name for name in imports(path) if name == "airflow" or name.startswith("airflow.")], path


@pytest.mark.parametrize(
    ("libraries", "modules"),
    [
        ({"httpx", "httpcore"}, {"client/transport.py"}),
        # In their types Airflow's HTTP provider says what it wants of an auth class, a hook and a trigger.
        ({"requests", "aiohttp"}, {"hooks/http_auth.py", "hooks/http.py", "triggers/http.py"}),
    ],
)
def test_few_modules_import_an_http_library(libraries: set[str], modules: set[str]) -> None:
    users = [path for path in MODULES if any(name.split(".")[0] in libraries for name in imports(path))]
    assert {str(path.relative_to(PACKAGE)) for path in users} == modules


def test_openlineage_is_imported_only_where_its_provider_asks() -> None:
    users = {path for path in MODULES if any("openlineage" in name for name in imports(path))}
    (lineage,) = users
    assert lineage == PACKAGE / "operators" / "lineage.py"
    for path in MODULES:
        top = [node for node in ast.parse(path.read_text()).body if isinstance(node, ast.ImportFrom)]
        assert not [node for node in top if (node.module or "").endswith("operators.lineage")], path


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


def test_every_error_says_in_its_docstring_what_to_do() -> None:
    """``docs/errors.md`` is made of it. The bases say what happens to the task."""
    bases = ("ZDirectError", "ZDirectFatalError", "ZDirectRetriableError", "ZDirectDataError")
    for name, error in vars(exceptions).items():
        if isinstance(error, type) and issubclass(error, exceptions.ZDirectError) and name not in bases:
            _, _, more = (error.__doc__ or "").partition("\n\n")
            assert more.strip().startswith("What to do: "), name


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
        assert dataset.answer.keys
        publish = dataset.publish
        assert dataset.has_windows == isinstance(publish, Once | Days)
        assert isinstance(dataset.selection, Dates) == isinstance(publish, Days)
        assert dataset.has_windows or dataset.states.retention or not dataset.states.since_parameter
        assert publish.time_field or isinstance(publish, History)
        assert publish.identity or (isinstance(publish, Days) and dataset.days.alike)
        fields = dataset.model.model_fields.keys()
        assert {*publish.identity, *filter(None, [publish.time_field]), *dataset.personal_data} <= fields
        assert dataset.source
        for variant in dataset.variants.values():
            assert (variant.name, variant.model, variant.publish.identity) == (name, dataset.model, publish.identity)
