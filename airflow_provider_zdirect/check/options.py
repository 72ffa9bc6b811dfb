# SPDX-License-Identifier: Apache-2.0
"""The command's arguments, for ``python -m airflow_provider_zdirect`` and for Airflow's own command line.

Every start of ``airflow`` reads this module, so it imports nothing that takes time.
"""

from __future__ import annotations

import argparse
from typing import Any

ABOUT = "Test what works with a zDirect connection and what is missing, a line for each check."

MORE = (
    "Nothing is changed at zDirect. At most one access token is requested, then the identity of the app, and one page "
    "of each dataset."
)

OPTIONS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("--conn-id", {"help": "the zDirect connection; default: ZDIRECT_CONN_ID, or zdirect_default"}),
    (
        "--base-path",
        {"help": "where the DAGs write; default: ZDIRECT_BASE_PATH, or zdirect in AIRFLOW_HOME"},
    ),
    (
        "--merchant",
        {"action": "append", "metavar": "ID", "help": "id or name of a merchant to read; may be given several times"},
    ),
    ("--datasets", {"metavar": "NAMES", "help": "only these datasets, with commas in between"}),
    ("--no-reads", {"action": "store_true", "help": "do not read any data"}),
    ("--json", {"metavar": "FILE", "help": "the file with the shape of what zDirect answered"}),
)


def parser() -> argparse.ArgumentParser:
    """Of ``python -m airflow_provider_zdirect``."""
    cli = argparse.ArgumentParser(prog="python -m airflow_provider_zdirect")
    commands = cli.add_subparsers(dest="command", required=True, metavar="COMMAND")
    check = commands.add_parser("check", help=ABOUT, description=f"{ABOUT} {MORE}")
    for flag, others in OPTIONS:
        check.add_argument(flag, **others)
    return cli


def airflow_commands() -> list[Any]:
    """``airflow zdirect check`` (Airflow versions that let providers add commands)."""
    from airflow.cli.cli_config import ActionCommand, Arg, GroupCommand, lazy_load_command

    check = ActionCommand(
        name="check",
        help=ABOUT,
        description=MORE,
        func=lazy_load_command("airflow_provider_zdirect.check.command.run_and_exit"),
        args=[Arg((flag,), **others) for flag, others in OPTIONS],
    )
    return [GroupCommand(name="zdirect", help="Zalando zDirect", subcommands=(check,))]
