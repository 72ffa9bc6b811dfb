"""The public names are listed, and cost nothing until they are used (docs/stability.md)."""

from __future__ import annotations

import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

from airflow_provider_zdirect.get_provider_info import get_provider_info

PACKAGE = "airflow_provider_zdirect"
OPERATORS = {
    "ZDirectCompactOperator",
    "ZDirectCoverageOperator",
    "ZDirectExtractOperator",
    "ZDirectInboundReconciliationOperator",
    "ZDirectIntrastatReportOperator",
    "ZDirectItemSetsOperator",
    "ZDirectLiquidationRefetchOperator",
    "ZDirectMissingTrackingOperator",
    "ZDirectOrderErasureOperator",
    "ZDirectOrderUpdateOperator",
    "ZDirectShippingDocumentsOperator",
    "ZDirectShippingNoticeOperator",
    "ZDirectStockUpdateOperator",
}
PUBLIC = {
    PACKAGE: OPERATORS
    | {"ClientConfig", "ZDirectClient", "ZDirectHook", "ZDirectReportReadySensor", "__version__"}
    | {"dataset_asset", "triggering_changes"},
    f"{PACKAGE}.operators": OPERATORS | {"ZDirectHttpOperator"},
    f"{PACKAGE}.sensors": {"ZDirectHttpSensor", "ZDirectReportReadySensor"},
    f"{PACKAGE}.hooks": {"ZDirectAuth", "ZDirectHook", "ZDirectHttpAsyncHook", "ZDirectHttpHook"},
    f"{PACKAGE}.client": {"ClientConfig", "ClientStats", "Identity", "Page", "Rate", "Reply", "ZDirectClient"}
    | {"FileRateLimiter", "MemoryRateLimiter", "RateLimiter", "RetryPolicy", "Timeouts", "Transport"}
    | {"FileTokenStore", "MemoryTokenStore", "Token", "TokenStore", "checked_merchant_id", "token_key"}
    | {"JSON_API", "PRODUCTION_URL", "SANDBOX_URL"},
}


@pytest.mark.parametrize("name", PUBLIC)
def test_the_public_names_are_these(name: str) -> None:
    module = import_module(name)
    assert set(module.__all__) == PUBLIC[name]
    assert len(module.__all__) == len(PUBLIC[name])
    named = [getattr(module, public) for public in PUBLIC[name]]
    assert all(isinstance(each, str) or each.__module__.startswith(PACKAGE) for each in named)
    with pytest.raises(AttributeError, match="has no attribute 'Nothing'"):
        module.Nothing  # noqa: B018


def test_every_operator_is_public() -> None:
    files = (Path(import_module(PACKAGE).__file__ or "").parent / "operators").glob("*.py")
    defined = {
        line.removeprefix("class ").partition("(")[0]
        for file in files
        for line in file.read_text().splitlines()
        if line.startswith("class ZDirect")
    }
    assert defined - {"ZDirectOperator"} == PUBLIC[f"{PACKAGE}.operators"]


def test_airflow_knows_every_module_of_operators_sensors_and_hooks() -> None:
    info = get_provider_info()
    for kind in ("operators", "sensors", "hooks"):
        room = import_module(f"{PACKAGE}.{kind}")
        named = {module for each in info[kind] for module in each["python-modules"]}
        assert named == {f"{room.__name__}.{module}" for module in room._MODULE_OF.values()}


def test_importing_the_lists_imports_no_airflow_and_no_library() -> None:
    program = f"import sys, {', '.join(PUBLIC)}; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.split()
    assert not {"pyarrow", "httpx", "pydantic", "airflow", "duckdb"} & set(loaded)


def test_the_package_says_that_it_is_typed() -> None:
    assert (Path(import_module(PACKAGE).__file__ or "").parent / "py.typed").is_file()
