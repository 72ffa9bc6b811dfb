"""The connection as Airflow's own form, REST API and Test button have it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from html import unescape
from importlib.util import find_spec
from typing import Any

import airflow_home
import pytest
from airflow import __version__
from own_emulator import connection_to
from packaging.version import Version

from airflow_provider_zdirect.airflow_sdk import AIRFLOW_V_3_0_PLUS, AIRFLOW_V_3_2_PLUS
from airflow_provider_zdirect.emulator.server import EmulatorServer

SECRET = "the-key-of-all-hashes"
EXTRA = {"environment": "production", "personal_data_secret": SECRET}

BUTTON_SENDS_SECRETS = Version(__version__) >= Version("3.1.7")

pytestmark = pytest.mark.usefixtures("database")


@pytest.fixture(scope="module")
def api(database: None) -> Iterator[Any]:
    """Airflow 3's REST API, as its UI calls it."""
    if not AIRFLOW_V_3_0_PLUS:
        pytest.skip("the REST API of Airflow 3")
    from airflow.api_fastapi.app import create_app
    from fastapi.testclient import TestClient

    with pytest.MonkeyPatch.context() as settings:
        settings.setenv("AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS", "True")
        settings.setenv("AIRFLOW__API_AUTH__JWT_SECRET", "of-these-tests-only-" * 4)
        with TestClient(create_app()) as client:
            token = client.get("/auth/token").json()["access_token"]
            client.headers["Authorization"] = f"Bearer {token}"
            yield client


@pytest.fixture
def stored(api: Any, emulator: EmulatorServer) -> Iterator[Callable[..., dict[str, Any]]]:
    """Stores a connection and returns what the API then shows of it."""

    def store(**fields: Any) -> dict[str, Any]:
        body = connection_to(emulator, connection_id="shop", extra=json.dumps(EXTRA), **fields)
        assert api.post("/api/v2/connections", json=body).status_code == 201
        return dict(api.get("/api/v2/connections/shop").json())

    yield store
    api.delete("/api/v2/connections/shop")


def as_the_button_sends(shown: dict[str, Any]) -> dict[str, Any]:
    """The body of the Test button in Airflow 3.3's list of connections, for a connection as the API shows it."""
    names = ("conn_type", "connection_id", "description", "extra", "host", "login", "password", "schema")
    return {**{name: shown[name] or "" for name in names}, "port": int(shown["port"] or 0)}


@pytest.mark.skipif(not BUTTON_SENDS_SECRETS, reason="the button sends *** for what is stored")
def test_the_test_button_works_for_a_stored_connection_with_a_port(
    api: Any, stored: Callable[..., dict[str, Any]], emulator: EmulatorServer
) -> None:
    shown = stored(port=int(emulator.url.rpartition(":")[2]))
    answer = api.post("/api/v2/connections/test", json=as_the_button_sends(shown))
    assert answer.status_code == 200
    assert answer.json()["status"], answer.json()["message"]
    assert emulator.merchant_ids[0] in answer.json()["message"]


@pytest.mark.skipif(not BUTTON_SENDS_SECRETS, reason="the button sends *** for what is stored")
def test_the_test_button_names_a_blank_in_a_stored_connection(
    api: Any, stored: Callable[..., dict[str, Any]], emulator: EmulatorServer
) -> None:
    shown = stored(port=int(emulator.url.rpartition(":")[2]), password="demo-secret\u200b")
    answer = api.post("/api/v2/connections/test", json=as_the_button_sends(shown)).json()
    assert not answer["status"]
    assert "the connection's password) ends with an invisible character (U+200B, zero width space)" in answer["message"]
    assert "demo-secret" not in answer["message"]


def test_the_rest_api_masks_every_secret(api: Any, stored: Callable[..., dict[str, Any]]) -> None:
    shown = stored()
    assert json.loads(shown["extra"]) == {**EXTRA, "personal_data_secret": "***"}
    assert shown["password"] == "***"
    assert SECRET not in api.get("/api/v2/connections").text


@pytest.mark.skipif(
    not AIRFLOW_V_3_2_PLUS and find_spec("flask_appbuilder") is None,
    reason="without the FAB provider, Airflow before 3.2 shows no fields of any provider",
)
def test_the_form_has_a_password_field_for_the_secret_and_a_port(api: Any) -> None:
    if not AIRFLOW_V_3_2_PLUS:
        from airflow.providers_manager import ProvidersManager

        # It makes no form of fields that the process has used for something else.
        ProvidersManager()._cleanup()
    forms = {form["connection_type"]: form for form in api.get("/ui/connections/hook_meta").json()}
    form = forms["zdirect"]
    assert form["extra_fields"]["personal_data_secret"]["schema"]["format"] == "password"
    assert not form["standard_fields"]["port"]["hidden"]
    assert "443" in form["standard_fields"]["port"]["placeholder"]


@pytest.mark.exhaustive
def test_the_list_of_the_command_line_does_not_show_secrets(api: Any, stored: Callable[..., dict[str, Any]]) -> None:
    stored()
    listed = airflow_home.airflow("connections", "list", "--output", "plain")
    assert "shop" in listed
    assert SECRET not in listed


@pytest.mark.skipif(AIRFLOW_V_3_0_PLUS, reason="the form of Airflow 2")
def test_the_form_of_airflow_2_masks_the_secret_and_keeps_it_when_something_else_is_changed() -> None:
    from airflow.models import Connection
    from airflow.utils.session import create_session
    from airflow.www.app import create_app

    app = create_app(testing=True)
    app.config["WTF_CSRF_ENABLED"] = False
    manager = app.appbuilder.sm
    with app.app_context():
        manager.add_user("admin", "A", "B", "admin@example.com", manager.find_role("Admin"), password="admin")
    with create_session() as session:
        session.add(Connection("shop", "zdirect", login="app", password="the-secret", extra=json.dumps(EXTRA)))
    with create_session() as session:
        number = session.query(Connection.id).filter_by(conn_id="shop").scalar()
    client = app.test_client()
    client.post("/login/", data={"username": "admin", "password": "admin"})

    page = client.get(f"/connection/edit/{number}").text
    shown = {name: unescape(value) for name, value in re.findall(r'name="(\w+)"[^>]*? value="([^"]*)"', page)}
    (extra,) = re.findall(r'<textarea[^>]*name="extra"[^>]*>\s*(.*?)</textarea>', page, re.DOTALL)
    assert re.search(r'name="extra__zdirect__personal_data_secret"[^>]* type="password"', page)
    assert SECRET not in page
    changed = {**shown, "conn_type": "zdirect", "login": "changed", "extra": unescape(extra)}
    client.post(f"/connection/edit/{number}", data=changed)
    with create_session() as session:
        stored = session.query(Connection).filter_by(conn_id="shop").one()
        assert (stored.login, stored.extra_dejson["personal_data_secret"]) == ("changed", SECRET)
        session.delete(stored)
