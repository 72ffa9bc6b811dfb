# SPDX-License-Identifier: Apache-2.0
"""Command line: ``python -m airflow_provider_zdirect.emulator --port 8088 --seed 7``."""

from __future__ import annotations

import argparse
import json
import os
import shlex
import signal
import sys
import threading
from pathlib import Path
from typing import Any, get_args

# Not options of the emulator, but arguments of the server with the same names.
FIXED = ("host", "port", "now", "seed", "merchants", "client_id", "client_secret", "environment")


def parser() -> argparse.ArgumentParser:
    cli = argparse.ArgumentParser(
        prog="python -m airflow_provider_zdirect.emulator",
        description="A zDirect server with invented, reproducible data. No authentication under /_emulator: "
        "keep it on loopback.",
    )
    cli.add_argument("--host", default="127.0.0.1", help="default: %(default)s")
    cli.add_argument("--port", type=int, default=8088, help="default: %(default)s; 0 takes a free one")
    cli.add_argument("--seed", type=int, default=7, help="the world; same seed, same data; default: %(default)s")
    cli.add_argument("--client-id", default="demo", help="default: %(default)s")
    cli.add_argument("--client-secret", default="demo-secret", help="default: %(default)s")
    cli.add_argument("--merchants", type=int, default=2, help="number of merchants; default: %(default)s")
    cli.add_argument(
        "--environment", choices=("production", "sandbox"), default="production", help="default: %(default)s"
    )
    cli.add_argument("--now", metavar="ISO", help="freeze the clock at this time; default: the real time")
    cli.add_argument("--volume", type=float, default=1.0, help="multiplier of records; default: %(default)s")
    cli.add_argument("--faults", metavar="FILE", type=Path, help="fault plan as JSON; default: no faults")
    cli.add_argument(
        "--option", action="append", default=[], metavar="NAME=VALUE", help="any option, e.g. drift=0.2; repeatable"
    )
    cli.add_argument("--list-options", action="store_true", help="print all options with their defaults, and end")
    return cli


def main(arguments: list[str] | None = None) -> int:
    cli = parser()
    args = cli.parse_args(arguments)
    if args.list_options:
        try:
            print(listed_options(), flush=True)
        except BrokenPipeError:
            # Whoever reads, such as head, has seen enough; Python must not try again when it ends.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    try:
        from airflow_provider_zdirect.emulator.server import EmulatorServer
    except ModuleNotFoundError as error:
        if error.name not in ("starlette", "uvicorn"):
            raise
        needed = 'pip install "airflow-provider-zdirect[emulator]"'
        print(f"The emulator needs {error.name}. Install it with: {needed}", file=sys.stderr)
        return 2
    try:
        faults = json.loads(args.faults.read_text(encoding="utf-8")) if args.faults else ()
        server = EmulatorServer(faults=faults, **{name: getattr(args, name) for name in FIXED}, **_chosen(args))
    except (ValueError, OSError) as error:
        cli.error(str(error))
    stopped = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopped.set())
    with server:
        print(f"zDirect emulator ready at {server.url}, merchants {', '.join(server.merchant_ids)}", flush=True)
        print(_connection(server.url, args), flush=True)
        stopped.wait()
    return 0


def listed_options() -> str:
    """Each option as ``--option`` takes it, with its default, what it may be, and what it means."""
    from airflow_provider_zdirect.emulator.options import Options

    lines = []
    for name, field in Options.model_fields.items():
        value = field.default if isinstance(field.default, str) else json.dumps(field.default)
        choices = [choice or "(empty)" for choice in get_args(field.annotation) if isinstance(choice, str)]
        lines.append(f"{name}={value}" + (f"   [{' | '.join(choices)}]" if choices else ""))
        lines.append(f"    {field.description}")
    return "\n".join(lines)


def _connection(url: str, args: argparse.Namespace) -> str:
    """The line that makes Airflow talk to the emulator."""
    fields = {
        "conn_type": "zdirect",
        "login": args.client_id,
        "password": args.client_secret,
        "host": url,
        "extra": {"environment": args.environment},
    }
    return f"export AIRFLOW_CONN_ZDIRECT_DEFAULT={shlex.quote(json.dumps(fields))}"


def _chosen(args: argparse.Namespace) -> dict[str, Any]:
    """:raises ValueError: for an unknown option, which may not be another argument of the server either."""
    from airflow_provider_zdirect.emulator.options import Options

    chosen: dict[str, Any] = {"volume": args.volume}
    for text in args.option:
        name, _, value = text.partition("=")
        try:
            chosen[name] = json.loads(value)
        except ValueError:
            chosen[name] = value
    Options().changed(chosen)
    return chosen


if __name__ == "__main__":
    sys.exit(main())
