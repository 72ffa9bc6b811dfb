"""The commands of Airflow in the documents are ones of this version, for DAGs and parameters that exist."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from code_blocks import airflow_commands

from airflow_provider_zdirect.airflow_sdk import AIRFLOW_V_3_0_PLUS

OF_OTHER_VERSIONS = ["dags", "backfill"] if AIRFLOW_V_3_0_PLUS else ["backfill", "create"]
OF_PAGES = {"my_returns", "first_dag"}
"""DAGs that a reader writes."""

# The provider's own command (Airflow 3.2 and newer) has tests of its own.
COMMANDS = [
    (where, words) for where, words in airflow_commands() if words[:2] != OF_OTHER_VERSIONS and words[0] != "zdirect"
]


@pytest.fixture(scope="module")
def parser() -> Any:
    from airflow.cli import cli_parser

    return cli_parser.get_parser()


@pytest.mark.parametrize(("where", "words"), COMMANDS, ids=[f"{where} {words[0]}" for where, words in COMMANDS])
def test_airflow_takes_the_command(
    where: str, words: list[str], parser: Any, dags: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    if is_partial(words):
        with pytest.raises(SystemExit, match="0"):
            parser.parse_args([*words[:2], "--help"])
        shown = capsys.readouterr().out
        assert [word for word in words if word.startswith("--") and word not in shown] == []
        return
    arguments = parser.parse_args([re.sub(r"\$\(date .*\)", "2026-11-28T10:30:00", word) for word in words])
    dag_id = getattr(arguments, "dag_id", None)
    assert dag_id is None or dag_id in dags.keys() | OF_PAGES
    conf = json.loads(getattr(arguments, "conf", None) or getattr(arguments, "dag_run_conf", None) or "{}")
    assert not conf or conf.keys() <= dags[dag_id].params.keys()


def is_partial(words: list[str]) -> bool:
    """Whether a sentence only names the command, or leaves out what does not matter there."""
    return "..." in words or (len(words) == 2 and words != ["db", "migrate"])
