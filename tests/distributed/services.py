"""What Airflow needs beside itself: a database, a queue, and the connection to its object storage."""

from __future__ import annotations

import os
import pwd
import shutil
from collections.abc import Callable
from pathlib import Path

from s3_server import CREDENTIALS
from sessions import StartError
from topology import REDIS

Run = Callable[[str, list[str]], None]


class Database:
    """PostgreSQL, without a password: it listens on loopback, and ends with the test."""

    def __init__(self, folder: Path, port: int) -> None:
        self._folder, self._port = folder, port
        self.address = f"airflow@127.0.0.1:{port}/postgres"

    def create(self, run: Run) -> None:
        """:param run: runs a program to its end, given its name and command."""
        self._folder.mkdir(mode=0o700)
        if os.geteuid() == 0:
            shutil.chown(self._folder, self._user())
        arguments = ["--pgdata", str(self._folder), "--username=airflow", "--auth=trust", "--encoding=UTF8"]
        run("initdb", [*self._as_user(), _postgresql("initdb"), *arguments, "--no-sync"])

    def command(self) -> list[str]:
        settings = {
            "listen_addresses": "127.0.0.1",
            "port": self._port,
            "unix_socket_directories": "",
            "max_connections": 200,
            # Programs are killed here, not machines.
            "fsync": "off",
        }
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        return [*self._as_user(), _postgresql("postgres"), "-D", str(self._folder), *options]

    def _as_user(self) -> list[str]:
        """PostgreSQL refuses to run as root."""
        if os.geteuid() != 0:
            return []
        user = pwd.getpwnam(self._user())
        return ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"]

    @staticmethod
    def _user() -> str:
        return "postgres" if "postgres" in (user.pw_name for user in pwd.getpwall()) else "nobody"


def _postgresql(program: str) -> str:
    """Debian keeps the programs of each version apart, outside of the search path."""
    found = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{program}"), key=lambda path: int(path.parts[-3]))
    if path := str(found[-1]) if found else shutil.which(program):
        return path
    raise StartError(f"PostgreSQL's {program} is missing. Run: sh tests/distributed/install.sh")


def redis_command(folder: Path, port: int) -> list[str]:
    folder.mkdir(exist_ok=True)
    return [*REDIS, "--bind", "127.0.0.1", "--port", str(port), "--dir", str(folder)]


def storage_connection(endpoint: str) -> dict[str, object]:
    return {
        "conn_type": "aws",
        "login": CREDENTIALS["key"],
        "password": CREDENTIALS["secret"],
        "extra": {"endpoint_url": endpoint, "region_name": "us-east-1"},
    }
