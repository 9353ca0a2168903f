"""`vpp openadr` and `vpp iec104`: what a grid operator's protocols need, and each of them as a process of its own."""

from __future__ import annotations

import argparse
import sys
from datetime import date
from pathlib import Path
from typing import Any, Final

from controllers.cli_park import default_park_path
from controllers.clock import WallClock
from vpp.errors import ParkError, VppError
from vpp.park import Park, load, load_record

__all__ = ["COMMANDS", "add_operator_commands", "operator_command"]

COMMANDS: Final = frozenset({"openadr", "iec104"})
_BAD_INPUT: Final = 2


def add_operator_commands(commands: Any) -> None:
    """Adds both to the command line."""
    openadr = commands.add_parser("openadr", help="OpenADR 3 beside the running service (docs/connect_grid.md)")
    what = openadr.add_subparsers(dest="what", required=True, metavar="WHAT")
    what.add_parser("secret", help="a new client secret, and the line for the settings file")
    sides = {"vtn": "the park as server, for an operator and for sites", "ven": "the park as client of an operator"}
    sides["old"] = "version 2.0b, for sites whose client is older"
    for name, words in sides.items():
        side = what.add_parser(name, help=words)
        side.add_argument("--config", type=Path, required=True, metavar="FILE", help="settings as TOML")
    iec104 = commands.add_parser("iec104", help="IEC 60870-5-104 beside the running service (docs/connect_grid.md)")
    what = iec104.add_subparsers(dest="what", required=True, metavar="WHAT")
    points = what.add_parser("points", help="the point list (点表) of a park")
    points.add_argument("--csv", action="store_true", help="as a dispatch centre imports it")
    serve = what.add_parser("serve", help="the station")
    serve.add_argument("--config", type=Path, required=True, metavar="FILE", help="settings as TOML")
    for one in (points, serve):
        one.add_argument("--park", help="park file or folder (default: the project's own)")
        one.add_argument("--at", help="day as of which the park is taken, as in 2030-01-01 (default: today)")


def operator_command(told: argparse.Namespace) -> int:
    """Runs one; 2 for bad input, with one line that says what and where."""
    try:
        if told.command == "openadr":
            _openadr(told)
        else:
            _iec104(told)
    except VppError as error:
        print(error, file=sys.stderr)  # noqa: T201  a command speaks on the terminal
        return _BAD_INPUT
    except KeyboardInterrupt:
        return 0
    return 0


def _openadr(told: argparse.Namespace) -> None:
    # A list of points needs no web server.
    from controllers.adapters.openadr3.vtn.settings import new_secret
    from controllers.adapters.processes import run_old, run_ven, run_vtn

    if told.what == "secret":
        text, digest = new_secret()
        _say(f"secret         {text}  (shown this once; for the client)")
        _say(f'settings file  secret_sha256 = "{digest}"')
    elif told.what == "vtn":
        run_vtn(told.config, None, _say)
    elif told.what == "ven":
        run_ven(told.config, None, _say)
    else:
        run_old(told.config, _say)


def _iec104(told: argparse.Namespace) -> None:
    from controllers.adapters.iec104.points import as_csv, as_table, points_of
    from controllers.adapters.processes import run_station

    park = _park(told)
    if told.what == "serve":
        run_station(told.config, park, None, _say)
        return
    points = points_of(park)
    _say(as_csv(points).rstrip("\n") if told.csv else as_table(points))


def _park(told: argparse.Namespace) -> Park:
    source = Path(told.park) if told.park else default_park_path()
    try:
        at = date.fromisoformat(told.at) if told.at else WallClock().now().date()
    except ValueError as error:
        raise ParkError([f"--at: {told.at}: not a day; write YYYY-MM-DD"]) from error
    return load(source, at=max(at, load_record(source).opens()))


def _say(line: str) -> None:
    print(line, flush=True)  # noqa: T201  a command speaks on the terminal
