"""A throw-away Airflow for the tests that need one; importing it points this process there.

It has Airflow's defaults, as a deployment would: its unit-test mode changes what a cron schedule means.
"""

from __future__ import annotations

import atexit
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from contextlib import closing
from functools import cache
from pathlib import Path

PROJECT = Path(__file__).parent.parent
HOME = Path(tempfile.mkdtemp(prefix="zdirect-airflow-"))
_MIGRATED = HOME / "migrated.db"
atexit.register(shutil.rmtree, HOME, ignore_errors=True)

for _name in [name for name in os.environ if name.startswith(("AIRFLOW__", "AIRFLOW_CONN_", "ZDIRECT_"))]:
    del os.environ[_name]
os.environ.update(
    AIRFLOW_HOME=str(HOME),
    AIRFLOW__CORE__DAGS_FOLDER=str(PROJECT / "dags"),
    AIRFLOW__CORE__LOAD_EXAMPLES="False",
    AIRFLOW__CORE__TEST_CONNECTION="Enabled",
    AIRFLOW__CORE__FERNET_KEY="dGVzdHMtb25seS10ZXN0cy1vbmx5LXRlc3RzLW9ubHk=",
    AIRFLOW__METRICS__TIMER_UNIT_CONSISTENCY="True",
)


def airflow(*arguments: str) -> str:
    """What ``airflow <arguments>`` prints."""
    done = subprocess.run(
        [sys.executable, "-m", "airflow", *arguments], capture_output=True, text=True, cwd=HOME, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@cache
def migrate() -> None:
    """Create the database, once, and a second one that stays as it is."""
    airflow("db", "migrate")
    _copy(HOME / "airflow.db", _MIGRATED)


def copy_migrated(target: Path) -> None:
    """A database in which nothing has happened yet."""
    migrate()
    _copy(_MIGRATED, target)


def _copy(database: Path, target: Path) -> None:
    # Through SQLite: who opens the file besides and closes it drops the locks that this process has on it.
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("VACUUM INTO ?", (str(target),))
