"""A real Airflow in which people log in, as an admin or as a viewer who may read all and trigger nothing."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from local_airflow import LocalAirflow

PASSWORDS = {"admin": "admin-of-the-tests", "viewer": "viewer-of-the-tests"}
_HTTP = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class AirflowWithUsers(LocalAirflow):
    """:param home: as that of LocalAirflow."""

    def __init__(self, home: Path) -> None:
        passwords = home / "passwords.json"
        passwords.write_text(json.dumps(PASSWORDS), encoding="utf-8")
        settings = {
            "CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "False",
            "CORE__SIMPLE_AUTH_MANAGER_USERS": ",".join(f"{name}:{name}" for name in PASSWORDS),
            "CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(passwords),
            "SCHEDULER__USE_JOB_SCHEDULE": "False",
        }
        super().__init__(home, settings)

    def log_in(self, user: str = "admin") -> str:
        request = urllib.request.Request(f"{self.url}/auth/token", method="POST")
        request.add_header("Content-Type", "application/json")
        request.data = json.dumps({"username": user, "password": PASSWORDS[user]}).encode()
        with _HTTP.open(request, timeout=30) as answer:
            return str(json.load(answer)["access_token"])

    def status(self, path: str, *, user: str | None = None, body: Any = None, method: str | None = None) -> int:
        """The status of the answer to a request of a user, None being nobody."""
        request = urllib.request.Request(self.url + path, method=method)
        if user:
            request.add_header("Authorization", f"Bearer {self.log_in(user)}")
        if body is not None:
            request.data = json.dumps(body).encode()
            request.add_header("Content-Type", "application/json")
        try:
            with _HTTP.open(request, timeout=30) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            return error.code
