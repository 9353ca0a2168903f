"""The `vpp` command: what a park company types."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from controllers import cli_acl, cli_forecast, cli_operator, cli_park, cli_plan, cli_serve, cli_service, cli_statement, cli_store

__all__ = ["main"]


def main(words: Sequence[str] | None = None) -> int:
    """Runs one command; the exit status is 0 only if it did what was asked.

    Args:
        words: The command line without the program's name; None for the process's own.
    """
    told = _parser().parse_args(words)
    if told.command == "check":
        return cli_park.check(told.path)
    if told.command == "acl":
        return cli_acl.acl(told)
    if told.command == "forecast":
        return cli_forecast.forecast(told)
    if told.command == "plan":
        return cli_plan.plan(told)
    if told.command == "serve":
        return cli_serve.serve(told)
    if told.command in cli_service.COMMANDS:
        return cli_service.service_command(told)
    if told.command in cli_operator.COMMANDS:
        return cli_operator.operator_command(told)
    if told.command == "statement":
        return cli_statement.statement(told)
    if told.command == "store":
        return cli_store.store(told)
    return cli_park.show(told.park, at=told.at, as_json=told.json)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="vpp", description="Virtual power plant controller (虚拟电厂) of an industrial park.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    check = commands.add_parser("check", help="validate a park file or folder; every fault in one line")
    check.add_argument("path", nargs="?", help="park file or folder; without it the park that travels with the project")
    park = commands.add_parser("park", help="show a park: by area what there is, totals, what is assumed")
    park.add_argument("--park", help="park file or folder")
    park.add_argument("--at", help="day as of which it is shown, as in 2030-01-01")
    park.add_argument("--json", action="store_true", help="the same facts for machines")
    cli_plan.add_plan_command(commands)
    cli_forecast.add_forecast_command(commands)
    cli_statement.add_statement_command(commands)
    cli_serve.add_serve_command(commands)
    cli_acl.add_acl_command(commands)
    cli_service.add_service_commands(commands)
    cli_operator.add_operator_commands(commands)
    cli_store.add_store_command(commands)
    return parser


if __name__ == "__main__":
    sys.exit(main())
