from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path

import airflow
import jsonschema
import pytest
from airflow.providers_manager import ProvidersManager

from airflow_provider_zdirect.airflow_sdk import AIRFLOW_V_3_2_PLUS, redact
from airflow_provider_zdirect.get_provider_info import get_provider_info
from airflow_provider_zdirect.hooks.connection_form import EXTRA_FIELDS, conn_fields, ui_field_behaviour
from airflow_provider_zdirect.hooks.zdirect import ZDirectHook

SCHEMAS = Path(airflow.__file__).parent
NAMES = {field.name for field in EXTRA_FIELDS}


@pytest.mark.parametrize("schema", ["provider_info.schema.json", "provider.yaml.schema.json"])
def test_the_metadata_is_valid_for_this_airflow(schema):
    rules = json.loads((SCHEMAS / schema).read_text())
    if schema.startswith("provider.yaml"):
        # It also asks for what only Airflow's own repository has; the connection types are what the UI reads.
        jsonschema.validate(get_provider_info()["connection-types"], rules["properties"]["connection-types"])
    else:
        jsonschema.validate(get_provider_info(), rules)


@pytest.mark.skipif(
    not AIRFLOW_V_3_2_PLUS and find_spec("flask_appbuilder") is None,
    reason="without the FAB provider, Airflow before 3.2 shows no fields of any provider",
)
def test_airflow_finds_the_hook_and_every_field_of_its_form():
    manager = ProvidersManager()
    assert "airflow-provider-zdirect" in manager.providers
    hook = manager.hooks["zdirect"]
    assert hook is not None
    assert hook.hook_name == "Zalando zDirect"
    prefix = "extra__zdirect__"
    shown = {name.removeprefix(prefix) for name in manager.connection_form_widgets if name.startswith(prefix)}
    assert shown == NAMES
    assert manager.field_behaviours["zdirect"]["relabeling"]["login"] == "Client id"


@pytest.mark.skipif(find_spec("flask_appbuilder") is None, reason="the form of Airflow before 3.2")
def test_both_forms_show_the_same_fields():
    widgets = ZDirectHook.get_connection_form_widgets()
    metadata = conn_fields()
    assert list(widgets) == list(metadata)
    for name, widget in widgets.items():
        assert str(widget.args[0]) == metadata[name]["label"]
        assert widget.kwargs["default"] == metadata[name]["schema"].get("default")
        assert widget.kwargs["description"] == metadata[name]["description"]


@pytest.mark.skipif(find_spec("flask_appbuilder") is None, reason="the form of Airflow before 3.2")
@pytest.mark.parametrize(
    ("stored", "shown"), [({"a": 1}, "{&#34;a&#34;: 1}"), ('{"a": 1}', "{&#34;a&#34;: 1}"), ("", "")]
)
def test_the_older_form_shows_a_stored_object_as_json(stored, shown):
    from wtforms import Form

    form = type("AForm", (Form,), {"assumptions": ZDirectHook.get_connection_form_widgets()["assumptions"]})()
    form.assumptions.data = stored
    assert f'value="{shown}"' in str(form.assumptions())


def test_airflow_takes_the_secret_fields_and_no_others_for_secrets():
    """Another one would be *** in the form, be saved like that, and mask "true" in every log."""
    shown = redact({field.name: "shown" for field in EXTRA_FIELDS})
    assert {name for name, value in shown.items() if value == "***"} == {
        field.name for field in EXTRA_FIELDS if field.kind == "secret"
    }


def test_every_number_has_its_unit_or_range_in_the_label():
    for field in EXTRA_FIELDS:
        if field.kind == "number":
            assert field.label.endswith(("(seconds)", "(MB)", "(0 to 1)"))


def test_a_port_can_be_entered():
    """Airflow 3.3 does not test a stored connection without one."""
    assert "port" not in ui_field_behaviour()["hidden-fields"]


def test_both_forms_treat_the_standard_fields_alike():
    old, new = ZDirectHook.get_ui_field_behaviour(), ui_field_behaviour()
    assert {name.replace("_", "-"): value for name, value in old.items()} == new
