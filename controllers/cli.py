"""The `vpp` command: what a park company types.

A command imports what it needs when it is typed, and nothing of the others: asking the service for its state takes no solver.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Final

__all__ = ["COMMANDS", "Command", "main"]


@dataclass(frozen=True, slots=True)
class Command:
    """One command, by where it is written.

    Args:
        about: Its line in `vpp --help`; the same as it has itself.
        module: Its module.
        add: The function there that adds it, alone or with those it belongs to.
        run: The function there that does it.
    """

    about: str
    module: str
    add: str
    run: str

    def added_to(self, commands: Any) -> None:
        """Imports it and adds all its words."""
        getattr(import_module(self.module), self.add)(commands)

    def done(self, told: argparse.Namespace) -> int:
        """Does it; the exit status."""
        run: Callable[[argparse.Namespace], int] = getattr(import_module(self.module), self.run)
        return run(told)


def _asks(about: str) -> Command:
    return Command(about, "controllers.cli_service", "add_service_commands", "service_command")


def _stations(about: str) -> Command:
    return Command(about, "controllers.cli_operator", "add_operator_commands", "operator_command")


#: All of them, in the order of the help.
COMMANDS: Final = {
    "check": Command(
        "validate a park file or folder; every fault in one line", "controllers.cli_park", "add_park_commands", "park_command"
    ),
    "park": Command(
        "show a park: by area what there is, totals, what is assumed", "controllers.cli_park", "add_park_commands", "park_command"
    ),
    "plan": Command(
        "make one plan and explain it; or solve the reference problem", "controllers.cli_plan", "add_plan_command", "plan"
    ),
    "flexibility": Command(
        "what can be promised to the grid: how much, how long, how surely, at what cost",
        "controllers.cli_flexibility",
        "add_flexibility_command",
        "flexibility",
    ),
    "forecast": Command(
        "train forecasters, predict, report, back-test on public data",
        "controllers.cli_forecast",
        "add_forecast_command",
        "forecast",
    ),
    "statement": Command(
        "statement of a month or a day (结算单): HTML, CSV, JSON",
        "controllers.cli_statement",
        "add_statement_command",
        "statement",
    ),
    "serve": Command(
        "the controller service: broker, controller, API and screen", "controllers.cli_serve", "add_serve_command", "serve"
    ),
    "acl": Command(
        "write the broker's permission file: every device speaks for itself alone",
        "controllers.cli_acl",
        "add_acl_command",
        "acl",
    ),
    "status": _asks("the running park: powers, commands and reasons, alarms"),
    "override": _asks("take an asset into one's own hand, pin it, give it back"),
    "event": _asks("calls of the grid: list, call, amend, cancel, proof"),
    "token": _asks("tokens and keys for the service"),
    "ladder": Command(
        "who is shed in which order, and how often already 切除阶梯",
        "controllers.cli_ladder",
        "add_ladder_command",
        "service_command",
    ),
    "qualify": Command(
        "the qualification test of a virtual power plant 能力测试",
        "controllers.cli_qualify",
        "add_qualify_command",
        "qualify",
    ),
    "openadr": _stations("OpenADR 3 beside the running service (docs/connect_grid.md)"),
    "iec104": _stations("IEC 60870-5-104 beside the running service (docs/connect_grid.md)"),
    "store": Command("the service's ledger: backup, restore, check, info", "controllers.cli_store", "add_store_command", "store"),
}


def main(words: Sequence[str] | None = None) -> int:
    """Runs one command; the exit status is 0 only if it did what was asked.

    Args:
        words: The command line without the program's name; None for the process's own.
    """
    given = sys.argv[1:] if words is None else list(words)
    told = _parser(given[0] if given else "").parse_args(given)
    return COMMANDS[told.command].done(told)


def _parser(chosen: str) -> argparse.ArgumentParser:
    """Every command by its name, the chosen one with all its words."""
    parser = argparse.ArgumentParser(prog="vpp", description="Virtual power plant controller (虚拟电厂) of an industrial park.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    known = COMMANDS.get(chosen)
    if known is not None:
        known.added_to(commands)
    for name, command in COMMANDS.items():
        if known is None or (command.module, command.add) != (known.module, known.add):
            commands.add_parser(name, help=command.about)
    return parser


if __name__ == "__main__":
    sys.exit(main())
