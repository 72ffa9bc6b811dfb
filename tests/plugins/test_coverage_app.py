"""What the app answers to whom, with Airflow's own auth manager and its tokens."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from airflow_provider_zdirect.airflow_sdk import AIRFLOW_V_3_1_PLUS

if not AIRFLOW_V_3_1_PLUS:
    pytest.skip("Airflow shows pages of plugins from 3.1 on", allow_module_level=True)

from airflow.api_fastapi.app import init_auth_manager, purge_cached_app
from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser
from starlette.testclient import TestClient

from airflow_provider_zdirect.plugins.coverage_app import coverage_app

# Of the throw-away Airflow of the tests.
pytestmark = pytest.mark.filterwarnings("ignore:The HMAC key is")

REPORT = {"rows": [], "others": [], "warn_days": 14}
AFTER = datetime(2026, 11, 29, 12, tzinfo=UTC)


class Measured:
    """Answers at once, and knows what it was asked."""

    def __init__(self) -> None:
        self.asked: list[datetime | None] = []

    async def latest(self, after: datetime | None = None) -> tuple[dict[str, Any], str]:
        self.asked.append(after)
        return REPORT, "a notice"


@pytest.fixture
def measured() -> Measured:
    return Measured()


@pytest.fixture
def http(measured: Measured) -> Iterator[TestClient]:
    with TestClient(coverage_app("/air", "/zdirect/coverage", measured), follow_redirects=False) as client:  # type: ignore[arg-type]
        yield client


def token(role: str | None) -> dict[str, str]:
    """The headers of a user who has this role, as of one who has logged in."""
    manager = init_auth_manager()
    user = SimpleAuthManagerUser(username="somebody", role=role)
    return {"Authorization": f"Bearer {manager.generate_jwt(user)}"}


@pytest.fixture(autouse=True)
def _auth_manager(database: None) -> Iterator[None]:
    init_auth_manager()
    yield
    purge_cached_app()


@pytest.mark.parametrize(
    ("role", "status", "may_fill"),
    [(None, 403, None), ("viewer", 200, False), ("user", 200, True), ("op", 200, True), ("admin", 200, True)],
)
def test_the_report_is_for_those_who_may_read_the_dag(
    http: TestClient, measured: Measured, role: str | None, status: int, may_fill: bool | None
) -> None:
    answer = http.get("/data", headers=token(role))
    assert answer.status_code == status
    assert answer.json().get("may_fill") == may_fill
    assert bool(measured.asked) == (status == 200)


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer no-token"}, {"Cookie": "_token=no-token"}])
def test_who_has_not_logged_in_gets_nothing(http: TestClient, measured: Measured, headers: dict[str, str]) -> None:
    answer = http.get("/data", headers=headers)
    assert answer.status_code in (401, 403)
    assert set(answer.json()) == {"detail"}
    assert measured.asked == []


def test_the_report_comes_with_its_summary_and_what_the_reader_has_to_know(http: TestClient) -> None:
    answer = http.get("/data", headers=token("viewer")).json()
    assert answer["report"] == REPORT
    assert answer["summary"]["headline"].startswith("Nothing is expected yet")
    assert answer["notice"] == "a notice"


def test_a_report_can_be_asked_for_that_is_later_than_a_run(http: TestClient, measured: Measured) -> None:
    assert http.get("/data", params={"after": AFTER.isoformat()}, headers=token("viewer")).status_code == 200
    assert http.get("/data", params={"after": "yesterday"}, headers=token("viewer")).status_code == 422
    assert measured.asked == [AFTER]


def test_the_page_is_shown_in_frames_of_its_own_airflow_only(http: TestClient) -> None:
    answer = http.get("/")
    assert answer.status_code == 200
    assert answer.headers["content-security-policy"] == "frame-ancestors 'self'"
    assert answer.headers["cache-control"] == "no-store"
    assert '"data": "/air/zdirect/coverage/data", "api": "/air/api/v2", "ui": "/air"' in answer.text


@pytest.mark.parametrize("icon", ["icon.svg", "icon-dark.svg"])
def test_the_navigation_has_an_icon(http: TestClient, icon: str) -> None:
    answer = http.get(f"/{icon}")
    assert answer.headers["content-type"] == "image/svg+xml"
    assert answer.text.startswith("<svg")


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
@pytest.mark.parametrize("path", ["/", "/data"])
def test_nothing_can_be_changed_here(http: TestClient, path: str, method: str) -> None:
    assert http.request(method, path, headers=token("admin")).status_code == 405
