"""The plugin as Airflow loads it: in every process, and on versions whose UI has no place for its pages."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from importlib import import_module
from pathlib import Path

import pytest
from airflow.plugins_manager import ensure_plugins_loaded, is_valid_plugin

from airflow_provider_zdirect.airflow_sdk import AIRFLOW_V_3_1_PLUS
from airflow_provider_zdirect.plugins.plugin import ZDirectPlugin

PROJECT = Path(__file__).parent.parent.parent

shows_pages = pytest.mark.skipif(not AIRFLOW_V_3_1_PLUS, reason="Airflow shows pages of plugins from 3.1 on")


def test_the_entry_point_leads_to_a_plugin_that_airflow_takes() -> None:
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    module, _, name = project["entry-points"]["airflow.plugins"]["zdirect"].partition(":")
    assert getattr(import_module(module), name) is ZDirectPlugin
    ensure_plugins_loaded()
    assert is_valid_plugin(ZDirectPlugin)


def test_every_process_of_airflow_loads_it_so_it_imports_next_to_nothing() -> None:
    program = (
        "import sys\n"
        "from airflow_provider_zdirect.airflow_sdk import AirflowPlugin, conf\n"
        "import airflow.providers.common.compat.version_compat\n"
        "before = set(sys.modules)\n"
        "from airflow_provider_zdirect.plugins.plugin import ZDirectPlugin\n"
        "ZDirectPlugin()\n"
        "print('loaded:', *set(sys.modules) - before)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=PROJECT)
    package = "airflow_provider_zdirect"
    assert set(done.stdout.rpartition("loaded: ")[2].split()) <= {
        package,
        f"{package}.plugins",
        f"{package}.plugins.plugin",
    }


@pytest.mark.skipif(AIRFLOW_V_3_1_PLUS, reason="Airflow shows pages of plugins from 3.1 on")
def test_versions_without_pages_of_plugins_get_none() -> None:
    plugin = ZDirectPlugin()
    assert plugin.fastapi_apps == []
    assert plugin.external_views == []


@shows_pages
@pytest.mark.parametrize(
    ("base_url", "root"), [("", ""), ("https://air.flow/", ""), ("https://host/team/air/", "/team/air")]
)
def test_the_page_is_in_the_navigation_wherever_airflow_is_mounted(
    monkeypatch: pytest.MonkeyPatch, base_url: str, root: str
) -> None:
    from airflow.api_fastapi.core_api.datamodels.plugins import ExternalViewResponse

    monkeypatch.setenv("AIRFLOW__API__BASE_URL", base_url)
    (view,) = ZDirectPlugin().external_views
    shown = ExternalViewResponse.model_validate(view)
    assert (shown.href, shown.destination, shown.category) == (f"{root}/zdirect/coverage/", "nav", "browse")
    assert shown.icon == f"{root}/zdirect/coverage/icon.svg"


@shows_pages
def test_the_apps_are_mounted_where_airflow_allows_it() -> None:
    from airflow.api_fastapi.app import RESERVED_URL_PREFIXES

    mounted = [app["url_prefix"] for app in ZDirectPlugin().fastapi_apps]
    assert mounted == ["/zdirect/coverage", "/zdirect/files"]
    assert not any(app.startswith(prefix) for app in mounted for prefix in RESERVED_URL_PREFIXES)


@shows_pages
def test_a_version_of_airflow_without_what_the_pages_need_starts_without_them(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setitem(sys.modules, "airflow.api_fastapi.core_api.security", None)
    for name in ("coverage_app", "files_app"):
        monkeypatch.delitem(sys.modules, f"airflow_provider_zdirect.plugins.{name}", raising=False)
    plugin = ZDirectPlugin()
    assert plugin.fastapi_apps == []
    assert plugin.external_views == []
    assert "The zDirect pages are not shown" in caplog.text
    assert "airflow.api_fastapi.core_api.security" in caplog.text
