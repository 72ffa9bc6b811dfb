"""Writes the page at the end of a run that had cases."""

from __future__ import annotations

from pathlib import Path

import pytest
import real_time

from certification import report

PROJECT = Path(__file__).parent.parent.parent
FOLDER = PROJECT / "build" / "certification"
CASE = "tests/certification/test_cases.py::"


class Pages:
    """A plugin, so that it sees tests of other folders as well, and with xdist those of all processes."""

    def __init__(self) -> None:
        self.ran: dict[str, report.Ran] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self._add(report)

    def _add(self, phase: pytest.TestReport) -> None:
        before = self.ran.get(phase.nodeid, report.Ran("passed"))
        outcome = phase.outcome if before.outcome == "passed" else before.outcome
        error = before.error or (phase.longreprtext if phase.outcome == "failed" else "")
        self.ran[phase.nodeid] = report.Ran(outcome, round(before.seconds + phase.duration, 3), error)

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if any(test.startswith(CASE) for test in self.ran):
            page = report.write(FOLDER, self.ran, real_time.now().isoformat(timespec="seconds"))
            terminalreporter.write_line(f"The cases and their outcomes: {page}")


def pytest_configure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(Pages())
