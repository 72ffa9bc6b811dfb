# SPDX-License-Identifier: Apache-2.0
"""The command: what is checked in which order, printed as soon as it is known, and the file for support."""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import os
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from airflow_provider_zdirect.check import deployment
from airflow_provider_zdirect.check.outcome import Outcome, Status, exit_code
from airflow_provider_zdirect.check.zdirect import POLICY, TIMEOUTS, Wanted, ZDirectChecks
from airflow_provider_zdirect.clock import Clock, SystemClock
from airflow_provider_zdirect.dag_support.params import place_params
from airflow_provider_zdirect.datasets.table import check_stands_alone, get_dataset
from airflow_provider_zdirect.exceptions import ZDirectError
from airflow_provider_zdirect.hooks.connection import ConnectionSettings, shared_client
from airflow_provider_zdirect.hooks.zdirect import ZDirectHook
from airflow_provider_zdirect.recording.transport import RecordingTransport


def run_and_exit(args: argparse.Namespace) -> None:
    """For both command lines; Airflow's makes nothing of a return value."""
    # As Airflow's own `airflow connections` does: connections and Variables come from the database, too.
    os.environ.setdefault("_AIRFLOW_PROCESS_CONTEXT", "server")
    logging.disable(logging.INFO)
    sys.exit(Check(args).run())


@dataclass
class Check:
    """One run of the command.

    :param args: as :data:`~airflow_provider_zdirect.check.options.OPTIONS` say.
    :param clock: decides which day is read.
    """

    args: argparse.Namespace
    clock: Clock = field(default_factory=SystemClock)
    outcomes: list[Outcome] = field(default_factory=list)
    content: dict[str, Any] = field(default_factory=dict)

    def run(self) -> int:
        """Check, print, write the file, and return the exit code: 0, 1 for warnings, 2 if something failed."""
        defaults = {name: param.value for name, param in place_params().items()}
        versions = deployment.versions()
        self.content |= {"made_at": self.clock.now().isoformat(timespec="seconds"), "versions": versions}
        listed = ", ".join(f"{name} {number}" for name, number in versions.items())
        self.report(Outcome(Status.OK, "versions", f"{listed}."))
        environment = self._check_connection(self.args.conn_id or defaults["conn_id"])
        for outcome in deployment.base_path_outcomes(self.args.base_path or defaults["base_path"], environment):
            self.report(outcome)
        self.report(deployment.triggerer_outcome())
        self._summarise(self._write_file())
        return exit_code(self.outcomes)

    def report(self, outcome: Outcome) -> None:
        self.outcomes.append(outcome)
        print(outcome.line(), flush=True)

    def _check_connection(self, conn_id: str) -> str | None:
        """Check the connection and all that asks zDirect; its environment, if it can be used."""
        try:
            settings = ZDirectHook(conn_id).settings
        except ZDirectError as error:
            self.report(Outcome.of_error("connection", error))
            self.report(Outcome(Status.SKIP, "zDirect", "Not asked, because the connection cannot be used."))
            return None
        self.report(deployment.connection_outcome(conn_id, settings))
        environment = self.content["environment"] = settings.config.environment
        try:
            wanted = self._wanted(settings)
        except ZDirectError as error:
            self.report(Outcome.of_error("arguments", error))
        else:
            asyncio.run(self._ask(settings, wanted))
        return environment

    def _wanted(self, settings: ConnectionSettings) -> Wanted:
        """:raises ZDirectConfigurationError: if an argument names no dataset, or no merchant."""
        names = [name.strip() for name in (self.args.datasets or "").split(",") if name.strip()]
        for name in names:
            check_stands_alone(get_dataset(name))
        merchants = self.args.merchant or ([settings.merchant_id] if settings.merchant_id else [])
        return Wanted(tuple(map(settings.config.merchants.id_of, merchants)), tuple(names), not self.args.no_reads)

    async def _ask(self, settings: ConnectionSettings, wanted: Wanted) -> None:
        transport = RecordingTransport(TIMEOUTS)
        client = shared_client(settings.config, share_access=settings.share_access, transport=transport, policy=POLICY)
        async with client:
            checks = ZDirectChecks(client, transport, wanted, self.clock, self.report)
            await checks.run()
        self.content |= {**checks.facts, "answers": checks.answers}

    def _write_file(self) -> Path | None:
        file = Path(self.args.json or f"zdirect-check-{self.clock.now():%Y%m%dT%H%M%SZ}.json")
        content = {**self.content, "checks": [each.as_dict() for each in self.outcomes]}
        try:
            file.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
        except OSError as error:
            text = f"{file} cannot be written ({error.strerror}). What to do: Name another file with --json."
            self.report(Outcome(Status.WARN, "file", text))
            return None
        return file

    def _summarise(self, file: Path | None) -> None:
        counts = {status: sum(each.status is status for each in self.outcomes) for status in Status}
        print()
        print(", ".join(f"{count} {status}" for status, count in counts.items()))
        if failed := [each.check for each in self.outcomes if each.status is Status.FAIL]:
            print(f"Failed: {', '.join(failed)}.")
        if file is not None:
            print(f"{file} has the shape of what zDirect answered, and no value of a record. Send it with an issue.")
