"""Every shell block of the documents is run, or its commands are checked against what they call.

Commands of Airflow are checked by ``tests/dags/test_documented_commands.py``, on both versions; those of the ten-minute
start run in ``test_start_page.py``.
"""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest
from airflow.models.connection import Connection
from code_blocks import ROOT, RUN_ELSEWHERE, Block, blocks, commands

from airflow_provider_zdirect.emulator.__main__ import _connection, parser
from airflow_provider_zdirect.emulator.server import EmulatorServer
from airflow_provider_zdirect.hooks.connection import ZDirectConnection

NOT_RUN = {
    "helm": "another project's command, which nothing here brings along",
    "bq": "Google's command, which needs an account",
    "sed": "gives its output to bq",
    ".": "activates the environment that the line before it makes",
    "docker": "there is no Docker where the tests run",
}
"""Commands of which only the syntax is checked, and why."""

PACKAGES = {"apache-airflow==3.3.2", "apache-airflow==${AIRFLOW_VERSION}", "apache-airflow-providers-smtp"}
"""What is installed besides this package."""


def make(words: list[str]) -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for word in words[1:]:
        assert "=" in word or re.search(rf"^{re.escape(word)}:", makefile, re.MULTILINE), word


def pip(words: list[str]) -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    options = {"--constraint": 1, "--no-deps": 0, "--wheel-dir": 1}
    words = words[2:]
    while words:
        word, *words = words
        if word in options:
            words = words[options[word] :]
        elif word not in PACKAGES:
            own = re.fullmatch(r"(?:airflow-provider-zdirect|\.)(?:\[([\w,]+)\])?", word)
            assert own, word
            assert {*filter(None, (own[1] or "").split(","))} <= extras.keys()


def python(words: list[str]) -> None:
    if words[1:3] == ["-m", "venv"]:
        return
    if words[1:3] == ["-m", "airflow_provider_zdirect.emulator"]:
        parser().parse_args(words[3:])
    elif words[1] == "-m":
        assert importlib.util.find_spec(f"{words[2]}.__main__")
    elif words[1] == "-c":
        exec(compile(words[2], "python -c", "exec"), {})
    else:
        script = (ROOT / words[1]).read_text(encoding="utf-8")
        options = [word for word in words if word.startswith("--")]
        assert not options or "argparse" in script
        source = "".join(path.read_text(encoding="utf-8") for path in (ROOT / words[1]).parent.glob("*.py"))
        assert [option for option in options if f'"{option}"' not in source] == []


def query(words: list[str]) -> None:
    option, sql = words[1:]
    assert option == "-c"
    duckdb.sql(sql)


def export(words: list[str]) -> None:
    for word in words[1:]:
        name, _, value = word.partition("=")
        if name.startswith("AIRFLOW_CONN_") and value != "...":
            check_connection(value)
        else:
            assert re.fullmatch(r"ZDIRECT_\w+|AIRFLOW_\w+", name), name


def airflow(words: list[str]) -> None:
    """Elsewhere."""


def check_connection(text: str) -> None:
    """Read a connection as a task does."""
    if Connection.from_json(text, conn_id="documented").conn_type == "zdirect":
        with pytest.MonkeyPatch.context() as patched:
            patched.setenv("AIRFLOW_CONN_DOCUMENTED", text)
            assert ZDirectConnection("documented").settings.config.client_id


CHECKS: dict[str, Callable[[list[str]], None]] = {
    "airflow": airflow,
    "duckdb": query,
    "export": export,
    "make": make,
    "pip": pip,
    "python": python,
    "python3": python,
    ".venv/bin/python": python,
}

SHELL = [block for block in blocks("sh") if block.page != "emulator.md" or "curl" not in block.text]


@pytest.mark.parametrize("block", SHELL, ids=str)
def test_the_commands_of_a_block_are_right(block: Block, beside_the_tables: Path) -> None:
    subprocess.run(["sh", "-n"], input=block.text, text=True, check=True)
    for words in commands(block):
        # The start page reads what its own DAG publishes.
        if words[0] not in NOT_RUN and (block.page, words[:2]) != ("start.md", ["python", "-c"]):
            CHECKS[words[0]](words)


def test_a_day_that_was_downloaded_is_compared_with_the_published_one(beside_the_tables: Path) -> None:
    export_day, compare = (words[2] for block in blocks("sh", "csv-downloads.md") for words in commands(block))
    duckdb.sql(export_day)
    assert duckdb.sql(compare).fetchall() == []
    file = beside_the_tables / "returns.csv"
    lines = file.read_text().splitlines()
    file.write_text("\n".join(lines[:-1]))
    ean = lines[-1].partition(",")[0]
    assert [row[0] for row in duckdb.sql(compare).fetchall()] == [ean]


def test_the_calls_of_the_emulator_page_are_answered(tmp_path: Path) -> None:
    (tmp_path / "curl").write_text(
        f'#!/bin/sh\nexec {shlex.quote(sys.executable)} {shlex.quote(str(Path(__file__).with_name("curl.py")))} "$@"\n'
    )
    (tmp_path / "curl").chmod(0o755)
    (tmp_path / "airflow").write_text("#!/bin/sh\n")  # its commands are checked elsewhere
    (tmp_path / "airflow").chmod(0o755)
    with EmulatorServer(now="2026-11-22T10:00:00+00:00") as emulator:
        merchant = emulator.merchant_ids[0]
        (order, *_) = emulator.add_orders(merchant, 2, status="initial", customer_number="31400000001")
        environment = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}", "ORDER": order}
        calls = [block.text for block in blocks("sh", "emulator.md") if "EMULATOR" in block.text]
        script = "\n".join(calls)
        script = re.sub(r"EMULATOR=\S+", f"EMULATOR={emulator.url}/_emulator", script)
        done = subprocess.run(
            ["sh", "-eux"], input=script, capture_output=True, text=True, env=environment, check=False
        )
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stderr.count("+ curl") > 15


def test_the_emulator_page_shows_what_the_emulator_prints() -> None:
    (shown,) = blocks("text", "emulator.md")
    with EmulatorServer(seed=7) as emulator:
        assert f"merchants {', '.join(emulator.merchant_ids)}" in shown.text
    assert _connection("http://127.0.0.1:8088", parser().parse_args([])) in shown.text


def test_every_block_is_of_a_kind_that_some_test_looks_at() -> None:
    """``text`` (or nothing) is what a program prints, and not code."""
    directives = {"{literalinclude}", "{toctree}", "{include}", "{eval-rst}"}
    kinds = {"python", "sh", "csv", "dockerfile", "text", ""} | directives
    others = {block.page for block in blocks() if block.language not in kinds}
    assert others - RUN_ELSEWHERE.keys() == {"assumptions.md"}


def test_the_image_of_the_deployment_page_installs_what_there_is() -> None:
    """It is built nowhere here, as there is no Docker; its commands are those of a shell."""
    (block,) = blocks("dockerfile")
    (version,) = re.findall(r"^FROM apache/airflow:([\d.]+)-python", block.text, re.MULTILINE)
    assert f"AIRFLOW_3_3 = {version}\n" in (ROOT / "Makefile").read_text(encoding="utf-8")
    pip([word for word in shlex.split(block.text.partition("\nRUN ")[2]) if word != "--no-cache-dir"])


def test_the_assumptions_of_a_connection_are_ones() -> None:
    (block,) = blocks("json", "assumptions.md")
    check_connection(
        json.dumps({"conn_type": "zdirect", "login": "a", "password": "b", "extra": json.loads(block.text)})
    )
