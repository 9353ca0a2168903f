"""What holds for the whole suite: in CI a skipped test is a failed run.

A test that cannot find its data or a server skips itself and says so in its reason. That is right on a laptop and wrong where
everything is meant to be there: with `VPP_FAIL_ON_SKIP=1` any skip ends the run with status 1 and the list of reasons.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any, Final

import pytest
import structlog

FAIL_ON_SKIP: Final = "VPP_FAIL_ON_SKIP"


class SkipWatch:
    """Collects the skips of this process and of its pytest-xdist workers, and fails the run for them."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self.skipped: list[str] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """One phase of one test; an expected failure is reported as skipped too, and is none."""
        if report.skipped and not hasattr(report, "wasxfail"):
            self.skipped.append(_line(report))

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """A module that skipped itself while it was collected."""
        if report.skipped:
            self.skipped.append(_line(report))

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any, error: object) -> None:
        """A worker has ended: what it skipped while collecting is known only to itself."""
        self.skipped.extend(getattr(node, "workeroutput", {}).get("skipped", ()))

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Hands the list on, or judges by it."""
        output = getattr(self._config, "workeroutput", None)
        if output is not None:
            output["skipped"] = self.skipped
        elif self.skipped and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """The reasons, before the last line."""
        if self.skipped:
            terminalreporter.section(f"skipped, and {FAIL_ON_SKIP} is set: the run fails", red=True)
            for line in sorted(set(self.skipped)):
                terminalreporter.write_line(line)


@pytest.fixture(autouse=True)
def _logs_as_they_come() -> Iterator[None]:
    """A command that sets how much is logged sets it for its own process, not for the tests after it."""
    yield
    structlog.reset_defaults()


def pytest_configure(config: pytest.Config) -> None:
    """A plugin of its own, because hooks of a conftest do not see the doctests outside this folder."""
    if os.environ.get(FAIL_ON_SKIP) == "1":
        config.pluginmanager.register(SkipWatch(config), "skip-watch")


def _line(report: pytest.TestReport | pytest.CollectReport) -> str:
    reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
    return f"{report.nodeid}: {reason}"
