"""`vpp serve`: the service of a park, until it is interrupted."""

from __future__ import annotations

import argparse
import asyncio
import sys
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

from controllers.cli_park import default_park_path
from vpp.errors import VppError
from vpp.park import load

__all__ = ["add_serve_command", "serve"]

_BAD_INPUT = 2


def add_serve_command(commands: Any) -> None:
    """Adds `serve` to the command line."""
    parser = commands.add_parser("serve", help="the controller service: broker, controller, API and screen")
    parser.add_argument("--park", help="park file or folder (default: the project's own)")
    parser.add_argument("--config", type=Path, metavar="FILE", help="settings as TOML; VPP_... in the environment go before it")
    parser.add_argument("--role", choices=("all", "controller", "api"), default="all", help="one part beside a running broker")


def serve(told: argparse.Namespace) -> int:
    """Runs until it is interrupted; the exit status is 0 if it was, 2 for bad input."""
    # A list of parks or a plan needs no broker and no web server.
    from controllers.serve import Service, operator_token
    from controllers.serve import serve as run
    from controllers.settings import load_settings

    try:
        settings = load_settings(told.config, given={"park": told.park})
        path = settings.park or default_park_path()
        settings = replace(settings, park=path)
        now: datetime = settings.clock.clock().now()
        park = load(path, at=settings.at or now.date())
        if told.role != "controller":
            _say(f"token    {operator_token(settings)}  (operator, 12 h; the screen asks for it once)")
        asyncio.run(run(Service(settings, park, told.role), _say))
    except VppError as error:
        print(error, file=sys.stderr)  # noqa: T201  a command speaks on the terminal
        return _BAD_INPUT
    _say("stopped: everything that was started has ended")
    return 0


def _say(line: str) -> None:
    print(line, flush=True)  # noqa: T201  a command speaks on the terminal
